//! Public keys and the signatures made with their other halves.

use super::{
    digest::Digest,
    encoding::{base64_pasted, base64url},
};
use crate::time::Timestamp;
use p256::ecdsa::{DerSignature, VerifyingKey, signature::hazmat::PrehashVerifier};
use ring::signature::{self, UnparsedPublicKey};
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer, pem::PemObject};
use serde_json::{Map, Value};
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo, X509Certificate};

/// The algorithm of a public-key signature. Pinned by the source's configuration, never by the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Ed25519,
    /// ECDSA over P-256, the signature as ASN.1 DER.
    EcdsaP256Sha256,
    EcdsaP256Sha1,
    /// ECDSA with the signature as two numbers of fixed length (RFC 7518 section 3.4).
    Es256,
    Es384,
    /// RSA with PKCS #1 v1.5 padding.
    RsaSha1,
    RsaSha256,
    RsaSha384,
    RsaSha512,
    /// RSA-PSS, MGF1 with the same hash, salt as long as the digest.
    RsaPssSha256,
    RsaPssSha384,
    RsaPssSha512,
}

impl Algorithm {
    /// The algorithm's name as documents write it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Ed25519 => "Ed25519",
            Self::EcdsaP256Sha256 => "ECDSA P-256 with SHA256",
            Self::EcdsaP256Sha1 => "ECDSA P-256 with SHA1",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::RsaSha1 => "RSA with SHA1",
            Self::RsaSha256 => "RSA with SHA256",
            Self::RsaSha384 => "RSA with SHA384",
            Self::RsaSha512 => "RSA with SHA512",
            Self::RsaPssSha256 => "RSA-PSS with SHA256",
            Self::RsaPssSha384 => "RSA-PSS with SHA384",
            Self::RsaPssSha512 => "RSA-PSS with SHA512",
        }
    }

    fn family(self) -> Family {
        match self {
            Self::Ed25519 => Family::Ed25519,
            Self::EcdsaP256Sha256 | Self::EcdsaP256Sha1 | Self::Es256 => Family::P256,
            Self::Es384 => Family::P384,
            _ => Family::Rsa,
        }
    }

    /// Whether the signature is of this message under this key. A key of another family never fits.
    pub(super) fn verify(self, key: &PublicKey, message: &[u8], claimed: &[u8]) -> bool {
        if key.family != self.family() {
            return false;
        }
        // RSA keys of 1024 bits are taken: senders that still have them can't be talked out of it here.
        let algorithm: &dyn signature::VerificationAlgorithm = match self {
            Self::Ed25519 => &signature::ED25519,
            Self::EcdsaP256Sha256 => &signature::ECDSA_P256_SHA256_ASN1,
            Self::EcdsaP256Sha1 => return verify_p256_sha1(key, message, claimed),
            Self::Es256 => &signature::ECDSA_P256_SHA256_FIXED,
            Self::Es384 => &signature::ECDSA_P384_SHA384_FIXED,
            Self::RsaSha1 => &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Self::RsaSha256 => &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            Self::RsaSha384 => &signature::RSA_PKCS1_3072_8192_SHA384,
            Self::RsaSha512 => &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
            Self::RsaPssSha256 => &signature::RSA_PSS_2048_8192_SHA256,
            Self::RsaPssSha384 => &signature::RSA_PSS_2048_8192_SHA384,
            Self::RsaPssSha512 => &signature::RSA_PSS_2048_8192_SHA512,
        };
        UnparsedPublicKey::new(algorithm, &key.bytes)
            .verify(message, claimed)
            .is_ok()
    }
}

/// ring has no ECDSA over SHA-1; eBay signs so.
fn verify_p256_sha1(key: &PublicKey, message: &[u8], claimed: &[u8]) -> bool {
    let Ok(key) = VerifyingKey::from_sec1_bytes(&key.bytes) else {
        return false;
    };
    DerSignature::from_bytes(claimed).is_ok_and(|claimed| {
        key.verify_prehash(&Digest::Sha1.of(message), &claimed)
            .is_ok()
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// A public key as ring takes it: PKCS #1 for RSA, the uncompressed point, the 32 bytes of Ed25519.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    family: Family,
    bytes: Vec<u8>,
}

const OID_RSA: &str = "1.2.840.113549.1.1.1";
const OID_EC: &str = "1.2.840.10045.2.1";
const OID_P256: &str = "1.2.840.10045.3.1.7";
const OID_P384: &str = "1.3.132.0.34";
const OID_ED25519: &str = "1.3.101.112";

impl PublicKey {
    /// A key as people paste it: PEM (line breaks may have been lost), base64 of DER, or the bare bytes of an Ed25519
    /// key as hex, base64 or base64url.
    #[must_use]
    pub fn pasted(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some((_, behind)) = text.split_once("-----BEGIN PUBLIC KEY-----") {
            let (inside, _) = behind.split_once("-----END")?;
            let packed: String = inside.split_whitespace().collect();
            return Self::of_spki(&base64_pasted(&packed)?);
        }
        if text.contains("-----BEGIN CERTIFICATE") {
            return Self::of_certificate(text.as_bytes(), None);
        }
        let bare = [hex::decode(text).ok(), base64_pasted(text), base64url(text)];
        bare.into_iter().flatten().find_map(|bytes| {
            Self::of_spki(&bytes).or_else(|| (bytes.len() == 32).then(|| Self::ed25519(bytes)))
        })
    }

    fn ed25519(bytes: Vec<u8>) -> Self {
        Self {
            family: Family::Ed25519,
            bytes,
        }
    }

    /// A SubjectPublicKeyInfo in DER (RFC 5280 section 4.1.2.7).
    #[must_use]
    pub fn of_spki(der: &[u8]) -> Option<Self> {
        let (rest, info) = SubjectPublicKeyInfo::from_der(der).ok()?;
        rest.is_empty().then(|| Self::of_info(&info)).flatten()
    }

    fn of_info(info: &SubjectPublicKeyInfo<'_>) -> Option<Self> {
        let curve = || info.algorithm.parameters.as_ref()?.as_oid().ok();
        let family = match info.algorithm.algorithm.to_id_string().as_str() {
            OID_RSA => Family::Rsa,
            OID_ED25519 => Family::Ed25519,
            OID_EC => match curve()?.to_id_string().as_str() {
                OID_P256 => Family::P256,
                OID_P384 => Family::P384,
                _ => return None,
            },
            _ => return None,
        };
        Some(Self {
            family,
            bytes: info.subject_public_key.data.to_vec(),
        })
    }

    /// The key of the first certificate of a PEM file, while that certificate is valid.
    #[must_use]
    pub fn of_certificate(pem: &[u8], now: Option<Timestamp>) -> Option<Self> {
        let der = CertificateDer::from_pem_slice(pem).ok()?;
        let (_, certificate) = X509Certificate::from_der(&der).ok()?;
        if let Some(now) = now {
            let now_s = i64::try_from(now.0 / 1000).ok()?;
            let validity = certificate.validity();
            let valid = validity.not_before.timestamp()..=validity.not_after.timestamp();
            if !valid.contains(&now_s) {
                return None;
            }
        }
        Self::of_info(certificate.public_key())
    }

    /// The key of a PEM file that holds a bare public key.
    #[must_use]
    pub fn of_pem(pem: &[u8]) -> Option<Self> {
        Self::of_spki(&SubjectPublicKeyInfoDer::from_pem_slice(pem).ok()?)
    }

    /// A JSON Web Key (RFC 7517, RFC 8037).
    #[must_use]
    pub fn of_jwk(jwk: &Map<String, Value>) -> Option<Self> {
        let bytes = |name: &str| base64url(jwk.get(name)?.as_str()?);
        let point = |family, len| {
            let (x, y) = (bytes("x")?, bytes("y")?);
            (x.len() == len && y.len() == len).then(|| Self {
                family,
                bytes: [&[4][..], &x, &y].concat(),
            })
        };
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        match (text("kty")?, text("crv")) {
            ("RSA", _) => Some(Self {
                family: Family::Rsa,
                bytes: pkcs1(&bytes("n")?, &bytes("e")?),
            }),
            ("EC", Some("P-256")) => point(Family::P256, 32),
            ("EC", Some("P-384")) => point(Family::P384, 48),
            ("OKP", Some("Ed25519")) => {
                let x = bytes("x")?;
                (x.len() == 32).then(|| Self::ed25519(x))
            }
            _ => None,
        }
    }
}

/// RSAPublicKey in DER (RFC 8017 appendix A.1.1): a sequence of two positive numbers.
fn pkcs1(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let number = |bytes: &[u8]| {
        let start = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
        let mut value = bytes[start..].to_vec();
        if value.first().is_none_or(|first| *first >= 0x80) {
            value.insert(0, 0);
        }
        tagged(0x02, &value)
    };
    tagged(0x30, &[number(modulus), number(exponent)].concat())
}

fn tagged(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match value.len() {
        short @ 0..=127 => out.push(short as u8),
        long => {
            let length: Vec<u8> = long
                .to_be_bytes()
                .into_iter()
                .skip_while(|b| *b == 0)
                .collect();
            out.push(0x80 | length.len() as u8);
            out.extend(length);
        }
    }
    out.extend_from_slice(value);
    out
}
