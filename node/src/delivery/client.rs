//! The only way out of this node: every connection resolves once, vets every address, and connects to a vetted one.

use actix_rt::net::TcpStream;
use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection, Connector as TcpConnector};
use awc::{Client, Connector, http::Uri};
use futures::future::LocalBoxFuture;
use ipnet::IpNet;
use model::policy::egress;
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Shorter than what servers commonly allow (5 s and more), so that an attempt seldom meets a connection that its
/// receiver is just closing.
const KEEP_ALIVE: Duration = Duration::from_secs(4);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Refused addresses end as this kind of error, so that an attempt can say so.
pub(super) const REFUSED: io::ErrorKind = io::ErrorKind::PermissionDenied;

/// Makes the client of one arbiter. It belongs to its thread.
pub(crate) fn guarded(allowed: Arc<[IpNet]>, timeout: Duration) -> Client {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows the default TLS versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    // HTTP/2 of this client's line has a known weakness: it is never offered.
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let connector = Connector::new()
        .connector(Guard { allowed })
        .rustls_0_23(Arc::new(tls))
        // One queue for all destinations would let a slow one stop the others; the lanes bound what is in flight.
        .limit(0)
        .conn_keep_alive(KEEP_ALIVE)
        .timeout(CONNECT_TIMEOUT)
        .handshake_timeout(HANDSHAKE_TIMEOUT);
    Client::builder()
        .connector(connector)
        .timeout(timeout)
        .disable_redirects()
        .no_default_headers()
        .finish()
}

#[derive(Clone)]
struct Guard {
    allowed: Arc<[IpNet]>,
}

impl Guard {
    async fn vetted(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
            .await
            .map_err(|error| ConnectError::Resolver(Box::new(error)))?
            .collect();
        if found.is_empty() {
            return Err(ConnectError::NoRecords);
        }
        // One forbidden address among good ones is how a name is pointed inside: refuse them all.
        let forbidden = found
            .iter()
            .any(|address| !egress::may_connect(address.ip(), &self.allowed));
        if forbidden {
            return Err(ConnectError::Io(refused()));
        }
        Ok(found)
    }
}

fn refused() -> io::Error {
    io::Error::new(REFUSED, "the destination's address is not a global one")
}

impl Service<ConnectInfo<Uri>> for Guard {
    type Response = Connection<Uri, TcpStream>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, ConnectError>>;

    actix_service::always_ready!();

    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        let guard = self.clone();
        Box::pin(async move {
            let host = info.hostname().to_owned();
            let addresses = guard.vetted(&host, info.port()).await?;
            let connected = TcpConnector::default()
                .service()
                .call(info.set_addrs(addresses.iter().copied()))
                .await?;
            // What is at the other end is what was vetted, or nothing is sent.
            let peer = connected.io_ref().peer_addr().map_err(ConnectError::Io)?;
            if !addresses.contains(&peer) {
                return Err(ConnectError::Io(refused()));
            }
            Ok(connected)
        })
    }
}
