//! Proves where a request comes from: one engine, and a registry of providers that it reads. The only maker of
//! `Request<Verified>`.

mod challenge;
mod diagnosis;
mod digest;
mod encoding;
mod facts;
#[cfg(test)]
mod forgery;
mod generic;
mod handshake;
mod hint;
mod jwt;
mod keys;
mod layout;
mod own;
mod proven;
mod provider;
mod public_key;
pub mod registry;
mod secrets;
mod shared;
mod signed;
mod stamp;
pub mod template;

pub use diagnosis::Diagnosis;
pub use digest::Digest;
pub use encoding::{Encoding, KeyForm};
pub use facts::Facts;
pub use generic::check_options;
pub use handshake::Answer;
pub use jwt::JwsAlgorithm;
pub use keys::{Access, Document, KeyRequest, Keys, NoKeys};
pub use provider::{Check, Field, FieldKind, Provider, Tokens};
pub use public_key::PublicKey;
pub use secrets::{SecretPlace, redact, secret_places};
pub use stamp::Unit;

use crate::{
    catalog::{Source, Verification},
    time::Timestamp,
    traffic::{Origin, Request, RequestRecord, Unverified, Verified},
};
use bytes::Bytes;
use proven::Proven;

/// The context of a verification: a request before its scheme, the source's side of it, and the keys that others
/// publish.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub facts: &'a Facts<'a>,
    pub auth: &'a Verification,
    pub keys: &'a dyn Keys,
}

/// The reason why a scheme does not accept a request, or not yet.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    Diagnosed(Diagnosis),
    /// It can be decided once this document is there.
    NeedsKey(Box<KeyRequest>),
}

impl From<Diagnosis> for Refusal {
    fn from(diagnosis: Diagnosis) -> Self {
        Self::Diagnosed(diagnosis)
    }
}

/// The result of verifying a request.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "made once a request, and what is usual needs no place of its own"
)]
pub enum Finding {
    Verified(Request<Verified>),
    Rejected(Box<Rejected>),
    /// A handshake: it is answered and not stored.
    Answered(Box<Answer>),
    /// The caller fetches the document and asks again.
    NeedsKey(Box<KeyRequest>, Box<Request<Unverified>>),
}

/// A request that its source's scheme did not accept. Its record carries the diagnosis.
#[derive(Debug)]
pub struct Rejected {
    pub record: RequestRecord,
    pub body: Bytes,
}

/// Examines a request over its raw bytes with the source's scheme. `url` is the one that the sender was told.
#[must_use]
pub fn examine(
    source: &Source,
    mut request: Request<Unverified>,
    url: &str,
    now: Timestamp,
    keys: &dyn Keys,
) -> Finding {
    let facts = Facts {
        record: &request.record,
        body: &request.body,
        parsed: &request.parsed,
        url,
        now,
    };
    let context = Context {
        facts: &facts,
        auth: &source.verification,
        keys,
    };
    match context.settle() {
        Ok(Settled::Answered(answer)) => Finding::Answered(answer),
        Ok(Settled::Unproven) => Finding::Verified(request.proven()),
        Ok(Settled::Proven(proven)) => {
            let secret = proven.secret.and_then(|place| u8::try_from(place).ok());
            request.record.origin = Origin::Proven { secret };
            let once = proven.once.map(|once| once.of(source.id));
            Finding::Verified(request.proven_once(once))
        }
        Err(Refusal::NeedsKey(key)) => Finding::NeedsKey(key, Box::new(request)),
        Err(Refusal::Diagnosed(diagnosis)) => {
            request.record.origin = Origin::Refused(diagnosis);
            Finding::Rejected(Box::new(Rejected {
                record: request.record,
                body: request.body,
            }))
        }
    }
}

enum Settled {
    Unproven,
    Proven(Proven),
    Answered(Box<Answer>),
}

impl Context<'_> {
    fn settle(&self) -> Result<Settled, Refusal> {
        let lacks = lacks(self.auth, self.facts.now);
        let Some(provider) = registry::find(&self.auth.scheme) else {
            return Err(Diagnosis::Unfinished(lacks.unwrap_or_default()).into());
        };
        // Before anything is read: it would take longer than a wrong signature may.
        if provider
            .body_max
            .is_some_and(|most| self.facts.body.len() > most)
        {
            return Err(Diagnosis::Unexpected("length of the body".into()).into());
        }
        for handshake in provider.handshakes {
            if let Some(challenge) = handshake.asked.challenge(self) {
                let answer = handshake.answer(self, provider, &challenge)?;
                return Ok(Settled::Answered(Box::new(answer)));
            }
        }
        if let Some(lacks) = lacks {
            return Err(Diagnosis::Unfinished(lacks).into());
        }
        match provider.check(self)? {
            Some(proven) => Ok(Settled::Proven(proven)),
            None => Ok(Settled::Unproven),
        }
    }

    /// A document that somebody else publishes.
    fn document(&self, request: &KeyRequest) -> Result<Bytes, Refusal> {
        match self.keys.document(request) {
            Document::Known(document) => Ok(document),
            Document::Unknown => Err(Refusal::NeedsKey(Box::new(request.clone()))),
            Document::Failed => Err(Diagnosis::KeyUnavailable(request.url.clone()).into()),
        }
    }

    /// A key out of a document that somebody else publishes. One that lacks the key may be older than the key.
    fn published_key(
        &self,
        request: &KeyRequest,
        read: impl FnOnce(&[u8]) -> Option<PublicKey>,
        otherwise: Diagnosis,
    ) -> Result<PublicKey, Refusal> {
        match read(&self.document(request)?) {
            Some(key) => Ok(key),
            None if self.keys.may_be_outdated(request) => {
                Err(Refusal::NeedsKey(Box::new(request.clone())))
            }
            None => Err(otherwise.into()),
        }
    }
}

/// Whether a request is a handshake of its source's provider, which may come by a method that events don't.
#[must_use]
pub fn is_handshake(
    source: &Source,
    request: &Request<Unverified>,
    url: &str,
    now: Timestamp,
) -> bool {
    let facts = Facts {
        record: &request.record,
        body: &request.body,
        parsed: &request.parsed,
        url,
        now,
    };
    let context = Context {
        facts: &facts,
        auth: &source.verification,
        keys: &NoKeys,
    };
    let provider = registry::find(&source.verification.scheme);
    provider.is_some_and(|provider| {
        let mut handshakes = provider.handshakes.iter();
        handshakes.any(|handshake| handshake.asked.challenge(&context).is_some())
    })
}

/// Takes a request that the operator's own token vouches for; no sender's signature is asked of it.
#[must_use]
pub fn vouched_for(mut request: Request<Unverified>) -> Request<Verified> {
    request.record.origin = Origin::Vouched;
    request.proven()
}

/// The URL that the sender was told: the source's own, or the one that the admin named.
#[must_use]
pub fn told_url(source: &Source, public_url: &str, record: &RequestRecord) -> String {
    let query = if record.query.is_empty() {
        String::new()
    } else {
        format!("?{}", record.query)
    };
    match &source.verification.signed_url {
        // One that has a query was told as a whole.
        Some(told) if told.contains('?') => told.clone(),
        Some(told) => format!("{told}{query}"),
        None => {
            let base = public_url.trim_end_matches('/');
            format!("{base}/{}{}{query}", source.id, record.path)
        }
    }
}

/// The settings that a source lacks to verify its senders, in words for the admin; none where it is complete, or where
/// nothing is asked of its senders.
#[must_use]
pub fn lacks(auth: &Verification, now: Timestamp) -> Option<String> {
    let Some(provider) = registry::find(&auth.scheme) else {
        return Some(format!(
            "no scheme of its own is known for {}: name HMAC, BASIC_AUTH, API_KEY, JWT or another type's in \
             config.auth_type",
            auth.scheme
        ));
    };
    provider.lacks(auth, now)
}

/// The signed answer that the sender of an accepted request insists on, where it does; `place` is that of the secret that
/// proved the request.
#[must_use]
pub fn acknowledgement(auth: &Verification, place: Option<u8>, now: Timestamp) -> Option<Answer> {
    let acknowledged = registry::find(&auth.scheme)?.acknowledged?;
    let proving = place.and_then(|place| auth.secrets.get(usize::from(place)));
    let newest = || auth.live(now).last().map(|(_, secret)| secret);
    let secret = proving.map(|live| live.secret.reveal()).or_else(newest)?;
    Some(acknowledged(secret, now))
}

/// The kind of one-time tokens (replay protection) in what a source's scheme signs.
#[must_use]
pub fn tokens(auth: &Verification) -> Tokens {
    registry::find(&auth.scheme).map_or(Tokens::None, Provider::tokens)
}

/// Whether a source's scheme asks its senders to prove themselves. Where it can't yet, its requests are refused.
#[must_use]
pub fn proves_origin(auth: &Verification) -> bool {
    registry::find(&auth.scheme).is_none_or(Provider::proves_origin)
}
