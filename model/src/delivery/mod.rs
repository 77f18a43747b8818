//! One destination on one node, without I/O.

mod bookmark;
mod lane;
mod pacer;
mod schedule;

pub use bookmark::Floors;
pub use lane::{Input, Lane, Output};
pub use pacer::{Pace, Pacer};
pub use schedule::Schedule;
