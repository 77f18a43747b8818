//! Every bound of the store, by name, and what happens when the disk breaks its promise.

use std::{fmt, sync::Arc, time::Duration};

/// Called once, with the reason, when the store can't be trusted any more: a write or a sync failed, a row can't be read
/// or is damaged. It may be called on any thread and must not wait for the store.
pub type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

/// The exit code of a process whose store can't be trusted (`EX_IOERR` of sysexits.h).
pub const EXIT_STORE: i32 = 74;

#[derive(Clone)]
pub struct Options {
    /// Memory of all write buffers together, in bytes. Default 80 MiB.
    pub write_buffers_bytes: usize,
    /// Memory for blocks that were read, in bytes. Default 32 MiB.
    pub block_cache_bytes: usize,
    /// The newest log entries that stay in memory, per group, in bytes. Default 8 MiB.
    pub tail_cache_bytes: usize,
    /// What may wait for the committer, in bytes. Who comes later waits, without a thread. Default 16 MiB.
    pub queue_bytes: usize,
    /// What may wait for the committer, in operations. Default 4096.
    pub queue_operations: usize,
    /// What one write takes from the queue at most, in bytes. Default 4 MiB.
    pub batch_bytes: usize,
    /// When the write-ahead log reaches this size, the oldest write buffers are flushed, in bytes. Default 192 MiB.
    pub wal_bytes: u64,
    /// How often the durable watermark is rewritten while entries arrive. Default one second.
    pub watermark_interval: Duration,
    /// Bytes of one file of a snapshot. Default 32 MiB.
    pub chunk_bytes: usize,
    /// What is read of the state before the store opens, so that damage is a reason not to, in bytes. Default 256 MiB.
    pub first_look_bytes: u64,
    /// How fast the whole store is read again and again, for damage that nothing else meets, in bytes a second; 0: not
    /// at all. Default 2 MiB.
    pub scrub_bytes_per_s: u64,
    /// How long one round of that takes at least. Default one hour.
    pub scrub_interval: Duration,
    /// What to do when the store can't be trusted any more. The default says so in the log and ends the process: after
    /// a failed `fdatasync` the kernel may have dropped the pages, so a second one that succeeds proves nothing, and an
    /// answer that was read beside a damaged row may leave out what is there.
    pub on_fatal: OnFatal,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            write_buffers_bytes: 80 << 20,
            block_cache_bytes: 32 << 20,
            tail_cache_bytes: 8 << 20,
            queue_bytes: 16 << 20,
            queue_operations: 4096,
            batch_bytes: 4 << 20,
            wal_bytes: 192 << 20,
            watermark_interval: Duration::from_secs(1),
            chunk_bytes: 32 << 20,
            first_look_bytes: 256 << 20,
            scrub_bytes_per_s: 2 << 20,
            scrub_interval: Duration::from_secs(3600),
            on_fatal: Arc::new(|what| {
                tracing::error!(
                    what,
                    "the store can't be trusted, this process ends so that nothing false is acknowledged or answered"
                );
                std::process::exit(EXIT_STORE);
            }),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("write_buffers_bytes", &self.write_buffers_bytes)
            .field("block_cache_bytes", &self.block_cache_bytes)
            .field("tail_cache_bytes", &self.tail_cache_bytes)
            .field("queue_bytes", &self.queue_bytes)
            .field("queue_operations", &self.queue_operations)
            .field("batch_bytes", &self.batch_bytes)
            .field("wal_bytes", &self.wal_bytes)
            .field("watermark_interval", &self.watermark_interval)
            .field("chunk_bytes", &self.chunk_bytes)
            .field("first_look_bytes", &self.first_look_bytes)
            .field("scrub_bytes_per_s", &self.scrub_bytes_per_s)
            .field("scrub_interval", &self.scrub_interval)
            .finish_non_exhaustive()
    }
}
