//! The replicated machine, told in stories and tried with random lives.

mod accepting;
mod bookmarking;
mod bulk;
mod configuring;
mod counting;
mod duplicates;
mod folding;
mod issues;
mod kit;
mod letting_go;
mod life;
mod lifecycle;
mod malformed;
mod observing;
mod operations;
mod pausing;
mod rerouting;
mod reshaping;
mod side_by_side;
mod turns;
