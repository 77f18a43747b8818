//! The cluster's own listeners: no destination leads there, whatever networks are open. A destination could else speak
//! to the admin side of the node that delivers to it.

use super::{guard::bare, resolve::Resolve};
use model::policy::egress::Reach;
use parking_lot::Mutex;
use raft::Member;
use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, SocketAddr, UdpSocket},
    time::Duration,
};
use tokio::time::Instant;
use url::Url;

/// How old the peers' addresses may be.
const FRESH: Duration = Duration::from_secs(30);
/// How soon a name is asked for again that led nowhere.
const AGAIN: Duration = Duration::from_secs(1);

pub(super) struct Own {
    listeners: Vec<SocketAddr>,
    members: Box<dyn Fn() -> Vec<Member> + Send + Sync>,
    peers: Mutex<Peers>,
}

#[derive(Default)]
struct Peers {
    /// Where each name led when it last led somewhere. A name that fails for a moment opens nothing.
    addresses: HashMap<String, HashSet<IpAddr>>,
    ports: HashMap<String, Ports>,
    look_at: Option<Instant>,
}

/// Where a node listens, as it told the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ports {
    /// For peers and admins.
    private: Vec<u16>,
    /// For senders. A port of the public web: it says nothing without its address.
    ingest: Option<u16>,
}

impl Ports {
    fn hold(&self, port: u16) -> bool {
        self.private.contains(&port) || self.ingest == Some(port)
    }
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
            let now = Instant::now();
            if peers.look_at.is_some_and(|at| now < at) {
                return;
            }
            // The others go on with what is known, once something is.
            if peers.look_at.is_some() {
                peers.look_at = Some(now + FRESH);
            }
        }
        let mut ports: HashMap<String, Ports> = HashMap::new();
        for (host, told) in (self.members)().iter().filter_map(listens_at) {
            let known = ports.entry(host).or_default();
            known.private.extend(told.private);
            known.ingest = told.ingest.or(known.ingest);
        }
        let mut found = HashMap::new();
        for host in ports.keys() {
            // The port is of no account to a resolver.
            let addresses = resolver(host.clone(), 0).await.unwrap_or_default();
            let addresses: HashSet<_> = addresses.iter().map(|at| at.ip().to_canonical()).collect();
            if !addresses.is_empty() {
                found.insert(host.clone(), addresses);
            }
        }
        let again = if found.is_empty() || found.len() < ports.len() {
            AGAIN
        } else {
            FRESH
        };
        let mut peers = self.peers.lock();
        peers.addresses.retain(|host, _| ports.contains_key(host));
        peers.addresses.extend(found);
        peers.ports = ports;
        peers.look_at = Some(Instant::now() + again);
    }

    /// Whether one of the cluster's listeners is at this address, or may be: where a peer is whose name has led nowhere yet
    /// is not known, but only inside.
    pub(super) fn holds(&self, address: SocketAddr) -> bool {
        let address = canonical(address);
        let is_here = |listener: &SocketAddr| {
            let (at, to) = (listener.ip(), address.ip());
            listener.port() == address.port()
                && (at == to || to.is_unspecified() || at.is_unspecified() && is_local(to))
        };
        if self.listeners.iter().any(is_here) {
            return true;
        }
        let peers = self.peers.lock();
        peers
            .ports
            .iter()
            .any(|(host, ports)| match peers.addresses.get(host) {
                Some(known) => known.contains(&address.ip()) && ports.hold(address.port()),
                None => ports.private.contains(&address.port()) && !is_global(address.ip()),
            })
    }
}

/// Whether an address is one that any destination may have.
fn is_global(address: IpAddr) -> bool {
    Reach::default().may_connect(address)
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Where a node listens as it told the others: its host, and the ports.
fn listens_at(member: &Member) -> Option<(String, Ports)> {
    let (host, port) = member.peer.rsplit_once(':')?;
    let told = |url: &str| Url::parse(url).ok()?.port_or_known_default();
    let private = port.parse().into_iter().chain(told(&member.admin_url));
    let ports = Ports {
        private: private.collect(),
        ingest: told(&member.ingest_url),
    };
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
    use futures::FutureExt;
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

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
    fn named() -> Member {
        Member {
            peer: "node-2.internal:8082".into(),
            ingest_url: "https://events.example.com".into(),
            admin_url: "http://10.0.0.2:8081".into(),
            incarnation: 1,
        }
    }

    /// A resolver that knows the name when it is told to.
    fn fickle() -> (Resolve, Arc<AtomicBool>) {
        let knows = Arc::new(AtomicBool::new(true));
        let told = knows.clone();
        let resolver: Resolve = Arc::new(move |_, port| {
            let known = told.load(Ordering::Relaxed);
            let address = SocketAddr::from(([10, 0, 0, 2], port));
            async move {
                known
                    .then(|| vec![address])
                    .ok_or_else(|| std::io::Error::other("no such name"))
            }
            .boxed()
        });
        (resolver, knows)
    }

    #[actix_rt::test]
    async fn a_peer_whose_name_fails_for_a_while_stays_closed() {
        let own = Own::new(Vec::new(), || vec![named()]);
        let (resolver, knows) = fickle();
        own.refresh(&resolver).await;
        assert!(own.holds(at("10.0.0.2:8082")) && own.holds(at("10.0.0.2:443")));
        knows.store(false, Ordering::Relaxed);
        own.peers.lock().look_at = Some(Instant::now());
        own.refresh(&resolver).await;
        assert!(own.holds(at("10.0.0.2:8082")) && own.holds(at("10.0.0.2:443")));
        assert!(!own.holds(at("10.0.0.3:8082")));
    }

    #[actix_rt::test]
    async fn where_a_peer_is_that_was_never_found_nothing_inside_is_open_at_its_ports() {
        let own = Own::new(Vec::new(), || vec![named()]);
        let (resolver, knows) = fickle();
        knows.store(false, Ordering::Relaxed);
        own.refresh(&resolver).await;
        for inside in ["10.0.0.2:8082", "10.0.0.2:8081", "192.168.7.7:8081"] {
            assert!(own.holds(at(inside)), "{inside}");
        }
        for open in ["10.0.0.2:9000", "10.0.0.2:443", "93.184.216.34:8081"] {
            assert!(!own.holds(at(open)), "{open}");
        }
        // It is asked for again soon.
        let look_at = own.peers.lock().look_at.expect("looked");
        assert!(look_at <= Instant::now() + AGAIN);
        knows.store(true, Ordering::Relaxed);
        own.peers.lock().look_at = Some(Instant::now());
        own.refresh(&resolver).await;
        assert!(own.holds(at("10.0.0.2:8082")) && !own.holds(at("192.168.7.7:8081")));
    }
}
