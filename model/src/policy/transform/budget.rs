//! The budget of one run, counted and not timed: the same message fails or passes on every node.

use super::{
    Halt,
    tree::{DEPTH_MAX, Measure, VALUES_MAX},
};

/// Values that all steps of a run together may look at.
const LOOKS_MAX: usize = 20_000_000;

/// The rest of a run's budget: looks, values and bytes that it may still spend.
#[derive(Debug)]
pub(super) struct Budget {
    looks: usize,
    values: usize,
    bytes: usize,
}

impl Budget {
    /// A run whose output may have `bytes_max` bytes; its steps may not make more than that anew either.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            looks: LOOKS_MAX,
            values: VALUES_MAX,
            bytes: bytes_max,
        }
    }

    /// Looks at so many values.
    pub(super) fn look(&mut self, values: usize) -> Result<(), Halt> {
        self.looks = self
            .looks
            .checked_sub(values)
            .ok_or_else(|| Halt::new(format!("the steps look at more than {LOOKS_MAX} values")))?;
        Ok(())
    }

    /// Makes text anew.
    pub(super) fn make_text(&mut self, bytes: usize) -> Result<(), Halt> {
        self.bytes = self
            .bytes
            .checked_sub(bytes)
            .ok_or_else(|| Halt::new("the steps make more than the largest output"))?;
        Ok(())
    }

    /// Makes a value anew, to stand so many levels below the root.
    pub(super) fn make(&mut self, made: Measure, level: usize) -> Result<(), Halt> {
        self.look(made.values)?;
        self.make_text(made.bytes)?;
        self.values = self
            .values
            .checked_sub(made.values)
            .ok_or_else(|| Halt::new(format!("the steps make more than {VALUES_MAX} values")))?;
        place(made, level)
    }
}

/// Checks that a value may stand so many levels below the root.
pub(super) fn place(value: Measure, level: usize) -> Result<(), Halt> {
    if value.depth + level > DEPTH_MAX {
        return Err(Halt::new(format!(
            "the body would be more than {DEPTH_MAX} levels deep"
        )));
    }
    Ok(())
}
