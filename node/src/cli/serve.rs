//! `tidegate serve`: one node.

use super::Failed;
use crate::{config, runtime, telemetry};
use std::{io::Read, path::PathBuf};

/// Run one node of a cluster.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration; `tidegate sample` prints one with every key
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Stop gracefully when standard input is closed: how `tidegate dev` takes its nodes with it
    #[arg(long, hide = true)]
    while_stdin: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failed> {
    let config = config::load_file(&args.config).map_err(Failed::config)?;
    telemetry::start_logs(&config.log);
    if args.while_stdin {
        runtime::serve(config, stdin_closed()).map_err(Failed::running)
    } else {
        runtime::serve(config, std::future::pending()).map_err(Failed::running)
    }
}

/// Resolves when nobody holds the other end of standard input any more.
async fn stdin_closed() {
    let (closed, wait) = tokio::sync::oneshot::channel();
    // A blocking read can't be called off, so it has a thread that dies with the process.
    std::thread::spawn(move || {
        let mut ignored = [0; 64];
        while matches!(std::io::stdin().read(&mut ignored), Ok(1..)) {}
        let _ = closed.send(());
    });
    // A sender that is gone says the same.
    let _ = wait.await;
}
