//! Building snapshots when the log has grown, and taking in those of a leader.

use crate::{
    cluster::Inner,
    group::Group,
    network::Answer,
    state_machine::{blocking, verify_incoming},
    types::{Snapshot, SnapshotMeta, Vote},
};
use openraft::async_runtime::watch::WatchReceiver;
use std::{
    io::{Seek, SeekFrom, Write},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

const EVERY: Duration = Duration::from_secs(5);
/// A snapshot in flight may take this on disk.
const FILE_MAX: u64 = 64 * 1024 * 1024 * 1024;

/// A name that is surely a plain file in the directory that it is meant for.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

impl Inner {
    /// Makes snapshots again and again, one group at a time: a snapshot reads much.
    pub(crate) async fn keep_snapshots(self: Arc<Self>) {
        loop {
            tokio::time::sleep(EVERY).await;
            for group in self.groups() {
                let (applied, snapshot) = {
                    let metrics = group.raft.data_metrics();
                    let metrics = metrics.borrow_watched();
                    let index = |id: &Option<crate::types::LogId>| id.map_or(0, |id| id.index);
                    (index(&metrics.last_applied), index(&metrics.snapshot))
                };
                if applied.saturating_sub(snapshot) < self.config.snapshot_log_rows {
                    continue;
                }
                tracing::info!(group = %group.id, applied, "building a snapshot");
                if let Err(error) = group.raft.trigger().snapshot().await {
                    tracing::warn!(group = %group.id, %error, "snapshot not started");
                }
            }
        }
    }

    fn incoming(&self, group: &Group, name: &str) -> Result<PathBuf, String> {
        if !is_plain(name) {
            return Err("a snapshot's name must be plain".into());
        }
        let dir = self
            .config
            .data_dir
            .join("snapshots")
            .join(group.id.to_string());
        Ok(dir.join(format!("incoming-{name}")))
    }

    pub(crate) async fn snapshot_begin(&self, group: &Group, name: &str) -> Result<Answer, String> {
        let dir = self.incoming(group, name)?;
        blocking(move || {
            // An earlier try may have left some of it.
            let _ = std::fs::remove_dir_all(&dir);
            std::fs::create_dir_all(&dir)
        })
        .await
        .map_err(|error| error.to_string())?;
        Ok(Answer::Done)
    }

    pub(crate) async fn snapshot_chunk(
        &self,
        group: &Group,
        name: &str,
        file: &str,
        offset: u64,
        bytes: &bytes::Bytes,
    ) -> Result<Answer, String> {
        if !is_plain(file) || offset > FILE_MAX {
            return Err("a snapshot's files must be plain and bounded".into());
        }
        let path = self.incoming(group, name)?.join(file);
        let bytes = bytes.clone();
        blocking(move || {
            let mut file = std::fs::OpenOptions::new()
                .create(true)
                .write(true)
                .truncate(offset == 0)
                .open(path)?;
            file.seek(SeekFrom::Start(offset))?;
            file.write_all(&bytes)?;
            file.sync_data()
        })
        .await
        .map_err(|error| error.to_string())?;
        Ok(Answer::Done)
    }

    pub(crate) async fn snapshot_end(
        &self,
        group: &Group,
        name: &str,
        vote: Vote,
        meta: SnapshotMeta,
    ) -> Result<Answer, String> {
        let dir = self.incoming(group, name)?;
        let (id, announced, there) = (group.id, meta.clone(), dir.clone());
        blocking(move || verify_incoming(id, &announced, &there))
            .await
            .map_err(|error| error.to_string())?;
        let snapshot = Snapshot {
            meta,
            snapshot: dir,
        };
        let installed = group.raft.install_full_snapshot(vote, snapshot).await;
        installed
            .map(Answer::Snapshot)
            .map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "/etc/passwd",
            ".hidden",
            "a\0b",
            &"x".repeat(65),
        ] {
            assert!(!is_plain(name), "{name:?}");
        }
        assert!(is_plain("state-0001.chunk") && is_plain("MANIFEST"));
    }
}
