//! A project as the API shows it.

use super::words::{Id, Time};
use model::{catalog::Project, ids::ProjectId};
use schemars::JsonSchema;
use serde::Serialize;

/// A name space of its own for what is configured, and what came in and went out by it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Project")]
pub struct ProjectView {
    pub id: Id<ProjectId>,
    pub name: String,
    pub updated_at: Time,
    pub created_at: Time,
}

impl ProjectView {
    #[must_use]
    pub fn of(project: &Project) -> Self {
        Self {
            id: project.id.into(),
            name: project.name.clone(),
            updated_at: Time(project.updated_at),
            created_at: Time(project.created_at),
        }
    }
}
