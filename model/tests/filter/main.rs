//! The filter language: each of its rules as a table of cases, its errors, its bounds and its laws.

mod bounds;
mod errors;
mod kit;
mod laws;
mod parts;
mod semantics;
