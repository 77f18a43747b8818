//! How much a node takes on at once: a count of requests and the bytes of their bodies.

use crate::error::Refused;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The bounds and what is in use of them.
#[derive(Debug)]
pub(super) struct Admission {
    max_requests: usize,
    max_bytes: usize,
    requests: AtomicUsize,
    bytes: AtomicUsize,
}

/// One admitted request. What it holds is free again when it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    admission: Arc<Admission>,
    bytes: usize,
}

impl Admission {
    pub(super) fn new(max_requests: usize, max_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            max_requests,
            max_bytes,
            requests: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        })
    }

    /// Admits a request. Its body is counted as it comes.
    pub(super) fn admit(self: &Arc<Self>) -> Result<Permit, Refused> {
        if !take(&self.requests, 1, self.max_requests) {
            return Err(Refused::TooMany);
        }
        Ok(Permit {
            admission: self.clone(),
            bytes: 0,
        })
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Permit {
    /// Makes room for a body that turned out to have `bytes`.
    pub(super) fn grow_to(&mut self, bytes: usize) -> Result<(), Refused> {
        let more = bytes.saturating_sub(self.bytes);
        if !take(&self.admission.bytes, more, self.admission.max_bytes) {
            return Err(Refused::TooMany);
        }
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission
            .bytes
            .fetch_sub(self.bytes, Ordering::Relaxed);
        self.admission.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

fn take(used: &AtomicUsize, more: usize, most: usize) -> bool {
    used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
        used.checked_add(more).filter(|&sum| sum <= most)
    })
    .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(admission: &Arc<Admission>, bytes: usize) -> Result<Permit, Refused> {
        let mut permit = admission.admit()?;
        permit.grow_to(bytes)?;
        Ok(permit)
    }

    #[test]
    fn no_more_requests_than_the_bound_are_admitted() {
        let admission = Admission::new(2, 100);
        let first = admission.admit().expect("room");
        let _second = admission.admit().expect("room");
        assert_eq!(admission.admit().expect_err("full"), Refused::TooMany);
        drop(first);
        assert!(admission.admit().is_ok());
    }

    #[test]
    fn bytes_are_bounded_too_and_a_refusal_gives_everything_back() {
        let admission = Admission::new(10, 100);
        let mut growing = admit(&admission, 60).expect("room");
        assert!(admit(&admission, 41).is_err());
        assert_eq!(admission.requests(), 1);
        assert!(growing.grow_to(101).is_err());
        growing.grow_to(100).expect("room");
        drop(growing);
        assert!(admit(&admission, 100).is_ok());
    }
}
