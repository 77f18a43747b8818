//! Decisions about traffic.

pub mod egress;
pub mod retention;
pub mod retry;
pub mod route;
pub mod signature;
pub mod signing;
