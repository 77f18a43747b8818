//! Limits of a number or a time.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// How a value stands to a limit. Times are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    Equal(u64),
    Above(u64),
    AtLeast(u64),
    Below(u64),
    AtMost(u64),
    /// Whether it has a value at all.
    Present(bool),
}

/// What is asked of a number or a time: several equal values are alternatives, limits hold together, and no limit lets
/// everything through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Range {
    pub limits: Vec<Relation>,
}

impl Range {
    /// Whether a value is inside.
    #[must_use]
    pub fn holds(&self, value: Option<u64>) -> bool {
        let mut equals = self
            .limits
            .iter()
            .filter_map(|limit| match limit {
                Relation::Equal(wanted) => Some(*wanted),
                _ => None,
            })
            .peekable();
        if equals.peek().is_some() && !equals.any(|wanted| value == Some(wanted)) {
            return false;
        }
        self.limits.iter().all(|limit| match *limit {
            Relation::Equal(_) => true,
            Relation::Present(wanted) => value.is_some() == wanted,
            Relation::Above(limit) => value.is_some_and(|value| value > limit),
            Relation::AtLeast(limit) => value.is_some_and(|value| value >= limit),
            Relation::Below(limit) => value.is_some_and(|value| value < limit),
            Relation::AtMost(limit) => value.is_some_and(|value| value <= limit),
        })
    }

    /// Whether a time is inside.
    #[must_use]
    pub fn holds_time(&self, at: Option<Timestamp>) -> bool {
        self.holds(at.map(|at| at.0))
    }

    /// The smallest value that may be inside.
    #[must_use]
    pub fn lowest(&self) -> u64 {
        let limits = self.limits.iter().filter_map(|limit| match limit {
            Relation::Above(limit) | Relation::AtLeast(limit) => Some(*limit),
            _ => None,
        });
        limits.max().unwrap_or(0)
    }

    /// The greatest value that may be inside.
    #[must_use]
    pub fn highest(&self) -> u64 {
        let limits = self.limits.iter().filter_map(|limit| match limit {
            Relation::Below(limit) | Relation::AtMost(limit) => Some(*limit),
            _ => None,
        });
        limits.min().unwrap_or(u64::MAX)
    }

    pub(super) fn is_open(&self) -> bool {
        self.limits.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(limits: &[Relation]) -> Range {
        Range {
            limits: limits.to_vec(),
        }
    }

    #[test]
    fn limits_hold_together() {
        let range = range(&[Relation::AtLeast(10), Relation::Below(20)]);
        assert!(range.holds(Some(10)) && range.holds(Some(19)));
        assert!(!range.holds(Some(9)) && !range.holds(Some(20)) && !range.holds(None));
        assert_eq!((range.lowest(), range.highest()), (10, 20));
    }

    #[test]
    fn equal_values_are_alternatives() {
        let range = range(&[Relation::Equal(500), Relation::Equal(502)]);
        assert!(range.holds(Some(500)) && range.holds(Some(502)));
        assert!(!range.holds(Some(501)) && !range.holds(None));
    }

    #[test]
    fn presence_can_be_asked_for_and_no_limit_lets_everything_through() {
        let present = range(&[Relation::Present(true)]);
        assert!(present.holds(Some(1)) && !present.holds(None));
        assert!(Range::default().holds(None) && Range::default().holds(Some(7)));
    }
}
