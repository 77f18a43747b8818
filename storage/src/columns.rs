//! Column families and their keys. Names, tags and layouts are on disk: append only, never reuse.

use crate::options::Options;
use model::{envelope::PayloadRef, ids::GroupId, state::kv::Table};
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompactionStyle,
    DBCompressionType, DBRecoveryMode, Options as Engine,
};

/// A column family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// Log rows: `group u16 | index u64`.
    Log,
    /// Bodies: `group u16 | bucket u32 | index u64 | sub u16`.
    Payload,
    /// Small facts: `group u16 | tag u8`, and the node's own under a group that does not exist.
    Meta,
    /// The tables of the replicated state but one: `group u16 | table u8 | key`.
    State,
    /// `Table::Due`, whose rows live for seconds and would make every scan of its neighbours step over tombstones.
    Due,
}

impl Column {
    pub(crate) const ALL: [Self; 5] =
        [Self::Log, Self::Payload, Self::Meta, Self::State, Self::Due];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Payload => "payload",
            Self::Meta => "meta",
            Self::State => "state",
            Self::Due => "due",
        }
    }

    /// The number that names this column in a snapshot's chunk.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Log => 1,
            Self::Payload => 2,
            Self::Meta => 3,
            Self::State => 4,
            Self::Due => 5,
        }
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.number() == number)
    }

    pub(crate) fn of(table: Table) -> Self {
        match table {
            Table::Due => Self::Due,
            _ => Self::State,
        }
    }
}

/// The kind of a row of `meta` about a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Tag {
    /// `term u64 | node u64 | raft's own bytes`
    Vote = 1,
    /// raft's own bytes
    Committed = 2,
    /// `index u64 | raft's own bytes`
    Purged = 3,
    /// raft's own bytes, written in one batch with the rows of the same entries
    Applied = 4,
    /// The directory of a snapshot whose installation has begun and not ended.
    Installing = 5,
    /// `bucket u32`: payloads of earlier hours are gone by decision.
    PayloadFloor = 6,
}

/// The group number under which the node's own facts lie. No group has it.
pub(crate) const NODE: GroupId = GroupId(u16::MAX);
/// Layout number of everything here.
pub(crate) const LAYOUT: u32 = 1;
pub(crate) const LAYOUT_KEY: &[u8] = b"\xff\xff\x00layout";

pub(crate) const LOG_KEY: usize = 10;
pub(crate) const PAYLOAD_KEY: usize = 16;
pub(crate) const STATE_PREFIX: usize = 3;

pub(crate) fn log_key(group: GroupId, index: u64) -> [u8; LOG_KEY] {
    let mut key = [0; LOG_KEY];
    key[..2].copy_from_slice(&group.0.to_be_bytes());
    key[2..].copy_from_slice(&index.to_be_bytes());
    key
}

pub(crate) fn log_index(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(2..LOG_KEY)?.try_into().ok()?))
}

pub(crate) fn payload_key(group: GroupId, at: &PayloadRef) -> [u8; PAYLOAD_KEY] {
    let mut key = [0; PAYLOAD_KEY];
    key[..2].copy_from_slice(&group.0.to_be_bytes());
    key[2..6].copy_from_slice(&at.bucket.to_be_bytes());
    key[6..14].copy_from_slice(&at.index.to_be_bytes());
    key[14..].copy_from_slice(&at.sub.to_be_bytes());
    key
}

/// The first possible payload key of a bucket.
pub(crate) fn payload_bucket(group: GroupId, bucket: u32) -> [u8; 6] {
    let mut key = [0; 6];
    key[..2].copy_from_slice(&group.0.to_be_bytes());
    key[2..].copy_from_slice(&bucket.to_be_bytes());
    key
}

pub(crate) fn payload_index(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(6..14)?.try_into().ok()?))
}

pub(crate) fn meta_key(group: GroupId, tag: Tag) -> [u8; 3] {
    let [a, b] = group.0.to_be_bytes();
    [a, b, tag as u8]
}

/// The node's own facts: `0xffff | 1 | key`.
pub(crate) fn node_key(key: &[u8]) -> Vec<u8> {
    let mut out = vec![0xff, 0xff, 1];
    out.extend_from_slice(key);
    out
}

pub(crate) fn state_key(group: GroupId, table: Table, key: &[u8]) -> Vec<u8> {
    let [a, b] = group.0.to_be_bytes();
    let mut out = Vec::with_capacity(STATE_PREFIX + key.len());
    out.extend_from_slice(&[a, b, table as u8]);
    out.extend_from_slice(key);
    out
}

/// The key range of one group, in any column: `[from, to)`.
pub(crate) fn group_range(group: GroupId) -> ([u8; 2], [u8; 2]) {
    debug_assert_ne!(group, NODE, "the node's own facts are not a group");
    (
        group.0.to_be_bytes(),
        group.0.saturating_add(1).to_be_bytes(),
    )
}

/// The options of the database engine as a whole.
pub(crate) fn engine(options: &Options) -> Engine {
    let mut engine = Engine::default();
    engine.create_if_missing(true);
    engine.create_missing_column_families(true);
    // A damaged record in the middle of the WAL stops the node; only the torn end of the last write is forgiven.
    // The engine's default would silently drop everything behind the damage: entries that others count on.
    engine.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    engine.set_track_and_verify_wals_in_manifest(true);
    engine.set_paranoid_checks(true);
    // Writes stay in the engine's buffer until the committer syncs: one write(2) for a whole batch of groups.
    engine.set_manual_wal_flush(true);
    engine.set_max_total_wal_size(options.wal_bytes);
    engine.set_db_write_buffer_size(options.write_buffers_bytes);
    engine.set_max_background_jobs(2);
    engine.set_bytes_per_sync(1 << 20);
    engine.set_max_open_files(512);
    engine.set_keep_log_file_num(4);
    engine.set_max_log_file_size(4 << 20);
    engine.set_stats_dump_period_sec(0);
    engine.set_stats_persist_period_sec(0);
    engine
}

/// Every column with its options. All of them share one block cache.
pub(crate) fn descriptors(options: &Options) -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(options.block_cache_bytes);
    let mut all: Vec<_> = Column::ALL
        .into_iter()
        .map(|column| ColumnFamilyDescriptor::new(column.name(), column_options(column, &cache)))
        .collect();
    // The engine insists on its default column; nothing is ever written to it.
    let mut unused = Engine::default();
    unused.set_write_buffer_size(64 << 10);
    all.push(ColumnFamilyDescriptor::new("default", unused));
    all
}

fn column_options(column: Column, cache: &Cache) -> Engine {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_block_size(16 << 10);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    // Indexes and filters in parts: keys begin with their time, so that only the newest parts are asked for. Whole ones
    // outgrow the cache after some hundred thousand events, and each look-up would read one anew.
    blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    blocks.set_partition_filters(true);
    blocks.set_metadata_block_size(4 << 10);
    blocks.set_pin_top_level_index_and_filter(true);
    if matches!(column, Column::State | Column::Due | Column::Meta) {
        blocks.set_bloom_filter(10.0, false);
    }
    let mut options = Engine::default();
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_compaction_style(DBCompactionStyle::Universal);
    options.set_max_write_buffer_number(3);
    options.set_write_buffer_size(match column {
        Column::Payload | Column::State => 16 << 20,
        Column::Log | Column::Due => 8 << 20,
        Column::Meta => 1 << 20,
    });
    if column == Column::Payload {
        // A body is written to the WAL and to one blob file and never moved again; retention drops whole files.
        options.set_enable_blob_files(true);
        options.set_min_blob_size(512);
        options.set_blob_file_size(128 << 20);
        options.set_blob_compression_type(DBCompressionType::Lz4);
        options.set_enable_blob_gc(false);
    }
    options
}
