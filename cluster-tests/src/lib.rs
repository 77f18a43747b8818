//! Clusters of real `tidegate` processes, the faults done to them, and the checker that judges what came of it.

pub mod admin;
pub mod checker;
pub mod clock;
pub mod contract;
pub mod endpoint;
pub mod faults;
pub mod hiccups;
pub mod hook;
pub mod http;
pub mod network;
pub mod ownership;
pub mod pace;
pub mod process;
pub mod receiver;
pub mod scene;
pub mod sender;
mod served;
pub mod settings;
pub mod sink;
pub mod wall_clock;
pub mod ward;
pub mod websocket;
