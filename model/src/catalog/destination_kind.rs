//! What stands at the other end of a destination: somebody's server, a developer's machine, or nobody.

use serde::{Deserialize, Serialize};

/// The tags are the API's `type`; append only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum DestinationKind {
    /// A server at the destination's URL.
    #[default]
    #[serde(rename = "HTTP")]
    Http,
    /// Whoever listens with the command line. `path` begins with a slash and stands before the request's own.
    #[serde(rename = "CLI")]
    Cli { path: String },
    /// Nobody: everything is accepted, and its attempts show it.
    #[serde(rename = "MOCK_API")]
    MockApi,
}

impl DestinationKind {
    pub const NAMES: [&'static str; 3] = ["HTTP", "CLI", "MOCK_API"];

    /// The API's `type`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Cli { .. } => "CLI",
            Self::MockApi => "MOCK_API",
        }
    }

    pub(super) fn is_http(&self) -> bool {
        *self == Self::Http
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tags_are_the_names_of_the_api() {
        let path = "/hooks".to_owned();
        let all = [
            DestinationKind::Http,
            DestinationKind::Cli { path },
            DestinationKind::MockApi,
        ];
        assert_eq!(
            all.each_ref().map(DestinationKind::name),
            DestinationKind::NAMES
        );
        for kind in all {
            let json = serde_json::to_value(&kind).expect("JSON");
            assert_eq!(json["type"], kind.name());
            assert_eq!(serde_json::from_value(json).ok(), Some(kind));
        }
    }
}
