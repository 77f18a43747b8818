//! The binary `tidegate`.

mod admin;
mod bulk;
mod catalog_cache;
mod cli;
mod config;
mod configure;
mod delivery;
mod egress;
mod error;
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
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
