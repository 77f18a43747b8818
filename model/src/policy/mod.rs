//! Decisions about traffic.

pub mod bulk;
pub mod destination_url;
pub mod egress;
pub mod pause;
pub mod reroute;
pub mod retention;
pub mod retry;
pub mod route;
pub mod signature;
pub mod signing;
