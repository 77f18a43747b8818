//! The admin API as types: what it takes, what it shows, and how it says no. Pure: no clock, no chance, no network; what only
//! a node knows is an argument.

pub mod body;
pub mod bulk_query;
mod capability_url;
pub mod catalog_page;
mod checked_url;
pub mod choice;
pub mod dialect;
pub mod distinct;
pub mod filter;
pub mod input;
pub mod manner;
pub mod names;
mod nearest;
pub mod openapi;
pub mod operation;
pub mod operations;
pub mod page;
pub mod principal;
pub mod problem;
pub mod query;
pub mod selection;
pub mod shape;
pub mod times;
pub mod view;
