//! JSON Web Tokens in compact form (RFC 7515, RFC 7519). The algorithm and the key come from the configuration: `alg` is
//! only compared with what is expected, and `jwk`, `jku`, `x5u` and `x5c` are never looked at.

use super::{
    Context, Refusal,
    diagnosis::Diagnosis,
    digest::Digest,
    encoding::{KeyForm, base64url},
    keys::{self, KeyRequest},
    proven::Proven,
    public_key::{Algorithm, PublicKey},
    signed::{Checked, try_secrets},
};
use serde_json::{Map, Value};

/// Tokens beyond this are refused unread.
const TOKEN_MAX: usize = 64 * 1024;

/// A token for one request that lives longer than this is forgotten before it ends.
const REMEMBERED_MAX_S: f64 = 30.0 * 24.0 * 3600.0;

/// A JWT check: the token that proves a request.
#[derive(Clone, Copy, Debug)]
pub struct Jwt {
    pub at: TokenPlace,
    /// Which signatures are expected.
    pub signed: &'static [JwsAlgorithm],
    pub keys: JwtKeys,
    /// How far clocks may be apart, in seconds.
    pub leeway_s: u32,
    /// How old a token without an end may be, in seconds, where it says when it was made; none for any age.
    pub max_age_s: Option<u32>,
    /// Whether the sender makes a token for each request, so that the claim `jti` never comes twice.
    pub once: bool,
    /// What the claims must say about the request.
    pub binds: Binding,
}

#[derive(Clone, Copy, Debug)]
pub enum TokenPlace {
    /// A header; `Bearer ` before the token is skipped.
    Header(&'static str),
    /// The whole body is the token.
    Body,
    /// A header holds the token without its payload, which is the body (RFC 7515 appendix F).
    Detached(&'static str),
}

/// The binding of a token to its request: whether and how it covers the body.
#[derive(Clone, Copy, Debug)]
pub enum Binding {
    /// Nothing: the body is not covered.
    Nothing,
    /// The token is the body.
    Body,
    /// A claim holds a digest of the body.
    Digest {
        claim: &'static str,
        base64: bool,
        /// Older forms leave it out, which the admin must have consented to where there is a body.
        optional: bool,
    },
    /// `iat` is at most this old, and a claim holds the hex digest of the body.
    FreshDigest { claim: &'static str, within_s: u32 },
    /// `url_hash`, and `payload_hash` where there is a body, as MessageBird writes them.
    UrlAndPayload,
}

#[derive(Clone, Copy, Debug)]
pub enum JwtKeys {
    /// The source's secrets: shared ones for HS, public keys for the others.
    Configured,
    /// One key in a document that is located by the key's id.
    Published {
        locate: fn(&Context<'_>, key_id: Option<&str>) -> Result<KeyRequest, Diagnosis>,
        read: fn(&[u8], key_id: Option<&str>) -> Option<PublicKey>,
    },
    /// The set at `config.auth.jwks_url`, else the source's secrets.
    SetOrConfigured,
}

/// The signatures of RFC 7518 and RFC 8037 that are accepted at all; `none` is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwsAlgorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl JwsAlgorithm {
    pub const ALL: &'static [Self] = &[
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.name() == name)
    }

    /// Whether it takes a shared secret.
    #[must_use]
    pub fn is_shared(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }

    fn check(self) -> Result<Digest, Algorithm> {
        match self {
            Self::Hs256 => Ok(Digest::Sha256),
            Self::Hs384 => Ok(Digest::Sha384),
            Self::Hs512 => Ok(Digest::Sha512),
            Self::Rs256 => Err(Algorithm::RsaSha256),
            Self::Rs384 => Err(Algorithm::RsaSha384),
            Self::Rs512 => Err(Algorithm::RsaSha512),
            Self::Ps256 => Err(Algorithm::RsaPssSha256),
            Self::Ps384 => Err(Algorithm::RsaPssSha384),
            Self::Ps512 => Err(Algorithm::RsaPssSha512),
            Self::Es256 => Err(Algorithm::Es256),
            Self::Es384 => Err(Algorithm::Es384),
            Self::EdDsa => Err(Algorithm::Ed25519),
        }
    }
}

impl Jwt {
    pub(super) fn check(&self, context: &Context<'_>) -> Checked {
        let malformed = || Diagnosis::malformed("token");
        let token = self.token(context)?;
        if token.len() > TOKEN_MAX {
            return Err(malformed().into());
        }
        let attached;
        let token = match self.at {
            TokenPlace::Detached(_) => {
                let (head, signature) = token.split_once("..").ok_or_else(malformed)?;
                let payload = super::Encoding::Base64url.encode(context.facts.body);
                attached = format!("{head}.{payload}.{signature}");
                attached.as_str()
            }
            _ => token,
        };
        let (signed, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
        let (head, payload) = signed.split_once('.').ok_or_else(malformed)?;
        let head = object(head).ok_or_else(malformed)?;
        let signature = base64url(signature)
            .filter(|s| !s.is_empty())
            .ok_or_else(malformed)?;
        // An extension that must be understood is one that we don't know (RFC 7515 section 4.1.11).
        if head.contains_key("crit") {
            return Err(malformed().into());
        }
        let algorithm = self.expected(context, &head)?;
        let place = self.prove(context, algorithm, &head, signed, &signature)?;
        let proven = Proven::by(place);
        if matches!(self.at, TokenPlace::Detached(_)) {
            return Ok(proven);
        }
        let claims = object(payload).ok_or_else(malformed)?;
        let ends_s = self.check_times(context, &claims)?;
        self.binds.check(context, &claims)?;
        match claims.get("jti").and_then(Value::as_str) {
            Some(id) if self.once => {
                let now_s = context.facts.now.0 / 1000;
                let left_s = ends_s.map(|ends| {
                    let left_s = ends - now_s as f64;
                    left_s.clamp(0.0, REMEMBERED_MAX_S).ceil() as u64
                });
                Ok(proven.once(id.as_bytes().to_vec(), left_s))
            }
            _ => Ok(proven),
        }
    }

    fn token<'c>(&self, context: &Context<'c>) -> Result<&'c str, Diagnosis> {
        match self.at {
            TokenPlace::Header(name) | TokenPlace::Detached(name) => {
                let name = context.auth.field("header_key").unwrap_or(name);
                let value = context.facts.header(name)?;
                let bearer = value
                    .get(..7)
                    .filter(|start| start.eq_ignore_ascii_case("bearer "));
                Ok(if bearer.is_some() {
                    value[7..].trim()
                } else {
                    value
                })
            }
            TokenPlace::Body => std::str::from_utf8(context.facts.body)
                .map(str::trim)
                .map_err(|_| Diagnosis::malformed("body")),
        }
    }

    /// The algorithm of the token, if it is one that the configuration expects.
    fn expected(
        &self,
        context: &Context<'_>,
        head: &Map<String, Value>,
    ) -> Result<JwsAlgorithm, Diagnosis> {
        let unexpected = || Diagnosis::Unexpected("algorithm of the token".into());
        let named = head.get("alg").and_then(Value::as_str);
        let algorithm = named.and_then(JwsAlgorithm::named).ok_or_else(unexpected)?;
        let pinned = match context.auth.field("algorithm") {
            Some(name) => JwsAlgorithm::named(name) == Some(algorithm),
            None => true,
        };
        if pinned && self.signed.contains(&algorithm) {
            Ok(algorithm)
        } else {
            Err(unexpected())
        }
    }

    fn prove(
        &self,
        context: &Context<'_>,
        algorithm: JwsAlgorithm,
        head: &Map<String, Value>,
        signed: &str,
        signature: &[u8],
    ) -> Result<Option<usize>, Refusal> {
        let public = match algorithm.check() {
            Ok(digest) => {
                let form = context.auth.field("secret_form").and_then(KeyForm::named);
                let claimed = [signature.to_vec()];
                let found = try_secrets(context, &claimed, |secret| {
                    let key = form.unwrap_or(KeyForm::Utf8).key(secret);
                    Ok(key.and_then(|key| digest.hmac(&key)).map(|mut sum| {
                        sum.update(signed.as_bytes());
                        sum.finish()
                    }))
                })?;
                return found
                    .map(Some)
                    .ok_or(Refusal::Diagnosed(Diagnosis::Mismatch));
            }
            Err(public) => public,
        };
        let key_id = head.get("kid").and_then(Value::as_str);
        let keys = self.public_keys(context, key_id)?;
        let fits = |key: &PublicKey| public.verify(key, signed.as_bytes(), signature);
        let found = keys.into_iter().find(|(_, key)| fits(key));
        found
            .map(|(place, _)| place)
            .ok_or(Refusal::Diagnosed(Diagnosis::Mismatch))
    }

    fn public_keys(
        &self,
        context: &Context<'_>,
        key_id: Option<&str>,
    ) -> Result<Vec<(Option<usize>, PublicKey)>, Refusal> {
        let published =
            |request: &KeyRequest, read: fn(&[u8], Option<&str>) -> Option<PublicKey>| {
                let unknown = Diagnosis::Unexpected("key of the token".into());
                let key =
                    context.published_key(request, |document| read(document, key_id), unknown)?;
                Ok(vec![(None, key)])
            };
        match (self.keys, context.auth.field("jwks_url")) {
            (JwtKeys::Published { locate, read }, _) => published(&locate(context, key_id)?, read),
            (JwtKeys::SetOrConfigured, Some(url)) => {
                let request = KeyRequest {
                    url: url.to_owned(),
                    access: keys::Access::Public,
                };
                published(&request, keys::of_jwks)
            }
            _ => keys::KeyFrom::Configured.keys(context),
        }
    }

    /// Gives the moment from which the token is refused, in seconds; none where nothing bounds it.
    fn check_times(
        &self,
        context: &Context<'_>,
        claims: &Map<String, Value>,
    ) -> Result<Option<f64>, Diagnosis> {
        let leeway_s = f64::from(context.auth.tolerance_s.unwrap_or(self.leeway_s));
        let now_s = context.facts.now.0 as f64 / 1000.0;
        let time = |name: &str| match claims.get(name) {
            None => Ok(None),
            Some(value) => value
                .as_f64()
                .map(Some)
                .ok_or_else(|| Diagnosis::malformed(format!("claim {name}"))),
        };
        let whole = |seconds: f64| seconds.ceil().max(1.0) as u64;
        let max_age_s = context.auth.tolerance_s.or(self.max_age_s);
        let made = time("iat")?.zip(max_age_s.filter(|_| self.max_age_s.is_some()));
        let ends_s = match (time("exp")?, made) {
            (Some(end), _) => Some(end + leeway_s),
            (None, Some((made, max_age_s))) => {
                let ahead = made - now_s - f64::from(max_age_s);
                if ahead > 0.0 {
                    return Err(Diagnosis::Ahead { by_s: whole(ahead) });
                }
                Some(made + f64::from(max_age_s) + 1.0)
            }
            (None, None) => None,
        };
        if let Some(end) = ends_s.filter(|end| now_s >= *end) {
            return Err(Diagnosis::Stale {
                by_s: whole(now_s - end),
            });
        }
        if let Some(start) = time("nbf")?.filter(|start| now_s + leeway_s < *start) {
            return Err(Diagnosis::Ahead {
                by_s: whole(start - now_s),
            });
        }
        let issuers = [("iss", "issuer"), ("aud", "audience")];
        for (claim, field) in issuers {
            let Some(expected) = context.auth.field(field) else {
                continue;
            };
            let holds = match claims.get(claim) {
                Some(Value::String(value)) => value == expected,
                Some(Value::Array(values)) => values.iter().any(|value| value == expected),
                _ => false,
            };
            if !holds {
                return Err(Diagnosis::Unexpected(format!("claim {claim}")));
            }
        }
        Ok(ends_s)
    }
}

impl Binding {
    fn check(self, context: &Context<'_>, claims: &Map<String, Value>) -> Result<(), Diagnosis> {
        let body = context.facts.body;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let changed = || Diagnosis::BodyChanged("another body".into());
        match self {
            Self::Nothing | Self::Body => Ok(()),
            Self::Digest {
                claim,
                base64,
                optional,
            } => {
                let Some(claimed) = text(claim) else {
                    let missing = Diagnosis::missing(format!("claim {claim}"));
                    let may_lack = body.is_empty() || super::provider::allows_legacy(context);
                    return if optional && may_lack {
                        Ok(())
                    } else {
                        Err(missing)
                    };
                };
                let encoding = if base64 {
                    super::Encoding::Base64
                } else {
                    super::Encoding::Hex
                };
                let claimed = encoding.decode(claimed).unwrap_or_default();
                if is_digest(body, &claimed) {
                    Ok(())
                } else {
                    Err(changed())
                }
            }
            Self::FreshDigest { claim, within_s } => {
                let issued = claims.get("iat").and_then(Value::as_u64);
                let issued = issued.ok_or_else(|| Diagnosis::missing("claim iat"))?;
                let now_s = context.facts.now.0 / 1000;
                let within_s = u64::from(context.auth.tolerance_s.unwrap_or(within_s));
                if issued.saturating_add(within_s) < now_s {
                    return Err(Diagnosis::Stale {
                        by_s: now_s - issued - within_s,
                    });
                }
                if now_s.saturating_add(within_s) < issued {
                    return Err(Diagnosis::Ahead {
                        by_s: issued - now_s - within_s,
                    });
                }
                let digest = Self::Digest {
                    claim,
                    base64: false,
                    optional: false,
                };
                digest.check(context, claims)
            }
            Self::UrlAndPayload => {
                if text("iss") != Some("MessageBird") {
                    return Err(Diagnosis::Unexpected("claim iss".into()));
                }
                for needed in ["nbf", "exp", "jti"] {
                    let empty = claims.get(needed).is_none_or(|value| value == "");
                    if empty {
                        return Err(Diagnosis::missing(format!("claim {needed}")));
                    }
                }
                let hash = |name: &str| text(name).and_then(|text| hex::decode(text).ok());
                let url = hash("url_hash").ok_or_else(|| Diagnosis::missing("claim url_hash"))?;
                if !is_digest(context.facts.url.as_bytes(), &url) {
                    return Err(Diagnosis::Unexpected("URL".into()));
                }
                match (hash("payload_hash"), claims.contains_key("payload_hash")) {
                    (None, false) if body.is_empty() => Ok(()),
                    (Some(hash), _) if !body.is_empty() && is_digest(body, &hash) => Ok(()),
                    _ => Err(changed()),
                }
            }
        }
    }
}

fn is_digest(text: &[u8], claimed: &[u8]) -> bool {
    let mut sum = Digest::Sha256.hash();
    sum.update(text);
    sum.finish().is(claimed)
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&base64url(part)?).ok()
}

/// Plaid hands out one key at a time, with the moment from which it must not be used any more.
pub(super) fn plaid_key(document: &[u8], _: Option<&str>) -> Option<PublicKey> {
    let document: Value = serde_json::from_slice(document).ok()?;
    let key = document.get("key").unwrap_or(&document).as_object()?;
    let expired = key.get("expired_at").is_some_and(|at| !at.is_null());
    (!expired).then(|| PublicKey::of_jwk(key)).flatten()
}
