//! The authenticated link between two peers: a challenge handshake under the cluster's secret, then frames that nobody
//! else can have written.
//!
//! Handshake (all integers big-endian): the dialler sends `hello`, the listener its own, each with a fresh nonce; then
//! each proves the secret with `HMAC(secret, role ‖ len ‖ binding ‖ len ‖ hello_dialler ‖ hello_listener)`. The binding
//! names the encrypted channel (`tls`); the lengths are u64. The session key is the same MAC with "session" for the
//! role, so a frame of another connection never verifies on this one.
//! Frame on a plain connection: `len u32 | mac 32 | body`, mac over `direction ‖ sequence u64 ‖ len ‖ body`. The sequence
//! is counted, not sent: a replayed, dropped or reordered frame does not verify.
//! Frame in an encrypted channel: `len u32 | body`. TLS vouches for every byte and its place, and the handshake has bound
//! the secret to that one channel (ADR 24).

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::{io, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::tls::Channel;
use crate::codec;

/// Longest frame: one append with its bodies. Checked before anything is allocated.
pub(crate) const FRAME_MAX: usize = 40 * 1024 * 1024;
/// Longest handshake message.
const HELLO_MAX: usize = 4 * 1024;
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);
const MAC_LEN: usize = 32;

/// The claimed identity of a peer. Node 0 is one that has no id yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) cluster: String,
    pub(crate) node: u64,
    pub(crate) incarnation: u128,
}

#[derive(Serialize, Deserialize)]
struct Hello {
    identity: Identity,
    nonce: u128,
}

#[derive(Clone, Copy)]
enum Role {
    Dialler,
    Listener,
}

impl Role {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Dialler => b"dialler",
            Self::Listener => b"listener",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Dialler => Self::Listener,
            Self::Listener => Self::Dialler,
        }
    }
}

/// The seal on the frames of one direction of a link.
pub(crate) enum Seal {
    /// The encrypted channel below is proven to be the peer's.
    Channel,
    Mac(MacState),
}

/// The session key of one direction, and the next sequence number.
pub(crate) struct MacState {
    key: Hmac<Sha256>,
    sequence: u64,
}

impl MacState {
    fn next(&mut self, len: [u8; 4], body: &[u8]) -> Hmac<Sha256> {
        let sequence = self.sequence;
        self.sequence += 1;
        self.key
            .clone()
            .chain_update(sequence.to_be_bytes())
            .chain_update(len)
            .chain_update(body)
    }
}

impl Seal {
    fn new(binding: &[u8], session: &[u8], role: Role) -> Self {
        if !binding.is_empty() {
            return Self::Channel;
        }
        let mut key = mac(session);
        key.update(role.label());
        Self::Mac(MacState { key, sequence: 0 })
    }

    /// Appends a sealed frame to `out`.
    pub(crate) fn frame(&mut self, body: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let len = u32::try_from(body.len())
            .ok()
            .filter(|&len| len as usize <= FRAME_MAX)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "frame too long"))?
            .to_be_bytes();
        out.extend_from_slice(&len);
        if let Self::Mac(state) = self {
            out.extend_from_slice(&state.next(len, body).finalize().into_bytes());
        }
        out.extend_from_slice(body);
        Ok(())
    }
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

/// The error of a refused peer or frame. The connection ends with it.
pub(crate) fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

pub(crate) struct Link<S> {
    pub(crate) stream: S,
    pub(crate) peer: Identity,
    pub(crate) outgoing: Seal,
    pub(crate) incoming: Seal,
}

/// Dials: proves the secret and checks that the other side has it.
pub(crate) async fn dial<S: AsyncReadExt + AsyncWriteExt + Unpin>(
    channel: Channel<S>,
    secret: &[u8],
    me: &Identity,
    nonce: u128,
) -> io::Result<Link<S>> {
    timeout(
        HANDSHAKE_TIMEOUT,
        handshake(channel, &[secret], me, nonce, Role::Dialler),
    )
    .await?
}

/// Answers a dialler that proves any of these secrets, with the same one: two are live while the secret is changed.
pub(crate) async fn accept<S: AsyncReadExt + AsyncWriteExt + Unpin>(
    channel: Channel<S>,
    secrets: &[&[u8]],
    me: &Identity,
    nonce: u128,
) -> io::Result<Link<S>> {
    timeout(
        HANDSHAKE_TIMEOUT,
        handshake(channel, secrets, me, nonce, Role::Listener),
    )
    .await?
}

async fn handshake<S: AsyncReadExt + AsyncWriteExt + Unpin>(
    channel: Channel<S>,
    secrets: &[&[u8]],
    me: &Identity,
    nonce: u128,
    role: Role,
) -> io::Result<Link<S>> {
    let Channel {
        mut stream,
        binding,
    } = channel;
    let mine = codec::encode(&Hello {
        identity: me.clone(),
        nonce,
    })?;
    write_short(&mut stream, &mine).await?;
    let theirs = read_short(&mut stream).await?;
    let hello: Hello = codec::decode(&theirs)?;
    let (dialler, listener) = match role {
        Role::Dialler => (&mine, &theirs),
        Role::Listener => (&theirs, &mine),
    };
    let bound_by = |secret: &[u8], label: &[u8]| {
        mac(secret)
            .chain_update(label)
            .chain_update((binding.len() as u64).to_be_bytes())
            .chain_update(&binding)
            .chain_update((dialler.len() as u64).to_be_bytes())
            .chain_update(dialler)
            .chain_update(listener)
    };
    // The dialler proves itself first, so that a stranger who dials gets no MAC to learn from.
    if let (Role::Dialler, [secret, ..]) = (role, secrets) {
        let proof = bound_by(secret, role.label()).finalize().into_bytes();
        write_short(&mut stream, &proof).await?;
    }
    let proof = read_short(&mut stream).await?;
    let theirs = |secret: &&&[u8]| {
        let expected = bound_by(secret, role.other().label());
        expected.verify_slice(&proof).is_ok()
    };
    let Some(secret) = secrets.iter().find(theirs) else {
        return Err(refused("the peer does not know the cluster's secret"));
    };
    let bound = |label: &[u8]| bound_by(secret, label);
    if matches!(role, Role::Listener) {
        write_short(&mut stream, &bound(role.label()).finalize().into_bytes()).await?;
    }
    if hello.identity.cluster != me.cluster {
        return Err(refused("the peer belongs to another cluster"));
    }
    let session = bound(b"session").finalize().into_bytes();
    Ok(Link {
        stream,
        peer: hello.identity,
        outgoing: Seal::new(&binding, &session, role),
        incoming: Seal::new(&binding, &session, role.other()),
    })
}

async fn write_short(stream: &mut (impl AsyncWriteExt + Unpin), body: &[u8]) -> io::Result<()> {
    let len = u32::try_from(body.len()).map_err(|_| refused("hello too long"))?;
    let mut out = len.to_be_bytes().to_vec();
    out.extend_from_slice(body);
    stream.write_all(&out).await?;
    stream.flush().await
}

async fn read_short(stream: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Vec<u8>> {
    let len = stream.read_u32().await? as usize;
    if len > HELLO_MAX {
        return Err(refused("hello too long"));
    }
    let mut body = vec![0; len];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

/// Reads the next frame and verifies it before anyone decodes it.
pub(crate) async fn read_frame(
    stream: &mut (impl AsyncReadExt + Unpin),
    seal: &mut Seal,
) -> io::Result<Bytes> {
    let mut head = [0; 4 + MAC_LEN];
    let head = match seal {
        Seal::Channel => &mut head[..4],
        Seal::Mac(_) => &mut head[..],
    };
    stream.read_exact(head).await?;
    let (len_bytes, tag) = head.split_first_chunk().expect("a length");
    let len = u32::from_be_bytes(*len_bytes) as usize;
    if len > FRAME_MAX {
        return Err(refused("frame too long"));
    }
    let mut body = vec![0; len];
    stream.read_exact(&mut body).await?;
    if let Seal::Mac(state) = seal
        && state.next(*len_bytes, &body).verify_slice(tag).is_err()
    {
        return Err(refused("frame is foreign, replayed or changed"));
    }
    Ok(body.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{DuplexStream, duplex};

    const SECRET: &[u8] = b"a secret of thirty-two bytes, or more";

    fn identity(cluster: &str, node: u64) -> Identity {
        Identity {
            cluster: cluster.into(),
            node,
            incarnation: u128::from(node) << 64,
        }
    }

    fn open(stream: DuplexStream) -> Channel<DuplexStream> {
        bound_to(stream, b"")
    }

    fn bound_to(stream: DuplexStream, binding: &[u8]) -> Channel<DuplexStream> {
        Channel {
            stream,
            binding: binding.to_vec(),
        }
    }

    type Pair = (
        io::Result<Link<DuplexStream>>,
        io::Result<Link<DuplexStream>>,
    );

    async fn pair(dialler: (&str, &[u8]), listener: (&str, &[u8])) -> Pair {
        let (a, b) = duplex(1024 * 1024);
        let (one, two) = (identity(dialler.0, 1), identity(listener.0, 2));
        let accepted = [listener.1];
        tokio::join!(
            dial(open(a), dialler.1, &one, 11),
            accept(open(b), &accepted, &two, 22),
        )
    }

    async fn linked() -> (Link<DuplexStream>, Link<DuplexStream>) {
        let (dialler, listener) = pair(("test", SECRET), ("test", SECRET)).await;
        (dialler.expect("proved"), listener.expect("proved"))
    }

    fn sealed(seal: &mut Seal, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        seal.frame(body, &mut out).expect("short enough");
        out
    }

    async fn read(bytes: &[u8], seal: &mut Seal) -> io::Result<Bytes> {
        let mut stream = bytes;
        read_frame(&mut stream, seal).await
    }

    fn assert_refused(result: io::Result<Bytes>) {
        let error = result.expect_err("refused");
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }

    #[tokio::test]
    async fn both_sides_learn_who_the_other_is() {
        let (dialler, listener) = linked().await;
        assert_eq!(dialler.peer, identity("test", 2));
        assert_eq!(listener.peer, identity("test", 1));
    }

    #[tokio::test]
    async fn another_secret_and_another_cluster_are_refused() {
        let (dialler, listener) = pair(("test", b"a guessed secret"), ("test", SECRET)).await;
        assert!(dialler.is_err() && listener.is_err());
        let (dialler, listener) = pair(("other", SECRET), ("test", SECRET)).await;
        assert!(dialler.is_err() && listener.is_err());
    }

    #[tokio::test]
    async fn while_the_secret_changes_either_one_will_do_and_no_third() {
        const NEXT: &[u8] = b"the next secret of thirty-two bytes";
        for (proven, taken) in [(SECRET, true), (NEXT, true), (b"a third", false)] {
            let (a, b) = duplex(1024);
            let (one, two) = (identity("test", 1), identity("test", 2));
            let (dialler, listener) = tokio::join!(
                dial(open(a), proven, &one, 11),
                accept(open(b), &[SECRET, NEXT], &two, 22),
            );
            assert_eq!((dialler.is_ok(), listener.is_ok()), (taken, taken));
        }
    }

    #[tokio::test]
    async fn a_frame_is_taken_once() {
        let (mut dialler, mut listener) = linked().await;
        let frame = sealed(&mut dialler.outgoing, b"append");
        let taken = read(&frame, &mut listener.incoming).await;
        assert_eq!(taken.expect("genuine"), b"append".as_slice());
        assert_refused(read(&frame, &mut listener.incoming).await);
    }

    #[tokio::test]
    async fn a_frame_is_worth_nothing_on_another_connection_or_back_to_its_sender() {
        let (mut dialler, _listener) = linked().await;
        // Its nonces differ, so its key does.
        let (a, b) = duplex(1024);
        let (one, two) = (identity("test", 1), identity("test", 2));
        let (_again, second) = tokio::join!(
            dial(open(a), SECRET, &one, 11),
            accept(open(b), &[SECRET], &two, 23),
        );
        let frame = sealed(&mut dialler.outgoing, b"append");
        assert_refused(read(&frame, &mut second.expect("proved").incoming).await);
        assert_refused(read(&frame, &mut dialler.incoming).await);
    }

    #[tokio::test]
    async fn no_byte_of_a_frame_may_change() {
        for byte in 0..sealed(&mut linked().await.0.outgoing, b"append").len() {
            let (mut dialler, mut listener) = linked().await;
            let mut frame = sealed(&mut dialler.outgoing, b"append");
            frame[byte] ^= 1;
            // A changed length may also leave the reader without bytes.
            assert!(
                read(&frame, &mut listener.incoming).await.is_err(),
                "{byte}"
            );
        }
    }

    #[tokio::test]
    async fn in_a_channel_that_is_bound_to_the_secret_frames_carry_no_mac() {
        for (listeners, is_one) in [(b"one channel", true), (b"two of them", false)] {
            let (a, b) = duplex(1024);
            let (one, two) = (identity("test", 1), identity("test", 2));
            let (dialler, listener) = tokio::join!(
                dial(bound_to(a, b"one channel"), SECRET, &one, 11),
                accept(bound_to(b, listeners), &[SECRET], &two, 22),
            );
            assert_eq!((dialler.is_ok(), listener.is_ok()), (is_one, is_one));
            let (Ok(mut dialler), Ok(mut listener)) = (dialler, listener) else {
                continue;
            };
            let frame = sealed(&mut dialler.outgoing, b"append");
            assert_eq!(frame, b"\0\0\0\x06append");
            let taken = read(&frame, &mut listener.incoming).await;
            assert_eq!(taken.expect("genuine"), b"append".as_slice());
            assert_refused(read(&[0xff; 4], &mut listener.incoming).await);
        }
    }

    /// Where only one end believes the channel to be encrypted, nothing is believed at all.
    #[tokio::test]
    async fn nobody_talks_an_end_out_of_the_mac() {
        let (a, b) = duplex(1024);
        let (one, two) = (identity("test", 1), identity("test", 2));
        let (dialler, listener) = tokio::join!(
            dial(bound_to(a, b"one channel"), SECRET, &one, 11),
            accept(open(b), &[SECRET], &two, 22),
        );
        assert!(dialler.is_err() && listener.is_err());
    }

    #[tokio::test]
    async fn a_length_is_not_believed_before_it_is_bounded() {
        let (_dialler, mut listener) = linked().await;
        assert_refused(read(&[0xff; 64], &mut listener.incoming).await);
    }
}
