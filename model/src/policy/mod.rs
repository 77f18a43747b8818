//! Decisions about traffic.

pub mod retention;
pub mod route;
pub mod signature;
