//! The filter language: each of its rules as a table of cases, its errors, its bounds, its laws, and the
//! routing that stands on it.

mod bounds;
mod errors;
mod kit;
mod laws;
mod parts;
mod rooms;
mod routing;
mod semantics;
