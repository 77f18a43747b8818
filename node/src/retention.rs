//! Lets old data go: every now and then, each partition led here lets its oldest hour go, if it may.

use crate::{gateway::Gateway, world};
use model::{
    ids::{GroupId, RequestId},
    machine::{Command, LetGo, Reply},
    policy::retention::{self, Bounds, Clocks, Seen},
    state::{
        keys,
        kv::{KvError, Read, Table},
        tables::{self, TableError},
    },
    time::Timestamp,
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tracing::{debug, info, warn};

/// Runs until it is aborted.
pub(crate) async fn run(gateway: Arc<Gateway>) {
    let every = Duration::from_millis(gateway.config.retention.every_ms);
    loop {
        tokio::time::sleep(every).await;
        let used_bytes = gateway.cluster.disk_usage();
        for group in gateway.cluster.led() {
            advance(&gateway, group, used_bytes).await;
        }
    }
}

async fn advance(gateway: &Arc<Gateway>, group: GroupId, used_bytes: u64) {
    let deciding = {
        let gateway = gateway.clone();
        tokio::task::spawn_blocking(move || decide(&gateway, group, used_bytes))
    };
    let command = match deciding.await {
        Ok(Ok(Some(command))) => command,
        Ok(Ok(None)) | Err(_) => return,
        Ok(Err(error)) => {
            warn!(%group, %error, "retention not decided");
            return;
        }
    };
    let proposed = gateway.propose(group, &Command::LetGo(command)).await;
    match proposed {
        // What may go is asked for twice, and a group that was quiet learns the time by this.
        Ok(Reply::Retention(false)) => debug!(%group, ?command, "retention asked for an hour"),
        Ok(Reply::Retention(true)) => {
            info!(%group, hour = command.hour, min_age_ms = command.min_age_ms, "retention let an hour go");
        }
        // Whatever happened, the next round looks again.
        other => warn!(%group, ?other, "retention not advanced"),
    }
}

fn decide(gateway: &Gateway, group: GroupId, used_bytes: u64) -> Result<Option<LetGo>, TableError> {
    // Asked before the view is taken, so the view holds at least everything up to it.
    let seen_index = gateway.cluster.applied_index(group);
    // One moment for all reads: an event that goes from queue to queue must not be missed in both.
    gateway.cluster.pinned(group, |view| {
        decide_by(gateway, group, seen_index, used_bytes, view)
    })
}

fn decide_by(
    gateway: &Gateway,
    group: GroupId,
    seen_index: u64,
    used_bytes: u64,
    view: &impl Read,
) -> Result<Option<LetGo>, TableError> {
    let bounds = Bounds {
        max_age_hours: gateway.config.retention.max_age_hours,
        max_bytes: gateway.config.retention.max_bytes,
    };
    let time = |key| Ok::<_, KvError>(Timestamp(keys::read_u64(view, key)?));
    let stamped = world::now();
    let mut seen = Seen {
        clocks: Clocks {
            // A group that is quiet has the time of its last entry; the one that is proposed brings it on.
            now: time(keys::META_NOW)?.max(stamped),
            stamped,
        },
        believed: gateway.cluster.time_believed(),
        asked: Clocks {
            now: time(keys::META_LET_GO_AT)?,
            stamped: time(keys::META_LET_GO_STAMP)?,
        },
        filings: tables::filings(view)?,
        open_hours: BTreeSet::new(),
        used_bytes,
    };
    if keys::read_u64(view, keys::META_BODIES_FILED)? == 0 {
        // An earlier version's rows: whatever is proposed first files them. Nobody has looked for open events yet.
        let first = oldest_kept(view)?;
        return Ok(first.map(|hour| LetGo {
            hour,
            seen_index: 0,
            min_age_ms: bounds.max_age_ms(),
        }));
    }
    // Looking for open events reads all of them, so only when there is something to let go.
    if retention::next(&seen, bounds).is_none() {
        return Ok(None);
    }
    seen.open_hours = tables::open_hours(view)?;
    let going = retention::next(&seen, bounds);
    debug!(%group, clocks = ?seen.clocks, open_hours = ?seen.open_hours, ?going, "looked for what may go");
    Ok(going.map(|going| LetGo {
        hour: going.hour,
        seen_index,
        min_age_ms: going.min_age_ms,
    }))
}

fn oldest_kept(view: &impl Read) -> Result<Option<u32>, KvError> {
    let (from, to) = (RequestId(0).key(), RequestId(u128::MAX).key());
    let rows = view.scan(Table::Requests, &from, &to, 1)?;
    let first = rows.first().and_then(|(key, _)| RequestId::from_key(key));
    Ok(first.map(|id| id.minted_at().bucket()))
}
