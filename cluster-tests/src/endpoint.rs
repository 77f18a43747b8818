//! An HTTP server for destinations and their token URLs that keeps what it was asked, with or without TLS, and checks
//! what a test wants to check. Plain threads: a test's check may take its time.

use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, Stream,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// One request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub method: String,
    /// Path and query as they were sent.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The certificate that the other side proved to have, in DER.
    pub certificate: Option<Vec<u8>>,
}

impl Asked {
    /// The only header of this name.
    ///
    /// # Panics
    /// When there are several.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(n, _)| n == name);
        let first = found.next().map(|(_, value)| value.as_str());
        assert!(
            found.next().is_none(),
            "{name} came twice: {:?}",
            self.headers
        );
        first
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub body: String,
}

impl Reply {
    #[must_use]
    pub fn of(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            body: body.into(),
        }
    }
}

type Answer = Arc<dyn Fn(&Asked) -> Reply + Send + Sync>;

/// A running server. Its thread ends with the test's process.
pub struct Endpoint {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
}

impl Endpoint {
    /// Starts one on the loopback address.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn start(
        tls: Option<ServerConfig>,
        answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let endpoint = Self {
            address: listener.local_addr().expect("a listener has an address"),
            asked: Arc::default(),
            connections: Arc::default(),
        };
        let (asked, connections) = (endpoint.asked.clone(), endpoint.connections.clone());
        let (tls, answer): (_, Answer) = (tls.map(Arc::new), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (asked, tls, answer) = (asked.clone(), tls.clone(), answer.clone());
                // What a broken line leaves undone, the test sees in what was asked.
                thread::spawn(move || serve(stream, tls, &asked, &answer));
            }
        });
        endpoint
    }

    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().clone()
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.asked.lock().len()
    }

    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn serve(
    mut stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    asked: &Mutex<Vec<Asked>>,
    answer: &Answer,
) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let Some(tls) = tls else {
        while let Some(request) = read(&mut stream)? {
            answer_to(request, &mut stream, asked, answer)?;
        }
        return Ok(());
    };
    let mut session = ServerConnection::new(tls).map_err(io::Error::other)?;
    while let Some(mut request) = read(&mut Stream::new(&mut session, &mut stream))? {
        let shown = session.peer_certificates().and_then(|chain| chain.first());
        request.certificate = shown.map(|certificate| certificate.to_vec());
        let mut line = Stream::new(&mut session, &mut stream);
        answer_to(request, &mut line, asked, answer)?;
    }
    Ok(())
}

fn answer_to(
    request: Asked,
    line: &mut impl Write,
    asked: &Mutex<Vec<Asked>>,
    answer: &Answer,
) -> io::Result<()> {
    let reply = answer(&request);
    asked.lock().push(request);
    let (status, length) = (reply.status, reply.body.len());
    let head =
        format!("HTTP/1.1 {status} .\r\nserver: endpoint\r\ncontent-length: {length}\r\n\r\n");
    line.write_all(format!("{head}{}", reply.body).as_bytes())?;
    line.flush()
}

/// Reads one request. None: the other side has closed.
fn read(line: &mut impl Read) -> io::Result<Option<Asked>> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let mut request = parse(&String::from_utf8_lossy(&bytes[..end]));
            let length = request.header("content-length");
            let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                request.body = bytes[end + 4..end + 4 + length].to_vec();
                return Ok(Some(request));
            }
        }
        match line.read(&mut chunk)? {
            0 => return Ok(None),
            read => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}

fn parse(head: &str) -> Asked {
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    Asked {
        method: first.next().unwrap_or_default().to_owned(),
        target: first.next().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        ..Asked::default()
    }
}

/// Who vouches for certificates in a test.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub struct Issued {
    certificate: rcgen::Certificate,
    key: KeyPair,
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

impl Authority {
    /// # Panics
    /// Never: the parameters are sound.
    #[must_use]
    pub fn draw() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("sound parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    #[must_use]
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a name or an address.
    ///
    /// # Panics
    /// When the name is none.
    #[must_use]
    pub fn issue(&self, name: &str) -> Issued {
        let params = CertificateParams::new([name.to_owned()]).expect("a sound name");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Issued { certificate, key }
    }

    /// A server that shows this certificate; with `clients`, one that demands a certificate that they vouch for.
    ///
    /// # Panics
    /// When the certificate and its key don't belong together.
    #[must_use]
    pub fn server(issued: &Issued, clients: Option<&Self>) -> ServerConfig {
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("ring knows the versions of TLS");
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
