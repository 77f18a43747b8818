//! One destination on one node, without I/O.

mod lane;
mod pacer;

pub use lane::{Input, Lane, Output};
pub use pacer::{Pace, Pacer};
