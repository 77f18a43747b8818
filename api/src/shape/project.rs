//! The body of a project.

use super::{bounds::Name, with_shown};
use schemars::JsonSchema;

/// A project, or what of it is to change.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "ProjectInput", transform = with_shown)]
pub struct ProjectShape {
    pub name: Option<Name>,
}
