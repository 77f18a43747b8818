//! The cluster's own listeners: no destination leads there, whatever networks are open. A destination could else speak
//! to the admin side of the node that delivers to it.

use super::{guard::bare, resolve::Resolve};
use parking_lot::Mutex;
use raft::Member;
use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr, UdpSocket},
    time::Duration,
};
use tokio::time::Instant;
use url::Url;

/// How old the peers' addresses may be.
const FRESH: Duration = Duration::from_secs(30);

pub(super) struct Own {
    listeners: Vec<SocketAddr>,
    members: Box<dyn Fn() -> Vec<Member> + Send + Sync>,
    peers: Mutex<Peers>,
}

#[derive(Default)]
struct Peers {
    addresses: HashSet<SocketAddr>,
    looked_at: Option<Instant>,
}

impl Own {
    pub(super) fn new(
        listeners: Vec<SocketAddr>,
        members: impl Fn() -> Vec<Member> + Send + Sync + 'static,
    ) -> Self {
        Self {
            listeners,
            members: Box::new(members),
            peers: Mutex::default(),
        }
    }

    /// Looks where the peers are now, if that was not done lately.
    pub(super) async fn refresh(&self, resolver: &Resolve) {
        {
            let mut peers = self.peers.lock();
            if peers.looked_at.is_some_and(|at| at.elapsed() < FRESH) {
                return;
            }
            // The others go on with what is known.
            if !peers.addresses.is_empty() {
                peers.looked_at = Some(Instant::now());
            }
        }
        let mut addresses = HashSet::new();
        for member in (self.members)() {
            let Some((host, ports)) = listens_at(&member) else {
                continue;
            };
            // A peer whose name leads nowhere can't be reached by it either.
            for port in ports {
                let found = resolver(host.clone(), port).await.unwrap_or_default();
                addresses.extend(found.into_iter().map(canonical));
            }
        }
        *self.peers.lock() = Peers {
            addresses,
            looked_at: Some(Instant::now()),
        };
    }

    /// Whether one of the cluster's listeners is at this address.
    pub(super) fn holds(&self, address: SocketAddr) -> bool {
        let address = canonical(address);
        let is_here = |listener: &SocketAddr| {
            let (at, to) = (listener.ip(), address.ip());
            listener.port() == address.port()
                && (at == to || to.is_unspecified() || at.is_unspecified() && is_local(to))
        };
        self.listeners.iter().any(is_here) || self.peers.lock().addresses.contains(&address)
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Where a node listens as it told the others: its host, and the ports for peers, admins and senders.
fn listens_at(member: &Member) -> Option<(String, Vec<u16>)> {
    let (host, port) = member.peer.rsplit_once(':')?;
    let told = [&member.admin_url, &member.ingest_url];
    let told = told
        .into_iter()
        .filter_map(|url| Url::parse(url).ok()?.port_or_known_default());
    let ports = port.parse().into_iter().chain(told).collect();
    Some((bare(host).to_owned(), ports))
}

/// Whether an address is this machine's: only such a one can be bound to.
fn is_local(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::resolve;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[actix_rt::test]
    async fn every_nodes_listeners_are_known_by_address_and_port() {
        let member = Member {
            peer: "127.0.0.9:8082".into(),
            ingest_url: "https://events.example.com".into(),
            admin_url: "http://0.0.0.0:8081".into(),
            incarnation: 1,
        };
        let listeners = vec![at("127.0.0.1:7081"), at("0.0.0.0:7080")];
        let own = Own::new(listeners, move || vec![member.clone()]);
        own.refresh(&resolve::system()).await;
        for listener in [
            "127.0.0.1:7081",
            "[::ffff:127.0.0.1]:7081",
            "0.0.0.0:7081",
            "127.0.0.1:7080",
            "127.0.0.5:7080",
            "127.0.0.9:8082",
            "127.0.0.9:8081",
            "127.0.0.9:443",
        ] {
            assert!(own.holds(at(listener)), "{listener}");
        }
        for other in [
            "127.0.0.1:7082",
            "127.0.0.5:7081",
            "127.0.0.9:9000",
            "203.0.113.5:7080",
        ] {
            assert!(!own.holds(at(other)), "{other}");
        }
    }
}
