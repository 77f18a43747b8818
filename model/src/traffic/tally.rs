//! Tallies of one trouble in one partition: how often it was seen, from when to when, and who it happened to. A tally
//! only grows, so a report of it counts once however often it is made.

use super::IssueKey;
use crate::{
    ids::{AttemptId, EventId, ExecutionId, RequestId},
    state::codec::Stored,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// Samples that a tally keeps; the newest push the oldest out.
pub const SAMPLES_MAX: usize = 5;

/// The number of occurrences of a trouble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    pub all: u64,
    /// Of them, those that ended their event.
    pub finals: u64,
}

impl Count {
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            all: self.all.saturating_add(other.all),
            finals: self.finals.saturating_add(other.finals),
        }
    }

    /// The greater of each: a count that comes late takes nothing back.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            all: self.all.max(other.all),
            finals: self.finals.max(other.finals),
        }
    }
}

/// The position of a tally's last change: the entry of its partition's log, and its place among the tallies that the
/// entry changed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Mark {
    pub index: u64,
    pub ordinal: u16,
}

impl Mark {
    pub const LEN: usize = 10;

    #[must_use]
    pub fn key(self) -> [u8; Self::LEN] {
        let mut key = [0; Self::LEN];
        key[..8].copy_from_slice(&self.index.to_be_bytes());
        key[8..].copy_from_slice(&self.ordinal.to_be_bytes());
        key
    }

    #[must_use]
    pub fn from_key(bytes: &[u8]) -> Option<Self> {
        let (index, ordinal) = bytes.split_at_checked(8)?;
        Some(Self {
            index: u64::from_be_bytes(index.try_into().ok()?),
            ordinal: u16::from_be_bytes(ordinal.try_into().ok()?),
        })
    }
}

/// A sample of a trouble: something to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sample {
    pub at: Timestamp,
    pub of: Sampled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Sampled {
    Attempt(AttemptId),
    /// An event that waits.
    Event(EventId),
    Request(RequestId),
    Execution(ExecutionId),
}

/// Adds samples and keeps the newest `most`, each once, the oldest first.
pub fn merge_samples(kept: &mut Vec<Sample>, new: &[Sample], most: usize) {
    kept.extend_from_slice(new);
    kept.sort_unstable();
    kept.dedup();
    let surplus = kept.len().saturating_sub(most);
    kept.drain(..surplus);
}

/// An increment to a tally: what one command has seen of a trouble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub count: Count,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub last_final_at: Option<Timestamp>,
    pub samples: Vec<Sample>,
}

impl Sighting {
    #[must_use]
    pub fn once(of: Sampled, at: Timestamp, is_final: bool) -> Self {
        Self {
            count: Count {
                all: 1,
                finals: u64::from(is_final),
            },
            first_at: at,
            last_at: at,
            last_final_at: is_final.then_some(at),
            samples: vec![Sample { at, of }],
        }
    }

    pub fn add(&mut self, other: &Self) {
        self.count = self.count.plus(other.count);
        self.first_at = self.first_at.min(other.first_at);
        self.last_at = self.last_at.max(other.last_at);
        self.last_final_at = self.last_final_at.max(other.last_final_at);
        merge_samples(&mut self.samples, &other.samples, SAMPLES_MAX);
    }
}

/// A tally as its partition keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// The log index at which it was begun. One that was let go and begun anew counts from zero, and this tells so.
    pub since: u64,
    pub mark: Mark,
    pub count: Count,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub last_final_at: Option<Timestamp>,
    pub samples: Vec<Sample>,
}

impl Tally {
    /// A tally that begins with a sighting.
    #[must_use]
    pub fn begun(mark: Mark, seen: Sighting) -> Self {
        Self {
            since: mark.index,
            mark,
            count: seen.count,
            first_at: seen.first_at,
            last_at: seen.last_at,
            last_final_at: seen.last_final_at,
            samples: seen.samples,
        }
    }

    /// Adds a sighting of a later entry.
    pub fn add(&mut self, mark: Mark, seen: &Sighting) {
        debug_assert!(mark > self.mark, "{mark:?} {self:?}");
        self.mark = mark;
        self.count = self.count.plus(seen.count);
        self.first_at = self.first_at.min(seen.first_at);
        self.last_at = self.last_at.max(seen.last_at);
        self.last_final_at = self.last_final_at.max(seen.last_final_at);
        merge_samples(&mut self.samples, &seen.samples, SAMPLES_MAX);
    }
}

impl Stored for Tally {
    const WHAT: &'static str = "tally";
    const VERSION: u8 = 1;
}

impl Stored for IssueKey {
    const WHAT: &'static str = "issue key";
    const VERSION: u8 = 1;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(at: u64) -> Sample {
        Sample {
            at: Timestamp(at),
            of: Sampled::Event(EventId(u128::from(at))),
        }
    }

    proptest! {
        #[test]
        fn a_mark_reads_back_and_sorts_by_its_place(index: u64, ordinal: u16, other: u64) {
            let mark = Mark { index, ordinal };
            prop_assert_eq!(Mark::from_key(&mark.key()), Some(mark));
            let other = Mark { index: other, ordinal: 3 };
            prop_assert_eq!(mark.cmp(&other), mark.key().cmp(&other.key()));
        }

        #[test]
        fn the_newest_samples_stay_whatever_the_order(mut times in prop::collection::vec(0u64..50, 0..40)) {
            let mut kept = Vec::new();
            for at in &times {
                merge_samples(&mut kept, &[sample(*at)], 4);
            }
            times.sort_unstable();
            times.dedup();
            let newest: Vec<_> = times.iter().rev().take(4).rev().map(|at| sample(*at)).collect();
            prop_assert_eq!(kept, newest);
        }
    }
}
