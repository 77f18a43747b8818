//! The listening side: verifies, decodes, hands over in order, and answers as answers come.

use super::{
    client::Numbered,
    counters::Counters,
    link::{self, Identity, read_frame},
    tls::{Duplex, Wrapping},
    wire::{Answer, Call},
};
use crate::codec;
use futures::{FutureExt, future::BoxFuture};
use parking_lot::RwLock;
use std::{io, sync::Arc};
use tokio::{
    io::{AsyncWriteExt, ReadHalf, WriteHalf},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

/// Connections that peers may hold at once.
const CONNECTIONS_MAX: usize = 256;
/// Answers that may wait for one connection.
const ANSWERS: usize = 1024;
/// Calls of one connection that may be under way: what is beyond waits in the socket.
const CALLS_MAX: usize = 1024;

/// The handler of calls from peers. The returned future is polled once at once, in the order of arrival.
pub(crate) trait Handler: Send + Sync + 'static {
    fn handle(self: Arc<Self>, from: u64, call: Call) -> BoxFuture<'static, Answer>;
    /// Whether the membership knows this peer as it says it is.
    fn knows(&self, peer: &Identity) -> bool;
    fn is_blocked(&self, node: u64) -> bool;
}

pub(crate) struct Listener<H> {
    pub(crate) secret: Vec<u8>,
    /// Accepted too, while the cluster's secret is changed.
    pub(crate) other_secret: Option<Vec<u8>>,
    pub(crate) wrapping: Wrapping,
    pub(crate) me: Arc<RwLock<Identity>>,
    pub(crate) entropy: crate::Entropy,
    pub(crate) counters: Arc<Counters>,
    pub(crate) handler: Arc<H>,
}

/// Serves peers until the task is dropped.
pub(crate) async fn serve<H: Handler>(listener: TcpListener, shared: Arc<Listener<H>>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    // They end with this task: a stopped node must not go on answering on old connections.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(permit) = permits.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = shared.clone();
                connections.spawn(async move {
                    let _permit = permit;
                    if let Err(error) = connection(stream, &shared).await
                        && error.kind() != io::ErrorKind::UnexpectedEof
                    {
                        tracing::debug!(%error, "peer connection ended");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "peer connection not accepted");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection<H: Handler>(stream: TcpStream, shared: &Listener<H>) -> io::Result<()> {
    let me = shared.me.read().clone();
    let secrets: Vec<&[u8]> = std::iter::once(&shared.secret)
        .chain(&shared.other_secret)
        .map(Vec::as_slice)
        .collect();
    let proved = async {
        let channel = shared.wrapping.accept(stream).await?;
        link::accept(channel, &secrets, &me, (shared.entropy)()).await
    };
    let link = proved.await.inspect_err(|error| {
        if error.kind() != io::ErrorKind::UnexpectedEof {
            shared.counters.handshake();
        }
    })?;
    let peer = link.peer;
    if shared.handler.is_blocked(peer.node) {
        return Err(io::ErrorKind::HostUnreachable.into());
    }
    let (reader, writer) = tokio::io::split(link.stream);
    let (answers, ready) = mpsc::channel::<Numbered<Answer>>(ANSWERS);
    let writing = tokio::spawn(write_answers(writer, link.outgoing, ready));
    let calls = Calls {
        reader,
        incoming: link.incoming,
        peer,
        told: false,
    };
    let result = calls.serve(shared, &answers).await;
    drop(answers);
    writing.abort();
    result
}

/// Seals and writes answers as they come, those that are there together in one go.
async fn write_answers(
    mut writer: WriteHalf<Box<dyn Duplex>>,
    mut outgoing: link::Seal,
    mut ready: mpsc::Receiver<Numbered<Answer>>,
) -> io::Result<()> {
    let mut out = Vec::new();
    while let Some(first) = ready.recv().await {
        out.clear();
        let mut next = Some(first);
        while let Some(answer) = next.take() {
            outgoing.frame(&codec::encode(&answer)?, &mut out)?;
            next = ready.try_recv().ok();
        }
        writer.write_all(&out).await?;
        writer.flush().await?;
    }
    Ok(())
}

/// The calls of one peer.
struct Calls {
    reader: ReadHalf<Box<dyn Duplex>>,
    incoming: link::Seal,
    peer: Identity,
    /// Whether it was told of that the peer is not who it says it is.
    told: bool,
}

impl Calls {
    /// Handles calls and answers them, until the connection ends or nobody writes answers any more.
    async fn serve<H: Handler>(
        mut self,
        shared: &Listener<H>,
        answers: &mpsc::Sender<Numbered<Answer>>,
    ) -> io::Result<()> {
        let under_way = Arc::new(Semaphore::new(CALLS_MAX));
        loop {
            let Numbered { number, value } = self.next(shared).await?;
            if shared.handler.is_blocked(self.peer.node) {
                return Err(io::ErrorKind::HostUnreachable.into());
            }
            let Some(call) = self.admitted(shared, value) else {
                let value = Answer::Failed("this node is not a member as it says it is".into());
                if answers.send(Numbered { number, value }).await.is_err() {
                    return Ok(());
                }
                continue;
            };
            let mut handling = shared.handler.clone().handle(self.peer.node, call);
            // Polled here once, so that appends reach Raft in the order in which they came.
            if let Some(value) = (&mut handling).now_or_never() {
                if answers.send(Numbered { number, value }).await.is_err() {
                    return Ok(());
                }
                continue;
            }
            let Ok(permit) = under_way.clone().acquire_owned().await else {
                return Ok(());
            };
            let answers = answers.clone();
            tokio::spawn(async move {
                let value = handling.await;
                drop(permit);
                let _ = answers.send(Numbered { number, value }).await;
            });
        }
    }

    async fn next<H: Handler>(&mut self, shared: &Listener<H>) -> io::Result<Numbered<Call>> {
        let frame = read_frame(&mut self.reader, &mut self.incoming).await;
        let frame = frame.inspect_err(|error| {
            if error.kind() == io::ErrorKind::PermissionDenied {
                shared.counters.frame();
            }
        })?;
        codec::decode(&frame).inspect_err(|_| shared.counters.frame())
    }

    /// A stranger may ask who we are and ask to join, nothing else.
    fn admitted<H: Handler>(&mut self, shared: &Listener<H>, call: Call) -> Option<Call> {
        // Asked for each call: the membership changes while connections stand.
        if matches!(call, Call::Welcome | Call::Join(_)) || shared.handler.knows(&self.peer) {
            return Some(call);
        }
        if !std::mem::replace(&mut self.told, true) {
            shared.counters.identity();
            tracing::warn!(
                node = self.peer.node,
                "a peer is not the node that the membership knows"
            );
        }
        None
    }
}
