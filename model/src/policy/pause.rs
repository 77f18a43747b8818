//! Pauses of connections, by what a partition's leader has to do: hold their events there, and let them go afterwards.

use crate::{
    catalog::Catalogs,
    ids::{ConnectionId, EventId},
    machine::{HoldEvents, MarkPaused},
    state::{
        keys::{self, Due},
        kv::{Read, Row, Table},
        tables::{self, TableError},
    },
    traffic::{EventStatus, Paused, Stage, Trigger},
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// Connections that one command marks. What is beyond follows with the next.
const MARKS_MAX: usize = 1_000;
/// Rows read at a time.
const CHUNK: usize = 256;

/// The connections that are paused, of all projects.
#[must_use]
pub fn paused(catalogs: &Catalogs) -> BTreeSet<ConnectionId> {
    catalogs.paused().map(|connection| connection.id).collect()
}

/// The pause marks that a partition lacks in this version of the catalog; none when it knows all. A connection that was
/// deleted holds nothing back.
#[must_use]
pub fn marks(
    version: u64,
    paused: &BTreeSet<ConnectionId>,
    known: &[(ConnectionId, Paused)],
) -> Option<MarkPaused> {
    let held = known.iter().filter(|(_, paused)| paused.holds());
    let held: BTreeSet<ConnectionId> = held.map(|(connection, _)| *connection).collect();
    let of = |from: &BTreeSet<ConnectionId>, but: &BTreeSet<ConnectionId>| -> Vec<ConnectionId> {
        from.difference(but).copied().take(MARKS_MAX).collect()
    };
    let (pause, unpause) = (of(paused, &held), of(&held, paused));
    (!pause.is_empty() || !unpause.is_empty()).then_some(MarkPaused {
        version,
        pause,
        unpause,
    })
}

/// The sweep of a partition for events of freshly paused connections: one walk over everything that waits. It holds
/// nothing of value: a successor walks from the front and finds what is left.
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    holding: BTreeMap<ConnectionId, u64>,
    walk: Walk,
    from: Vec<u8>,
}

/// What is walked over: first what is due some time, then what waits for its turn. What has its turn in between is held
/// by the very commit that gives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Walk {
    #[default]
    Due,
    Waiting,
    Ended,
}

impl Sweep {
    /// A walk for the connections whose present events are not all held yet; none when there is no such connection.
    #[must_use]
    pub fn of(known: &[(ConnectionId, Paused)]) -> Option<Self> {
        let holding: BTreeMap<ConnectionId, u64> = known
            .iter()
            .filter(|(_, paused)| paused.stage == Stage::Holding)
            .map(|(connection, paused)| (*connection, paused.index))
            .collect();
        (!holding.is_empty()).then_some(Self {
            holding,
            ..Self::default()
        })
    }

    /// Reads on, over at most `rows` rows, until `events` are found. None: the walk is over and told so.
    ///
    /// # Errors
    /// When the store can't be read or a row is damaged.
    pub fn next(
        &mut self,
        kv: &impl Read,
        rows: usize,
        events: usize,
    ) -> Result<Option<HoldEvents>, TableError> {
        if self.walk == Walk::Ended {
            return Ok(None);
        }
        let mut found = Vec::new();
        let mut looked_at = 0;
        while looked_at < rows && found.len() < events && self.walk != Walk::Ended {
            for (row, event) in self.page(kv, CHUNK.min(events))? {
                looked_at += 1;
                if self.wants(kv, event)? {
                    found.push(event);
                    if found.len() == events {
                        self.from = [row.as_ref(), [0].as_slice()].concat();
                        break;
                    }
                }
            }
        }
        let swept = (self.walk == Walk::Ended).then(|| self.holding.clone().into_iter());
        Ok(Some(HoldEvents {
            events: found,
            swept: swept.into_iter().flatten().collect(),
        }))
    }

    /// The next rows' keys and events. None of them: the walk goes on with what comes after these rows.
    fn page(&mut self, kv: &impl Read, wanted: usize) -> Result<Vec<(Bytes, EventId)>, TableError> {
        let rows = match self.walk {
            Walk::Ended => Vec::new(),
            Walk::Due => kv.scan(Table::Due, &self.from, &[u8::MAX; Due::LEN], wanted)?,
            Walk::Waiting => kv.scan(Table::Index, &self.from, &keys::WAITING_ALL.1, wanted)?,
        };
        let Some((last, _)) = rows.last() else {
            (self.walk, self.from) = match self.walk {
                Walk::Due => (Walk::Waiting, keys::WAITING_ALL.0.to_vec()),
                Walk::Waiting | Walk::Ended => (Walk::Ended, Vec::new()),
            };
            return Ok(Vec::new());
        };
        self.from = [last, [0].as_slice()].concat();
        let walk = self.walk;
        let event = |(key, value): Row| {
            let event = match walk {
                Walk::Due => Due::from_key(&key)?.event,
                Walk::Waiting | Walk::Ended => EventId::from_key(&value)?,
            };
            Some((key, event))
        };
        Ok(rows.into_iter().filter_map(event).collect())
    }

    fn wants(&self, kv: &impl Read, event: EventId) -> Result<bool, TableError> {
        let event = tables::event(kv, event)?;
        Ok(event.is_some_and(|event| {
            event.next_trigger != Trigger::Manual
                && event.status != EventStatus::Hold
                && self.holding.contains_key(&event.connection_id)
        }))
    }
}
