//! Deduplication rules: which requests count as the same, and for how long.

use super::Field;
use serde::{Deserialize, Serialize};

/// The rule of a connection, or of a source before it routes. Without fields the whole request is compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeduplicateRule {
    /// Milliseconds from the first one on, in which others like it are duplicates.
    pub window: u64,
    /// Only these are compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include_fields: Vec<Field>,
    /// Everything but these is compared. Not together with `include_fields`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_fields: Vec<Field>,
}

impl DeduplicateRule {
    pub const WINDOW_MIN_MS: u64 = 1_000;
    /// The longest deduplication window, in milliseconds: a week.
    pub const WINDOW_MAX_MS: u64 = 7 * 24 * 3_600_000;
    /// Fields that a rule, or an ordering key, can name.
    pub const FIELDS_MAX: usize = 16;
}
