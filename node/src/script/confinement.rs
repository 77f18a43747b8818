//! The sandbox of an engine's process: what it gives up before the first line of JavaScript, which is files, sockets,
//! other processes, new threads, and memory beyond what its scripts may use. A flaw in the engine then reaches nothing
//! that a script does not.

use super::limits::Limits;
use serde::{Deserialize, Serialize};

/// A part of the confinement that is not in force, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lack {
    pub(crate) part: Part,
    pub(crate) reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    /// No set-user-id program gives it more rights.
    NoNewPrivileges,
    /// Bounds of the process: address space, files, processes, core dumps.
    ResourceLimits,
    /// The system calls that it may make.
    SystemCalls,
    /// A second lock on files and sockets; kernels before 5.13 have none.
    Landlock,
}

impl Part {
    /// Whether scripts may not run without it.
    pub(crate) fn is_required(self) -> bool {
        self != Self::Landlock
    }
}

/// A process that has shut what its own set-up does not need.
pub(super) struct Shut {
    lacks: Vec<Lack>,
    /// Bytes of address space before any job.
    mapped: u64,
}

/// Lets go of whatever was inherited beside the standard descriptors. Nothing may be open yet.
pub(super) fn close_inherited() {
    system::close_inherited();
}

/// Shuts files, sockets and privileges; the threads that are started afterwards inherit it. The node's socket must be
/// open by now.
pub(super) fn shut() -> Shut {
    let mut lacks = Vec::new();
    let mapped = system::mapped_bytes();
    note(
        &mut lacks,
        Part::NoNewPrivileges,
        system::no_new_privileges(),
    );
    note(&mut lacks, Part::Landlock, system::landlock());
    Shut { lacks, mapped }
}

impl Shut {
    /// Locks everything else, for all threads: from here on it computes, and speaks over what is open. Says what of the
    /// whole is not in force.
    pub(super) fn lock(mut self, limits: &Limits) -> Vec<Lack> {
        let address_space = self.mapped + room(limits);
        let limited = system::limit_resources(address_space);
        note(&mut self.lacks, Part::ResourceLimits, limited);
        note(&mut self.lacks, Part::SystemCalls, system::filter_calls());
        self.lacks
    }
}

/// What scripts may use, and what the process makes of code, requests and results beside them.
fn room(limits: &Limits) -> u64 {
    const FIXED: u64 = 256 * 1024 * 1024;
    const COPIES: u64 = 4;
    let bytes = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let copied = bytes(limits.output_bytes).saturating_add(bytes(limits.code_bytes));
    FIXED
        .saturating_add(bytes(limits.memory_bytes).saturating_mul(2))
        .saturating_add(bytes(limits.stack_bytes))
        .saturating_add(copied.saturating_mul(COPIES))
}

fn note(lacks: &mut Vec<Lack>, part: Part, done: Result<(), String>) {
    if let Err(reason) = done {
        lacks.push(Lack { part, reason });
    }
}

#[cfg(target_os = "linux")]
#[path = "confinement_linux.rs"]
mod system;

/// Elsewhere there is none of it.
#[cfg(not(target_os = "linux"))]
mod system {
    const NONE: &str = "this system has no such thing";

    pub(super) fn close_inherited() {}

    pub(super) fn mapped_bytes() -> u64 {
        0
    }

    pub(super) fn no_new_privileges() -> Result<(), String> {
        Err(NONE.into())
    }

    pub(super) fn landlock() -> Result<(), String> {
        Err(NONE.into())
    }

    pub(super) fn limit_resources(_: u64) -> Result<(), String> {
        Err(NONE.into())
    }

    pub(super) fn filter_calls() -> Result<(), String> {
        Err(NONE.into())
    }
}
