//! `tidegate serve`: one node.

use super::Failed;
use crate::{config, fatal, privacy, runtime, telemetry};
use std::{io::Read, path::PathBuf};

/// Run one node of a cluster.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration; `tidegate sample` prints one with every key
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Let nodes talk unencrypted over a network: needed for `peer.tls = false` unless peers are on this machine
    #[arg(long)]
    insecure_peer: bool,
    /// Stop gracefully when standard input is closed: how `tidegate dev` takes its nodes with it
    #[arg(long, hide = true)]
    while_stdin: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failed> {
    let config = config::load_file(&args.config).map_err(Failed::config)?;
    if !(config.peer.is_private() || args.insecure_peer) {
        return Err(Failed::config(format!(
            "peer.tls is off and peer.listen is {}: events would cross the network unencrypted; turn it on, or start with --insecure-peer",
            config.peer.listen
        )));
    }
    telemetry::start_logs(&config.log);
    fatal::end_on_panic();
    privacy::make_files_private();
    privacy::hide_memory();
    privacy::tighten(&config.data_dir).map_err(Failed::running)?;
    #[cfg(debug_assertions)]
    storage::heed_failpoints();
    let served = if args.while_stdin {
        runtime::serve(config, stdin_closed())
    } else {
        runtime::serve(config, std::future::pending())
    };
    served.map_err(|error| {
        if error.is_damage() {
            Failed::damaged(error)
        } else if error.is_misplaced() {
            Failed::config(error)
        } else {
            Failed::running(error)
        }
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unencrypted_peers_on_a_network_are_asked_for_twice() {
        let dir = tempfile::tempdir().expect("a directory");
        let config = dir.path().join("node.toml");
        let text = "[admin]\ntoken = \"sixteen-byte-tkn\"\n\
                    [cluster]\nsecret = \"0123456789abcdef0123456789abcdef\"\nnodes = [\"192.0.2.1:8082\"]\n\
                    [peer]\nlisten = \"192.0.2.1:8082\"\ntls = false\n";
        std::fs::write(&config, text).expect("written");
        let args = Args {
            config,
            insecure_peer: false,
            while_stdin: false,
        };
        let failed = run(&args).expect_err("refused");
        assert!(failed.error.to_string().contains("--insecure-peer"));
    }

    #[test]
    fn on_one_machine_or_encrypted_nothing_is_asked() {
        let mut peer = config::Config::default().peer;
        assert!(peer.tls && peer.is_private());
        peer.tls = false;
        assert!(peer.is_private(), "loopback");
        peer.listen = ([192, 0, 2, 1], 8082).into();
        assert!(!peer.is_private());
    }
}
