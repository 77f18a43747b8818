//! The shared state of one incoming connection, for all who have to do with it.

use actix_web::HttpRequest;
use futures::task::AtomicWaker;
use ipnet::IpNet;
use model::door::{Address, Fault};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
};

/// The party that a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Waits {
    /// For a head.
    ForRequest,
    /// For the rest of a body.
    ForBody,
    /// For our answer.
    ForAnswer,
    /// For its peer, to read the answer.
    ForReader,
    /// It speaks another protocol.
    Upgraded,
}

#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) address: Address,
    waits: AtomicU8,
    fault: OnceLock<Fault>,
    gone: AtomicBool,
    waker: AtomicWaker,
}

impl Line {
    pub(super) fn new(address: Address) -> Self {
        Self {
            address,
            waits: AtomicU8::new(Waits::ForRequest as u8),
            fault: OnceLock::new(),
            gone: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        }
    }

    pub(super) fn waits(&self, whom: Waits) {
        self.waits.store(whom as u8, Ordering::Relaxed);
    }

    /// Moves the connection on to wait for another party, if it has waited for one of these.
    pub(super) fn turn(&self, from: [Waits; 2], to: Waits) {
        if from.iter().any(|whom| self.does_wait(*whom)) {
            self.waits(to);
        }
    }

    pub(super) fn does_wait(&self, whom: Waits) -> bool {
        self.waits.load(Ordering::Relaxed) == whom as u8
    }

    /// The fault in the connection's bytes, if there was one. The first fault is the last one.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault.get().copied()
    }

    pub(super) fn fail(&self, fault: Fault) {
        let _ = self.fault.set(fault);
    }

    /// Ends the connection, for the sake of another one.
    pub(super) fn end(&self) {
        self.gone.store(true, Ordering::Release);
        self.waker.wake();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Registers the task to wake when the connection ends.
    pub(super) fn register(&self, waker: &std::task::Waker) {
        self.waker.register(waker);
    }
}

/// The line that a request came over.
pub(super) fn line_of(request: &HttpRequest) -> Option<&Arc<Line>> {
    request.conn_data()
}

/// Notes that a request's connection speaks another protocol from now on: its route has taken it.
pub(crate) fn upgraded(request: &HttpRequest) {
    if let Some(line) = line_of(request) {
        line.waits(Waits::Upgraded);
    }
}

/// The address on whose share a request counts: its connection's peer, or the one that a trusted proxy names.
pub(crate) fn address_of(request: &HttpRequest, trusted: &[IpNet]) -> Address {
    let peer = request.peer_addr().map(|peer| peer.ip());
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    if trusted.is_empty() {
        return Address::of(peer);
    }
    let lines = request.headers().get_all(FORWARDED_FOR);
    let named: Vec<&str> = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .collect();
    Address::of(behind(peer, &named, trusted))
}

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Each proxy names at the end whom it was asked by, and only what a trusted one says is believed.
fn behind(peer: IpAddr, named: &[&str], trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |ip: IpAddr| {
        let ip = ip.to_canonical();
        trusted.iter().any(|network| network.contains(&ip))
    };
    let mut address = peer;
    for name in named.iter().rev() {
        if !is_trusted(address) {
            break;
        }
        let Some(before) = address_in(name.trim()) else {
            break;
        };
        address = before;
    }
    address
}

/// An address as proxies write it, with a port or without.
fn address_in(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip());
    bare.parse().or_else(|_| with_port()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_trusted_proxy_says_is_believed() {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"]
            .map(|network| network.parse().expect("a network"))
            .into();
        for (peer, named, expected) in [
            ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
            ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
            ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
            // What stands before it, the stranger may have written.
            ("10.0.0.1", "1.1.1.1, 198.51.100.7", "198.51.100.7"),
            ("10.0.0.1", "198.51.100.7, 10.0.0.2", "198.51.100.7"),
            ("10.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
            ("fd00::1", "[2001:db8::1]:80", "2001:db8::1"),
            ("fd00::1", "[2001:db8::1]", "2001:db8::1"),
            ("10.0.0.1", "unknown", "10.0.0.1"),
            ("10.0.0.1", "", "10.0.0.1"),
        ] {
            let named: Vec<&str> = named.split(',').collect();
            let found = behind(peer.parse().expect("an address"), &named, &trusted);
            assert_eq!(found.to_string(), expected, "{peer} {named:?}");
        }
    }
}
