//! Reshapes a message without code: steps that rename, move, pick, drop, flatten, set, map and convert fields, and set
//! headers, path, query and content type.
//!
//! Steps are read when they are configured and run at every attempt. A run is a pure function of the message and the
//! environment: it gives the same bytes on every node, or the same failure.

mod address;
mod budget;
#[cfg(test)]
mod cases;
mod form;
mod give;
mod header;
mod input;
mod message;
mod step;
mod structure;
mod template;
mod url;
mod walk;
mod work;

pub use header::{HEADERS_MAX, check_name as check_header_name, check_value as check_header_value};
pub use input::Fault;
pub use message::{Env, Message};
pub use structure::{Format, as_json, as_text, form_of, format_of};
pub use url::{check_path, check_query};

use crate::tree;
use input::Fields;
use serde_json::Value;
use std::fmt;
use step::Step;
use work::Work;

/// Steps that one transformation may have.
pub const STEPS_MAX: usize = 100;
/// Bytes that they may take as JSON.
pub const CONFIG_BYTES_MAX: usize = 256 * 1024;

/// The steps of a transformation, in the order in which they run.
#[derive(Clone, Debug, PartialEq)]
pub struct Steps(Vec<Step>);

/// The limits of a run of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the body that comes out; twice the largest body that comes in.
    pub output_bytes_max: usize,
}

impl Limits {
    /// The limits where bodies of so many bytes come in.
    #[must_use]
    pub fn for_bodies_of(bytes_max: usize) -> Self {
        Self {
            output_bytes_max: bytes_max.saturating_mul(2),
        }
    }
}

/// The failure of a run: the step at which the message could not be reshaped, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Failure {
    /// Which step stopped, counted from 0, and its op; none when it was none of them.
    pub step: Option<(usize, &'static str)>,
    pub reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some((place, op)) => write!(f, "steps[{place}] ({op}): {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

/// Why a step stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct Halt(String);

impl Halt {
    fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    fn missing(what: &impl fmt::Display) -> Self {
        Self(format!("{what} is missing"))
    }
}

impl Failure {
    /// What comes out of all steps together is not as it may be.
    fn of_all(halt: Halt) -> Self {
        Self {
            step: None,
            reason: halt.0,
        }
    }
}

impl Steps {
    /// Reads the steps as an admin wrote them. `at` is where the list stands, such as `steps`.
    ///
    /// # Errors
    /// The field that is not as it should be, and what was expected.
    pub fn read(at: &str, list: &[Value]) -> Result<Self, Fault> {
        if list.is_empty() || list.len() > STEPS_MAX {
            return Err(Fault::new(at, format!("expected 1 to {STEPS_MAX} steps")));
        }
        let bytes: usize = list.iter().map(|step| step.to_string().len()).sum();
        if bytes > CONFIG_BYTES_MAX {
            return Err(Fault::new(
                at,
                format!("expected steps of at most {CONFIG_BYTES_MAX} bytes together"),
            ));
        }
        let steps = list.iter().enumerate().map(|(place, step)| {
            Fields::of(format!("{at}[{place}]"), step).and_then(|fields| Step::read(&fields))
        });
        steps.collect::<Result<_, _>>().map(Self)
    }

    /// Runs the steps over a message.
    ///
    /// # Errors
    /// The step that stopped, and why. Nothing of the message is to be used then.
    pub fn run(&self, message: Message, env: &Env, limits: Limits) -> Result<Message, Failure> {
        let mut work = Work::new(message, env, limits);
        for (place, step) in self.0.iter().enumerate() {
            step.run(&mut work).map_err(|halt| Failure {
                step: Some((place, step.op())),
                reason: halt.0,
            })?;
        }
        work.finish()
    }
}
