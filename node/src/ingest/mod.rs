//! The public side: from a sender's socket to a committed request.

mod actor;
mod admission;
mod answer;
mod batcher;
mod body;
mod freshness;
mod health;
mod judge;
mod propose;
mod receive;
#[cfg(test)]
mod stories;
mod target;
mod tokens;

pub(crate) use actor::IngestActor;
pub(crate) use receive::{Door, configure};
