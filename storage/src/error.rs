//! Errors below the narrow waist, each said as what was being done.

use model::ids::GroupId;
use std::{io, path::PathBuf};

/// An I/O or corruption error: a broken promise of the disk. Nothing is known about the row that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{doing}")]
    Engine {
        doing: &'static str,
        #[source]
        source: rocksdb::Error,
    },
    #[error("{doing} {}", path.display())]
    File {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A row or a file does not carry the checksum it was written with.
    #[error("{what} of group {group} is damaged: {detail}")]
    Damaged {
        group: GroupId,
        what: &'static str,
        detail: String,
    },
    #[error("snapshot in {} is refused: {reason}", dir.display())]
    SnapshotRefused { dir: PathBuf, reason: String },
    /// A snapshot is replacing the state, so there is no consistent state to read.
    #[error("group {0} is installing a snapshot")]
    Installing(GroupId),
    #[error("the store is closed")]
    Closed,
    #[error("the committer panicked")]
    Panicked,
}

impl Error {
    /// Whether the disk gave back something else than was written: asking it again changes nothing.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } => true,
            Self::Engine { source, .. } => source.kind() == rocksdb::ErrorKind::Corruption,
            _ => false,
        }
    }

    pub(crate) fn engine(doing: &'static str) -> impl FnOnce(rocksdb::Error) -> Self {
        move |source| Self::Engine { doing, source }
    }

    /// Whether the process lacks something that it may have again in a moment: strangers who open connections must not be
    /// able to make a store look damaged.
    pub(crate) fn is_want(&self) -> bool {
        let Self::Engine { source, .. } = self else {
            return false;
        };
        // The engine tells what the system said in words only.
        let said = source.to_string();
        source.kind() == rocksdb::ErrorKind::IOError
            && ["Too many open files", "Cannot allocate memory"]
                .iter()
                .any(|want| said.contains(want))
    }

    pub(crate) fn file(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            doing,
            path,
            source,
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Damaged { .. } | Error::SnapshotRefused { .. } => io::ErrorKind::InvalidData,
            Error::Closed => io::ErrorKind::BrokenPipe,
            Error::Installing(_) => io::ErrorKind::ResourceBusy,
            Error::File { source, .. } => source.kind(),
            Error::Engine { .. } | Error::Panicked => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// The reason why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The node has lost what it promised to remember. Its vote and its acknowledgements can't be trusted any more.
    #[error(
        "the data in {} is not what this node has acknowledged: {reason}. It must not take part under its old id. \
         Remove the old id from the cluster, move this directory away, and start the node with an empty one: \
         it joins under a new id and copies the data from the others",
        dir.display()
    )]
    Quarantined { dir: PathBuf, reason: String },
    /// Written by a version of the program that this one does not know.
    #[error("the data in {} has layout {found}, this program knows layout {known}", dir.display())]
    Layout {
        dir: PathBuf,
        found: u32,
        known: u32,
    },
    #[error("opening the store")]
    Store(#[from] Error),
}
