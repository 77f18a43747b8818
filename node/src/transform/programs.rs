//! Versions of transformations and filters, ready to run. A version never changes, so what is kept here is never stale.

use super::gates::Gates;
use lru::LruCache;
use model::{
    catalog::{self, Connection, Item, Kind, Rule, TransformationVersion},
    ids::ConnectionId,
    machine,
    policy::{filter::Filter, transform::Steps},
    state::{kv::Read, tables::TableError},
    traffic::TransformationUse,
};
use parking_lot::Mutex;
use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc, thread};
use tokio::sync::Semaphore;

/// Bytes of programs that are kept ready.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Connections whose filters are kept ready.
const CONNECTIONS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// The cache of transformations and filters that run at delivery, ready to run.
pub(crate) struct Transforms {
    ready: Mutex<Ready>,
    filters: Mutex<LruCache<ConnectionId, Filters>>,
    pub(super) gates: Gates,
    /// Steps take memory and one core each: so many run at once.
    pub(super) runs: Semaphore,
}

/// A version of a transformation, ready to run.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) program: Program,
    pub(crate) env: Arc<BTreeMap<String, String>>,
}

#[derive(Debug)]
pub(crate) enum Program {
    Steps(Steps),
    Code(Arc<str>),
    /// Steps that this version of the program does not know.
    Unreadable(String),
}

/// The programs that were used last.
struct Ready {
    by_use: LruCache<TransformationUse, Kept>,
    bytes: usize,
}

struct Kept {
    prepared: Arc<Prepared>,
    bytes: usize,
}

/// The filters of a connection's rules at delivery, by their place among them.
struct Filters {
    connection: Arc<Connection>,
    compiled: Arc<[Option<Arc<Filter>>]>,
}

impl Default for Transforms {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            ready: Mutex::default(),
            filters: Mutex::new(LruCache::new(CONNECTIONS_MAX)),
            gates: Gates::default(),
            runs: Semaphore::new(cores.max(2)),
        }
    }
}

impl Transforms {
    /// A version; none where it is not kept, or not known here yet. `view` is the control group's.
    pub(crate) fn version(
        &self,
        view: &impl Read,
        used: TransformationUse,
    ) -> Result<Option<Arc<Prepared>>, TableError> {
        if let Some(known) = self.ready.lock().find(used) {
            return Ok(Some(known));
        }
        let Some(version) = stored(view, used)? else {
            return Ok(None);
        };
        let bytes = size(&version);
        let prepared = Arc::new(Prepared::of(&version));
        self.ready.lock().keep(used, prepared.clone(), bytes);
        Ok(Some(prepared))
    }

    /// Whether a connection's events had better stay queued for a moment: its scripts are slow, and others share its way.
    pub(crate) fn is_crowded(&self, connection: ConnectionId) -> bool {
        self.gates.is_crowded(connection)
    }

    /// The filters among a connection's rules at delivery.
    pub(crate) fn filters(&self, connection: &Arc<Connection>) -> Arc<[Option<Arc<Filter>>]> {
        let mut filters = self.filters.lock();
        if let Some(known) = filters.get(&connection.id)
            && (Arc::ptr_eq(&known.connection, connection)
                || known.connection.rules == connection.rules)
        {
            return known.compiled.clone();
        }
        let rules = connection.rules_at_delivery().iter();
        let compiled: Arc<[_]> = rules
            .map(|rule| match rule {
                Rule::Filter(filter) => Some(Arc::new(Filter::stored(filter))),
                _ => None,
            })
            .collect();
        let known = Filters {
            connection: connection.clone(),
            compiled: compiled.clone(),
        };
        filters.put(connection.id, known);
        compiled
    }
}

/// A version as the catalog keeps it.
pub(crate) fn stored(
    view: &impl Read,
    used: TransformationUse,
) -> Result<Option<TransformationVersion>, TableError> {
    let key = used.id.version(used.version);
    match machine::item(view, Kind::TransformationVersion, key)? {
        Some(Item::TransformationVersion(version)) => Ok(Some(version)),
        _ => Ok(None),
    }
}

fn size(version: &TransformationVersion) -> usize {
    let program = match &version.program {
        catalog::Program::Code(code) => code.len(),
        // What is compiled of it is larger than its text, if not by much.
        catalog::Program::Steps(steps) => steps.iter().map(|step| step.to_string().len() * 4).sum(),
    };
    program + 1024
}

impl Prepared {
    pub(crate) fn of(version: &TransformationVersion) -> Self {
        Self {
            program: match &version.program {
                catalog::Program::Code(code) => Program::Code(code.as_str().into()),
                catalog::Program::Steps(steps) => match Steps::read("steps", steps) {
                    Ok(steps) => Program::Steps(steps),
                    Err(fault) => Program::Unreadable(fault.to_string()),
                },
            },
            env: Arc::new(version.environment()),
        }
    }
}

impl Default for Ready {
    fn default() -> Self {
        Self {
            by_use: LruCache::unbounded(),
            bytes: 0,
        }
    }
}

impl Ready {
    fn find(&mut self, used: TransformationUse) -> Option<Arc<Prepared>> {
        let known = self.by_use.get(&used)?;
        Some(known.prepared.clone())
    }

    fn keep(&mut self, used: TransformationUse, prepared: Arc<Prepared>, bytes: usize) {
        self.bytes += bytes;
        if let Some(before) = self.by_use.put(used, Kept { prepared, bytes }) {
            self.bytes -= before.bytes;
        }
        while self.bytes > BYTES_MAX && self.by_use.len() > 1 {
            let Some((_, gone)) = self.by_use.pop_lru() else {
                return;
            };
            self.bytes -= gone.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{ids::TransformationId, policy::transform::Env};

    fn prepared() -> Arc<Prepared> {
        Arc::new(Prepared {
            program: Program::Code("code".into()),
            env: Arc::new(Env::new()),
        })
    }

    fn used(version: u16) -> TransformationUse {
        TransformationUse {
            id: TransformationId(1 << 16),
            version,
        }
    }

    #[test]
    fn what_was_not_used_for_the_longest_time_makes_room() {
        let mut ready = Ready::default();
        ready.keep(used(1), prepared(), BYTES_MAX / 2);
        ready.keep(used(2), prepared(), BYTES_MAX / 2);
        assert!(ready.find(used(1)).is_some());
        ready.keep(used(3), prepared(), 1);
        assert!(ready.find(used(2)).is_none());
        assert!(ready.find(used(1)).is_some() && ready.find(used(3)).is_some());
        assert_eq!(ready.bytes, BYTES_MAX / 2 + 1);
        // One that is larger than all that may be kept is kept alone.
        ready.keep(used(4), prepared(), BYTES_MAX * 2);
        assert_eq!((ready.by_use.len(), ready.bytes), (1, BYTES_MAX * 2));
        ready.keep(used(4), prepared(), 5);
        assert_eq!(ready.bytes, 5);
    }
}
