//! The shell around `model::machine::apply`: one transaction a batch, then the answers, then the effects.

use crate::{
    codec,
    effects::{EffectSink, Outlets},
    types::{LogId, Resp, Snapshot, SnapshotMeta, StoredMembership, TypeConfig},
};
use futures::{Stream, StreamExt};
use model::{
    envelope::Envelope,
    ids::GroupId,
    machine::{self, Effect, LeaderEffect, NodeEffect, RetentionAdvanced},
};
use openraft::{
    EntryPayload, OptionalSend, RaftSnapshotBuilder,
    entry::RaftEntry,
    storage::{EntryResponder, RaftStateMachine},
};
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};
use storage::{GroupStore, Manifest};

/// Commands that one transaction takes at most: bounds its memory and the wait of its first command.
const BATCH_MAX: usize = 256;

/// The applied position and membership of a group, written in the same transaction as its rows.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct AppliedState {
    pub(crate) last: Option<LogId>,
    pub(crate) membership: StoredMembership,
}

pub struct StateMachine {
    group: GroupStore,
    id: GroupId,
    applied: AppliedState,
    sink: EffectSink,
    snapshots: PathBuf,
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

impl StateMachine {
    /// Takes up where the store says that the last transaction ended. `snapshots` is this group's own directory.
    pub(crate) fn open(
        id: GroupId,
        group: GroupStore,
        sink: EffectSink,
        snapshots: PathBuf,
    ) -> io::Result<Self> {
        let applied = read_applied(&group)?;
        Ok(Self {
            group,
            id,
            applied,
            sink,
            snapshots,
        })
    }

    /// A state machine without a cluster around it, for conformance tests: its effects go nowhere.
    ///
    /// # Errors
    /// When the store can't be read.
    #[doc(hidden)]
    pub fn detached(group: GroupStore, snapshots: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&snapshots)?;
        let sink = EffectSink {
            group: GroupId(1),
            outlets: Outlets::new().0,
            leads: Arc::default(),
        };
        Self::open(GroupId(1), group, sink, snapshots)
    }

    fn commit(&mut self, batch: &mut Batch) -> io::Result<()> {
        let Some(txn) = batch.txn.take() else {
            return Ok(());
        };
        txn.commit(codec::encode(&self.applied)?.into())
            .map_err(failed)?;
        let told = std::mem::take(&mut batch.told);
        let (gone, told): (Vec<_>, Vec<_>) = told
            .into_iter()
            .partition(|effect| matches!(effect, NodeEffect::RetentionAdvanced(_)));
        // Before the answers: whoever hears that a change is made finds it on its way here.
        for effect in told {
            self.sink.tell(effect);
        }
        for (responder, reply) in batch.replies.drain(..) {
            responder.send(reply);
        }
        for effect in gone {
            if let NodeEffect::RetentionAdvanced(advanced) = effect {
                self.let_go(advanced)?;
            }
        }
        self.sink.hint(batch.hints.drain(..));
        Ok(())
    }

    fn let_go(&self, advanced: RetentionAdvanced) -> io::Result<()> {
        let going = storage::LetGo {
            before: advanced.before_bucket,
            gone: advanced.gone,
            referred: advanced.referred,
        };
        // The decision must be on disk before what it lets go is gone: dropping files bypasses the log.
        self.group.sync().map_err(failed)?;
        self.group.let_payload_go(&going).map_err(failed)
    }

    fn apply_one(&mut self, batch: &mut Batch, entry: &crate::types::Entry) -> io::Result<Resp> {
        self.applied.last = Some(entry.log_id);
        match &entry.payload {
            EntryPayload::Blank => Ok(Resp::default()),
            EntryPayload::Membership(membership) => {
                self.applied.membership =
                    StoredMembership::new(Some(entry.log_id), membership.clone());
                Ok(Resp::default())
            }
            EntryPayload::Normal(command) => {
                let txn = batch.txn.get_or_insert_with(|| self.group.begin());
                let Ok(envelope) = Envelope::parse(&command.0) else {
                    return Ok(Resp(machine::Reply::Malformed.encode()));
                };
                let applied = machine::apply(
                    txn,
                    machine::Entry {
                        group: self.id,
                        index: entry.log_id.index,
                        at: envelope.at,
                        head: &envelope.head,
                        bodies: &envelope.bodies,
                    },
                )
                .map_err(failed)?;
                batch.take(applied.effects);
                Ok(Resp(applied.reply))
            }
        }
    }
}

#[derive(Default)]
struct Batch {
    txn: Option<storage::WriteTxn>,
    replies: Vec<(openraft::storage::ApplyResponder<TypeConfig>, Resp)>,
    hints: Vec<LeaderEffect>,
    told: Vec<NodeEffect>,
}

impl Batch {
    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Leader(hint) => self.hints.push(hint),
                Effect::EveryNode(told) => self.told.push(told),
            }
        }
    }
}

pub(crate) fn read_applied(group: &GroupStore) -> io::Result<AppliedState> {
    let bytes = group.applied().map_err(failed)?.unwrap_or_default();
    decode_applied(&bytes)
}

/// Nothing stands there before the first entry is applied, in the store as in a snapshot of it.
fn decode_applied(bytes: &[u8]) -> io::Result<AppliedState> {
    if bytes.is_empty() {
        return Ok(AppliedState::default());
    }
    codec::decode(bytes)
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = PathBuf;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        Ok((self.applied.last, self.applied.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        let mut batch = Batch::default();
        let mut taken = 0;
        while let Some(item) = entries.next().await {
            let (entry, responder) = item?;
            debug_assert!(
                self.applied.last < Some(entry.log_id()),
                "entries come in order"
            );
            // Blank and membership entries move `applied` too, so they need a transaction of their own rows or not.
            batch.txn.get_or_insert_with(|| self.group.begin());
            let reply = self.apply_one(&mut batch, &entry)?;
            if let Some(responder) = responder {
                batch.replies.push((responder, reply));
            }
            taken += 1;
            if taken % BATCH_MAX == 0 {
                self.commit(&mut batch)?;
            }
        }
        self.commit(&mut batch)
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder {
            group: self.group.clone(),
            dir: self.snapshots.join("building"),
            done: self.snapshots.join("current"),
        }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, dir: PathBuf) -> io::Result<()> {
        let group = self.group.clone();
        let from = dir.clone();
        blocking(move || group.install(&from).map_err(failed)).await?;
        self.applied = read_applied(&self.group)?;
        self.sink.replaced();
        if self.applied.last != meta.last_log_id {
            return Err(io::Error::other(
                "the installed snapshot is another one than announced",
            ));
        }
        // What was installed is in the store now; its files serve the next node that lags.
        let current = self.snapshots.join("current");
        blocking(move || {
            let _ = std::fs::remove_dir_all(&current);
            std::fs::rename(&dir, &current).or_else(|error| {
                tracing::warn!(%error, "installed snapshot not kept, it is built again when it is needed");
                std::fs::remove_dir_all(&dir)
            })
        })
        .await
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        let dir = self.snapshots.join("current");
        match read_snapshot(&dir) {
            Ok(snapshot) => return Ok(Some(snapshot)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(group = %self.id, %error, "snapshot not used"),
        }
        // What was purged from the log is in a snapshot or nowhere that a follower could have it from.
        if self.group.log_bounds()?.last_purged.is_none() {
            return Ok(None);
        }
        tracing::info!(group = %self.id, "building the snapshot again that is missing or damaged");
        let mut builder = self.get_snapshot_builder().await;
        builder.dir = self.snapshots.join("rebuilding");
        builder.build_snapshot().await.map(Some)
    }
}

/// Runs work that waits for the disk where waiting harms nobody.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

pub struct SnapshotBuilder {
    group: GroupStore,
    dir: PathBuf,
    done: PathBuf,
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = PathBuf;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        let (group, dir, done) = (self.group.clone(), self.dir.clone(), self.done.clone());
        blocking(move || {
            let _ = std::fs::remove_dir_all(&dir);
            let last = |bytes: &[u8]| {
                decode_applied(bytes)
                    .ok()
                    .and_then(|applied| applied.last)
                    .map(|last| last.index)
            };
            let manifest = group.export(&dir, last).map_err(failed)?;
            std::fs::write(dir.join("applied"), &manifest.applied)?;
            let _ = std::fs::remove_dir_all(&done);
            std::fs::rename(&dir, &done)?;
            read_snapshot(&done)
        })
        .await
    }
}

/// Verifies that a snapshot that came from elsewhere is whole, and the one that was announced. Raft ends a group that
/// is given another.
pub(crate) fn verify_incoming(id: GroupId, meta: &SnapshotMeta, dir: &Path) -> io::Result<()> {
    let manifest = Manifest::verify(dir)?;
    let applied = decode_applied(&manifest.applied)?;
    if manifest.group != id.0 || applied.last != meta.last_log_id {
        return Err(io::Error::other(
            "the snapshot is another one than announced",
        ));
    }
    Ok(())
}

/// Lets a snapshot go that a peer refused, if it is damaged here: the next one is built anew.
pub(crate) fn doubt(dir: &Path) -> io::Result<()> {
    let Err(error) = Manifest::verify(dir) else {
        return Ok(());
    };
    tracing::warn!(%error, "a snapshot on this disk is damaged, it is built again");
    std::fs::remove_dir_all(dir)
}

fn read_snapshot(dir: &Path) -> io::Result<Snapshot> {
    let applied = decode_applied(&Manifest::read(dir)?.applied)?;
    Ok(Snapshot {
        meta: SnapshotMeta {
            last_log_id: applied.last,
            last_membership: applied.membership,
        },
        snapshot: dir.to_path_buf(),
    })
}
