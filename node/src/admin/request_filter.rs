//! What requests can be filtered by.

use super::{
    api_error::ApiError,
    event_filter::{ids, refuse},
    query::{Query, Range},
};
use model::{
    ids::{OperationId, RequestId, SourceId},
    state::{
        kv::Read,
        tables::{self, TableError},
    },
    traffic::{RejectionCause, RequestRecord, RequestState, StoredRequest},
};

const UNSUPPORTED: [&str; 6] = [
    "search_term",
    "headers",
    "body",
    "parsed_query",
    "path",
    "cli_events_count",
];

#[derive(Debug)]
pub(super) struct RequestFilter {
    /// None: any id.
    pub(super) ids: Option<Vec<RequestId>>,
    accepted: Option<bool>,
    verified: Option<bool>,
    causes: Vec<RejectionCause>,
    sources: Option<Vec<SourceId>>,
    events: Range,
    ignored: Range,
    operations: Option<Vec<OperationId>>,
    pub(super) created_at: Range,
    ingested_at: Range,
}

impl RequestFilter {
    pub(super) fn read(query: &Query) -> Result<Self, ApiError> {
        refuse(query, &UNSUPPORTED)?;
        let accepted = match query.one("status") {
            None => None,
            Some(status) if status.eq_ignore_ascii_case("accepted") => Some(true),
            Some(status) if status.eq_ignore_ascii_case("rejected") => Some(false),
            Some(_) => return Err(ApiError::invalid("status", "expected accepted or rejected")),
        };
        Ok(Self {
            ids: ids(query, "id"),
            accepted,
            verified: query.flag("verified")?,
            causes: query.choices("rejection_cause")?,
            sources: ids(query, "source_id"),
            events: query.numbers("events_count")?,
            ignored: query.numbers("ignored_count")?,
            operations: ids(query, "bulk_retry_id"),
            created_at: query.times("created_at")?,
            ingested_at: query.times("ingested_at")?,
        })
    }

    /// The same with what only its partition knows.
    pub(super) fn keeps_in(
        &self,
        view: &impl Read,
        id: RequestId,
        request: &StoredRequest,
        record: &RequestRecord,
    ) -> Result<bool, TableError> {
        if !self.keeps(request, record) {
            return Ok(false);
        }
        match &self.operations {
            None => Ok(true),
            Some(operations) => tables::has_event_of_operation(view, id, operations),
        }
    }

    fn keeps(&self, request: &StoredRequest, record: &RequestRecord) -> bool {
        let cause = match request.state {
            RequestState::Accepted => None,
            RequestState::Rejected(cause) => Some(cause),
        };
        self.accepted
            .is_none_or(|accepted| accepted == cause.is_none())
            && self
                .verified
                .is_none_or(|verified| verified == record.is_verified())
            && (self.causes.is_empty() || cause.is_some_and(|cause| self.causes.contains(&cause)))
            && self
                .sources
                .as_ref()
                .is_none_or(|sources| sources.contains(&record.source_id))
            && self.events.holds(Some(u64::from(request.events)))
            && self.ignored.holds(Some(u64::from(request.ignored)))
            && self.created_at.holds_time(Some(record.received_at))
            && self.ingested_at.holds_time(Some(request.ingested_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use model::{kit, time::Timestamp, traffic::Origin};

    fn keeps(raw: &str, state: RequestState) -> bool {
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
            origin: if state == RequestState::Accepted {
                Origin::Vouched
            } else {
                Origin::Unproven
            },
            ..kit::record()
        };
        let filter = RequestFilter::read(&Query::parse(raw)).expect("a good query");
        filter.keeps(&request, &record)
    }

    #[test]
    fn accepted_and_rejected_are_told_apart() {
        let rejected = RequestState::Rejected(RejectionCause::VerificationFailed);
        for (raw, accepted_kept, rejected_kept) in [
            ("", true, true),
            ("status=accepted", true, false),
            ("status=rejected", false, true),
            ("verified=true", true, false),
            ("rejection_cause=VERIFICATION_FAILED", false, true),
            ("rejection_cause[]=NO_CONNECTION", false, false),
            ("events_count=1", true, true),
            ("ingested_at[gt]=1970-01-01T00:00:02Z", false, false),
        ] {
            assert_eq!(keeps(raw, RequestState::Accepted), accepted_kept, "{raw}");
            assert_eq!(keeps(raw, rejected), rejected_kept, "{raw}");
        }
        let source = format!("source_id={},{}", SourceId(7), SourceId(1));
        assert!(keeps(&source, rejected));
    }

    #[test]
    fn an_unknown_status_is_named() {
        let error = RequestFilter::read(&Query::parse("status=lost")).expect_err("no status");
        assert_eq!(error.message(), "status: expected accepted or rejected");
    }
}
