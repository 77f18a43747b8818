//! Reading a group wherever it lives: this node's own replica where it has one, or else that of a member, row by row.

use crate::{
    bodies::Body,
    cluster::{Cluster, Inner},
    error::Unreached,
    network::{Answer, Call, Scan},
};
use bytes::Bytes;
use model::{
    envelope::PayloadRef,
    ids::GroupId,
    state::{
        codec::CodecError,
        kv::{KvError, Read, Row, Table},
    },
};
use std::{
    future::Future,
    io,
    sync::{Arc, mpsc},
    time::Duration,
};
use storage::ReadView;

/// How long a member may take to answer one read.
const PATIENCE: Duration = Duration::from_secs(5);
/// Rows that one answer holds at most; each is far below the largest body.
pub(crate) const ROWS_MAX: usize = 256;

/// A group as it can be read from here. Owned and cheap.
#[derive(Clone)]
pub enum View {
    /// This node's own replica.
    Here(ReadView),
    /// A member's. Each read is a round trip and blocks its thread: such a view belongs where blocking is allowed.
    There(Remote),
}

/// A group that lives on other nodes only.
#[derive(Clone)]
pub struct Remote {
    inner: Arc<Inner>,
    group: GroupId,
}

impl Cluster {
    /// Whether this node has a replica of a group.
    #[must_use]
    pub fn has(&self, group: GroupId) -> bool {
        self.inner.has(group)
    }

    /// A group as it is now, by this node's replica or by that of a member which it last read from.
    ///
    /// # Panics
    /// When the cluster has no such group.
    #[must_use]
    pub fn view(&self, group: GroupId) -> View {
        match self.has(group) {
            true => View::Here(self.inner.store.group(group).view()),
            false => View::There(Remote {
                inner: self.inner.clone(),
                group,
            }),
        }
    }

    /// These groups live on other nodes only, for tests: this node reads nothing of its own replicas and proposes through
    /// others. Release builds don't have it.
    #[cfg(debug_assertions)]
    pub fn let_go_of(&self, groups: std::collections::BTreeSet<GroupId>) {
        *self.inner.elsewhere.write() = groups;
    }
}

impl Inner {
    pub(crate) fn has(&self, group: GroupId) -> bool {
        !self.elsewhere.read().contains(&group)
    }

    /// Asks members that have a group, the one that answered last first, until one answers. What is read behind a
    /// linearized moment must come from the node that was there: whoever answered stays first.
    pub(crate) async fn ask_member(
        &self,
        group: GroupId,
        call: impl Fn() -> Call,
        limit: Duration,
    ) -> io::Result<Answer> {
        let first = self.readers.read().get(&group).copied();
        let members: Vec<u64> = self.members.read().keys().copied().collect();
        let others = members.iter().copied().filter(|node| Some(*node) != first);
        let mut last = io::ErrorKind::HostUnreachable.into();
        for node in first.into_iter().chain(others) {
            if node == self.node() || Some(node) != first && !self.may_be_there(node) {
                continue;
            }
            match self.call_node(node, call(), limit).await {
                Ok(Answer::Failed(why)) => last = io::Error::other(why),
                Ok(answer) => {
                    self.readers.write().insert(group, node);
                    return Ok(answer);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Reads a row or some rows of this node's replica for another node.
    pub(crate) async fn read_here(self: &Arc<Self>, group: GroupId, scan: Scan) -> Answer {
        if !self.has(group) {
            return Answer::Failed(format!("group {group} does not live here"));
        }
        let view = self.store.group(group).view();
        let reading = tokio::task::spawn_blocking(move || scan.of(&view));
        match reading.await {
            Ok(Ok(rows)) => Answer::Rows(rows),
            Ok(Err(error)) => Answer::Failed(error.to_string()),
            Err(error) => Answer::Failed(error.to_string()),
        }
    }
}

impl Scan {
    fn of(&self, view: &impl Read) -> Result<Vec<Row>, KvError> {
        let limit = usize::from(self.limit).min(ROWS_MAX);
        let table = Table::ALL.iter().find(|table| **table as u8 == self.table);
        let table = *table.ok_or_else(|| KvError {
            table: Table::Meta,
            doing: "finding a table that another node asks for in",
            source: format!("there is no table {}", self.table).into(),
        })?;
        match self.back {
            false => view.scan(table, &self.from, &self.to, limit),
            true => view.scan_back(table, &self.from, &self.to, limit),
        }
    }
}

impl Remote {
    /// Waits for an answer on the cluster's own threads, whichever thread asks.
    fn wait<T: Send + 'static>(
        &self,
        asking: impl Future<Output = io::Result<T>> + Send + 'static,
    ) -> io::Result<T> {
        let (sender, answer) = mpsc::sync_channel(1);
        self.inner.runtime.spawn(async move {
            // Whoever asked may have given up.
            let _ = sender.send(asking.await);
        });
        answer
            .recv_timeout(PATIENCE * 2)
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// A body, if any member can be asked for it in time.
    pub(crate) fn body(&self, at: PayloadRef) -> Option<Bytes> {
        let (cluster, group) = (self.cluster(), self.group);
        match self.wait(async move { Ok(cluster.body(group, at).await) }) {
            Ok(Body::Here(body)) => Some(body),
            Ok(Body::Away { .. } | Body::Lost) | Err(_) => None,
        }
    }

    fn cluster(&self) -> Cluster {
        Cluster {
            inner: self.inner.clone(),
        }
    }

    fn rows(&self, table: Table, scan: Scan) -> Result<Vec<Row>, KvError> {
        let (inner, group) = (self.inner.clone(), self.group);
        let asked = self.wait(async move {
            let call = || Call::Read(group.0, scan.clone());
            match inner.ask_member(group, call, PATIENCE).await? {
                Answer::Rows(rows) => Ok(rows),
                _ => Err(io::ErrorKind::Unsupported.into()),
            }
        });
        asked.map_err(|error| KvError {
            table,
            doing: "asking another node for rows of",
            source: Unreached(error).into(),
        })
    }

    /// Pages of rows until there are `limit` or no more.
    fn all(&self, table: Table, mut scan: Scan, limit: usize) -> Result<Vec<Row>, KvError> {
        let mut found = Vec::new();
        while found.len() < limit {
            let page = (limit - found.len()).min(ROWS_MAX);
            scan.limit = u16::try_from(page).unwrap_or(u16::MAX);
            let rows = self.rows(table, scan.clone())?;
            let is_last = rows.len() < page;
            if let Some((last, _)) = rows.last() {
                match scan.back {
                    false => scan.from = [last.as_ref(), &[0]].concat().into(),
                    true => scan.to = last.clone(),
                }
            }
            found.extend(rows);
            if is_last {
                break;
            }
        }
        Ok(found)
    }
}

fn scan(table: Table, from: &[u8], to: &[u8], back: bool) -> Scan {
    Scan {
        table: table as u8,
        from: Bytes::copy_from_slice(from),
        to: Bytes::copy_from_slice(to),
        back,
        limit: 0,
    }
}

impl Read for Remote {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        // The one key of `[key, key 0)`.
        let behind = [key, &[0]].concat();
        let rows = self.all(table, scan(table, key, &behind, false), 1)?;
        Ok(rows.into_iter().next().map(|(_, value)| value))
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<Row>, KvError> {
        self.all(table, scan(table, from, to, false), limit)
    }

    fn scan_back(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<Row>, KvError> {
        self.all(table, scan(table, from, to, true), limit)
    }
}

impl Read for View {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        match self {
            Self::Here(view) => view.get(table, key),
            Self::There(remote) => remote.get(table, key),
        }
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<Row>, KvError> {
        match self {
            Self::Here(view) => view.scan(table, from, to, limit),
            Self::There(remote) => remote.scan(table, from, to, limit),
        }
    }

    fn scan_back(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<Row>, KvError> {
        match self {
            Self::Here(view) => view.scan_back(table, from, to, limit),
            Self::There(remote) => remote.scan_back(table, from, to, limit),
        }
    }

    fn distrust(&self, table: Table, error: &CodecError) {
        match self {
            Self::Here(view) => view.distrust(table, error),
            // It is the other node's damage, and it hears of it when it reads the row itself.
            Self::There(_) => tracing::warn!(?table, %error, "a row of another node can't be read"),
        }
    }
}
