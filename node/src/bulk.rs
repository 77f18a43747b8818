//! Bulk operations at work: each partition's leader works its part off, page by page, and tells the control group. What
//! was done stands in the partition itself, so whoever leads next goes on from there.

mod page;

use crate::gateway::Gateway;
use api::selection;
use futures::future::join_all;
use model::{
    ids::{GroupId, OperationId},
    machine::{ClosePart, Command, OpenPart, Reply, ReportPart},
    policy::bulk::{self, Step},
    query::{Ids, Selection},
    state::tables::{self, TableError},
    traffic::{Operation, OperationKind, OperationPart, PartReport},
};
use std::{sync::Arc, time::Duration};
use tracing::{debug, error, warn};

pub(crate) use page::{CountError, count};

/// How often each partition's leader looks for something to do.
const EVERY: Duration = Duration::from_millis(500);
/// What is proposed here, in the log.
const STEP: &str = "a bulk operation's step";
/// How long an admin's answer waits for partitions to begin.
const BEGIN_WITHIN: Duration = Duration::from_secs(2);
/// Between two pages other commands have their turn.
const PAUSE: Duration = Duration::from_millis(10);
/// Pages of one operation before the others have theirs, and before the control group is told.
const PAGES_A_TURN: usize = 20;

/// Runs until it is aborted.
pub async fn run(gateway: Arc<Gateway>) {
    let mut known = Known::default();
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(operations) = known.operations(&gateway) else {
            continue;
        };
        let led = gateway.cluster.led();
        join_all(led.map(|group| tend(&gateway, group, operations))).await;
    }
}

/// All operations, those that have ended among them, as the control group has them. They are asked for all the time and
/// seldom change.
#[derive(Default)]
struct Known {
    operations: Vec<(OperationId, Operation)>,
    /// The control group's index right before they were read; none: nothing was read yet.
    read_at: Option<u64>,
}

impl Known {
    fn operations(&mut self, gateway: &Gateway) -> Option<&[(OperationId, Operation)]> {
        // Asked before the view is taken, so the view holds at least everything up to it.
        let index = gateway.cluster.applied_index(GroupId::CONTROL);
        if self.read_at != Some(index) {
            let control = gateway.cluster.view(GroupId::CONTROL);
            self.operations = told(tables::operations(&control))?;
            self.read_at = Some(index);
        }
        Some(&self.operations)
    }
}

/// Opens every partition's part at once, wherever it is led, so that the set is that of the admin's call. Parts that
/// can't be opened now are opened by their leaders.
pub(crate) async fn begin(gateway: &Arc<Gateway>, id: OperationId) {
    let opening = async {
        if catches_up(gateway).await {
            let groups = gateway.cluster.data_groups();
            join_all(groups.map(|group| async move {
                Work { gateway, group, id }.open().await;
            }))
            .await;
        }
    };
    if tokio::time::timeout(BEGIN_WITHIN, opening).await.is_err() {
        debug!(operation = %id, "not every partition has begun yet");
    }
}

async fn tend(gateway: &Arc<Gateway>, group: GroupId, operations: &[(OperationId, Operation)]) {
    // What has ended everywhere is only remembered.
    let live = operations.iter().filter(|(_, known)| !known.is_settled());
    for (id, _) in live {
        let work = Work {
            gateway,
            group,
            id: *id,
        };
        work.turn().await;
    }
    forget(gateway, group, operations).await;
}

/// Parts of operations that the control group has let go are of no use any more.
async fn forget(gateway: &Gateway, group: GroupId, operations: &[(OperationId, Operation)]) {
    let Some(parts) = told(tables::parts(&gateway.cluster.view(group))) else {
        return;
    };
    let is_known = |id: OperationId| operations.iter().any(|(known, _)| *known == id);
    let unknown = parts.into_iter().filter(|(id, _)| !is_known(*id));
    for (operation, _) in unknown {
        // A part that was forgotten too early would be opened again.
        if !catches_up(gateway).await {
            return;
        }
        let control = gateway.cluster.view(GroupId::CONTROL);
        if let Some(None) = told(tables::operation(&control, operation)) {
            let forget = true;
            let command = Command::ClosePart(ClosePart { operation, forget });
            gateway.attempt(group, &command, STEP).await;
        }
    }
}

/// Whether this node now has what the control group has. Until then it may lag behind, and what it knows of an operation
/// may be old news.
async fn catches_up(gateway: &Gateway) -> bool {
    gateway.cluster.linearize(GroupId::CONTROL).await.is_ok()
}

/// One operation in one partition.
struct Work<'a> {
    gateway: &'a Arc<Gateway>,
    group: GroupId,
    id: OperationId,
}

impl Work<'_> {
    /// Goes on for a while, then tells the control group how far it has come.
    async fn turn(&self) {
        let mut worked = None;
        for _ in 0..PAGES_A_TURN {
            let Some((operation, step)) = self.step() else {
                return;
            };
            match step {
                Step::Nothing => return,
                Step::Report(report) => return self.report(report).await,
                Step::Open => {
                    if !catches_up(self.gateway).await || self.open().await.is_none() {
                        return;
                    }
                }
                Step::Close => {
                    let (operation, forget) = (self.id, false);
                    let command = Command::ClosePart(ClosePart { operation, forget });
                    if self.propose(&command).await.is_none() {
                        return;
                    }
                }
                Step::Work(part) => {
                    let Some(part) = self.work(&operation, part).await else {
                        return;
                    };
                    worked = Some(part.report);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        if let Some(report) = worked {
            self.report(report).await;
        }
    }

    /// The operation, and what is to be done for it here next.
    fn step(&self) -> Option<(Operation, Step)> {
        // In this order, as the decision demands.
        let part = told(tables::part(
            &self.gateway.cluster.view(self.group),
            self.id,
        ))?;
        let control = self.gateway.cluster.view(GroupId::CONTROL);
        let operation = told(tables::operation(&control, self.id))??;
        let step = bulk::step(&operation, self.group, part);
        Some((operation, step))
    }

    /// Opens the part. Whoever calls it has made sure that this node is fresh: an operation that has ended must not be
    /// opened again.
    async fn open(&self) -> Option<OperationPart> {
        let (operation, Step::Open) = self.step()? else {
            return None;
        };
        let Ids { from, to } = self.selection(&operation)?.ids();
        self.propose(&Command::OpenPart(OpenPart {
            operation: self.id,
            remembers: matches!(
                operation.kind,
                OperationKind::RetryEvents | OperationKind::CancelEvents
            ),
            from,
            to,
        }))
        .await
    }

    fn selection(&self, operation: &Operation) -> Option<Selection> {
        let read = selection::stored(operation.kind, operation.query.clone());
        read.inspect_err(|error| warn!(operation = %self.id, error, "query not understood here"))
            .ok()
    }

    async fn work(&self, operation: &Operation, part: OperationPart) -> Option<OperationPart> {
        let (gateway, group, id) = (self.gateway.clone(), self.group, self.id);
        let (kind, selection) = (operation.kind, self.selection(operation)?);
        let looking = tokio::task::spawn_blocking(move || {
            page::next(&gateway, group, (id, kind), &selection, &part)
        });
        let page = match looking.await.ok()? {
            Ok(page) => page,
            Err(error) => {
                error!(%group, operation = %id, %error, "page not found");
                return None;
            }
        };
        let worked = self.propose(&Command::WorkPart(page)).await?;
        // Another page was there first: whoever made it goes on.
        (worked.report.page == part.report.page + 1).then_some(worked)
    }

    async fn report(&self, report: PartReport) {
        let command = Command::ReportPart(ReportPart {
            id: self.id,
            group: self.group,
            report,
        });
        self.gateway.attempt(GroupId::CONTROL, &command, STEP).await;
    }

    async fn propose(&self, command: &Command<'_>) -> Option<OperationPart> {
        match self.gateway.attempt(self.group, command, STEP).await? {
            Reply::Part(part) => part,
            _ => None,
        }
    }
}

fn told<T>(read: Result<T, TableError>) -> Option<T> {
    read.inspect_err(|error| error!(%error, "bulk operations not read"))
        .ok()
}
