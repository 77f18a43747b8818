//! Makes awc clients that know no way around the guard.

use super::{Egress, guard::Guard};
use awc::{Client, Connector};
use rustls::ClientConfig;
use std::{sync::Arc, time::Duration};

/// Name, address and TCP.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Shorter than what servers commonly allow (5 s and more), so that an attempt seldom meets a connection that its
/// receiver is just closing.
const KEEP_ALIVE: Duration = Duration::from_secs(4);
/// A busy connection is given up after this, so that a name that moved is asked for again.
const LIFETIME: Duration = Duration::from_secs(60);
/// Nothing takes longer; callers set tighter bounds.
const LONGEST: Duration = Duration::from_secs(300);

/// A client with connections of its own.
pub(super) fn guarded(egress: Arc<Egress>, tls: Arc<ClientConfig>) -> Client {
    let connector = Connector::new()
        .connector(Guard(egress))
        .rustls_0_23(tls)
        // One queue for all would let a slow receiver stop the others; whoever asks bounds what is in flight.
        .limit(0)
        .conn_keep_alive(KEEP_ALIVE)
        .conn_lifetime(LIFETIME)
        .timeout(CONNECT_TIMEOUT)
        .handshake_timeout(HANDSHAKE_TIMEOUT);
    // The environment's proxies are not read, encodings are not asked for, redirects are not followed.
    Client::builder()
        .connector(connector)
        .timeout(LONGEST)
        .disable_redirects()
        .no_default_headers()
        .finish()
}
