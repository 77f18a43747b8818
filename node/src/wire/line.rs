//! What is known of one connection by all who have to do with it.

use actix_web::HttpRequest;
use futures::task::AtomicWaker;
use model::door::{Address, Fault};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
};

/// Whom a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Waits {
    /// For a head.
    ForRequest,
    /// For the rest of a body.
    ForBody,
    /// For our answer.
    ForAnswer,
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

    pub(super) fn does_wait(&self, whom: Waits) -> bool {
        self.waits.load(Ordering::Relaxed) == whom as u8
    }

    /// What was wrong with its bytes. The first fault is the last one.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault.get().copied()
    }

    pub(super) fn fail(&self, fault: Fault) {
        let _ = self.fault.set(fault);
    }

    /// It ends, for the sake of another one.
    pub(super) fn end(&self) {
        self.gone.store(true, Ordering::Release);
        self.waker.wake();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Who is woken when it ends.
    pub(super) fn register(&self, waker: &std::task::Waker) {
        self.waker.register(waker);
    }
}

/// The line that a request came over.
pub(crate) fn line_of(request: &HttpRequest) -> Option<&Arc<Line>> {
    request.conn_data()
}

/// Whose share a request takes.
pub(crate) fn address_of(request: &HttpRequest) -> Address {
    let known = line_of(request).map(|line| line.address);
    known.unwrap_or_else(|| {
        let peer = request.peer_addr().map(|peer| peer.ip());
        Address::of(peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
    })
}
