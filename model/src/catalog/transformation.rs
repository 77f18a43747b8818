//! A transformation: what reshapes requests on their way to a destination, in versions that never change.

use super::Secret;
use crate::{ids::TransformationId, time::Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A transformation without what it does: that is in its versions, which are rows of their own and read when needed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transformation {
    pub id: TransformationId,
    pub name: String,
    /// The versions that are kept, the oldest first. The last one is current.
    pub versions: Vec<VersionMark>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// An entry in a transformation's list of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionMark {
    pub version: u16,
    pub created_at: Timestamp,
}

/// A version of a transformation: immutable, so that a retry makes the bytes that the first attempt made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransformationVersion {
    pub transformation_id: TransformationId,
    pub version: u16,
    pub program: Program,
    /// Environment variables, which are shown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Environment variables that are never shown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, Secret>,
    /// The version that it was made from again, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_from: Option<u16>,
    pub created_at: Timestamp,
}

/// The program of a version: JavaScript, or a list of steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Program {
    /// JavaScript.
    Code(String),
    /// Steps as `policy::transform` reads them.
    Steps(Vec<Value>),
}

impl Transformation {
    /// Bytes of JavaScript that a version may have.
    pub const CODE_BYTES_MAX: usize = 1024 * 1024;
    /// Versions that are kept at all: none that may be in use goes, so this is where saving ends.
    pub const VERSIONS_MAX: usize = 1000;

    /// The number of the current version.
    #[must_use]
    pub fn version(&self) -> u16 {
        self.versions.last().map_or(0, |mark| mark.version)
    }

    /// The number of the next version; none when there is no room or no number for one.
    #[must_use]
    pub fn next_version(&self) -> Option<u16> {
        let has_room = self.versions.len() < Self::VERSIONS_MAX;
        self.version().checked_add(1).filter(|_| has_room)
    }

    #[must_use]
    pub fn keeps(&self, version: u16) -> bool {
        self.versions.iter().any(|mark| mark.version == version)
    }

    /// The versions beyond the newest `kept` that were current last before `since`, the oldest first. They may go unless
    /// an event still waits for a retry with one.
    #[must_use]
    pub fn surplus(&self, kept: usize, since: Timestamp) -> Vec<u16> {
        let surplus = self.versions.len().saturating_sub(kept.max(1));
        let followed = self.versions.windows(2).take(surplus);
        followed
            .filter(|pair| pair[1].created_at < since)
            .map(|pair| pair[0].version)
            .collect()
    }
}

impl TransformationVersion {
    /// The environment variables of a run, secrets included.
    #[must_use]
    pub fn environment(&self) -> BTreeMap<String, String> {
        let secrets = self.secrets.iter();
        let secrets = secrets.map(|(name, value)| (name.clone(), value.reveal().to_owned()));
        let env = self.env.iter();
        env.map(|(name, value)| (name.clone(), value.clone()))
            .chain(secrets)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_versions(times: &[u64]) -> Transformation {
        let marks = times.iter().zip(1..).map(|(at, version)| VersionMark {
            version,
            created_at: Timestamp(*at),
        });
        Transformation {
            id: TransformationId(1),
            name: "t".into(),
            versions: marks.collect(),
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
        }
    }

    #[test]
    fn the_newest_version_is_current() {
        let mut transformation = with_versions(&[10, 20]);
        assert_eq!(
            (transformation.version(), transformation.next_version()),
            (2, Some(3))
        );
        assert!(transformation.keeps(1) && !transformation.keeps(3));
        transformation.versions = vec![VersionMark {
            version: u16::MAX,
            created_at: Timestamp(0),
        }];
        assert_eq!(transformation.next_version(), None);
        let full = with_versions(&vec![1; Transformation::VERSIONS_MAX]);
        assert_eq!(full.next_version(), None);
    }

    #[test]
    fn what_was_current_lately_does_not_go_however_many_there_are() {
        let transformation = with_versions(&[10, 20, 30, 40, 50]);
        // Version 2 was current until 30.
        for (kept, since, surplus) in [
            (2, 100, vec![1, 2, 3]),
            (2, 31, vec![1, 2]),
            (2, 30, vec![1]),
            (2, 20, vec![]),
            (4, 100, vec![1]),
            (9, 100, vec![]),
            (0, 100, vec![1, 2, 3, 4]),
        ] {
            assert_eq!(
                transformation.surplus(kept, Timestamp(since)),
                surplus,
                "{kept} {since}"
            );
        }
    }

    #[test]
    fn secrets_are_in_the_environment_and_in_nothing_that_is_shown() {
        let version = TransformationVersion {
            transformation_id: TransformationId(1),
            version: 1,
            program: Program::Code("code".into()),
            env: [("A".to_owned(), "b".to_owned())].into(),
            secrets: [("KEY".to_owned(), Secret::new("hidden".into()))].into(),
            restored_from: None,
            created_at: Timestamp(0),
        };
        let environment = version.environment();
        assert_eq!(environment.get("A").map(String::as_str), Some("b"));
        assert_eq!(environment.get("KEY").map(String::as_str), Some("hidden"));
        assert!(!format!("{version:?}").contains("hidden"));
    }
}
