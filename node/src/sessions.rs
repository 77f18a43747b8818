//! Developers who listen with the command line, and what is said to them: docs/listen.md.

pub(crate) mod frames;
mod registry;
mod socket;

pub(crate) use registry::{Heard, Listener, Listeners, Sessions};
pub(crate) use socket::{Lines, serve};
