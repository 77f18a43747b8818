//! Admission control: how much a node takes on at once, as a count of requests and the bytes of their bodies, shared
//! among addresses and sources.

use super::refused::Refused;
use model::{
    door::{Account, Address, Shares},
    ids::SourceId,
};
use parking_lot::Mutex;
use prometheus::IntGauge;
use std::sync::Arc;

/// A holder of a share: an address or a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Holder {
    Address(Address),
    Source(SourceId),
}

/// The accounts that a request is charged to: its address and its source.
pub(super) type Accounts = [Account<Holder>; 2];

/// An address may have so many times what is left: four fifths, where nobody else asks.
const ADDRESS_TIMES: u64 = 4;
/// A source may have more than an address, so that no address takes all that its source may have.
const SOURCE_TIMES: u64 = 8;

/// The accounts of a request.
pub(super) fn accounts(address: Address, source: SourceId) -> Accounts {
    [
        Account {
            holder: Holder::Address(address),
            times: ADDRESS_TIMES,
        },
        Account {
            holder: Holder::Source(source),
            times: SOURCE_TIMES,
        },
    ]
}

/// The bounds and what is in use of them.
#[derive(Debug)]
pub(super) struct Admission {
    shares: Mutex<Both>,
    in_flight: IntGauge,
}

#[derive(Debug)]
struct Both {
    requests: Shares<Holder>,
    bytes: Shares<Holder>,
}

/// A permit of one admitted request. What it holds is free again when it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    admission: Arc<Admission>,
    accounts: Accounts,
    bytes: u64,
}

impl Admission {
    pub(super) fn new(max_requests: usize, max_bytes: usize, in_flight: IntGauge) -> Arc<Self> {
        Arc::new(Self {
            shares: Mutex::new(Both {
                requests: Shares::new(max_requests as u64),
                bytes: Shares::new(max_bytes as u64),
            }),
            in_flight,
        })
    }

    /// Admits a request. Its body is counted as it comes.
    pub(super) fn admit(self: &Arc<Self>, accounts: Accounts) -> Result<Permit, Refused> {
        if !self.shares.lock().requests.take(&accounts, 0, 1) {
            return Err(Refused::TooMany);
        }
        self.in_flight.inc();
        Ok(Permit {
            admission: self.clone(),
            accounts,
            bytes: 0,
        })
    }
}

impl Permit {
    /// Makes room for a body that turned out to have `bytes`.
    pub(super) fn grow_to(&mut self, bytes: usize) -> Result<(), Refused> {
        let more = (bytes as u64).saturating_sub(self.bytes);
        let mut shares = self.admission.shares.lock();
        if !shares.bytes.take(&self.accounts, self.bytes, more) {
            return Err(Refused::NoRoom);
        }
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut shares = self.admission.shares.lock();
        shares.bytes.give(&self.accounts, self.bytes);
        shares.requests.give(&self.accounts, 1);
        drop(shares);
        self.admission.in_flight.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn admission(max_requests: usize, max_bytes: usize) -> Arc<Admission> {
        let gauge = IntGauge::new("in_flight", "for a story").expect("a gauge");
        Admission::new(max_requests, max_bytes, gauge)
    }

    fn from(address: u8, source: u128) -> Accounts {
        let ip = Ipv4Addr::new(192, 0, 2, address).into();
        accounts(Address::of(ip), SourceId(source))
    }

    fn admit(admission: &Arc<Admission>, bytes: usize) -> Result<Permit, Refused> {
        let mut permit = admission.admit(from(1, 1))?;
        permit.grow_to(bytes)?;
        Ok(permit)
    }

    #[test]
    fn no_more_requests_than_the_bound_are_admitted() {
        let admission = admission(2, 100);
        let first = admission.admit(from(1, 1)).expect("room");
        let _second = admission.admit(from(2, 2)).expect("room");
        let third = admission.admit(from(3, 3));
        assert_eq!(third.expect_err("full"), Refused::TooMany);
        assert_eq!(admission.in_flight.get(), 2);
        drop(first);
        assert!(admission.admit(from(1, 1)).is_ok());
    }

    #[test]
    fn bytes_are_bounded_too_and_a_refusal_gives_everything_back() {
        let admission = admission(10, 100);
        let mut growing = admit(&admission, 60).expect("room");
        assert!(admit(&admission, 41).is_err());
        assert_eq!(admission.in_flight.get(), 1);
        assert!(growing.grow_to(101).is_err());
        growing.grow_to(100).expect("room");
        drop(growing);
        assert!(admit(&admission, 100).is_ok());
        assert_eq!(admission.in_flight.get(), 0);
    }

    #[test]
    fn neither_one_address_nor_one_source_takes_all_seats() {
        let admission = admission(100, 100);
        let mut held: Vec<_> = (0..200)
            .filter_map(|_| admission.admit(from(1, 1)).ok())
            .collect();
        assert!((75..85).contains(&held.len()), "{}", held.len());
        for flood in [from(1, 1), from(1, 2)] {
            assert!(admission.admit(flood).is_err(), "{flood:?}");
        }
        // Whoever comes from elsewhere is let in, to the same source as well, until that has its share.
        held.extend((0..200).filter_map(|_| admission.admit(from(2, 1)).ok()));
        assert!((85..95).contains(&held.len()), "{}", held.len());
        assert!(admission.admit(from(3, 1)).is_err());
        assert!(admission.admit(from(3, 3)).is_ok());
    }
}
