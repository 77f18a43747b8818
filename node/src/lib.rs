//! A node: from sockets to the cluster and back. The binary `tidegate` is its command line.

mod admin;
mod bulk;
mod catalog_cache;
mod cli;
mod config;
mod configure;
mod delivery;
mod egress;
mod error;
mod fatal;
mod gateway;
mod ingest;
mod issues;
mod pausing;
mod peer;
mod privacy;
mod queues;
mod reroute;
mod retention;
mod runtime;
mod script;
mod sessions;
mod stop_signal;
#[cfg(test)]
mod stories;
mod telemetry;
mod transform;
mod wire;
mod world;
mod wrong_tokens;

pub use cli::run;
