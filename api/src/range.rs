//! What a list asks of a number or a time: equality, limits, presence.

use model::time::Timestamp;

/// How a value must relate to the one that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Equal,
    Above,
    AtLeast,
    Below,
    AtMost,
    /// `[any]=true`: it has a value at all.
    Present(bool),
}

/// What `field=` and `field[operator]=` ask of a number or a time.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Range {
    limits: Vec<(Relation, u64)>,
}

impl Range {
    /// A range of limits that hold together.
    pub(crate) fn of(limits: Vec<(Relation, u64)>) -> Self {
        Self { limits }
    }

    /// Whether a value is inside. Several equal values are alternatives; limits hold together.
    pub fn holds(&self, value: Option<u64>) -> bool {
        let mut equals = self
            .limits
            .iter()
            .filter(|(relation, _)| *relation == Relation::Equal)
            .peekable();
        if equals.peek().is_some() && !equals.any(|(_, wanted)| value == Some(*wanted)) {
            return false;
        }
        self.limits.iter().all(|&(relation, limit)| match relation {
            Relation::Equal => true,
            Relation::Present(wanted) => value.is_some() == wanted,
            Relation::Above => value.is_some_and(|value| value > limit),
            Relation::AtLeast => value.is_some_and(|value| value >= limit),
            Relation::Below => value.is_some_and(|value| value < limit),
            Relation::AtMost => value.is_some_and(|value| value <= limit),
        })
    }

    pub fn holds_time(&self, at: Option<Timestamp>) -> bool {
        self.holds(at.map(|at| at.0))
    }

    /// The smallest value that may be inside.
    pub fn lowest(&self) -> u64 {
        let limits = self.limits.iter();
        limits
            .filter(|(relation, _)| matches!(relation, Relation::Above | Relation::AtLeast))
            .map(|&(_, limit)| limit)
            .max()
            .unwrap_or(0)
    }

    /// The greatest value that may be inside.
    pub fn highest(&self) -> u64 {
        let limits = self.limits.iter();
        limits
            .filter(|(relation, _)| matches!(relation, Relation::Below | Relation::AtMost))
            .map(|&(_, limit)| limit)
            .min()
            .unwrap_or(u64::MAX)
    }
}
