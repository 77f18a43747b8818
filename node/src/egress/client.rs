//! Makes clients that know no way around the guard, nor around what puts answers right.

use super::{Egress, answer::Line, guard::Guard};
use actix_rt::net::TcpStream;
use actix_service::ServiceExt;
use actix_tls::connect::Connection;
use awc::{
    ClientRequest, Connector,
    http::{Method, Uri},
};
use rustls::ClientConfig;
use std::{sync::Arc, time::Duration};

/// Name, address, TCP, and TLS with a limit of its own.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// Shorter than what servers commonly allow (5 s and more), so that an attempt seldom meets a connection that its
/// receiver is just closing.
const KEEP_ALIVE: Duration = Duration::from_secs(4);
/// A busy connection is given up after this, so that a name that moved is asked for again.
const LIFETIME: Duration = Duration::from_secs(60);
/// Nothing takes longer; callers set tighter bounds.
const LONGEST: Duration = Duration::from_secs(300);
const HTTPS_PORT: u16 = 443;

/// A client of its own, which shares no connection with another one. It belongs to its thread.
#[derive(Clone)]
pub(crate) struct Client {
    plain: awc::Client,
    /// Its connections are secured below it: what it gets was put right above TLS.
    secured: awc::Client,
}

impl Client {
    /// A client with connections of its own.
    pub(super) fn guarded(egress: &Arc<Egress>, tls: &Arc<ClientConfig>) -> Self {
        let guarded = |secured: Option<Arc<ClientConfig>>| {
            let egress = egress.clone();
            let connector = Connector::new()
                .connector(Guard {
                    egress,
                    tls: secured,
                })
                // Never asked for; without it the client would keep certificates of its own.
                .rustls_0_23(tls.clone())
                // One queue for all would let a slow receiver stop the others; whoever asks bounds what is in flight.
                .limit(0)
                .conn_keep_alive(KEEP_ALIVE)
                .conn_lifetime(LIFETIME)
                .timeout(CONNECT_TIMEOUT);
            // The environment's proxies are not read, encodings are not asked for, redirects are not followed.
            awc::Client::builder()
                .connector(connector)
                .timeout(LONGEST)
                .disable_redirects()
                .no_default_headers()
                .finish()
        };
        Self {
            plain: guarded(None),
            secured: guarded(Some(tls.clone())),
        }
    }

    pub(crate) fn get(&self, url: &str) -> ClientRequest {
        self.request(Method::GET, url)
    }

    pub(crate) fn post(&self, url: &str) -> ClientRequest {
        self.request(Method::POST, url)
    }

    /// A request to a URL. A bad one is told when it is sent.
    pub(crate) fn request(&self, method: Method, url: &str) -> ClientRequest {
        match below_tls(url) {
            Some(uri) => self.secured.request(method, uri),
            None => self.plain.request(method, url),
        }
    }
}

/// What the client that knows nothing of TLS asks for instead of a secured URL: the same at the same port.
fn below_tls(url: &str) -> Option<Uri> {
    let uri: Uri = url.parse().ok()?;
    if uri.scheme_str() != Some("https") {
        return None;
    }
    let port = uri.port_u16().unwrap_or(HTTPS_PORT);
    let authority = format!("{}:{port}", uri.host()?);
    let mut parts = uri.into_parts();
    parts.scheme = Some(awc::http::uri::Scheme::HTTP);
    parts.authority = Some(authority.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// A client of a developer's own machine, for who stands outside of a cluster: nothing is guarded there.
pub(crate) fn to_this_machine() -> awc::Client {
    let connects = actix_tls::connect::Connector::default().service();
    let connects = connects.map(|connected: Connection<Uri, TcpStream>| {
        let (stream, uri) = connected.into_parts();
        Connection::new(uri, Line::new(stream))
    });
    awc::Client::builder()
        .connector(Connector::new().connector(connects))
        .disable_timeout()
        .disable_redirects()
        .no_default_headers()
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secured_url_is_the_same_place_below_tls() {
        for (url, below) in [
            ("https://a.test/hook?x=1", "http://a.test:443/hook?x=1"),
            ("HTTPS://a.test", "http://a.test:443/"),
            ("https://a.test:8443/", "http://a.test:8443/"),
            ("https://a.test:80/", "http://a.test:80/"),
            ("https://user:word@a.test/", "http://a.test:443/"),
            ("https://[::1]/", "http://[::1]:443/"),
        ] {
            let uri = below_tls(url).map(|uri| uri.to_string());
            assert_eq!(uri.as_deref(), Some(below), "{url}");
        }
        for url in ["http://a.test/", "ftp://a.test/", "https", ""] {
            assert_eq!(below_tls(url), None, "{url}");
        }
    }
}
