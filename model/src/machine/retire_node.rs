//! Remembers for good that a node was removed: its id never comes back, whoever restarts in between.

use crate::state::{
    keys,
    kv::{Kv, KvError, Read},
};
use serde::{Deserialize, Serialize};

/// The command that removes a node's id for good, in the control group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetireNode {
    pub node: u64,
}

pub(super) fn apply(kv: &mut impl Kv, command: RetireNode) {
    keys::write_u64(kv, &keys::retired_node(command.node), 1);
}

/// Whether a node of this id was removed.
///
/// # Errors
/// When the store can't be read.
pub fn is_retired(kv: &impl Read, node: u64) -> Result<bool, KvError> {
    Ok(keys::read_u64(kv, &keys::retired_node(node))? != 0)
}
