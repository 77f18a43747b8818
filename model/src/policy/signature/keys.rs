//! Keys that a sender publishes. This engine never fetches: it says what it needs, and its caller brings it.

use super::{Context, Refusal, diagnosis::Diagnosis, public_key::PublicKey};
use crate::catalog::{Secret, Verification};
use bytes::Bytes;
use serde_json::{Map, Value};

/// A document that holds a key, and how it may be had. The same request means the same document.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyRequest {
    /// Https, on a host that the scheme pins or that the admin named.
    pub url: String,
    pub access: Access,
}

/// The access control of a key document: what the key's owner asks for before it hands it out.
#[derive(Clone, Debug, PartialEq)]
pub enum Access {
    /// Anyone may read it.
    Public,
    Bearer(Secret),
    /// A JSON body is posted.
    Post(Secret),
    /// An OAuth client credentials grant at `token_url`, then a bearer token (RFC 6749 section 4.4).
    ClientCredentials {
        token_url: String,
        client_id: Secret,
        client_secret: Secret,
        scope: String,
    },
}

/// A document in the key cache, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    Known(Bytes),
    /// Nobody has asked for it yet.
    Unknown,
    /// It was asked for a moment ago and could not be had.
    Failed,
}

/// Documents that were fetched before.
pub trait Keys {
    fn document(&self, request: &KeyRequest) -> Document;

    /// Whether a document that is known lacks a key because it is too old; the engine then asks for it again.
    fn may_be_outdated(&self, _: &KeyRequest) -> bool {
        false
    }
}

/// No document at all, for schemes that need none.
#[derive(Clone, Copy, Debug)]
pub struct NoKeys;

impl Keys for NoKeys {
    fn document(&self, _: &KeyRequest) -> Document {
        Document::Failed
    }
}

/// The source of a scheme's public key: configured, built in, or published.
#[derive(Clone, Copy, Debug)]
pub enum KeyFrom {
    /// The source's rotating credential is the key.
    Configured,
    /// The sender has one for each of its environments.
    Environment(fn(&Verification) -> &'static [&'static str]),
    /// The sender publishes it: where for this request, and what of the document is the key.
    Published {
        locate: fn(&Context<'_>) -> Result<KeyRequest, Diagnosis>,
        read: fn(&Context<'_>, &[u8]) -> Option<PublicKey>,
    },
}

impl KeyFrom {
    /// The keys that may have signed, with their places among the source's secrets.
    pub(super) fn keys(
        self,
        context: &Context<'_>,
    ) -> Result<Vec<(Option<usize>, PublicKey)>, Refusal> {
        match self {
            Self::Configured => {
                let live: Vec<_> = context.auth.live(context.facts.now).collect();
                if live.is_empty() {
                    return Err(Diagnosis::NoSecret.into());
                }
                let keys = live
                    .into_iter()
                    .filter_map(|(place, text)| Some((Some(place), PublicKey::pasted(text)?)));
                Ok(keys.collect())
            }
            Self::Environment(pick) => {
                let keys = pick(context.auth).iter();
                let keys = keys.filter_map(|pem| Some((None, PublicKey::pasted(pem)?)));
                Ok(keys.collect())
            }
            Self::Published { locate, read } => {
                let key = context.published_key(
                    &locate(context)?,
                    |document| read(context, document),
                    Diagnosis::malformed("published key"),
                )?;
                Ok(vec![(None, key)])
            }
        }
    }
}

/// The key of this id in a JSON Web Key Set; with no id asked for, the only key of the set.
pub(super) fn of_jwks(document: &[u8], key_id: Option<&str>) -> Option<PublicKey> {
    let set: Value = serde_json::from_slice(document).ok()?;
    let keys = set.get("keys")?.as_array()?;
    let is = |key: &&Map<String, Value>| key.get("kid").and_then(Value::as_str) == key_id;
    let objects = || keys.iter().filter_map(Value::as_object);
    let key = match key_id {
        Some(_) => objects().find(is)?,
        None if keys.len() == 1 => objects().next()?,
        None => return None,
    };
    PublicKey::of_jwk(key)
}
