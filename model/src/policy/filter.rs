//! The filter language: what a rule asks of a request's body, headers, query and path. See docs/filters.md.
//!
//! A rule is read once, with errors that name their place in it, and then asked of one document after the other. Asking is
//! pure and bounded: it never fails, and what does not fit does not match.

mod needs;
mod node;
mod number;
mod pattern;
mod read;
mod reference;
mod scalar;
mod walk;

pub use needs::{Key, Need, Place};
pub(crate) use number::Number;
pub use walk::Steps;

use super::document::{Document, Part};
use crate::catalog::FilterRule;
use node::Node;
use walk::Walk;

/// Filters within filters, and values of a `$ref` path, that a rule may have.
pub const DEPTH_MAX: usize = 32;
/// Values that a rule's parts together may hold, each operand and each item of a list counted.
pub const NODES_MAX: usize = 4_096;
/// Bytes that a rule's parts together may have as JSON.
pub const BYTES_MAX: usize = 64 * 1024;
/// Regular expressions in a rule.
pub const PATTERNS_MAX: usize = 64;
/// Bytes of a regular expression as text.
pub const PATTERN_BYTES_MAX: usize = 1024;
/// Bytes of a compiled regular expression.
pub const PATTERN_PROGRAM_MAX: usize = 256 * 1024;
/// Bytes that its search may keep beside that.
pub const PATTERN_CACHE_MAX: usize = 1024 * 1024;
/// Bytes of a string that `$regex` looks at; a longer one never matches. A search takes time in proportion to them.
pub const PATTERN_TEXT_MAX: usize = 16 * 1024;

/// A filter that can't be used: where, as `body.order.$gte`, and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {expected}")]
pub struct FilterError {
    pub at: String,
    pub expected: String,
}

/// A rule, ready to be asked.
#[derive(Clone, Debug)]
pub struct Filter {
    /// In the order of [`Part::ALL`].
    parts: Vec<(Part, Node)>,
}

impl Filter {
    /// Reads a rule.
    ///
    /// # Errors
    /// When a part is no filter, or the rule is beyond the bounds of this module.
    pub fn read(rule: &FilterRule) -> Result<Self, FilterError> {
        read::read(rule)
    }

    /// The rule as it was stored. One that this version can't read matches nothing: to skip it would deliver what nobody
    /// wanted.
    #[must_use]
    pub fn stored(rule: &FilterRule) -> Self {
        Self::read(rule).unwrap_or_else(|_| {
            let given = Part::ALL
                .into_iter()
                .filter(|part| rule.part(*part).is_some());
            Self {
                parts: given.map(|part| (part, Node::never())).collect(),
            }
        })
    }

    /// Whether a document matches: each given part must.
    #[must_use]
    pub fn holds(&self, document: &Document<'_>, steps: &mut Steps) -> bool {
        let mut walk = Walk::begin(steps);
        // The body may have to be read first, the others cost little.
        let mut parts = self.parts.iter().rev();
        parts.all(|(part, node)| walk.holds(node, document.part(*part)))
    }

    /// The parts that do not match; none when the document does.
    #[must_use]
    pub fn failing(&self, document: &Document<'_>, steps: &mut Steps) -> Vec<Part> {
        let mut walk = Walk::begin(steps);
        let failing = self
            .parts
            .iter()
            .filter(|(part, node)| !walk.holds(node, document.part(*part)));
        failing.map(|(part, _)| *part).collect()
    }

    /// The necessary condition of this filter, for the routing index: what every document that matches has. None when
    /// that can't be told by single values.
    #[must_use]
    pub fn need(&self) -> Option<Need> {
        Need::all(self.parts.iter().map(|(part, node)| needs::of(*part, node)))
    }
}
