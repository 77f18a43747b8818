//! A project: a name space of its own for everything that is configured, and what came in and went out by it.

use crate::{
    ids::{ProjectId, ProjectNumber},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, LazyLock};

/// A team's or a customer's share of a cluster. What belongs to one has its number in its id, so that a project's row says
/// no more than what it is called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Project {
    pub id: ProjectId,
    pub name: String,
    /// Its row stays when it is deleted, so that no other gets its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Project {
    /// The project that every cluster has. It has a row once it is renamed.
    #[must_use]
    pub fn default_one() -> &'static Arc<Self> {
        static DEFAULT: LazyLock<Arc<Project>> = LazyLock::new(|| {
            Arc::new(Project {
                id: ProjectId(0),
                name: "default".into(),
                deleted_at: None,
                created_at: Timestamp::ZERO,
                updated_at: Timestamp::ZERO,
            })
        });
        &DEFAULT
    }

    #[must_use]
    pub fn number(&self) -> ProjectNumber {
        self.id.project()
    }
}
