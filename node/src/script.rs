//! Transformations' scripts: JavaScript of admins, run in processes of their own that hold nothing and reach nothing.

mod call;
mod confinement;
#[cfg(test)]
mod confinement_stories;
mod console;
mod dice;
mod engine;
mod engine_process;
mod execution;
mod failure;
mod limits;
mod pool;
#[cfg(test)]
mod pool_stories;
mod returned;
#[cfg(test)]
mod stories;
mod turns;
mod wire;
mod worker;
mod world;

pub(crate) use call::{Call, Payload, Request, parsed, seed_of};
pub use engine_process::Program;
pub(crate) use execution::{Execution, LineType, LogLevel, Reshaped};
pub(crate) use pool::{Checked, Ran, ScriptPool};
pub(crate) use worker::{VERB, serve};
