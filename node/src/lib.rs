//! A node: from sockets to the cluster and back. The binary `tidegate` is its command line.

pub mod admin;
pub mod bulk;
mod catalog_watch;
mod cli;
pub mod config;
mod configure;
pub mod delivery;
mod egress;
mod fatal;
pub mod gateway;
pub mod ingest;
pub mod issues;
mod observations;
pub mod pausing;
mod peer;
mod privacy;
mod queues;
mod reroute;
mod retention;
pub mod runtime;
pub mod script;
mod sessions;
mod stop_signal;
pub mod telemetry;
mod transform;
mod wire;
pub mod world;
mod wrong_tokens;

pub use cli::run;
