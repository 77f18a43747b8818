//! Which requests.

use super::{Ids, Range, events::is_among};
use crate::{
    ids::{OperationId, ProjectNumber, RequestId, SourceId},
    state::{
        codec,
        kv::{Read, Table},
        tables::{self, TableError},
    },
    traffic::{RejectionCause, RequestRecord, RequestState, StoredRequest},
};
use serde::{Deserialize, Serialize};

/// What requests are asked for. Everything that is named must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestQuery {
    /// Whose they must be.
    #[serde(skip_serializing_if = "ProjectNumber::is_default")]
    pub project: ProjectNumber,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<RequestId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub causes: Option<Vec<RejectionCause>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<SourceId>>,
    /// Bulk operations that asked for an attempt of one of its events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operations: Option<Vec<OperationId>>,
    #[serde(skip_serializing_if = "Range::is_open")]
    pub events: Range,
    #[serde(skip_serializing_if = "Range::is_open")]
    pub ignored: Range,
    #[serde(skip_serializing_if = "Range::is_open")]
    pub created_at: Range,
    #[serde(skip_serializing_if = "Range::is_open")]
    pub ingested_at: Range,
}

impl RequestQuery {
    /// The ids that it may be about.
    #[must_use]
    pub fn ids(&self) -> Ids {
        let named = self.ids.as_ref();
        Ids::around(&self.created_at).among(named.map(|ids| ids.iter().map(|id| id.0)))
    }

    /// Whether it is about a request of the partition that `view` reads.
    ///
    /// # Errors
    /// When a row can't be read.
    pub fn keeps(
        &self,
        view: &impl Read,
        id: RequestId,
        request: &StoredRequest,
    ) -> Result<bool, TableError> {
        let record = codec::decode_row(view, Table::Requests, &request.record)?;
        self.keeps_known(view, id, request, &record)
    }

    /// The same where its record was read already.
    ///
    /// # Errors
    /// When a row can't be read.
    pub fn keeps_known(
        &self,
        view: &impl Read,
        id: RequestId,
        request: &StoredRequest,
        record: &RequestRecord,
    ) -> Result<bool, TableError> {
        if !self.keeps_row(id, request, record) {
            return Ok(false);
        }
        match &self.operations {
            None => Ok(true),
            Some(operations) => tables::has_event_of_operation(view, id, operations),
        }
    }

    fn keeps_row(&self, id: RequestId, request: &StoredRequest, record: &RequestRecord) -> bool {
        let cause = match request.state {
            RequestState::Accepted => None,
            RequestState::Rejected(cause) => Some(cause),
        };
        record.source_id.project() == self.project
            && is_among(self.ids.as_ref(), Some(&id))
            && self.accepted.is_none_or(|wanted| wanted == cause.is_none())
            && self
                .verified
                .is_none_or(|wanted| wanted == record.is_verified())
            && is_among(self.causes.as_ref(), cause.as_ref())
            && is_among(self.sources.as_ref(), Some(&record.source_id))
            && self.events.holds(Some(u64::from(request.events)))
            && self.ignored.holds(Some(u64::from(request.ignored)))
            && self.created_at.holds_time(Some(record.received_at))
            && self.ingested_at.holds_time(Some(request.ingested_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        kit,
        query::Relation,
        time::Timestamp,
        traffic::{Origin, RequestRecord},
    };
    use bytes::Bytes;

    fn keeps(query: &RequestQuery, state: RequestState) -> bool {
        let request = StoredRequest {
            state,
            ingested_at: Timestamp(2000),
            body: None,
            events: 1,
            ignored: 0,
            record: Bytes::new(),
        };
        let record = RequestRecord {
            received_at: Timestamp(1000),
            origin: match state {
                RequestState::Accepted => Origin::Vouched,
                RequestState::Rejected(_) => Origin::Unproven,
            },
            ..kit::record()
        };
        query.keeps_row(RequestId(5), &request, &record)
    }

    #[test]
    fn accepted_and_rejected_are_told_apart() {
        let rejected = RequestState::Rejected(RejectionCause::VerificationFailed);
        let none = RequestQuery::default;
        let late = Range {
            limits: vec![Relation::Above(2000)],
        };
        let of = |cause| Some(vec![cause]);
        for (query, accepted_kept, rejected_kept) in [
            (none(), true, true),
            (
                RequestQuery {
                    accepted: Some(true),
                    ..none()
                },
                true,
                false,
            ),
            (
                RequestQuery {
                    accepted: Some(false),
                    ..none()
                },
                false,
                true,
            ),
            (
                RequestQuery {
                    verified: Some(true),
                    ..none()
                },
                true,
                false,
            ),
            (
                RequestQuery {
                    causes: of(RejectionCause::VerificationFailed),
                    ..none()
                },
                false,
                true,
            ),
            (
                RequestQuery {
                    causes: of(RejectionCause::NoConnection),
                    ..none()
                },
                false,
                false,
            ),
            (
                RequestQuery {
                    ingested_at: late,
                    ..none()
                },
                false,
                false,
            ),
            (
                RequestQuery {
                    ids: Some(vec![RequestId(5)]),
                    ..none()
                },
                true,
                true,
            ),
            (
                RequestQuery {
                    ids: Some(vec![RequestId(6)]),
                    ..none()
                },
                false,
                false,
            ),
            (
                RequestQuery {
                    project: ProjectNumber(1),
                    ..none()
                },
                false,
                false,
            ),
        ] {
            assert_eq!(
                keeps(&query, RequestState::Accepted),
                accepted_kept,
                "{query:?}"
            );
            assert_eq!(keeps(&query, rejected), rejected_kept, "{query:?}");
        }
    }
}
