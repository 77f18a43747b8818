//! A project's subscription to issues: a source that takes what happens to them as requests of its own.

use crate::{
    ids::{ProjectNumber, SourceId},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notifications {
    pub enabled: bool,
    /// None: all.
    pub topics: Option<Vec<Topic>>,
    /// Where they go in. What is connected to it gets them like any event.
    pub source_id: SourceId,
    pub updated_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Topic {
    /// An issue opens, for the first time or again.
    #[serde(rename = "issue.opened")]
    IssueOpened,
    /// An issue is resolved.
    #[serde(rename = "issue.updated")]
    IssueUpdated,
}

impl Notifications {
    /// The id of a project's subscription.
    #[must_use]
    pub fn id(project: ProjectNumber) -> u128 {
        (u128::from(project.0) << 64) | 1
    }

    #[must_use]
    pub fn project(&self) -> ProjectNumber {
        self.source_id.project()
    }

    #[must_use]
    pub fn wants(&self, topic: Topic) -> bool {
        let listed = |topics: &Vec<Topic>| topics.contains(&topic);
        self.enabled && self.topics.as_ref().is_none_or(listed)
    }
}
