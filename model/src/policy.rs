//! Decisions about traffic.

pub mod bulk;
pub mod certificate;
pub mod dedup;
pub mod delay;
pub mod destination_url;
pub mod document;
pub mod egress;
pub mod fields;
pub mod filter;
pub mod forwarding;
pub mod issues;
pub mod outgoing_headers;
pub mod patience;
pub mod pause;
pub mod placement;
pub mod ports;
pub mod receiver;
pub mod reroute;
pub mod retention;
pub mod retry;
pub mod route;
pub mod signature;
pub mod signing;
pub mod transform;
