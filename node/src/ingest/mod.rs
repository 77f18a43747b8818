//! The public side: from a sender's socket to a committed request.

mod actor;
mod admission;
mod answer;
mod batcher;
mod body;
mod freshness;
mod health;
mod judge;
#[cfg(test)]
mod keyed_stories;
mod keys;
mod propose;
mod receive;
mod secret_use;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod strangers;
mod target;
mod tokens;
#[cfg(test)]
mod vectors;

pub(crate) use actor::IngestActor;
pub(crate) use receive::{Door, configure};
