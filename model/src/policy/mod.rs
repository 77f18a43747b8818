//! Decisions about traffic.

pub mod destination_url;
pub mod egress;
pub mod issues;
pub mod retention;
pub mod retry;
pub mod route;
pub mod signature;
pub mod signing;
