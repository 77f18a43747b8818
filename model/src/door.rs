//! The door to a node, without I/O: what strangers may take of it, and what of their bytes may pass.

mod address;
mod chunks;
mod connections;
mod framing;
mod guesses;
mod head;
mod shares;

pub use address::Address;
pub use connections::{Connections, Opened};
pub use framing::{Fault, Framing, Look, Phase};
pub use guesses::Guesses;
pub use head::HeadBounds;
pub use shares::{Account, Shares};
