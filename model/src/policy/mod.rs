//! Decisions about traffic.
