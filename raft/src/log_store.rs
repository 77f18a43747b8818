//! openraft's log over the node's one store: entries are split into a header of ours and the command as it is.

use crate::{
    codec,
    types::{Cmd, Entry, LogId, Member, TypeConfig, Vote},
};
use bytes::Bytes;
use openraft::{
    EntryPayload, LogState, Membership, OptionalSend, RaftLogReader,
    storage::{IOFlushed, RaftLogStorage},
};
use serde::{Deserialize, Serialize};
use std::{
    fmt::Debug,
    io,
    ops::{Bound, RangeBounds},
};
use storage::{GroupStore, LogRow};
use tokio::sync::oneshot;

/// Bytes that one replication message carries at most, but for a single larger entry.
const READ_MAX_BYTES: usize = 4 * 1024 * 1024;

/// What stands beside a command in the log.
#[derive(Serialize, Deserialize)]
struct Header {
    log_id: LogId,
    kind: Kind,
}

#[derive(Serialize, Deserialize)]
enum Kind {
    Blank,
    Normal,
    Membership(Membership<u64, Member>),
}

#[derive(Clone)]
pub struct LogStore {
    group: GroupStore,
}

impl LogStore {
    #[must_use]
    pub fn new(group: GroupStore) -> Self {
        Self { group }
    }
}

fn row(entry: Entry) -> io::Result<LogRow> {
    let (kind, command) = match entry.payload {
        EntryPayload::Blank => (Kind::Blank, Bytes::new()),
        EntryPayload::Normal(Cmd(command)) => (Kind::Normal, command),
        EntryPayload::Membership(membership) => (Kind::Membership(membership), Bytes::new()),
    };
    let header = codec::encode(&Header {
        log_id: entry.log_id,
        kind,
    })?;
    Ok(LogRow {
        index: entry.log_id.index,
        header: header.into(),
        command,
    })
}

fn entry(row: LogRow) -> io::Result<Entry> {
    let header: Header = codec::decode(&row.header)?;
    Ok(Entry {
        log_id: header.log_id,
        payload: match header.kind {
            Kind::Blank => EntryPayload::Blank,
            Kind::Normal => EntryPayload::Normal(Cmd(row.command)),
            Kind::Membership(membership) => EntryPayload::Membership(membership),
        },
    })
}

/// Hands an operation to the committer and waits until it is on disk.
async fn durable(submit: impl FnOnce(storage::Done)) -> io::Result<()> {
    let (sender, receiver) = oneshot::channel();
    submit(Box::new(move |result| {
        // A waiter that left is openraft shutting down.
        let _ = sender.send(result);
    }));
    receiver
        .await
        .unwrap_or_else(|_| Err(io::Error::other("the store was closed")))
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        let from = match range.start_bound() {
            Bound::Included(&from) => from,
            Bound::Excluded(&from) => from + 1,
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(&to) => to + 1,
            Bound::Excluded(&to) => to,
            Bound::Unbounded => u64::MAX,
        };
        let rows = self.group.read_log(from, to, usize::MAX)?;
        rows.into_iter().map(entry).collect()
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        self.group
            .read_vote()?
            .map(|bytes| codec::decode(&bytes))
            .transpose()
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        let rows = self.group.read_log(start, end, READ_MAX_BYTES)?;
        rows.into_iter().map(entry).collect()
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let bounds = self.group.log_bounds()?;
        let purged = bounds
            .last_purged
            .map(|bytes| codec::decode::<LogId>(&bytes))
            .transpose()?;
        let last = bounds
            .last
            .map(|row| codec::decode::<Header>(&row.header).map(|header| header.log_id))
            .transpose()?;
        Ok(LogState {
            last_purged_log_id: purged,
            last_log_id: last.or(purged),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let bytes = Bytes::from(codec::encode(vote)?);
        let rank = (vote.leader_id.term, vote.leader_id.voted_for);
        self.group.room().await;
        durable(|done| self.group.save_vote(bytes, rank, done)).await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        self.group.save_committed(codec::encode(&committed)?.into())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        let bytes = self.group.read_committed()?;
        Ok(bytes
            .map(|bytes| codec::decode::<Option<LogId>>(&bytes))
            .transpose()?
            .flatten())
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let rows = entries
            .into_iter()
            .map(row)
            .collect::<io::Result<Vec<_>>>()?;
        self.group.room().await;
        self.group
            .append(rows, Box::new(move |result| callback.io_completed(result)));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        self.group.room().await;
        durable(|done| self.group.truncate_after(last.map(|id| id.index), done)).await
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        let bytes = Bytes::from(codec::encode(&upto)?);
        self.group.room().await;
        durable(|done| self.group.purge(upto.index, bytes, done)).await
    }
}
