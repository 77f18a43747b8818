//! The node's memory: the shared Raft log, the payloads, the state and its snapshots, in one RocksDB with one
//! write-ahead log. `docs/storage-layout.md` describes what lies on disk.

/// A named point at which a test stops, delays or fails the store. Builds with debug assertions have them, release builds
/// don't: what is built for running is what is tested, and nothing is compiled twice.
macro_rules! failpoint {
    ($($point:tt)*) => {
        #[cfg(debug_assertions)]
        fail::fail_point!($($point)*);
    };
}

/// Sets the failpoints that the environment names (`FAILPOINTS=name=action;…`), for tests with processes of their own. They
/// stay set until the process ends. Release builds have none.
#[cfg(debug_assertions)]
pub fn heed_failpoints() {
    std::mem::forget(fail::FailScenario::setup());
}

mod columns;
mod committer;
mod engine;
mod error;
mod group;
mod log;
mod options;
mod payload;
mod queue;
mod recovery;
mod rows;
mod scrub;
mod snapshot;
mod state;
mod store;
mod transaction;
mod watermark;

pub use error::{Error, OpenError};
pub use log::LogBounds;
pub use options::{EXIT_STORE, OnFatal, Options};
pub use payload::LetGo;
pub use queue::Done;
pub use rows::LogRow;
pub use scrub::Scrubbed;
pub use snapshot::{Chunk, Manifest};
pub use state::{PinnedView, ReadView};
pub use store::{GroupStore, Stats, Store};
pub use transaction::WriteTxn;
