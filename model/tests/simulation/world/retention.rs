//! Leaders let go of what is old by their time. The run is far shorter than anything's age: nothing may ever go.

use super::World;
use crate::network::Purpose;
use bytes::Bytes;
use model::machine::{Command, LetGo};
use model::policy::retention::{Bounds, Clocks, Seen, next};
use model::state::{keys, tables};
use model::time::Timestamp;

const BOUNDS: Bounds = Bounds {
    max_age_hours: 24,
    max_bytes: u64::MAX,
};

impl World {
    /// A leader looks whether something may go.
    pub(super) fn let_go(&mut self, node: usize, group: usize) -> Result<(), String> {
        if let Some(bytes) = self.what_may_go(node, group)? {
            self.propose(node, group, bytes, Purpose::LetGo);
        }
        Ok(())
    }

    fn what_may_go(&self, node: usize, group: usize) -> Result<Option<Bytes>, String> {
        let stamped = self.nodes[node].clock(self.now);
        let replica = &self.nodes[node].replicas[group];
        let rows = &replica.rows;
        let time = |key| {
            let read = keys::read_u64(rows, key).map(Timestamp);
            read.map_err(|e| e.to_string())
        };
        let seen = Seen {
            clocks: Clocks {
                now: time(keys::META_NOW)?.max(stamped),
                stamped,
            },
            // Too short a run for doubts: every time is believed.
            believed: Timestamp(u64::MAX),
            asked: Clocks {
                now: time(keys::META_LET_GO_AT)?,
                stamped: time(keys::META_LET_GO_STAMP)?,
            },
            filings: tables::filings(rows).map_err(|e| e.to_string())?,
            open_hours: tables::open_hours(rows).map_err(|e| e.to_string())?,
            used_bytes: 0,
        };
        Ok(next(&seen, BOUNDS).map(|going| {
            let command = LetGo {
                hour: going.hour,
                seen_index: replica.applied as u64,
                min_age_ms: going.min_age_ms,
            };
            Command::LetGo(command).envelope(stamped, &[])
        }))
    }
}
