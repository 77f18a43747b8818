//! One destination on one node, without I/O.

mod bookmark;
mod circuit;
mod lane;
mod pacer;
mod schedule;

pub use bookmark::Floors;
pub use circuit::{Circuit, Sign};
pub use lane::{Input, Lane, Output};
pub use pacer::{Pace, Pacer};
pub use schedule::Schedule;
