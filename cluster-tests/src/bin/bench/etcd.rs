//! etcd with three members, for comparison, if its binary is on the path.

use crate::{
    run::{Run, Target},
    table::Table,
};
use cluster_tests::{admin, clock};
use std::{
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

pub(crate) const NAME: &str = "etcd, 3 members";

struct Members {
    children: Vec<Child>,
    clients: Vec<SocketAddr>,
    _dir: TempDir,
}

impl Drop for Members {
    fn drop(&mut self) {
        for child in &mut self.children {
            // Already gone is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    listener.local_addr().expect("a listener has an address")
}

fn start() -> Option<Members> {
    let there = Command::new("etcd")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if !there.is_ok_and(|status| status.success()) {
        return None;
    }
    let dir = tempfile::tempdir().expect("a directory for etcd");
    let peers: Vec<_> = (0..3).map(|_| free_address()).collect();
    let clients: Vec<_> = (0..3).map(|_| free_address()).collect();
    let cluster: Vec<_> = peers
        .iter()
        .enumerate()
        .map(|(n, peer)| format!("m{n}=http://{peer}"))
        .collect();
    let children = (0..3).filter_map(|n| {
        let (peer, client) = (
            format!("http://{}", peers[n]),
            format!("http://{}", clients[n]),
        );
        Command::new("etcd")
            .args(["--name", &format!("m{n}"), "--log-level", "error"])
            .arg("--data-dir")
            .arg(dir.path().join(format!("m{n}")))
            .args([
                "--listen-peer-urls",
                &peer,
                "--initial-advertise-peer-urls",
                &peer,
            ])
            .args([
                "--listen-client-urls",
                &client,
                "--advertise-client-urls",
                &client,
            ])
            .args(["--initial-cluster", &cluster.join(",")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()
    });
    let members = Members {
        children: children.collect(),
        clients: clients.clone(),
        _dir: dir,
    };
    let healthy = clock::eventually(Duration::from_secs(20), || {
        let up = clients.iter().all(|&client| {
            matches!(
                admin::call(client, "GET", "/health", &[], b""),
                Ok((200, _))
            )
        });
        up.then_some(())
    });
    healthy.map(|()| members)
}

pub(crate) fn measure(run: &Run, table: &mut Table) {
    let Some(members) = start() else {
        table
            .remarks
            .push("etcd: no working binary on the path, so nothing to compare with".into());
        return;
    };
    let pids: Vec<_> = members.children.iter().map(Child::id).collect();
    for &connections in &run.connections {
        let target = Target {
            kind: "etcd",
            request: None,
            addresses: &members.clients,
            paths: &["/v3/kv/put".to_owned()],
            pids: &pids,
        };
        table.add(run.measure(NAME, connections, &target));
    }
}
