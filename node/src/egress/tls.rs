//! TLS of outgoing connections: version 1.2 or 1.3, verified always; a destination may bring its own authorities and ask
//! for a certificate of ours.

use crate::world;
use model::catalog::Tls;
use rustls::{
    ClientConfig, Error, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
    time_provider::TimeProvider,
};
use std::{sync::Arc, time::Duration};

/// Certificates of one file.
const CERTIFICATES_MAX: usize = 50;

/// An error in a destination's certificates: the field and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("reading a destination's certificates: {field}: {expected}")]
pub(crate) struct Unusable {
    pub(crate) field: &'static str,
    pub(crate) expected: String,
}

impl Unusable {
    fn new(field: &'static str, expected: impl Into<String>) -> Self {
        Self {
            field,
            expected: expected.into(),
        }
    }
}

const CA: &str = "ca_certificates";
const CERTIFICATE: &str = "client_certificate";
const KEY: &str = "client_key";

/// Trusts the web's public authorities and shows no certificate.
pub(super) fn plain() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    finished(trusting(roots).with_no_client_auth())
}

/// The TLS client configuration that a destination asks for.
///
/// # Errors
/// When a certificate or a key can't be read, or when they don't belong together.
pub(crate) fn of(tls: &Tls) -> Result<ClientConfig, Unusable> {
    let mut roots = RootCertStore::empty();
    match &tls.ca_certificates {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(pem) => {
            for certificate in certificates(CA, pem)? {
                roots
                    .add(certificate)
                    .map_err(|error| Unusable::new(CA, format!("expected authorities: {error}")))?;
            }
        }
    }
    let config = trusting(roots);
    let (certificate, key) = match (&tls.client_certificate, &tls.client_key) {
        (None, None) => return Ok(finished(config.with_no_client_auth())),
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(_), None) => {
            return Err(Unusable::new(KEY, "expected the key of client_certificate"));
        }
        (None, Some(_)) => return Err(Unusable::new(CERTIFICATE, "expected with client_key")),
    };
    let chain = certificates(CERTIFICATE, certificate)?;
    let key = PrivateKeyDer::from_pem_slice(key.reveal().as_bytes()).map_err(|_| {
        Unusable::new(
            KEY,
            "expected a private key in PEM that no passphrase protects",
        )
    })?;
    let config = config.with_client_auth_cert(chain, key);
    Ok(finished(config.map_err(|error| match error {
        Error::InconsistentKeys(_) => Unusable::new(KEY, "expected the key of client_certificate"),
        Error::InvalidCertificate(_) => Unusable::new(CERTIFICATE, format!("not usable: {error}")),
        _ => Unusable::new(KEY, format!("not usable: {error}")),
    })?))
}

fn trusting(
    roots: RootCertStore,
) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    // Whether a certificate holds is judged by the cluster's time, as every other verdict.
    let provider = Arc::new(ring::default_provider());
    ClientConfig::builder_with_details(provider, Arc::new(ClusterTime))
        .with_safe_default_protocol_versions()
        .expect("ring knows the default TLS versions")
        .with_root_certificates(roots)
}

#[derive(Debug)]
struct ClusterTime;

impl TimeProvider for ClusterTime {
    fn current_time(&self) -> Option<UnixTime> {
        let since_epoch = Duration::from_millis(world::now().0);
        Some(UnixTime::since_unix_epoch(since_epoch))
    }
}

fn finished(mut config: ClientConfig) -> ClientConfig {
    // HTTP/2 of this client's line has a known weakness: it is never offered.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

fn certificates(field: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let expected = "expected certificates in PEM";
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found {
        Ok(found) if found.is_empty() => Err(Unusable::new(field, expected)),
        Ok(found) if found.len() > CERTIFICATES_MAX => {
            let most = format!("expected at most {CERTIFICATES_MAX} certificates");
            Err(Unusable::new(field, most))
        }
        Ok(found) => Ok(found),
        Err(_) => Err(Unusable::new(field, expected)),
    }
}
