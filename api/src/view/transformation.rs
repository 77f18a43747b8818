//! A transformation and its versions as the API shows them. Of secrets nothing but the names is shown.

use super::{
    Viewer,
    words::{Id, Time},
};
use model::{
    catalog::{Program, Transformation, TransformationVersion},
    ids::TransformationId,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A transformation, which reshapes requests on their way, in its current version.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Transformation")]
pub struct TransformationView {
    #[serde(flatten)]
    pub program: ProgramView,
    pub id: Id<TransformationId>,
    pub name: String,
    pub team_id: String,
    pub version: u16,
    /// The API's way of hiding the environment; ours are the secrets.
    pub encrypted_env: (),
    pub iv: (),
    pub updated_at: Time,
    pub created_at: Time,
}

/// A version of a transformation, which never changes.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "TransformationVersion")]
pub struct TransformationVersionView {
    #[serde(flatten)]
    pub program: ProgramView,
    pub transformation_id: Id<TransformationId>,
    pub team_id: String,
    pub version: u16,
    pub is_current: bool,
    pub restored_from: Option<u16>,
    pub created_at: Time,
}

/// The program of a version: its code or steps, and its environment.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Program")]
pub struct ProgramView {
    /// A text in any case, as clients expect; empty where there are steps.
    pub code: String,
    pub steps: Option<Vec<Value>>,
    pub env: BTreeMap<String, String>,
    /// Their names.
    pub secrets: Vec<String>,
}

impl ProgramView {
    fn of(version: &TransformationVersion) -> Self {
        let (code, steps) = match &version.program {
            Program::Code(code) => (code.clone(), None),
            Program::Steps(steps) => (String::new(), Some(steps.clone())),
        };
        Self {
            code,
            steps,
            env: version.env.clone(),
            secrets: version.secrets.keys().cloned().collect(),
        }
    }
}

impl TransformationView {
    pub fn of(
        viewer: &Viewer,
        transformation: &Transformation,
        version: &TransformationVersion,
    ) -> Self {
        Self {
            program: ProgramView::of(version),
            id: transformation.id.into(),
            name: transformation.name.clone(),
            team_id: viewer.team.clone(),
            version: version.version,
            encrypted_env: (),
            iv: (),
            updated_at: Time(transformation.updated_at),
            created_at: Time(transformation.created_at),
        }
    }
}

impl TransformationVersionView {
    pub fn of(
        viewer: &Viewer,
        transformation: &Transformation,
        version: &TransformationVersion,
    ) -> Self {
        Self {
            program: ProgramView::of(version),
            transformation_id: transformation.id.into(),
            team_id: viewer.team.clone(),
            version: version.version,
            is_current: version.version == transformation.version(),
            restored_from: version.restored_from,
            created_at: Time(version.created_at),
        }
    }
}
