//! The way to the committer: first in, first out, bounded by bytes and by count. A sender waits for room without a thread:
//! one that was held would hold the heartbeats of every group.

use crate::{error::Error, group::Group, rows::LogRow};
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// Called on the committer's thread when the operation is done; it must not block.
pub type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

pub(crate) struct Op {
    pub(crate) group: Arc<Group>,
    pub(crate) change: Change,
    pub(crate) done: Done,
}

pub(crate) enum Change {
    Append {
        rows: Vec<LogRow>,
        epoch: u64,
    },
    /// Deletes the rows from `next` on.
    Truncate {
        next: u64,
    },
    /// Deletes the headers of `[first, upto]`.
    Purge {
        first: u64,
        upto: u64,
        last_purged: Bytes,
    },
    Vote {
        vote: Bytes,
        rank: (u64, u64),
    },
}

impl Change {
    fn weight(&self) -> usize {
        match self {
            Self::Append { rows, .. } => rows.iter().map(LogRow::weight).sum(),
            Self::Vote { vote, .. } => vote.len() + 64,
            Self::Truncate { .. } | Self::Purge { .. } => 64,
        }
    }

    /// Whether this operation must be synced. A purge may get lost in a crash: the rows are only deleted again.
    pub(crate) fn needs_sync(&self) -> bool {
        !matches!(self, Self::Purge { .. })
    }
}

pub(crate) struct Queue {
    inner: Mutex<Inner>,
    filled: Condvar,
    max_bytes: usize,
    max_operations: usize,
}

#[derive(Default)]
struct Inner {
    ops: VecDeque<(Op, usize)>,
    bytes: usize,
    closed: bool,
    /// Who waits for room.
    waiting: Vec<Waker>,
}

/// The operations that the committer takes from the queue, or why there are none.
pub(crate) enum Taken {
    Ops(Vec<Op>),
    /// Nothing came within the time given.
    Idle,
    /// Closed and empty.
    Closed,
}

impl Queue {
    pub(crate) fn new(max_bytes: usize, max_operations: usize) -> Self {
        Self {
            inner: Mutex::default(),
            filled: Condvar::new(),
            max_bytes,
            max_operations,
        }
    }

    /// Polls for room in the queue, for back-pressure; while there is none, the waker is called when it may be worth
    /// another look. Several who see the same room may all use it: the bound is passed by one operation of each at
    /// most.
    pub(crate) fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        let mut inner = self.inner.lock();
        let is_full = inner.bytes >= self.max_bytes || inner.ops.len() >= self.max_operations;
        if inner.closed || !is_full {
            return Poll::Ready(());
        }
        let waker = context.waker();
        if !inner.waiting.iter().any(|known| known.will_wake(waker)) {
            inner.waiting.push(waker.clone());
        }
        Poll::Pending
    }

    /// Hands an operation over. After the queue was closed, the operation is answered at once with an error.
    pub(crate) fn send(&self, op: Op) {
        let weight = op.change.weight();
        let mut inner = self.inner.lock();
        if inner.closed {
            drop(inner);
            return (op.done)(Err(Error::Closed.into()));
        }
        inner.bytes += weight;
        inner.ops.push_back((op, weight));
        drop(inner);
        self.filled.notify_one();
    }

    /// Takes everything that waits, up to `max_bytes`, at least one operation.
    pub(crate) fn take(&self, max_bytes: usize, patience: Duration) -> Taken {
        let mut inner = self.inner.lock();
        while inner.ops.is_empty() {
            if inner.closed {
                return Taken::Closed;
            }
            if self.filled.wait_for(&mut inner, patience).timed_out() && inner.ops.is_empty() {
                return if inner.closed {
                    Taken::Closed
                } else {
                    Taken::Idle
                };
            }
        }
        let mut ops = Vec::new();
        let mut bytes = 0;
        while let Some((op, weight)) = inner.ops.pop_front() {
            if bytes + weight > max_bytes && !ops.is_empty() {
                inner.ops.push_front((op, weight));
                break;
            }
            bytes += weight;
            ops.push(op);
        }
        inner.bytes -= bytes;
        let waiting = std::mem::take(&mut inner.waiting);
        drop(inner);
        waiting.into_iter().for_each(Waker::wake);
        Taken::Ops(ops)
    }

    /// Closes, and answers what waits for a committer that is no more.
    pub(crate) fn abandon(&self) {
        self.close();
        let left = std::mem::take(&mut self.inner.lock().ops);
        for (op, _) in left {
            (op.done)(Err(Error::Closed.into()));
        }
    }

    pub(crate) fn close(&self) {
        let waiting = {
            let mut inner = self.inner.lock();
            inner.closed = true;
            std::mem::take(&mut inner.waiting)
        };
        self.filled.notify_all();
        waiting.into_iter().for_each(Waker::wake);
    }
}
