//! What the stories share: a store in a directory that goes away, rows, and waiting for an answer.

use bytes::Bytes;
use model::{
    envelope::{Envelope, PayloadRef},
    ids::GroupId,
    time::Timestamp,
};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    time::Duration,
};
use storage::{Done, GroupStore, LogRow, OpenError, Options, Store};
use tempfile::TempDir;

pub(crate) const GROUP: GroupId = GroupId(1);
pub(crate) const HOUR_MS: u64 = 3_600_000;

pub(crate) fn options() -> Options {
    Options {
        tail_cache_bytes: 4 << 10,
        watermark_interval: Duration::from_millis(20),
        chunk_bytes: 4 << 10,
        on_fatal: Arc::new(|what| panic!("{what}")),
        ..Options::default()
    }
}

/// A store that can be stopped, crashed and started again.
pub(crate) struct Disk {
    root: TempDir,
    lives: u32,
}

impl Disk {
    pub(crate) fn empty() -> Self {
        Self {
            root: tempfile::tempdir().expect("a directory"),
            lives: 0,
        }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.root.path().join(format!("life-{}", self.lives))
    }

    pub(crate) fn other(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn try_open(&self) -> Result<Store, OpenError> {
        Store::open(&self.dir(), options())
    }

    pub(crate) fn open(&self) -> Store {
        self.try_open().expect("the store opens")
    }

    /// What a killed process leaves behind: the files as they are now, without what was never written out.
    pub(crate) fn crash(&mut self, store: Store) {
        let from = self.dir();
        self.lives += 1;
        copy(&from, &self.dir());
        drop(store);
    }
}

/// Copies a directory as it is at one moment. A running database removes files in the background, so a copy during
/// which the set of files changed is made again.
pub(crate) fn copy(from: &Path, to: &Path) {
    loop {
        let _ = fs::remove_dir_all(to);
        let before = files(from);
        let copied = before.iter().try_for_each(|file| {
            let target = to.join(file);
            fs::create_dir_all(target.parent().expect("a parent"))?;
            fs::copy(from.join(file), target).map(drop)
        });
        match copied {
            Ok(()) if files(from) == before => return,
            Err(error) if error.kind() != io::ErrorKind::NotFound => panic!("{error}"),
            _ => {}
        }
    }
}

fn files(dir: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let entry = entry.expect("an entry");
        let name = PathBuf::from(entry.file_name());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(files(&entry.path()).into_iter().map(|file| name.join(file)));
        } else {
            found.insert(name);
        }
    }
    found
}

/// A callback and where its answer arrives.
pub(crate) fn answer() -> (Done, Receiver<io::Result<()>>) {
    let (tell, told) = mpsc::channel();
    let done: Done = Box::new(move |outcome| {
        let _ = tell.send(outcome);
    });
    (done, told)
}

pub(crate) fn wait(call: impl FnOnce(Done)) -> io::Result<()> {
    let (done, told) = answer();
    call(done);
    told.recv_timeout(Duration::from_secs(20))
        .expect("an answer")
}

pub(crate) fn append(group: &GroupStore, rows: &[LogRow]) {
    wait(|done| group.append(rows.to_vec(), done)).expect("appended");
}

/// An entry with a command of two bodies, stamped within the given hour.
pub(crate) fn row_of(index: u64, hour: u32, bodies: &[Bytes]) -> LogRow {
    let at = Timestamp(u64::from(hour) * HOUR_MS + index);
    LogRow {
        index,
        header: Bytes::from(format!("header of {index}")),
        command: Envelope::encode(at, format!("head of {index}").as_bytes(), bodies),
    }
}

pub(crate) fn row(index: u64) -> LogRow {
    let bodies = [
        Bytes::from(format!("first body of {index}")),
        Bytes::from(vec![u8::try_from(index % 251).expect("small"); 700]),
    ];
    row_of(index, 100, &bodies)
}

pub(crate) fn rows(indexes: std::ops::Range<u64>) -> Vec<LogRow> {
    indexes.map(row).collect()
}

pub(crate) fn reference(row: &LogRow, sub: u16) -> PayloadRef {
    let envelope = Envelope::parse(&row.command).expect("an envelope");
    PayloadRef {
        bucket: envelope.at.bucket(),
        index: row.index,
        sub,
        len: u32::try_from(envelope.bodies[usize::from(sub)].len()).expect("small"),
    }
}

pub(crate) fn body(row: &LogRow, sub: u16) -> Bytes {
    Envelope::parse(&row.command)
        .expect("an envelope")
        .bodies
        .remove(usize::from(sub))
}
