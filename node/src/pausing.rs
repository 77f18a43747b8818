//! Holds the events of paused connections and lets them go: each partition led here is told of the catalog's pauses, what
//! waits there is held by pages, and what was held leaves by pages. Nothing of it lives in memory only.

use crate::gateway::Gateway;
use futures::future::join_all;
use model::{
    catalog::Catalogs,
    ids::{ConnectionId, GroupId},
    machine::{Command, HoldEvents, ReleaseEvents, Reply},
    policy::pause::{Sweep, marks, paused},
    state::tables::{self, TableError},
    traffic::Paused,
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::time::MissedTickBehavior;
use tracing::{debug, error};

/// How often each partition's leader compares what it holds with the catalog, where that has not changed: it may lead
/// since a moment ago, and events may be left to hold or to let go.
const EVERY: Duration = Duration::from_millis(500);
/// What is proposed here, in the log.
const STEP: &str = "a pause's step";
/// How long an admin's answer waits for partitions to hear of a pause. Those that don't are told by their leaders.
const TELL_WITHIN: Duration = Duration::from_secs(2);
/// Events that one command holds or lets go.
const PAGE: u16 = 250;
/// Due rows that one look for them reads.
const ROWS: usize = 20_000;
/// Between two pages other commands have their turn.
const PAUSE: Duration = Duration::from_millis(10);
/// Pages of one partition before the others are looked at again.
const PAGES_A_TURN: usize = 100;

/// Runs until it is aborted.
pub async fn run(gateway: Arc<Gateway>) {
    let mut changes = gateway.catalog.changes();
    let mut pauses = Pauses::of(&gateway.catalog());
    let mut rounds = tokio::time::interval(EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = rounds.tick() => {}
            changed = changes.next() => {
                let Some(catalog) = changed else { return };
                let earlier = std::mem::replace(&mut pauses, Pauses::of(&catalog));
                if earlier.paused == pauses.paused {
                    continue;
                }
            }
        }
        let led = gateway.cluster.led();
        join_all(led.map(|group| tend(&gateway, group, &pauses))).await;
    }
}

/// What a version of the catalog pauses.
struct Pauses {
    version: u64,
    paused: BTreeSet<ConnectionId>,
}

impl Pauses {
    fn of(catalog: &Catalogs) -> Self {
        Self {
            version: catalog.version,
            paused: paused(catalog),
        }
    }
}

/// Tells every partition at once, wherever it is led, so that a pause that was answered holds what comes next.
pub(crate) async fn tell(gateway: &Gateway) {
    let pauses = Pauses::of(&gateway.catalog());
    let groups = gateway.cluster.data_groups();
    let telling = join_all(groups.map(|group| mark(gateway, group, &pauses)));
    if tokio::time::timeout(TELL_WITHIN, telling).await.is_err() {
        debug!("not every partition has heard of a pause yet");
    }
}

async fn tend(gateway: &Arc<Gateway>, group: GroupId, pauses: &Pauses) {
    let Some(known) = mark(gateway, group, pauses).await else {
        return;
    };
    if let Some(sweep) = Sweep::of(&known) {
        hold(gateway, group, sweep).await;
    }
    for (connection, paused) in known {
        if !paused.holds() {
            release(gateway, group, connection).await;
        }
    }
}

type Known = Vec<(ConnectionId, Paused)>;

/// Tells a partition what it does not know of the catalog's pauses. Answers what it knows then, once that is all.
async fn mark(gateway: &Gateway, group: GroupId, pauses: &Pauses) -> Option<Known> {
    let known = known(gateway, group)?;
    let Some(told) = marks(pauses.version, &pauses.paused, &known) else {
        return Some(known);
    };
    match gateway
        .attempt(group, &Command::MarkPaused(told), STEP)
        .await
    {
        Some(Reply::Marked(true)) => self::known(gateway, group),
        _ => None,
    }
}

fn known(gateway: &Gateway, group: GroupId) -> Option<Known> {
    tables::pauses(&gateway.cluster.view(group))
        .inspect_err(|error| error!(%group, %error, "pauses not read"))
        .ok()
}

async fn hold(gateway: &Arc<Gateway>, group: GroupId, mut sweep: Sweep) {
    for _ in 0..PAGES_A_TURN {
        let view = gateway.cluster.view(group);
        let looking = tokio::task::spawn_blocking(move || {
            let found = sweep.next(&view, ROWS, usize::from(PAGE));
            (sweep, found)
        });
        let Ok((walked, found)) = looking.await else {
            return;
        };
        sweep = walked;
        let page = match found {
            Ok(Some(page)) => page,
            Ok(None) => return,
            Err(error) => return complain(group, &error),
        };
        if is_empty(&page) {
            continue;
        }
        if gateway
            .attempt(group, &Command::HoldEvents(page), STEP)
            .await
            .is_none()
        {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn is_empty(page: &HoldEvents) -> bool {
    page.events.is_empty() && page.swept.is_empty()
}

fn complain(group: GroupId, error: &TableError) {
    error!(%group, %error, "events of paused connections not found");
}

async fn release(gateway: &Gateway, group: GroupId, connection: ConnectionId) {
    let command = Command::ReleaseEvents(ReleaseEvents {
        connection,
        limit: PAGE,
    });
    for _ in 0..PAGES_A_TURN {
        match gateway.attempt(group, &command, STEP).await {
            Some(Reply::Released(true)) => tokio::time::sleep(PAUSE).await,
            // That was all; or whatever it was, the next round looks again.
            _ => return,
        }
    }
}
