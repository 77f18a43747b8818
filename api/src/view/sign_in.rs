//! Answers to command lines of this API that sign in: who they are, and where they may work.

use super::words::Id;
use model::{catalog::Project, ids::ProjectId};
use schemars::JsonSchema;
use serde::Serialize;

/// The kind of project, as earlier and as newer command lines need to be told; there is no other here.
const MODE: &str = "inbound";
const TYPE: &str = "event_gateway";

/// A client that is signed in, and the project that it works in.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "SignedIn")]
pub struct SignedInView {
    pub user_id: String,
    pub user_name: String,
    /// Empty: there are no accounts with an address.
    pub user_email: String,
    /// The cluster, which has a name and no other id.
    pub organization_id: String,
    pub organization_name: String,
    pub team_id: Id<ProjectId>,
    /// With the organization before it, in brackets.
    pub team_name: String,
    pub team_name_no_org: String,
    #[schemars(extend("const" = MODE))]
    pub team_mode: &'static str,
    #[schemars(extend("const" = TYPE))]
    pub team_type: &'static str,
    /// Null: a client is known by its key alone.
    #[schemars(extend("type" = "null"))]
    pub client_id: (),
}

/// The same with the key that the client is to use from now on.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "SignIn")]
pub struct SignInView {
    #[serde(flatten)]
    pub signed_in: SignedInView,
    /// Whether somebody has claimed the key; always.
    #[schemars(extend("const" = true))]
    pub claimed: bool,
    pub key: String,
}

/// A project as command lines list it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Team")]
pub struct TeamView {
    pub id: Id<ProjectId>,
    /// With the organization before it, in brackets.
    pub name: String,
    #[schemars(extend("const" = MODE))]
    pub mode: &'static str,
    #[serde(rename = "type")]
    #[schemars(extend("const" = TYPE))]
    pub kind: &'static str,
}

fn with_organization(cluster: &str, project: &Project) -> String {
    format!("[{cluster}] {}", project.name)
}

impl SignedInView {
    /// Somebody in a project of a cluster.
    #[must_use]
    pub fn of(who: &str, cluster: &str, project: &Project) -> Self {
        Self {
            user_id: who.to_owned(),
            user_name: who.to_owned(),
            user_email: String::new(),
            organization_id: cluster.to_owned(),
            organization_name: cluster.to_owned(),
            team_id: project.id.into(),
            team_name: with_organization(cluster, project),
            team_name_no_org: project.name.clone(),
            team_mode: MODE,
            team_type: TYPE,
            client_id: (),
        }
    }
}

impl TeamView {
    #[must_use]
    pub fn of(cluster: &str, project: &Project) -> Self {
        Self {
            id: project.id.into(),
            name: with_organization(cluster, project),
            mode: MODE,
            kind: TYPE,
        }
    }
}
