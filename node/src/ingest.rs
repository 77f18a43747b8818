//! The public side: from a sender's socket to a committed request.

mod actor;
mod admission;
mod answer;
mod batcher;
mod body;
mod gather;
mod handshakes;
mod health;
mod judge;
mod keys;
mod probe;
mod propose;
mod receive;
mod refused;
mod routes;
mod secret_use;
mod target;
mod tokens;

pub use actor::IngestActor;
pub use keys::KeyCache;
pub use receive::Door;
pub use routes::configure;
