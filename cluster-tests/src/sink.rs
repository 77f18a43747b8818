//! The server of all tests, on raw sockets, with or without TLS: it may behave as badly as it likes. And authorities whose
//! certificates it shows.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A connection as the server has it.
pub trait Line: Read + Write + Send {
    /// The certificate that the other side proved to have, in DER.
    fn certificate(&self) -> Option<Vec<u8>> {
        None
    }
}

impl Line for TcpStream {}

impl Line for StreamOwned<ServerConnection, TcpStream> {
    fn certificate(&self) -> Option<Vec<u8>> {
        let shown = self.conn.peer_certificates()?.first()?;
        Some(shown.to_vec())
    }
}

/// Does with a connection what it likes. When it is done, or by an error, the connection ends.
type Service = Arc<dyn Fn(&mut dyn Line, &Counts) -> io::Result<()> + Send + Sync>;

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    requests: AtomicUsize,
    closed: AtomicUsize,
}

/// A running server. Its threads end with the test's process.
pub struct Sink {
    pub address: SocketAddr,
    counts: Arc<Counts>,
}

impl Sink {
    /// A server for tests that says this to every request and keeps the connection.
    #[must_use]
    pub fn saying(answer: &'static str) -> Self {
        Self::start(None, move |line, _| line.write_all(answer.as_bytes()))
    }

    /// A server for tests that behaves like this, with TLS if it is told how.
    #[must_use]
    pub fn start(
        tls: Option<ServerConfig>,
        behaviour: impl Fn(&mut dyn Line, &str) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST.into(), tls, behaviour)
    }

    /// A server for tests that reads for itself, too. When it is done, the connection ends.
    #[must_use]
    pub fn start_raw(
        tls: Option<ServerConfig>,
        behaviour: impl Fn(&mut dyn Line) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let address = Ipv4Addr::LOCALHOST.into();
        Self::serve_at(address, tls, move |line, _| behaviour(line))
    }

    #[must_use]
    pub fn start_at(
        address: IpAddr,
        tls: Option<ServerConfig>,
        behaviour: impl Fn(&mut dyn Line, &str) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::serve_at(address, tls, move |line, counts| {
            while let Some(head) = read_request(line)? {
                counts.requests.fetch_add(1, Ordering::SeqCst);
                behaviour(line, &head)?;
            }
            Ok(())
        })
    }

    fn serve_at(
        address: IpAddr,
        tls: Option<ServerConfig>,
        service: impl Fn(&mut dyn Line, &Counts) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((address, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let counts = Arc::new(Counts::default());
        let (shared, service): (_, Service) = (counts.clone(), Arc::new(service));
        let tls = tls.map(Arc::new);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (counts, service, tls) = (shared.clone(), service.clone(), tls.clone());
                counts.connections.fetch_add(1, Ordering::SeqCst);
                // An answer that waits for an acknowledgement is lost when its connection is closed upon unread bytes.
                let _ = stream.set_nodelay(true);
                thread::spawn(move || {
                    let _ = serve(stream, tls, &service, &counts);
                    counts.closed.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, counts }
    }

    #[must_use]
    pub fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.address.port())
    }

    #[must_use]
    pub fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }

    #[must_use]
    pub fn requests(&self) -> usize {
        self.counts.requests.load(Ordering::SeqCst)
    }

    /// Waits until so many of its connections have ended.
    pub async fn has_closed(&self, wanted: usize) -> bool {
        for _ in 0..200 {
            if self.counts.closed.load(Ordering::SeqCst) >= wanted {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }
}

fn serve(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    service: &Service,
    counts: &Counts,
) -> io::Result<()> {
    // A test that fails must not leave threads behind.
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line: Box<dyn Line> = match tls {
        None => Box::new(stream),
        Some(tls) => {
            let session = ServerConnection::new(tls).map_err(io::Error::other)?;
            Box::new(StreamOwned::new(session, stream))
        }
    };
    service(line.as_mut(), counts)
}

/// Reads a request with its body. None: the other side has closed.
fn read_request(line: &mut dyn Line) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.trim().parse::<usize>().ok())?
            });
            if bytes.len() - end - 4 >= length.unwrap_or(0) {
                return Ok(Some(head));
            }
        }
        match line.read(&mut chunk)? {
            0 => return Ok(None),
            read => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}

/// A certificate and its key.
pub struct Issued {
    pub certificate: rcgen::Certificate,
    pub key: KeyPair,
}

impl Issued {
    #[must_use]
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    #[must_use]
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    #[must_use]
    pub fn der(&self) -> Vec<u8> {
        self.certificate.der().to_vec()
    }
}

/// A certificate authority of a test.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    #[must_use]
    pub fn draw() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("params");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// A certificate that vouches for itself and for others, as the usual tools make them.
    #[must_use]
    pub fn self_signed(name: &str) -> Issued {
        let mut params = CertificateParams::new([name.to_owned()]).expect("params");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Issued { certificate, key }
    }

    #[must_use]
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a name, and its key, both in PEM.
    #[must_use]
    pub fn issue(&self, name: &str) -> Issued {
        self.issue_with(name, |_| {})
    }

    #[must_use]
    pub fn issue_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let mut params = CertificateParams::new([name.to_owned()]).expect("params");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Issued { certificate, key }
    }

    /// A server that shows this certificate; with `clients`, one that asks for a certificate that they vouch for.
    #[must_use]
    pub fn server(issued: &Issued, clients: Option<&Self>) -> ServerConfig {
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("versions");
        let config = match clients {
            None => config.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.0.der().clone()).expect("an authority");
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                config.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(issued.key.serialize_der()));
        config
            .with_single_cert(vec![issued.certificate.der().clone()], key)
            .expect("they belong together")
    }
}
