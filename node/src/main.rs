//! The binary `tidegate`.

mod admin;
mod catalog_cache;
mod cli;
mod config;
mod delivery;
mod error;
mod gateway;
mod ingest;
mod issues;
mod retention;
mod runtime;
mod telemetry;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
