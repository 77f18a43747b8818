//! Transformations on their way to a destination: which version runs, what it makes of a request, and what it wrote.

mod gates;
mod pipeline;
mod programs;
mod script_call;

pub(crate) use pipeline::{End, Halted, Passed, Pipeline, Stage, chain, stages};
pub(crate) use programs::{Prepared, Transforms, stored};
