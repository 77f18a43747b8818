//! One destination on one node, without I/O.

mod lane;
mod pacer;
mod schedule;

pub use lane::{Input, Lane, Output};
pub use pacer::{Pace, Pacer};
pub use schedule::Schedule;
