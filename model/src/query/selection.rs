//! What a bulk operation is about, as it is stored with it.

use super::{EventQuery, Ids, IgnoredQuery, RequestQuery};
use crate::{
    ids::{EventId, RequestId},
    state::{kv::Read, tables::TableError},
    traffic::{Event, Ignored, StoredRequest},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

/// A question whose answers something is done to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    Events(EventQuery),
    Requests(RequestQuery),
    Ignored(IgnoredQuery),
}

impl Selection {
    /// The ids that it may be about.
    #[must_use]
    pub fn ids(&self) -> Ids {
        match self {
            Self::Events(query) => query.ids(),
            Self::Requests(query) => query.ids(),
            Self::Ignored(query) => query.ids(),
        }
    }

    /// Whether it is about an event of the partition that `view` reads.
    ///
    /// # Errors
    /// When a row can't be read.
    pub fn keeps_event(
        &self,
        view: &impl Read,
        id: EventId,
        event: &Event,
    ) -> Result<bool, TableError> {
        match self {
            Self::Events(query) => query.keeps(view, id, event),
            Self::Requests(_) | Self::Ignored(_) => Ok(false),
        }
    }

    /// Whether it is about a request of the partition that `view` reads.
    ///
    /// # Errors
    /// When a row can't be read.
    pub fn keeps_request(
        &self,
        view: &impl Read,
        id: RequestId,
        request: &StoredRequest,
    ) -> Result<bool, TableError> {
        match self {
            Self::Requests(query) => query.keeps(view, id, request),
            Self::Events(_) | Self::Ignored(_) => Ok(false),
        }
    }

    /// Whether it is about an ignored event.
    #[must_use]
    pub fn keeps_ignored(&self, ignored: &Ignored) -> bool {
        match self {
            Self::Ignored(query) => query.keeps(ignored),
            Self::Events(_) | Self::Requests(_) => false,
        }
    }
}

/// What a bulk operation was asked to be about. Stored as one text: JSON, which takes new questions without a new layout,
/// or the URL-encoded query that earlier versions stored, which only the API can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    Selection(Box<Selection>),
    Words(String),
}

impl Serialize for Asked {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Words(words) => serializer.serialize_str(words),
            Self::Selection(selection) => {
                let text = serde_json::to_string(selection).map_err(ser::Error::custom)?;
                serializer.serialize_str(&text)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Asked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // Encoded for a URL, no text begins with a brace.
        match text.starts_with('{') {
            true => serde_json::from_str(&text)
                .map(Self::Selection)
                .map_err(de::Error::custom),
            false => Ok(Self::Words(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::{ConnectionId, ProjectNumber},
        query::{Range, Relation},
        state::codec,
        time::Timestamp,
        traffic::{EventStatus, Operation, OperationKind},
    };

    fn asking(asked: Asked) -> Operation {
        Operation {
            kind: OperationKind::RetryEvents,
            query: asked,
            shown: "{}".into(),
            estimated_count: None,
            created_at: Timestamp(1),
            updated_at: Timestamp(1),
            cancelled_at: None,
            completed_at: None,
            parts: Vec::new(),
        }
    }

    #[test]
    fn a_selection_reads_back_from_its_operation() {
        for selection in [
            Selection::Events(EventQuery {
                statuses: Some(vec![EventStatus::Failed]),
                connections: Some(vec![ConnectionId(3)]),
                response_status: Range {
                    limits: vec![Relation::AtLeast(500), Relation::Present(true)],
                },
                ..EventQuery::default()
            }),
            Selection::Requests(RequestQuery {
                accepted: Some(false),
                ..RequestQuery::default()
            }),
            Selection::Ignored(IgnoredQuery::default()),
        ] {
            let operation = asking(Asked::Selection(Box::new(selection)));
            let bytes = codec::encode(&operation);
            assert_eq!(codec::decode::<Operation>(&bytes).ok(), Some(operation));
        }
    }

    #[test]
    fn what_is_asked_is_written_in_few_words() {
        let selection = Selection::Events(EventQuery {
            statuses: Some(vec![EventStatus::Failed]),
            created_at: Range {
                limits: vec![Relation::Below(7)],
            },
            ..EventQuery::default()
        });
        assert_eq!(
            serde_json::to_value(Asked::Selection(Box::new(selection))).expect("a text"),
            r#"{"events":{"statuses":["FAILED"],"created_at":[{"below":7}]}}"#
        );
    }

    #[test]
    fn what_was_asked_before_there_were_projects_is_about_the_default_one() {
        let read: Asked = serde_json::from_value(r#"{"events":{}}"#.into()).expect("a question");
        assert_eq!(
            read,
            Asked::Selection(Box::new(Selection::Events(EventQuery::default())))
        );
        let of_another = Selection::Events(EventQuery {
            project: ProjectNumber(7),
            ..EventQuery::default()
        });
        assert_eq!(
            serde_json::to_value(Asked::Selection(Box::new(of_another))).expect("a text"),
            r#"{"events":{"project":7}}"#
        );
    }

    #[test]
    fn words_of_an_earlier_version_stay_words() {
        let operation = asking(Asked::Words("status=FAILED".into()));
        let bytes = codec::encode(&operation);
        assert_eq!(codec::decode::<Operation>(&bytes).ok(), Some(operation));
    }

    #[test]
    fn a_question_that_this_version_does_not_know_is_refused() {
        for text in [r#"{"events":{"colour":"red"}}"#, r#"{"sources":{}}"#, "{"] {
            assert!(
                serde_json::from_value::<Asked>(text.into()).is_err(),
                "{text}"
            );
        }
    }
}
