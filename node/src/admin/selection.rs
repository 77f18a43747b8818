//! What a bulk operation is about: the same filters that the lists have, read from a query that was given once and is
//! kept with the operation.

use super::{
    api_error::ApiError,
    bulk_query::ISSUE_KEYS,
    event_filter::{EventFilter, refuse},
    ignored_filter::IgnoredFilter,
    issue_data::EventsOf,
    query::{Query, Range},
    request_filter::RequestFilter,
    traffic_scan::Span,
};
use model::{
    ids::{EventId, RequestId},
    state::{
        codec,
        kv::{Read, Table},
        tables::TableError,
    },
    traffic::{Event, Ignored, OperationKind, StoredRequest},
};

#[derive(Debug)]
pub(crate) struct Selection(Filter);

#[derive(Debug)]
enum Filter {
    Events(Box<EventFilter>, EventsOf),
    Requests(Box<RequestFilter>),
    Ignored(IgnoredFilter),
}

impl Selection {
    pub(super) fn read(kind: OperationKind, raw: &str) -> Result<Self, ApiError> {
        let query = Query::parse(raw);
        let filter = match kind {
            OperationKind::RetryEvents | OperationKind::CancelEvents => {
                Filter::Events(Box::new(EventFilter::read(&query)?), of_issues(&query)?)
            }
            OperationKind::RetryRequests => {
                Filter::Requests(Box::new(RequestFilter::read(&query)?))
            }
            OperationKind::RetryIgnored => Filter::Ignored(IgnoredFilter::read(&query)?),
        };
        // What is passed over would widen the operation to things that nobody meant.
        query.finish()?;
        Ok(Self(filter))
    }

    /// Reads the query of an operation that was planned. The error says in words what this node does not understand.
    pub(crate) fn stored(kind: OperationKind, raw: &str) -> Result<Self, String> {
        Self::read(kind, raw).map_err(|error| error.to_string())
    }

    /// The ids that may be among what is selected: `[from, to)`.
    pub(crate) fn ids(&self) -> (u128, u128) {
        match &self.0 {
            Filter::Events(filter, _) => {
                let ids = filter.ids.iter().flatten().map(|id| id.0);
                narrowed(&filter.created_at, filter.ids.is_some(), ids)
            }
            Filter::Requests(filter) => {
                let ids = filter.ids.iter().flatten().map(|id| id.0);
                narrowed(&filter.created_at, filter.ids.is_some(), ids)
            }
            Filter::Ignored(filter) => narrowed(&filter.created_at, false, std::iter::empty()),
        }
    }

    pub(crate) fn keeps_event(
        &self,
        view: &impl Read,
        id: EventId,
        event: &Event,
    ) -> Result<bool, TableError> {
        match &self.0 {
            Filter::Events(filter, of_issues) => {
                Ok(filter.keeps_in(view, id, event)? && of_issues.keeps(event))
            }
            Filter::Requests(_) | Filter::Ignored(_) => Ok(false),
        }
    }

    pub(crate) fn keeps_request(
        &self,
        view: &impl Read,
        id: RequestId,
        request: &StoredRequest,
    ) -> Result<bool, TableError> {
        match &self.0 {
            Filter::Requests(filter) => {
                let record = codec::decode_row(view, Table::Requests, &request.record)?;
                filter.keeps_in(view, id, request, &record)
            }
            Filter::Events(..) | Filter::Ignored(_) => Ok(false),
        }
    }

    pub(crate) fn keeps_ignored(&self, ignored: &Ignored) -> bool {
        match &self.0 {
            Filter::Ignored(filter) => filter.keeps(ignored),
            Filter::Events(..) | Filter::Requests(_) => false,
        }
    }
}

/// The events of the issues that it names. Whoever works a page off can't look issues up: what they are about comes along.
fn of_issues(query: &Query) -> Result<EventsOf, ApiError> {
    let Some(keys) = query.one(ISSUE_KEYS) else {
        refuse(query, &["issue_id"])?;
        return Ok(EventsOf::default());
    };
    // What they are about has come along.
    let _ = query.all("issue_id");
    let keys = serde_json::from_str(keys);
    let keys = keys.map_err(|error| ApiError::invalid(ISSUE_KEYS, error))?;
    Ok(EventsOf::about(Some(keys)))
}

fn narrowed(
    created_at: &Range,
    named: bool,
    ids: impl Iterator<Item = u128> + Clone,
) -> (u128, u128) {
    let span = Span::around(created_at);
    let (from, to) = (first_id(&span.from), first_id(&span.to));
    if !named {
        return (from, to);
    }
    // Nothing that can be an id was named: nothing is selected.
    let (Some(least), Some(most)) = (ids.clone().min(), ids.max()) else {
        return (0, 0);
    };
    let from = from.max(least);
    (from, to.min(most.saturating_add(1)).max(from))
}

/// The first id whose key is not less than these bytes.
fn first_id(bytes: &[u8]) -> u128 {
    let mut key = [0; 16];
    let length = bytes.len().min(16);
    key[..length].copy_from_slice(&bytes[..length]);
    let id = u128::from_be_bytes(key);
    // Longer bytes lie behind the id that they begin with.
    id.saturating_add(u128::from(bytes.len() > 16))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{ids::GroupId, time::Timestamp};

    fn ids(raw: &str) -> (u128, u128) {
        let selection = Selection::read(OperationKind::RetryEvents, raw).expect("a good query");
        selection.ids()
    }

    fn at(ms: u64) -> EventId {
        RequestId::mint(Timestamp(ms), GroupId(1), 7).event(1)
    }

    #[test]
    fn a_window_of_time_is_a_range_of_ids_with_slack() {
        const NOON: u64 = 1_751_371_200_000;
        let (from, to) =
            ids("created_at[gte]=2025-07-01T12:00:00Z&created_at[lt]=2025-07-01T12:20:00Z");
        assert!((from..to).contains(&at(NOON).0));
        assert!((from..to).contains(&at(NOON + 1_200_000).0));
        assert!(!(from..to).contains(&at(NOON - 2 * 3_600_000).0));
        assert!(!(from..to).contains(&at(NOON + 3 * 3_600_000).0));
        let (from, to) = ids("");
        assert!((from..to).contains(&at((1 << 48) - 1).0) && from == 0);
    }

    #[test]
    fn what_can_not_be_told_of_one_event_is_refused() {
        let kind = OperationKind::RetryEvents;
        let refused = Selection::read(kind, "issue_id=iss_1").expect_err("not passed over");
        assert!(refused.message().contains("issue_id"), "{refused:?}");
    }

    #[test]
    fn named_ids_are_a_range_and_what_is_no_id_selects_nothing() {
        let (one, other) = (at(1_000), at(2_000));
        assert_eq!(ids(&format!("id={other},{one}")), (one.0, other.0 + 1));
        assert_eq!(ids("id=evt_nonsense"), (0, 0));
    }
}
