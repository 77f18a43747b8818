//! A page of a bulk operation: what is selected of the rows that come next, and what is to be done with each.

use crate::{
    gateway::Gateway,
    reroute::{self, RerouteError},
};
use model::{
    ids::{GroupId, OperationId, RequestId},
    machine::{Act, WorkPart},
    policy::{
        bulk::{self, Bounds, Page},
        reroute::Over,
    },
    query::{Ids, Selection},
    state::{
        kv::Read,
        tables::{self, TableError},
    },
    time::Timestamp,
    traffic::{OperationKind, OperationPart, PartReport, RequestState, StoredRequest, Trigger},
};

/// Rows that one page looks at. A query that keeps little makes many small pages.
const ROWS: usize = 20_000;
/// Rows of which a count holds what it found.
const COUNTED: usize = 1_000;
/// Requests whose bodies one page reads.
const REQUESTS: usize = 50;

#[derive(Debug, thiserror::Error)]
pub(crate) enum PageError {
    #[error("looking for what a bulk operation is about")]
    State(#[from] TableError),
    #[error("looking for what a bulk operation is about")]
    Request(#[from] RerouteError),
}

/// The next page of a part. Reads rows and, where requests are routed again, bodies: call it where that may take time.
pub(super) fn next(
    gateway: &Gateway,
    group: GroupId,
    (operation, kind): (OperationId, OperationKind),
    selection: &Selection,
    part: &OperationPart,
) -> Result<WorkPart, PageError> {
    let view = gateway.cluster.view(group);
    let batch = gateway.config.replay.batch;
    let mut page = WorkPart {
        operation,
        page: part.report.page + 1,
        next: part.next,
        acts: Vec::new(),
        unable: 0,
        last: false,
    };
    match kind {
        OperationKind::RetryEvents | OperationKind::CancelEvents => {
            let found = bulk::events(&view, operation, part, bounds(batch), |id, event| {
                selection.keeps_event(&view, id, event)
            })?;
            let act = match kind {
                OperationKind::CancelEvents => Act::Cancel,
                _ => Act::Retry,
            };
            (page.next, page.last) = (found.next, found.last);
            page.acts = found.found.into_iter().map(act).collect();
        }
        OperationKind::RetryRequests => {
            let bounds = bounds(batch.min(REQUESTS));
            let found = bulk::requests(&view, part, bounds, |id, request| {
                selection.keeps_request(&view, id, request)
            })?;
            (page.next, page.last) = (found.next, found.last);
            for (id, request) in found.found {
                route(gateway, &mut page, (id, &request), Over::Known)?;
            }
        }
        OperationKind::RetryIgnored => {
            let bounds = bounds(batch.min(REQUESTS));
            let found = bulk::ignored(&view, part, bounds, |_, ignored| {
                Ok::<_, TableError>(selection.keeps_ignored(ignored))
            })?;
            (page.next, page.last) = (found.next, found.last);
            for (id, ignored) in found.found {
                let over = Over::Ignored(ignored.connection_id);
                match tables::request(&view, id.request())? {
                    None => page.unable += 1,
                    Some(request) => {
                        route(gateway, &mut page, (id.request(), &request), over)?;
                    }
                }
            }
        }
    }
    Ok(page)
}

fn bounds(found: usize) -> Bounds {
    Bounds { rows: ROWS, found }
}

/// Adds what retrying a request comes to.
fn route(
    gateway: &Gateway,
    page: &mut WorkPart,
    (id, request): (RequestId, &StoredRequest),
    over: Over<'_>,
) -> Result<(), RerouteError> {
    let again = reroute::again(gateway, id, request, over, Trigger::BulkRetry)?;
    // What is still ignored was not retried. A request of which nothing has failed has nothing to be retried.
    let useful = again.filter(|again| match over {
        Over::Ignored(_) => !again.events.is_empty(),
        _ => !again.is_idle() || request.state == RequestState::Accepted,
    });
    match useful {
        Some(again) => page.acts.push(Act::Route(again)),
        None => page.unable += 1,
    }
    Ok(())
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum CountError {
    #[error("counting what a query selects")]
    State(#[from] TableError),
    /// More rows than may be looked at.
    #[error("counting what a query selects: there is too much to look at")]
    TooMany,
}

/// Counts what a query selects in these partitions now, exactly; looks at no more than `rows` rows.
pub(crate) fn count(
    gateway: &Gateway,
    kind: OperationKind,
    selection: &Selection,
    groups: impl Iterator<Item = GroupId>,
    rows: usize,
) -> Result<u64, CountError> {
    let (mut counted, mut left) = (0, rows);
    for group in groups {
        counted += count_in(&gateway.cluster.view(group), kind, selection, &mut left)?;
    }
    Ok(counted)
}

fn count_in(
    view: &impl Read,
    kind: OperationKind,
    selection: &Selection,
    left: &mut usize,
) -> Result<u64, CountError> {
    let Ids { from, to } = selection.ids();
    let mut part = OperationPart {
        // Everything that is there.
        opened_at: Timestamp(u64::MAX),
        remembers: false,
        next: from,
        to,
        report: PartReport::default(),
    };
    let mut counted = 0;
    loop {
        let page = count_page(view, kind, selection, &part, (*left).min(COUNTED))?;
        counted += page.found as u64;
        *left -= page.rows;
        part.next = page.next;
        if page.last {
            return Ok(counted);
        }
        if *left == 0 {
            return Err(CountError::TooMany);
        }
    }
}

/// A page of which only the number matters.
struct Counted {
    found: usize,
    next: u128,
    last: bool,
    rows: usize,
}

impl<T> From<Page<T>> for Counted {
    fn from(page: Page<T>) -> Self {
        Self {
            found: page.found.len(),
            next: page.next,
            last: page.last,
            rows: page.rows,
        }
    }
}

fn count_page(
    view: &impl Read,
    kind: OperationKind,
    selection: &Selection,
    part: &OperationPart,
    rows: usize,
) -> Result<Counted, TableError> {
    let bounds = Bounds { rows, found: rows };
    Ok(match kind {
        OperationKind::RetryEvents | OperationKind::CancelEvents => {
            let nobody = OperationId(0);
            bulk::events(view, nobody, part, bounds, |id, event| {
                selection.keeps_event(view, id, event)
            })?
            .into()
        }
        OperationKind::RetryRequests => bulk::requests(view, part, bounds, |id, request| {
            selection.keeps_request(view, id, request)
        })?
        .into(),
        OperationKind::RetryIgnored => bulk::ignored(view, part, bounds, |_, ignored| {
            Ok::<_, TableError>(selection.keeps_ignored(ignored))
        })?
        .into(),
    })
}
