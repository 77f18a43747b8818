//! Leaders let go of what is old by their time. The run is far shorter than anything's age: nothing may ever go.

use super::World;
use crate::network::Purpose;
use bytes::Bytes;
use model::ids::RequestId;
use model::machine::{AdvanceRetention, Command};
use model::policy::retention::{Bounds, Seen, horizon};
use model::state::kv::{Read, Table};
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
        let now = self.nodes[node].clock(self.now);
        let replica = &self.nodes[node].replicas[group];
        let rows = &replica.rows;
        let (first, last) = (RequestId(0).key(), RequestId(u128::MAX).key());
        let oldest = rows.scan(Table::Requests, &first, &last, 1);
        let oldest = oldest.map_err(|e| e.to_string())?.pop();
        let retained_from = keys::read_u64(rows, keys::META_RETAINED_FROM);
        let seen = Seen {
            now,
            retained_from: Timestamp(retained_from.map_err(|e| e.to_string())?),
            oldest_kept: oldest
                .and_then(|(key, _)| RequestId::from_key(&key))
                .map(RequestId::minted_at),
            oldest_open: tables::oldest_open(rows).map_err(|e| e.to_string())?,
            used_bytes: 0,
        };
        Ok(horizon(&seen, BOUNDS).map(|before| {
            let seen_index = replica.applied as u64;
            let command = AdvanceRetention { before, seen_index };
            Command::AdvanceRetention(command).envelope(now, &[])
        }))
    }
}
