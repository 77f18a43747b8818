//! A request and the connections that ignored it, as the API shows them.

use super::{
    Viewer,
    data::DataView,
    event::EventView,
    words::{Id, Time, Word},
};
use model::{
    ids::{ConnectionId, EventId, RequestId, SourceId, TransformationId},
    traffic::{
        IgnoreCause, Ignored, IgnoredMeta, Origin, RejectionCause, RequestRecord, RequestState,
        StoredRequest,
    },
};
use schemars::JsonSchema;
use serde::Serialize;

/// A request that reached a source, accepted or rejected.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Request")]
pub struct RequestView {
    pub id: Id<RequestId>,
    pub team_id: String,
    pub verified: bool,
    pub verification: OriginView,
    /// Only what was accepted has events, which it is the data of, and can be kept by a bookmark.
    pub original_event_data_id: Option<Id<RequestId>>,
    pub rejection_cause: Option<Word<RejectionCause>>,
    pub ingested_at: Time,
    pub source_id: Id<SourceId>,
    pub events_count: u16,
    pub cli_events_count: u16,
    pub ignored_count: u16,
    pub updated_at: Time,
    pub created_at: Time,
    /// What it carried; of a request alone, or with `include=data`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<DataView>,
}

/// The provenance of a request: how its origin was proven, or why it was not, the question that admins ask most.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Origin")]
pub struct OriginView {
    #[schemars(extend("enum" = ["nothing", "operator_token", "source", null]))]
    pub by: Option<&'static str>,
    /// The place of the secret that fitted, where the source has secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Option<u8>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A request that waits anew, and its events.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "RetriedRequest")]
pub struct RetriedView {
    pub request: RequestView,
    pub events: Vec<EventView>,
}

/// A connection that did not route a request, and why.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "IgnoredEvent")]
pub struct IgnoredView {
    pub id: Id<EventId>,
    pub team_id: String,
    pub webhook_id: Id<ConnectionId>,
    pub cause: Word<IgnoreCause>,
    pub request_id: Id<RequestId>,
    pub meta: Option<IgnoredMetaView>,
    pub created_at: Time,
}

/// The details of an ignored event, beside its cause.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "IgnoredMeta")]
pub enum IgnoredMetaView {
    /// The parts of the request that the filter did not match.
    Filtered(Vec<String>),
    Duplicate {
        duplicate_of: FirstView,
    },
    TransformationFailed {
        transformation_id: Id<TransformationId>,
        version: u16,
    },
}

/// The original of a duplicate: an event of the same connection, or a request as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "First")]
pub struct FirstView {
    pub request_id: Id<RequestId>,
    pub event_id: Option<Id<EventId>>,
}

impl RequestView {
    pub fn of(
        viewer: &Viewer,
        id: RequestId,
        request: &StoredRequest,
        record: &RequestRecord,
    ) -> Self {
        let rejection_cause = match request.state {
            RequestState::Accepted => None,
            RequestState::Rejected(cause) => Some(cause),
        };
        Self {
            id: id.into(),
            team_id: viewer.team.clone(),
            verified: record.is_verified(),
            verification: OriginView::of(&record.origin),
            original_event_data_id: rejection_cause.is_none().then_some(Id(id)),
            rejection_cause: rejection_cause.map(Word),
            ingested_at: Time(request.ingested_at),
            source_id: record.source_id.into(),
            events_count: request.events,
            cli_events_count: 0,
            ignored_count: request.ignored,
            updated_at: Time(request.ingested_at),
            created_at: Time(record.received_at),
            data: None,
        }
    }
}

impl OriginView {
    fn of(origin: &Origin) -> Self {
        let by = |by| Self {
            by,
            secret: None,
            diagnosis: None,
            message: None,
        };
        match origin {
            Origin::Unproven => by(Some("nothing")),
            Origin::Vouched => by(Some("operator_token")),
            Origin::Proven { secret } => Self {
                secret: Some(*secret),
                ..by(Some("source"))
            },
            Origin::Refused(diagnosis) => Self {
                diagnosis: Some(diagnosis.code().to_owned()),
                message: Some(diagnosis.to_string()),
                ..by(None)
            },
        }
    }
}

impl IgnoredView {
    pub fn of(viewer: &Viewer, id: EventId, ignored: &Ignored) -> Self {
        Self {
            id: id.into(),
            team_id: viewer.team.clone(),
            webhook_id: ignored.connection_id.into(),
            cause: ignored.cause.into(),
            request_id: id.request().into(),
            meta: ignored.meta.as_ref().map(IgnoredMetaView::of),
            created_at: Time(ignored.created_at),
        }
    }
}

impl IgnoredMetaView {
    pub fn of(meta: &IgnoredMeta) -> Self {
        match meta {
            IgnoredMeta::Filtered(parts) => {
                Self::Filtered(parts.iter().map(|part| part.name().to_owned()).collect())
            }
            IgnoredMeta::Duplicate { first } => Self::Duplicate {
                duplicate_of: FirstView {
                    request_id: first.request().into(),
                    // The first event of that connection; a source knows requests as a whole.
                    event_id: (first.ordinal() > 0).then_some(Id(*first)),
                },
            },
            IgnoredMeta::TransformationFailed(used) => Self::TransformationFailed {
                transformation_id: used.id.into(),
                version: used.version,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::{json, viewer};
    use bytes::Bytes;
    use model::{
        kit,
        policy::{document::Part, signature::Diagnosis},
        time::Timestamp,
    };
    use serde_json::{Value, json};

    #[test]
    fn a_rejected_request_says_why() {
        let record = RequestRecord {
            received_at: Timestamp(1000),
            origin: Origin::Refused(Diagnosis::Stale { by_s: 7 }),
            ..kit::record()
        };
        let request = StoredRequest {
            state: RequestState::Rejected(RejectionCause::VerificationFailed),
            ingested_at: Timestamp(1001),
            body: None,
            events: 0,
            ignored: 0,
            record: Bytes::new(),
        };
        let view = json(RequestView::of(
            &viewer(false),
            RequestId(1),
            &request,
            &record,
        ));
        assert_eq!(view["rejection_cause"], "VERIFICATION_FAILED");
        assert_eq!(view["verified"], false);
        assert_eq!(view["verification"]["diagnosis"], "STALE");
        let message = view["verification"]["message"].as_str().expect("words");
        assert!(message.contains("7 s too old"), "{message}");
        assert_eq!(view["events_count"], 0);
        assert_eq!(view["created_at"], "1970-01-01T00:00:01.000Z");
    }

    #[test]
    fn an_ignored_event_says_why() {
        let ignored = |cause, meta| {
            let ignored = Ignored {
                connection_id: ConnectionId(1),
                cause,
                created_at: Timestamp(0),
                meta,
            };
            json(IgnoredView::of(&viewer(false), EventId(3), &ignored))
        };
        let disabled = ignored(IgnoreCause::Disabled, None);
        assert_eq!(
            (&disabled["cause"], &disabled["meta"]),
            (&json!("DISABLED"), &Value::Null)
        );
        let parts = IgnoredMeta::Filtered(vec![Part::Body, Part::Path]);
        let filtered = ignored(IgnoreCause::Filtered, Some(parts));
        assert_eq!(filtered["cause"], "FILTERED");
        assert_eq!(filtered["meta"], json!(["body", "path"]));
    }

    #[test]
    fn a_duplicate_says_of_what() {
        let first = RequestId::mint(Timestamp(5), model::ids::GroupId(1), 7);
        let meta = |ordinal| {
            let first = first.event(ordinal);
            json(IgnoredMetaView::of(&IgnoredMeta::Duplicate { first }))["duplicate_of"].clone()
        };
        assert_eq!(meta(0), json!({"request_id": first, "event_id": null}));
        assert_eq!(
            meta(2),
            json!({"request_id": first, "event_id": first.event(2)})
        );
    }
}
