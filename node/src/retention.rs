//! Lets old data go: every now and then, each partition led here moves its horizon.

use crate::{gateway::Gateway, world};
use model::{
    ids::{GroupId, RequestId},
    machine::{AdvanceRetention, Command, Reply, decode_reply},
    policy::retention::{self, Bounds, Seen},
    state::{
        keys,
        kv::{KvError, Read, Table},
        tables,
    },
    time::Timestamp,
};
use std::{sync::Arc, time::Duration};
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
    let envelope = Command::AdvanceRetention(command).envelope(world::now(), &[]);
    match gateway
        .cluster
        .propose(group, envelope)
        .await
        .as_deref()
        .map(decode_reply)
    {
        Ok(Ok(Reply::Retention(advanced))) => {
            info!(%group, before = command.before.0, advanced, "retention moved its horizon");
        }
        // Whatever happened, the next round looks again.
        other => warn!(%group, ?other, "retention not advanced"),
    }
}

fn decide(
    gateway: &Gateway,
    group: GroupId,
    used_bytes: u64,
) -> Result<Option<AdvanceRetention>, KvError> {
    // Asked before the view is taken, so the view holds at least everything up to it.
    let seen_index = gateway.cluster.applied_index(group);
    let view = gateway.cluster.view(group);
    let bounds = Bounds {
        max_age_hours: gateway.config.retention.max_age_hours,
        max_bytes: gateway.config.retention.max_bytes,
    };
    let mut seen = Seen {
        now: world::now(),
        retained_from: Timestamp(keys::read_u64(&view, keys::META_RETAINED_FROM)?),
        oldest_kept: oldest_kept(&view)?,
        oldest_open: None,
        used_bytes,
    };
    // Looking for open events reads all of them, so only when there is something to let go.
    if retention::horizon(&seen, bounds).is_none() {
        return Ok(None);
    }
    seen.oldest_open = tables::oldest_open(&view)?;
    let horizon = retention::horizon(&seen, bounds);
    debug!(?seen, ?horizon, "looked for what may go");
    Ok(horizon.map(|before| AdvanceRetention { before, seen_index }))
}

fn oldest_kept(view: &impl Read) -> Result<Option<Timestamp>, KvError> {
    let rows = view.scan(
        Table::Requests,
        &RequestId(0).key(),
        &RequestId(u128::MAX).key(),
        1,
    )?;
    Ok(rows
        .first()
        .and_then(|(key, _)| RequestId::from_key(key))
        .map(RequestId::minted_at))
}
