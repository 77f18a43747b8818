//! Encryption of peer connections: TLS 1.3 without a certificate to look after.
//!
//! Each process draws a key of its own and shows it as a raw public key (RFC 7250). Nobody checks whose it is: who a peer
//! is, the cluster's secret proves inside (`link`), over a value that both ends export from the channel (RFC 9266,
//! `tls-exporter`). Somebody in the middle has two channels with two values, so the proof of one is worth nothing on the
//! other.

use super::{link::HANDSHAKE_TIMEOUT, socket};
use ring::{rand::SystemRandom, signature::Ed25519KeyPair};
use rustls::{
    ClientConfig, ConnectionCommon, DigitallySignedStruct, Error, ServerConfig, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key},
    pki_types::{
        CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
    },
    server::AlwaysResolvesServerRawPublicKeys,
    sign::CertifiedKey,
    version::TLS13,
};
use std::{io, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// RFC 9266, section 4.2.
const BINDING_LABEL: &[u8] = b"EXPORTER-Channel-Binding";
const BINDING_LEN: usize = 32;

/// Bytes both ways, encrypted or not.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// A channel between two peers before anyone has proved anything.
pub(crate) struct Channel<S> {
    pub(crate) stream: S,
    /// What both ends of this connection know and no other connection has; empty where it is not encrypted.
    pub(crate) binding: Vec<u8>,
}

type PeerChannel = Channel<Box<dyn Duplex>>;

/// The transport of this node's peer connections, plain or TLS; the same on all nodes of a cluster.
#[derive(Clone)]
pub(crate) enum Wrapping {
    Plain,
    Tls(TlsConnector, TlsAcceptor),
}

impl Wrapping {
    /// # Errors
    /// When no key can be drawn.
    pub(crate) fn new(encrypted: bool) -> io::Result<Self> {
        if encrypted {
            tls().map_err(io::Error::other)
        } else {
            Ok(Self::Plain)
        }
    }

    pub(crate) async fn dial(&self, stream: TcpStream) -> io::Result<PeerChannel> {
        socket::tune(&stream)?;
        let Self::Tls(connector, _) = self else {
            return Ok(channel(stream, Vec::new()));
        };
        // TLS wants a name; it is neither sent nor checked.
        let name = ServerName::try_from("tidegate").map_err(io::Error::other)?;
        let stream = timeout(HANDSHAKE_TIMEOUT, connector.connect(name, stream)).await??;
        let binding = binding(stream.get_ref().1)?;
        Ok(channel(stream, binding))
    }

    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<PeerChannel> {
        socket::tune(&stream)?;
        let Self::Tls(_, acceptor) = self else {
            return Ok(channel(stream, Vec::new()));
        };
        let stream = timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await??;
        let binding = binding(stream.get_ref().1)?;
        Ok(channel(stream, binding))
    }
}

fn channel(stream: impl Duplex + 'static, binding: Vec<u8>) -> PeerChannel {
    Channel {
        stream: Box::new(stream),
        binding,
    }
}

fn binding<Side>(connection: &ConnectionCommon<Side>) -> io::Result<Vec<u8>> {
    connection
        .export_keying_material(vec![0; BINDING_LEN], BINDING_LABEL, None)
        .map_err(io::Error::other)
}

fn tls() -> Result<Wrapping, Box<dyn std::error::Error + Send + Sync>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    // The key is worth nothing to anybody: it lives as long as the process and proves nothing by itself. TLS draws its
    // other numbers from the same place.
    let drawn = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
        .map_err(|_| "the system gives no random numbers")?;
    let key =
        rustls::crypto::ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(drawn.as_ref()))?;
    let public = key.public_key().ok_or("the key has no public half")?;
    let shown = CertificateDer::from(public.as_ref().to_vec());
    let resolver =
        AlwaysResolvesServerRawPublicKeys::new(Arc::new(CertifiedKey::new(vec![shown], key)));
    let mut server = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    server.send_tls13_tickets = 0;
    let mut client = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyKey::new(&provider)))
        .with_no_client_auth();
    client.enable_sni = false;
    client.resumption = Resumption::disabled();
    Ok(Wrapping::Tls(
        TlsConnector::from(Arc::new(client)),
        TlsAcceptor::from(Arc::new(server)),
    ))
}

/// Takes any key that the other end can sign with; see above for what is checked instead.
#[derive(Debug)]
struct AnyKey(WebPkiSupportedAlgorithms);

impl AnyKey {
    fn new(provider: &CryptoProvider) -> Self {
        Self(provider.signature_verification_algorithms)
    }
}

impl ServerCertVerifier for AnyKey {
    fn verify_server_cert(
        &self,
        _shown: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _shown: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(shown.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::link::{self, Identity};
    use std::net::SocketAddr;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
        net::TcpListener,
    };

    const SECRET: &[u8] = b"a secret of thirty-two bytes, or more";

    type PeerLink = link::Link<Box<dyn Duplex>>;

    fn wrapping(encrypted: bool) -> Wrapping {
        Wrapping::new(encrypted).expect("a key")
    }

    fn identity(node: u64) -> Identity {
        Identity {
            cluster: "test".into(),
            node,
            incarnation: u128::from(node),
        }
    }

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        (listener, address)
    }

    async fn dial(wrapping: &Wrapping, to: SocketAddr) -> io::Result<PeerLink> {
        let channel = wrapping.dial(TcpStream::connect(to).await?).await?;
        link::dial(channel, SECRET, &identity(1), 11).await
    }

    async fn accept(wrapping: &Wrapping, listener: &TcpListener) -> io::Result<PeerLink> {
        let channel = wrapping.accept(listener.accept().await?.0).await?;
        link::accept(channel, &[SECRET], &identity(2), 22).await
    }

    /// Everything that crosses `listener` on its way to `to`.
    async fn overheard(listener: TcpListener, to: SocketAddr) -> Vec<u8> {
        let (from, _) = listener.accept().await.expect("somebody dials");
        let onward = TcpStream::connect(to).await.expect("reachable");
        let (mut from, mut back) = from.into_split();
        let (mut answers, mut onward) = onward.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut answers, &mut back).await });
        let mut heard = Vec::new();
        let mut piece = [0; 4096];
        while let Ok(len @ 1..) = from.read(&mut piece).await {
            heard.extend_from_slice(&piece[..len]);
            onward.write_all(&piece[..len]).await.expect("reachable");
        }
        heard
    }

    async fn heard_while_sending(encrypted: bool, words: &[u8]) -> Vec<u8> {
        let wrapping = wrapping(encrypted);
        let (tap, tapped) = listener().await;
        let (end, address) = listener().await;
        let tap = tokio::spawn(overheard(tap, address));
        let (dialled, accepted) = tokio::join!(dial(&wrapping, tapped), accept(&wrapping, &end));
        let (mut dialled, mut accepted) = (dialled.expect("proved"), accepted.expect("proved"));
        let mut frame = Vec::new();
        dialled.outgoing.frame(words, &mut frame).expect("short");
        dialled.stream.write_all(&frame).await.expect("open");
        dialled.stream.flush().await.expect("open");
        let read = link::read_frame(&mut accepted.stream, &mut accepted.incoming).await;
        assert_eq!(read.expect("genuine"), words);
        drop(dialled);
        tap.await.expect("heard")
    }

    #[tokio::test]
    async fn who_listens_on_the_wire_reads_nothing() {
        let words = b"a payload that is nobody's business";
        let holds = |heard: &[u8]| heard.windows(words.len()).any(|window| window == words);
        assert!(holds(&heard_while_sending(false, words).await));
        assert!(!holds(&heard_while_sending(true, words).await));
    }

    #[tokio::test]
    async fn who_stands_in_the_middle_proves_nothing() {
        let (victim, middle, server) = (wrapping(true), wrapping(true), wrapping(true));
        let (trap, trapped) = listener().await;
        let (end, address) = listener().await;
        // It ends TLS on both sides and passes every byte on.
        let passing = tokio::spawn(async move {
            let mut near = middle.accept(trap.accept().await?.0).await?.stream;
            let mut far = middle
                .dial(TcpStream::connect(address).await?)
                .await?
                .stream;
            copy_bidirectional(&mut near, &mut far).await
        });
        let (dialled, accepted) = tokio::join!(dial(&victim, trapped), accept(&server, &end));
        assert_eq!(
            accepted.err().map(|error| error.kind()),
            Some(io::ErrorKind::PermissionDenied)
        );
        assert!(dialled.is_err());
        passing.abort();
    }

    #[tokio::test]
    async fn plain_and_encrypted_ends_do_not_talk() {
        for (one, other) in [(true, false), (false, true)] {
            let (one, other) = (wrapping(one), wrapping(other));
            let (end, address) = listener().await;
            let (dialled, accepted) = tokio::join!(dial(&one, address), accept(&other, &end));
            assert!(dialled.is_err() && accepted.is_err());
        }
    }
}
