//! Delivery without I/O: the lane of one destination on one node, and the rate limit that the nodes of a cluster share
//! of it.

mod body_budget;
mod bucket;
mod circuit;
mod cursor;
mod home;
mod lane;
mod lease;
mod outbox;
mod pace;
mod schedule;
mod taker;

pub use body_budget::{BodyBudget, Ticket, Want};
pub use circuit::Sign;
pub use cursor::Floors;
pub use home::{Home, home_of};
pub use lane::{Input, Lane, Output};
pub use lease::{ASKS_MAX, Answer, Ask, Claim, LEASE_MS, Reply, SLOT_LEASE_MS, Share, Statement};
pub use outbox::Outbox;
pub use pace::{Limit, Pace, Rate};
pub use schedule::Schedule;
pub use taker::{Demand, Holding, Permit, RENEW_MS};
