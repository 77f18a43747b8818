//! The binary `tidegate`.

mod admin;
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
mod peer;
mod queues;
mod retention;
mod runtime;
mod script;
mod telemetry;
mod transform;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
