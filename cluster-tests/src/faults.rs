//! Which faults were done to the cluster, when, and how often: a run in which none fired proves nothing and fails.

use crate::clock;
use std::{collections::BTreeMap, fmt};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    LeaderKilled,
    AllKilled,
    NodePaused,
    NodePartitioned,
    NodeStopped,
    NodeWiped,
    NodeAdded,
    NodeRemoved,
    ClockMoved,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LeaderKilled => "node that led most groups killed with -9",
            Self::AllKilled => "all nodes killed with -9 at once",
            Self::NodePaused => "node paused with SIGSTOP",
            Self::NodePartitioned => "node cut off from its peers",
            Self::NodeStopped => "node stopped",
            Self::NodeWiped => "node's disk wiped",
            Self::NodeAdded => "node added under load",
            Self::NodeRemoved => "node removed under load",
            Self::ClockMoved => "wall clock of a node set by an hour",
        })
    }
}

/// The time from a fault's start until the cluster was whole again.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub fault: Fault,
    pub from: u64,
    pub to: u64,
}

#[derive(Debug, Default)]
pub struct Faults {
    windows: Vec<Window>,
}

impl Faults {
    /// A fault starts. Its window stays open until `healed`.
    pub fn fire(&mut self, fault: Fault) {
        self.windows.push(Window {
            fault,
            from: clock::micros(),
            to: u64::MAX,
        });
    }

    /// Every fault so far is over.
    pub fn healed(&mut self) {
        let now = clock::micros();
        for window in &mut self.windows {
            window.to = window.to.min(now);
        }
    }

    #[must_use]
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    #[must_use]
    pub fn counts(&self) -> BTreeMap<Fault, usize> {
        let mut counts = BTreeMap::new();
        for window in &self.windows {
            *counts.entry(window.fault).or_default() += 1;
        }
        counts
    }

    /// Prints how often each fault fired.
    ///
    /// # Panics
    /// When one that the run is about never did.
    pub fn report(&self, expected: &[Fault]) {
        let counts = self.counts();
        println!("faults that fired:");
        for (fault, count) in &counts {
            println!("  {count:>4} × {fault}");
        }
        for fault in expected {
            assert!(counts.contains_key(fault), "never fired: {fault}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "never fired")]
    fn a_run_in_which_no_fault_fired_fails() {
        Faults::default().report(&[Fault::LeaderKilled]);
    }

    #[test]
    fn each_fault_is_counted() {
        let mut faults = Faults::default();
        faults.fire(Fault::LeaderKilled);
        faults.healed();
        faults.fire(Fault::LeaderKilled);
        assert_eq!(faults.counts()[&Fault::LeaderKilled], 2);
        assert!(faults.windows()[0].to < u64::MAX);
        assert_eq!(faults.windows()[1].to, u64::MAX);
    }
}
