//! The binary `tidegate`.

mod admin;
mod bulk;
mod catalog_cache;
mod cli;
mod config;
mod delivery;
mod error;
mod gateway;
mod ingest;
mod pausing;
mod reroute;
mod retention;
mod runtime;
mod telemetry;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
