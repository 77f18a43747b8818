//! Node to node: authenticated frames over encrypted TCP, many groups over one connection.

mod client;
mod counters;
mod factory;
mod link;
mod server;
mod socket;
mod tls;
mod wire;

pub(crate) use client::{Dialler, Lane, Peer, Peers};
pub(crate) use counters::Counters;
pub use counters::Refused;
pub(crate) use factory::Factory;
pub(crate) use link::Identity;
pub(crate) use server::{Handler, Listener, serve};
pub(crate) use tls::Wrapping;
pub(crate) use wire::{Admitted, Answer, Call, Change, JoinRequest, Scan, Welcome};
