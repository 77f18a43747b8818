//! Decisions about traffic.

pub mod destination_url;
pub mod document;
pub mod egress;
pub mod filter;
pub mod retention;
pub mod retry;
pub mod route;
pub mod signature;
pub mod signing;
