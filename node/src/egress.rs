//! The only way out of this node: whatever it asks over HTTP, a delivery, a token or a sender's key, goes through a
//! client that is made here.

mod answer;
mod client;
mod grant;
mod guard;
pub(crate) mod marks;
mod own;
mod resolve;
#[cfg(test)]
mod stories;
pub(crate) mod tls;
mod wire;

pub(crate) use answer::Broken;
pub(crate) use client::{Client, to_this_machine};
pub(crate) use grant::{GrantError, Granted, grant};
pub(crate) use guard::REFUSED;
#[cfg(test)]
pub(crate) use resolve::Resolve;

use crate::gateway::Gateway;
use model::{catalog::Tls, policy::egress::Reach};
use own::Own;
use rustls::ClientConfig;
use std::sync::Arc;

/// The egress of a node: what all its outgoing clients have in common.
pub(crate) struct Egress {
    pub(crate) reach: Reach,
    resolver: resolve::Resolve,
    own: Own,
    /// The web's public authorities, and no certificate of ours.
    plain: Arc<ClientConfig>,
}

impl Egress {
    /// The way out as the configuration has it.
    pub(crate) fn of(gateway: &Gateway) -> Arc<Self> {
        let config = &gateway.config;
        let listeners = vec![
            config.ingest.listen,
            config.admin.listen,
            config.peer.listen,
        ];
        let cluster = gateway.cluster.clone();
        let members = move || cluster.members().into_values().collect();
        Self::new(
            config.delivery.reach(),
            Own::new(listeners, members),
            resolve::system(),
        )
    }

    fn new(reach: Reach, own: Own, resolver: resolve::Resolve) -> Arc<Self> {
        Arc::new(Self {
            reach,
            resolver,
            own,
            plain: Arc::new(tls::plain()),
        })
    }

    /// An egress for tests, without a cluster, and with whoever tells where names lead.
    #[cfg(test)]
    pub(crate) fn for_tests(
        reach: Reach,
        own: &[std::net::SocketAddr],
        resolver: Resolve,
    ) -> Arc<Self> {
        Self::new(reach, Own::new(own.to_vec(), Vec::new), resolver)
    }

    /// A client of its own, which shares no connection with another one. It belongs to its thread.
    ///
    /// # Errors
    /// When the certificates can't be used.
    pub(crate) fn client(self: &Arc<Self>, tls: &Tls) -> Result<Client, tls::Unusable> {
        let tls = if tls.is_plain() {
            self.plain.clone()
        } else {
            Arc::new(tls::of(tls)?)
        };
        Ok(Client::guarded(self, &tls))
    }

    /// A client for hosts of the public web.
    pub(crate) fn plain_client(self: &Arc<Self>) -> Client {
        Client::guarded(self, &self.plain)
    }
}

/// Reaches nothing inside.
pub(crate) fn closed() -> Arc<Egress> {
    Egress::new(
        Reach::default(),
        Own::new(Vec::new(), Vec::new),
        resolve::system(),
    )
}

/// Reaches this machine, too.
#[cfg(test)]
pub(crate) fn loopback() -> Arc<Egress> {
    let reach = Reach {
        allowed: vec![
            "127.0.0.0/8".parse().expect("a network"),
            "::1/128".parse().expect("one"),
        ],
        ..Reach::default()
    };
    Egress::for_tests(reach, &[], resolve::system())
}
