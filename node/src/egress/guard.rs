//! The guard: resolves once, vets every address, and connects to a vetted one or to none.

use super::{Egress, marks};
use actix_rt::net::TcpStream;
use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection, tcp::TcpConnector};
use awc::http::Uri;
use futures::future::LocalBoxFuture;
use std::{fmt, io, net::SocketAddr, sync::Arc};

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 16;

/// Refused connections end as this kind of error, so that an attempt can say so.
pub(crate) const REFUSED: io::ErrorKind = io::ErrorKind::PermissionDenied;

#[derive(Clone)]
pub(super) struct Guard(pub(super) Arc<Egress>);

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
    ) -> Result<Connection<Uri, TcpStream>, ConnectError> {
        let (host, port) = (info.hostname().to_owned(), info.port());
        let plainly = info.request().scheme_str() != Some("https");
        let asked = marks::started();
        let found = (self.0.resolver)(bare(&host).to_owned(), port)
            .await
            .map_err(|error| ConnectError::Resolver(Box::new(error)))?;
        marks::resolved(asked);
        if found.is_empty() {
            return Err(ConnectError::NoRecords);
        }
        if let Err(refusal) = self.vet(&found, plainly).await {
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
        Ok(connected)
    }

    /// One forbidden address among good ones is how a name is pointed inside: it refuses them all.
    async fn vet(&self, found: &[SocketAddr], plainly: bool) -> Result<(), Refusal> {
        let egress = &*self.0;
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
            if plainly && !egress.reach.may_speak_plainly(ip) {
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
    type Response = Connection<Uri, TcpStream>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, ConnectError>>;

    actix_service::always_ready!();

    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        Box::pin(self.clone().connect(info))
    }
}
