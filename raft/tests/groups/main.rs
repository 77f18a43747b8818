//! Stories of groups: nodes of a cluster in one process, and openraft's own suite over the store.

mod bodies;
mod clocks;
mod fate;
mod log_store_suite;
mod membership;
mod pushed;
mod support;
