//! The sockets of the two HTTP sides: who may have how many, and what of a stranger's bytes the web's parser gets to see.

mod guarded;
mod line;
mod lines;
mod malformed;
mod projects;
mod server;

pub(crate) use line::{address_of, upgraded};
pub(crate) use lines::{Lines, Side};
pub(crate) use malformed::{PATH as MALFORMED, fault_of};
pub(crate) use projects::projects_named;
pub(crate) use server::{Settings, serve};
