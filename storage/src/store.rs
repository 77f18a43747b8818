//! The store of one node: opens, closes, hands out groups, and keeps the node's own few facts.

use crate::{
    columns::{Column, LAYOUT, LAYOUT_KEY, NODE, node_key},
    committer::{Committer, Counters},
    engine::Engine,
    error::{Error, OpenError},
    group::{Group, Log},
    options::Options,
    queue::Queue,
    recovery,
    scrub::{self, Scrubbed, Scrubber},
    snapshot,
    watermark::{Watermark, sync_dir},
};
use bytes::Bytes;
use model::ids::GroupId;
use parking_lot::{Mutex, RwLock};
use rocksdb::WriteBatch;
use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    thread::{self, JoinHandle},
};

/// The durable store of one node: everything that it remembers. Clones share it; the last one to go closes it.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

/// The part of the store that belongs to one group.
#[derive(Clone)]
pub struct GroupStore {
    pub(crate) store: Arc<Inner>,
    pub(crate) group: Arc<Group>,
}

pub(crate) struct Inner {
    pub(crate) engine: Arc<Engine>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) options: Options,
    groups: RwLock<HashMap<GroupId, Arc<Group>>>,
    counters: Arc<Counters>,
    committer: Mutex<Option<JoinHandle<()>>>,
    scrubber: Scrubber,
}

/// Statistics of the committer since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub batches: u64,
    pub operations: u64,
    pub syncs: u64,
    /// Time spent in all syncs together.
    pub sync_micros: u64,
    /// A sync while nothing else is in its way: the least of late. 0 before the first.
    pub quick_sync_micros: u64,
}

impl Store {
    /// Opens the store in `dir`, or makes an empty one.
    ///
    /// # Errors
    /// [`OpenError::Quarantined`] when rows are missing or damaged that this node has acknowledged.
    pub fn open(dir: &Path, options: Options) -> Result<Self, OpenError> {
        fs::create_dir_all(dir).map_err(Error::file("creating", dir))?;
        let found = Watermark::find(dir)?;
        let engine = Engine::open(&dir.join("db"), &options).map_err(refused(dir))?;
        let recovered = recovery::recover(&engine, dir, found).map_err(|error| match error {
            OpenError::Store(error) => refused(dir)(error),
            error => error,
        })?;
        install_the_interrupted(&engine, dir, recovered.logs.keys().copied())?;
        let mut watermark = Watermark::new(dir, recovered.sequence, recovered.marks);
        watermark.write_both()?;
        write_layout(&engine)?;
        sync_dir(dir)?;
        let groups = recovered
            .logs
            .into_iter()
            .map(|(id, log)| (id, Arc::new(Group::new(id, log))))
            .collect();
        scrub::first_look(&engine, options.first_look_bytes).map_err(refused(dir))?;
        engine.serve();
        let engine = Arc::new(engine);
        let queue = Arc::new(Queue::new(options.queue_bytes, options.queue_operations));
        let counters = Arc::new(Counters::default());
        let committer = Committer::start(
            engine.clone(),
            queue.clone(),
            watermark,
            counters.clone(),
            options.clone(),
        )
        .map_err(Error::file("starting the committer of", dir))?;
        let scrubber = Scrubber::start(engine.clone(), &options)
            .map_err(Error::file("starting the scrubber of", dir))?;
        Ok(Self {
            inner: Arc::new(Inner {
                engine,
                queue,
                options,
                groups: RwLock::new(groups),
                counters,
                committer: Mutex::new(Some(committer)),
                scrubber,
            }),
        })
    }

    /// A handle on one group's part of the store. A group that was never written to is empty.
    ///
    /// # Panics
    /// For the number that is reserved for the node's own facts.
    #[must_use]
    pub fn group(&self, id: GroupId) -> GroupStore {
        assert_ne!(id, NODE, "this number is reserved for the node's own facts");
        let known = self.inner.groups.read().get(&id).cloned();
        let group = known.unwrap_or_else(|| {
            self.inner
                .groups
                .write()
                .entry(id)
                .or_insert_with(|| Arc::new(Group::new(id, Log::default())))
                .clone()
        });
        GroupStore {
            store: self.inner.clone(),
            group,
        }
    }

    /// Reads one of the node's own facts: its identity, the cluster's id, its incarnation.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn meta_get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.inner.engine.get(Column::Meta, &node_key(key))
    }

    /// Remembers one of the node's own facts; with `sync` it is durable on return.
    ///
    /// # Errors
    /// When the store can't be written.
    pub fn meta_put(&self, key: &[u8], value: &[u8], sync: bool) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        batch.put_cf(self.inner.engine.column(Column::Meta), node_key(key), value);
        self.inner.engine.write(batch)?;
        if sync {
            self.inner.engine.sync()?;
        }
        Ok(())
    }

    /// Makes everything that was written so far durable.
    ///
    /// # Errors
    /// When the disk fails; the process normally ends before that is seen.
    pub fn sync(&self) -> Result<(), Error> {
        self.inner.engine.sync()
    }

    /// Bytes that the database takes on disk.
    ///
    /// # Errors
    /// When its directory can't be listed.
    pub fn disk_usage(&self) -> io::Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(self.inner.engine.path())? {
            match entry?.metadata() {
                Ok(file) => bytes += file.len(),
                // Compaction removes files while they are counted.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(bytes)
    }

    #[must_use]
    pub fn stats(&self) -> Stats {
        let counters = &self.inner.counters;
        Stats {
            batches: counters.batches.load(Ordering::Relaxed),
            operations: counters.operations.load(Ordering::Relaxed),
            syncs: counters.syncs.load(Ordering::Relaxed),
            sync_micros: counters.sync_micros.load(Ordering::Relaxed),
            quick_sync_micros: counters.quick_sync_micros.load(Ordering::Relaxed),
        }
    }

    /// The scrubber's findings so far.
    #[must_use]
    pub fn scrubbed(&self) -> Scrubbed {
        self.inner.scrubber.seen()
    }

    /// The directory of the database.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.inner.engine.path().to_path_buf()
    }

    /// Writes out what waits, makes it durable and takes nothing more. The files stay locked until the last clone
    /// of the store and of its groups is gone.
    pub fn close(&self) {
        self.inner.close();
    }
}

/// Installs the snapshots whose installation a crash has interrupted.
fn install_the_interrupted(
    engine: &Engine,
    dir: &Path,
    groups: impl Iterator<Item = GroupId>,
) -> Result<(), OpenError> {
    for (group, snapshot) in recovery::interrupted(engine, groups).map_err(refused(dir))? {
        tracing::info!(%group, snapshot, "installing a snapshot was interrupted, beginning again");
        let replayed = snapshot::replay(engine, group, Path::new(&snapshot));
        replayed.map_err(|error| OpenError::Quarantined {
            dir: dir.to_path_buf(),
            reason: format!(
                "a snapshot of group {group} was half installed and can't be read any more ({error})"
            ),
        })?;
    }
    Ok(())
}

/// Writes down which layout the rows have.
fn write_layout(engine: &Engine) -> Result<(), Error> {
    let mut batch = WriteBatch::default();
    batch.put_cf(
        engine.column(Column::Meta),
        LAYOUT_KEY,
        LAYOUT.to_be_bytes(),
    );
    engine.write(batch)?;
    engine.sync()
}

/// Damage that is met before the store is open is a reason not to open it.
fn refused(dir: &Path) -> impl Fn(Error) -> OpenError + '_ {
    move |error| match error {
        Error::Engine { doing, source } if source.kind() == rocksdb::ErrorKind::Corruption => {
            OpenError::Quarantined {
                dir: dir.to_path_buf(),
                reason: format!("the database is damaged, seen while {doing} ({source})"),
            }
        }
        Error::Damaged {
            group,
            what,
            detail,
        } => OpenError::Quarantined {
            dir: dir.to_path_buf(),
            reason: format!("{what} of group {group} is damaged ({detail})"),
        },
        error => error.into(),
    }
}

impl Inner {
    fn close(&self) {
        self.scrubber.stop();
        self.queue.close();
        let Some(committer) = self.committer.lock().take() else {
            return;
        };
        // A callback may hold the last clone; the committer can't wait for itself.
        if committer.thread().id() != thread::current().id() && committer.join().is_err() {
            tracing::error!("the committer ended in a panic");
        }
        self.engine.quiet();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}
