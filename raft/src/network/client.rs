//! The dialling side: one connection a peer, any number of calls in flight, all groups together.

use super::{
    link::{self, Identity, read_frame},
    tls::{Duplex, Wrapping},
    wire::{Answer, Call},
};
use crate::{codec, types::Member};
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeSet, HashMap},
    convert::Infallible,
    io,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncWriteExt, ReadHalf},
    net::TcpStream,
    sync::{mpsc, oneshot},
    time::timeout,
};

/// Calls that may wait for one connection.
const QUEUE: usize = 4096;
/// Frames that are gathered into one write.
const GATHER: usize = 64;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Serialize, Deserialize)]
pub(super) struct Numbered<T> {
    pub(super) number: u64,
    pub(super) value: T,
}

type PeerLink = link::Link<Box<dyn Duplex>>;
type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<io::Result<Answer>>>>>;

struct Request {
    call: Call,
    answer: oneshot::Sender<io::Result<Answer>>,
}

/// The dialling side's shared settings: what every connection of this node needs.
pub(crate) struct Dialler {
    pub(crate) secret: Vec<u8>,
    pub(crate) wrapping: Wrapping,
    pub(crate) me: Arc<RwLock<Identity>>,
    pub(crate) entropy: crate::Entropy,
    /// Nodes whose traffic is dropped, for tests of partitions.
    pub(crate) blocked: RwLock<BTreeSet<u64>>,
}

/// A connection to one peer. It dials when it is needed and again after a failure; every call fails with the connection
/// that it was sent on.
#[derive(Clone)]
pub(crate) struct Peer {
    queue: mpsc::Sender<Request>,
}

impl Peer {
    fn start(address: String, expected: Option<Expected>, dialler: Arc<Dialler>) -> Self {
        let (queue, requests) = mpsc::channel(QUEUE);
        tokio::spawn(run(address, expected, dialler, requests));
        Self { queue }
    }

    /// Sends a call and waits for its answer, at most `limit`.
    pub(crate) async fn call(&self, call: Call, limit: Duration) -> io::Result<Answer> {
        let (answer, receiver) = oneshot::channel();
        let request = Request { call, answer };
        let closed = || io::Error::from(io::ErrorKind::NotConnected);
        let exchange = async {
            self.queue.send(request).await.map_err(|_| closed())?;
            receiver.await.unwrap_or_else(|_| Err(closed()))
        };
        timeout(limit, exchange).await?
    }
}

async fn run(
    address: String,
    expected: Option<Expected>,
    dialler: Arc<Dialler>,
    mut requests: mpsc::Receiver<Request>,
) {
    while let Some(first) = requests.recv().await {
        match connect(&address, expected, &dialler).await {
            Ok(link) => converse(first, &mut requests, link, &dialler).await,
            Err(error) => {
                tracing::debug!(%address, %error, "peer not reached");
                let kind = error.kind();
                let _ = first.answer.send(Err(error));
                // Whoever waited for this connection fails with it; they decide whether to try again.
                while let Ok(request) = requests.try_recv() {
                    let _ = request.answer.send(Err(kind.into()));
                }
            }
        }
    }
}

async fn connect(
    address: &str,
    expected: Option<Expected>,
    dialler: &Dialler,
) -> io::Result<PeerLink> {
    if expected.is_some_and(|expected| dialler.blocked.read().contains(&expected.node)) {
        return Err(io::ErrorKind::HostUnreachable.into());
    }
    let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await??;
    let channel = dialler.wrapping.dial(stream).await?;
    let me = dialler.me.read().clone();
    let link = link::dial(channel, &dialler.secret, &me, (dialler.entropy)()).await?;
    if expected.is_some_and(|expected| !expected.is(&link.peer)) {
        return Err(link::refused("another node answers at this address"));
    }
    Ok(link)
}

/// Gives each answer to who waits for it, until the connection ends.
async fn hand_out(
    mut reader: ReadHalf<Box<dyn Duplex>>,
    mut incoming: link::Seal,
    waiting: Waiting,
) -> io::Result<Infallible> {
    loop {
        let frame = read_frame(&mut reader, &mut incoming).await?;
        let answer: Numbered<Answer> = codec::decode(&frame)?;
        if let Some(waiter) = waiting.lock().remove(&answer.number) {
            // Who asked may have given up meanwhile.
            let _ = waiter.send(Ok(answer.value));
        }
    }
}

async fn converse(
    first: Request,
    requests: &mut mpsc::Receiver<Request>,
    link: PeerLink,
    dialler: &Dialler,
) {
    let waiting = Waiting::default();
    let peer = link.peer.node;
    let (reader, mut writer) = tokio::io::split(link.stream);
    let mut answers = tokio::spawn(hand_out(reader, link.incoming, waiting.clone()));
    let mut outgoing = link.outgoing;
    let mut number = 0;
    let mut next = Some(first);
    let mut out = Vec::new();
    loop {
        let Some(request) = next.take() else { break };
        if dialler.blocked.read().contains(&peer) {
            let _ = request
                .answer
                .send(Err(io::ErrorKind::HostUnreachable.into()));
            break;
        }
        forget_the_impatient(&waiting);
        out.clear();
        let others = std::iter::from_fn(|| requests.try_recv().ok());
        for request in std::iter::once(request).chain(others).take(GATHER) {
            number += 1;
            let numbered = Numbered {
                number,
                value: request.call,
            };
            let sealed = codec::encode(&numbered).and_then(|body| outgoing.frame(&body, &mut out));
            match sealed {
                Ok(()) => drop(waiting.lock().insert(number, request.answer)),
                Err(error) => drop(request.answer.send(Err(error))),
            }
        }
        let written = async {
            writer.write_all(&out).await?;
            writer.flush().await
        };
        if let Err(error) = written.await {
            tracing::debug!(%error, peer, "peer connection lost while writing");
            break;
        }
        tokio::select! {
            request = requests.recv() => next = request,
            ended = &mut answers => {
                tracing::debug!(?ended, peer, "peer connection lost");
                break;
            }
        }
    }
    answers.abort();
    for (_, waiter) in waiting.lock().drain() {
        let _ = waiter.send(Err(io::ErrorKind::ConnectionReset.into()));
    }
}

/// Who asked may have given up, and the answer may never come.
fn forget_the_impatient(waiting: &Waiting) {
    let mut waiting = waiting.lock();
    if waiting.len() >= QUEUE {
        waiting.retain(|_, waiter| !waiter.is_closed());
    }
}

/// The node that must answer: as the membership knows it, so that one with an emptied or a copied disk is no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Expected {
    pub(crate) node: u64,
    pub(crate) incarnation: u128,
}

impl Expected {
    fn is(self, peer: &Identity) -> bool {
        self.node == peer.node && self.incarnation == peer.incarnation
    }
}

/// Where a connection goes: an address, the node that must answer there, and what it carries.
type Target = (String, Option<Expected>, Lane);

/// All peers of this node by address and expected id. Snapshots have connections of their own, so that they never delay
/// a heartbeat.
pub(crate) struct Peers {
    pub(crate) dialler: Arc<Dialler>,
    known: Mutex<HashMap<Target, Peer>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    Raft,
    Commands,
    Snapshots,
}

impl Peers {
    pub(crate) fn new(dialler: Arc<Dialler>) -> Self {
        Self {
            dialler,
            known: Mutex::default(),
        }
    }

    /// The connection to a member.
    pub(crate) fn of(&self, node: u64, member: &Member, lane: Lane) -> Peer {
        let expected = Expected {
            node,
            incarnation: member.incarnation,
        };
        self.get(&member.peer, Some(expected), lane)
    }

    /// A connection to whoever answers at an address, or to the node that must.
    pub(crate) fn get(&self, address: &str, expected: Option<Expected>, lane: Lane) -> Peer {
        self.known
            .lock()
            .entry((address.to_owned(), expected, lane))
            .or_insert_with(|| Peer::start(address.to_owned(), expected, self.dialler.clone()))
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_with_another_disk_is_another_node() {
        let identity = |node, incarnation| Identity {
            cluster: "test".into(),
            node,
            incarnation,
        };
        let expected = Expected {
            node: 2,
            incarnation: 7,
        };
        assert!(expected.is(&identity(2, 7)));
        assert!(!expected.is(&identity(3, 7)));
        assert!(!expected.is(&identity(2, 8)), "an emptied one, or a copy");
    }
}
