//! The whole gateway except sockets, disks, clocks and dice: every decision is a pure function here.

pub mod catalog;
pub mod clock;
pub mod delivery;
pub mod door;
pub mod envelope;
pub mod fingerprint;
pub mod ids;
pub mod kit;
pub mod machine;
pub mod policy;
pub mod query;
pub mod state;
pub mod time;
pub mod traffic;
pub mod tree;
