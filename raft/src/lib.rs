//! Agreement: openraft's groups over the one store, the peer network, and `Cluster`, the handle that everyone else sees.

mod ask;
mod belief;
mod bodies;
mod change;
mod clock;
mod cluster;
mod codec;
mod config;
mod effects;
mod error;
mod fate;
mod fence;
mod formation;
mod forward;
mod group;
mod identity;
mod invitation;
mod leaders;
mod log_store;
mod mending;
mod network;
mod place;
mod pulse;
mod readiness;
mod snapshots;
mod state_machine;
mod status;
mod types;

pub use bodies::{BodiesStatus, Body};
pub use clock::Clock;
pub use cluster::{Answering, Cluster, Leadership};
pub use config::{Config, Environment};
pub use effects::News;
pub use error::{ChangeError, ProposeError, StartError, Unavailable};
pub use log_store::LogStore;
pub use network::Refused;
pub use readiness::Unready;
pub use state_machine::StateMachine;
pub use status::{ClockStatus, GroupStatus, NodeStatus, Status};
pub use types::{Cmd, Member, Resp, TypeConfig};

use std::sync::Arc;

/// Draws 128 bits. Given by the node, which alone owns the dice.
pub type Entropy = Arc<dyn Fn() -> u128 + Send + Sync>;
