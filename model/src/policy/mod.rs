//! Decisions about traffic.

pub mod route;
pub mod signature;
