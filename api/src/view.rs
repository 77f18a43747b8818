//! Response bodies: each answer as a type. Fields stand in the order in which they are answered; what is left out and
//! what is null is part of the contract.

pub mod attempt;
pub mod bookmark;
pub mod cli_session;
pub mod cluster;
pub mod connection;
pub mod data;
pub mod destination;
pub mod event;
pub mod execution;
pub mod issue;
pub mod issue_trigger;
pub mod list;
pub mod notifications;
pub mod operation;
pub mod project;
pub mod queue;
pub mod request;
pub mod sign_in;
pub mod source;
pub mod source_type;
pub mod transformation;
pub mod trial;
pub mod words;

use crate::dialect::Dialect;
use model::{catalog::Source, time::Timestamp};

/// The context of a view: what it needs beside the thing itself.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// Where the ingest side is reached, without a trailing slash.
    pub public_url: String,
    /// The id of the project that he looks at.
    pub team: String,
    pub shows_auth: bool,
    pub dialect: Dialect,
    /// Secrets end.
    pub now: Timestamp,
}

impl Viewer {
    /// The ingestion URL of a source, where it takes requests.
    pub fn url(&self, source: &Source) -> String {
        format!("{}/{}", self.public_url, source.id)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A context for tests, in the year 1970.
    pub(crate) fn viewer(shows_auth: bool) -> Viewer {
        Viewer {
            public_url: "https://in.example".into(),
            team: "test".into(),
            shows_auth,
            dialect: Dialect::default(),
            now: Timestamp(0),
        }
    }

    /// A view as it is answered.
    pub(crate) fn json(view: impl serde::Serialize) -> serde_json::Value {
        serde_json::to_value(view).expect("views are JSON")
    }
}
