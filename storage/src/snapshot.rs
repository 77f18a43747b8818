//! Snapshots of one group's state, as files: exported at one moment, checked, installed so that a crash at any step is
//! harmless.

mod bodies;
mod chunk;
mod export;
mod install;
mod manifest;

pub(crate) use install::replay;
pub use manifest::{Chunk, Manifest};
