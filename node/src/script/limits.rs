//! The bounds of one run.

use crate::config::Config;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A result may be this many times as large as the largest body that is accepted.
const OUTPUT_FACTOR: usize = 2;

/// The resource limits of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// From the first byte of the code to the last of the result.
    pub(crate) time_ms: u64,
    /// All that the script holds at once, its code and the request among it.
    pub(crate) memory_bytes: usize,
    pub(crate) stack_bytes: usize,
    pub(crate) code_bytes: usize,
    /// The result as JSON.
    pub(crate) output_bytes: usize,
    pub(crate) log_lines: usize,
    /// Their texts together.
    pub(crate) log_bytes: usize,
    /// Nothing runs unless the system confines the process.
    pub(crate) must_be_confined: bool,
}

impl Limits {
    pub(crate) fn of(config: &Config) -> Self {
        let script = &config.script;
        Self {
            time_ms: script.timeout_ms,
            memory_bytes: script.max_memory_bytes,
            stack_bytes: script.max_stack_bytes,
            code_bytes: script.max_code_bytes,
            output_bytes: config.ingest.max_body_bytes * OUTPUT_FACTOR,
            log_lines: script.max_log_lines,
            log_bytes: script.max_log_bytes,
            must_be_confined: !script.allow_unconfined,
        }
    }

    pub(super) fn time(&self) -> Duration {
        Duration::from_millis(self.time_ms)
    }
}
