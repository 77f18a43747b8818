//! The guard: resolves once, vets every address, and connects to a vetted one or to none.

use super::{Egress, answer::Line, marks, wire::Wire};
use actix_service::Service;
use actix_tls::connect::{
    ConnectError, ConnectInfo, Connection, rustls_0_23::TlsConnector, tcp::TcpConnector,
};
use awc::http::Uri;
use futures::future::LocalBoxFuture;
use rustls::ClientConfig;
use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 16;

/// Refused connections end as this kind of error, so that an attempt can say so.
pub(crate) const REFUSED: io::ErrorKind = io::ErrorKind::PermissionDenied;

#[derive(Clone)]
pub(super) struct Guard {
    pub(super) egress: Arc<Egress>,
    /// None: its connections are not secured.
    pub(super) tls: Option<Arc<ClientConfig>>,
}

/// Why nothing was connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    NotGlobal,
    OwnListener,
    Port,
    Plain,
    OtherPeer,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotGlobal => {
                "the address is neither global nor in delivery.allow_private_networks"
            }
            Self::OwnListener => "the address is the cluster's own",
            Self::Port => "the port is not in delivery.allow_ports",
            Self::Plain => "http without TLS is for networks of delivery.allow_private_networks",
            Self::OtherPeer => "the connection ended at another address than the vetted one",
        })
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for ConnectError {
    fn from(refusal: Refusal) -> Self {
        Self::Io(io::Error::new(REFUSED, refusal))
    }
}

impl Guard {
    async fn connect(
        self,
        info: ConnectInfo<Uri>,
    ) -> Result<Connection<Uri, Line<Wire>>, ConnectError> {
        let (host, port) = (info.hostname().to_owned(), info.port());
        let asked = marks::started();
        let found = (self.egress.resolver)(bare(&host).to_owned(), port)
            .await
            .map_err(|error| ConnectError::Resolver(Box::new(error)))?;
        marks::resolved(asked);
        if found.is_empty() {
            return Err(ConnectError::NoRecords);
        }
        if let Err(refusal) = self.vet(&found).await {
            tracing::warn!(host, port, %refusal, "connection refused by the guard");
            return Err(refusal.into());
        }
        let vetted = &found[..found.len().min(ADDRESSES_MAX)];
        let connected = TcpConnector::default()
            .service()
            .call(info.set_addrs(vetted.iter().copied()))
            .await?;
        // What is at the other end is what was vetted, or nothing is sent.
        let peer = connected.io_ref().peer_addr().map_err(ConnectError::Io)?;
        if !vetted.contains(&peer) {
            return Err(Refusal::OtherPeer.into());
        }
        let (wire, uri) = match self.tls {
            None => {
                let (stream, uri) = connected.into_parts();
                (Wire::Plain(stream), uri)
            }
            Some(tls) => {
                let handshake = TlsConnector::service(tls).call(connected);
                let secured = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake)
                    .await
                    .unwrap_or_else(|late| Err(late.into()))
                    .map_err(ConnectError::Io)?;
                let (stream, uri) = secured.into_parts();
                (Wire::Secured(Box::new(stream)), uri)
            }
        };
        Ok(Connection::new(uri, Line::new(wire)))
    }

    /// One forbidden address among good ones is how a name is pointed inside: it refuses them all.
    async fn vet(&self, found: &[SocketAddr]) -> Result<(), Refusal> {
        let egress = &*self.egress;
        egress.own.refresh(&egress.resolver).await;
        for address in found {
            let ip = address.ip();
            if !egress.reach.ports.hold(address.port()) {
                return Err(Refusal::Port);
            }
            if !egress.reach.may_connect(ip) {
                return Err(Refusal::NotGlobal);
            }
            if egress.own.holds(*address) {
                return Err(Refusal::OwnListener);
            }
            if self.tls.is_none() && !egress.reach.may_speak_plainly(ip) {
                return Err(Refusal::Plain);
            }
        }
        Ok(())
    }
}

/// A host without the brackets of an IPv6 address.
pub(super) fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

impl Service<ConnectInfo<Uri>> for Guard {
    type Response = Connection<Uri, Line<Wire>>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, ConnectError>>;

    actix_service::always_ready!();

    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        Box::pin(self.clone().connect(info))
    }
}
