//! The admin API as types: what it takes, what it shows, and how it says no. Pure: no clock, no chance, no network; what only
//! a node knows is an argument.

pub mod body;
pub mod bulk_query;
pub mod capability_url;
pub mod catalog_page;
mod checked_url;
pub mod choice;
pub mod distinct;
pub mod filter;
pub mod input;
pub mod manner;
pub mod names;
pub mod nearest;
pub mod page;
pub mod problem;
pub mod query;
pub mod selection;
pub mod times;
