//! `/notifications/webhooks` as it is shown.

use super::words::{Id, Word};
use model::{
    catalog::{Notifications, Topic},
    ids::SourceId,
};
use schemars::JsonSchema;
use serde::Serialize;

/// A source that takes what happens to issues as requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Notifications")]
pub struct NotificationsView {
    pub enabled: bool,
    /// Null: all.
    pub topics: Option<Vec<Word<Topic>>>,
    pub source_id: Option<Id<SourceId>>,
}

impl NotificationsView {
    pub fn of(told: &Notifications) -> Self {
        let topics = told.topics.as_ref();
        Self {
            enabled: told.enabled,
            topics: topics.map(|topics| topics.iter().copied().map(Word).collect()),
            source_id: Some(told.source_id.into()),
        }
    }
}
