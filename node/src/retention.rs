//! Lets old data go: every now and then, each partition led here moves its horizon.

use crate::{gateway::Gateway, world};
use model::{
    ids::{EventId, GroupId, RequestId},
    machine::{AdvanceRetention, Command, Reply, decode_reply},
    policy::retention::{self, Bounds, Seen},
    state::{
        keys::{self, Due, Held},
        kv::{KvError, Read, Table},
    },
    time::Timestamp,
};
use std::{sync::Arc, time::Duration};
use tracing::{info, warn};

/// Due rows looked at together.
const PAGE: usize = 1_000;

/// Runs until it is aborted.
pub(crate) async fn run(gateway: Arc<Gateway>) {
    let every = Duration::from_millis(gateway.config.retention.every_ms);
    loop {
        tokio::time::sleep(every).await;
        let used_bytes = gateway.cluster.disk_usage();
        for group in (1..=gateway.cluster.partitions()).map(GroupId) {
            if gateway.cluster.leads(group).is_some() {
                advance(&gateway, group, used_bytes).await;
            }
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
    // Looking for open events reads the whole due table, so only when there is something to let go.
    if retention::horizon(&seen, bounds).is_none() {
        return Ok(None);
    }
    seen.oldest_open = oldest_open(&view)?;
    Ok(retention::horizon(&seen, bounds).map(|before| AdvanceRetention { before, seen_index }))
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

/// When the oldest event that still wants an attempt was minted: one that is due some time, or held by a pause.
fn oldest_open(view: &impl Read) -> Result<Option<Timestamp>, KvError> {
    let everything = (&[][..], &[u8::MAX; Due::LEN][..]);
    let due = oldest(view, Table::Due, everything, |key| {
        Some(Due::from_key(key)?.event)
    })?;
    let (from, to) = Held::ALL;
    let held = oldest(view, Table::Index, (&from, &to), |key| {
        Some(Held::from_key(key)?.event)
    })?;
    Ok(due.into_iter().chain(held).min().map(EventId::minted_at))
}

/// The first minted event that a range of keys names.
fn oldest(
    view: &impl Read,
    table: Table,
    (from, to): (&[u8], &[u8]),
    event: impl Fn(&[u8]) -> Option<EventId>,
) -> Result<Option<EventId>, KvError> {
    let mut oldest: Option<EventId> = None;
    let mut from = from.to_vec();
    loop {
        let rows = view.scan(table, &from, to, PAGE)?;
        let Some((last, _)) = rows.last() else {
            return Ok(oldest);
        };
        from = [last, [0].as_slice()].concat();
        let events = rows.iter().filter_map(|(key, _)| event(key));
        oldest = oldest.into_iter().chain(events).min();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        ids::{ConnectionId, DestinationId},
        state::{keys::DueClass, kv::Kv, memory::Memory},
    };

    #[test]
    fn the_oldest_open_event_is_found_behind_any_number_of_due_rows() {
        let mut kv = Memory::default();
        for n in 0..(PAGE as u64 * 2 + 5) {
            let minted = Timestamp(1_000_000 + n);
            // The oldest one is due last.
            let due = Due {
                destination: DestinationId(u128::from(n % 3)),
                class: DueClass::Fresh,
                at: Timestamp(9_000_000 - n),
                event: RequestId::mint(minted, GroupId(1), u128::from(n)).event(1),
            };
            kv.put(Table::Due, &due.key(), &[]);
        }
        assert_eq!(
            oldest_open(&kv).expect("readable"),
            Some(Timestamp(1_000_000))
        );
        assert_eq!(oldest_open(&Memory::default()).expect("readable"), None);
        let held = Held {
            connection: ConnectionId(1),
            due_at: Timestamp(9_000_000),
            event: RequestId::mint(Timestamp(900_000), GroupId(1), 1).event(1),
        };
        kv.put(Table::Index, &held.key(), &[]);
        assert_eq!(
            oldest_open(&kv).expect("readable"),
            Some(Timestamp(900_000))
        );
    }
}
