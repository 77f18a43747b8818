//! What the store promises, told through its public face only.

mod damage;
mod failures;
mod kit;
mod log;
mod loss;
mod payloads;
mod random;
mod snapshots;
mod transactions;
