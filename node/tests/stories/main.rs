//! A whole node over its sockets, told by what it is asked for.

mod admin;
mod contract;
mod delivery;
mod ingest;
mod issues;
#[cfg(target_arch = "x86_64")]
mod processor;
mod stage;
