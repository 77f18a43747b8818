//! openraft's network: each call of a group to a member becomes a frame on the shared connection.

use super::{
    client::{Lane, Peer, Peers},
    wire::{Answer, Call},
};
use crate::{
    state_machine::{blocking, doubt},
    types::{Member, Snapshot, TypeConfig, Vote},
};
use openraft::{
    OptionalSend, RaftNetworkFactory,
    error::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::{RPCOption, v2::RaftNetworkV2},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
        TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};
use std::{future::Future, io, path::PathBuf, sync::Arc, time::Duration};

/// A replication call may wait this long: the heartbeat interval that openraft allows is shorter than a slow sync.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of a snapshot in one frame.
const CHUNK: usize = 512 * 1024;
/// A snapshot's pace in bytes a second: it must not starve what serves.
const SNAPSHOT_RATE: u64 = 50 * 1024 * 1024;

pub(crate) struct Factory {
    pub(crate) group: u16,
    pub(crate) peers: Arc<Peers>,
}

impl RaftNetworkFactory<TypeConfig> for Factory {
    type Network = Client;

    async fn new_client(&mut self, target: u64, node: &Member) -> Client {
        Client {
            group: self.group,
            peer: self.peers.of(target, node, Lane::Raft),
        }
    }

    async fn new_snapshot_client(&mut self, target: u64, node: &Member) -> Client {
        Client {
            group: self.group,
            peer: self.peers.of(target, node, Lane::Snapshots),
        }
    }
}

pub(crate) struct Client {
    group: u16,
    peer: Peer,
}

fn rpc_error(error: &io::Error) -> RPCError<TypeConfig> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NotConnected => RPCError::Unreachable(Unreachable::new(error)),
        _ => RPCError::Network(NetworkError::new(error)),
    }
}

fn unexpected(answer: &Answer) -> io::Error {
    io::Error::other(match answer {
        Answer::Failed(why) => why.clone(),
        _ => "the peer gave another kind of answer".into(),
    })
}

impl Client {
    async fn ask(&self, call: Call, option: &RPCOption) -> Result<Answer, RPCError<TypeConfig>> {
        let limit = option.hard_ttl().max(PATIENCE);
        self.peer
            .call(call, limit)
            .await
            .map_err(|error| rpc_error(&error))
    }

    async fn send_snapshot(
        &self,
        vote: Vote,
        snapshot: Snapshot,
        limit: Duration,
    ) -> io::Result<SnapshotResponse<TypeConfig>> {
        let group = self.group;
        let name = snapshot.meta.last_log_id.map_or_else(
            || "empty".into(),
            |last| format!("{}-{}", last.leader_id.term, last.index),
        );
        let dir = snapshot.snapshot;
        expect_done(
            self.peer
                .call(
                    Call::SnapshotBegin {
                        group,
                        name: name.clone(),
                    },
                    limit,
                )
                .await?,
        )?;
        let listed = dir.clone();
        let files = blocking(move || {
            std::fs::read_dir(listed)?
                .map(|file| Ok(file?.path()))
                .collect::<io::Result<Vec<_>>>()
        })
        .await?;
        for file in files {
            self.send_file(&name, &file, limit).await?;
        }
        let end = Call::SnapshotEnd {
            group,
            name,
            vote,
            meta: snapshot.meta,
        };
        match self.peer.call(end, limit).await? {
            Answer::Snapshot(response) => Ok(response),
            other => {
                blocking(move || doubt(&dir)).await?;
                Err(unexpected(&other))
            }
        }
    }

    async fn send_file(
        &self,
        name: &str,
        path: &std::path::Path,
        limit: Duration,
    ) -> io::Result<()> {
        let Some(file_name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(io::Error::other("a snapshot file has no plain name"));
        };
        let mut offset = 0;
        loop {
            let from = path.to_path_buf();
            let bytes = blocking(move || read_chunk(&from, offset)).await?;
            let filled = bytes.len();
            let call = Call::SnapshotChunk {
                group: self.group,
                name: name.to_owned(),
                file: file_name.to_owned(),
                offset,
                bytes: bytes.into(),
            };
            expect_done(self.peer.call(call, limit).await?)?;
            offset += filled as u64;
            if filled < CHUNK {
                return Ok(());
            }
            let pause = (filled as u64).saturating_mul(1_000_000) / SNAPSHOT_RATE;
            tokio::time::sleep(Duration::from_micros(pause)).await;
        }
    }
}

fn read_chunk(path: &std::path::Path, offset: u64) -> io::Result<Vec<u8>> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = std::fs::File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::with_capacity(CHUNK);
    file.take(CHUNK as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn expect_done(answer: Answer) -> io::Result<()> {
    match answer {
        Answer::Done => Ok(()),
        other => Err(unexpected(&other)),
    }
}

impl RaftNetworkV2<TypeConfig> for Client {
    type SnapshotData = PathBuf;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        match self.ask(Call::Append(self.group, rpc), &option).await? {
            Answer::Append(response) => Ok(response),
            other => Err(rpc_error(&unexpected(&other))),
        }
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        match self.ask(Call::Vote(self.group, rpc), &option).await? {
            Answer::Vote(response) => Ok(response),
            other => Err(rpc_error(&unexpected(&other))),
        }
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        match self.ask(Call::PreVote(self.group, rpc), &option).await? {
            Answer::Vote(response) => Ok(response),
            other => Err(rpc_error(&unexpected(&other))),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let limit = option.hard_ttl().max(Duration::from_secs(30));
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = self.send_snapshot(vote, snapshot, limit) => {
                sent.map_err(|error| StreamingError::Network(NetworkError::new(&error)))
            }
        }
    }

    async fn transfer_leader(
        &mut self,
        rpc: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        match self.ask(Call::Transfer(self.group, rpc), &option).await? {
            Answer::Transfer(true) => Ok(Ok(())),
            Answer::Transfer(false) => {
                Err(rpc_error(&io::Error::other("the peer refused to lead")))
            }
            other => Err(rpc_error(&unexpected(&other))),
        }
    }
}
