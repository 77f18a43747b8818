//! A scheme as data: where the signature stands, how it is written, what it is made of and over what.

use super::{
    Context, Refusal,
    diagnosis::Diagnosis,
    digest::{Digest, Finished},
    encoding::{Encoding, KeyForm},
    hint,
    keys::KeyFrom,
    layout::{Group, Layout, Place},
    proven::Proven,
    public_key::Algorithm,
    stamp::{Stamp, StampPlace},
    template::{self, Sources},
};

/// A signature over a message.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    pub at: Place<'a>,
    pub layout: Layout<'a>,
    pub encoding: Encoding,
    pub proof: Proof,
    /// See [`template`].
    pub message: &'a str,
    pub stamp: Option<Stamp<'a>>,
    /// What of the signed message is new in every request, as a template.
    pub once: Option<&'a str>,
    pub requires: &'a [Requirement<'a>],
}

/// The cryptographic form of a signature: HMAC, hash or public key.
#[derive(Clone, Copy, Debug)]
pub enum Proof {
    Hmac(Digest, KeyForm),
    /// A digest of a message that the secret is part of.
    Hash(Digest),
    PublicKey(Algorithm, KeyFrom),
    /// A signature over the digest of the message, which the algorithm hashes again.
    PublicKeyOverDigest(Digest, Algorithm, KeyFrom),
}

/// A further requirement on a signed request.
#[derive(Clone, Copy, Debug)]
pub enum Requirement<'a> {
    /// A header has this value.
    Header(&'a str, &'a str),
    /// A header has the value of a field of `config.auth`.
    HeaderIsField(&'a str, &'a str),
    /// The JSON body has this field, and it is not empty.
    Json(&'a str),
}

pub(super) type Checked = Result<Proven, Refusal>;

impl<'a> Signed<'a> {
    /// An HMAC over the raw body, its hex alone in a header.
    #[must_use]
    pub const fn body(header: &'a str, digest: Digest) -> Self {
        Self {
            at: Place::Header(header),
            layout: Layout::Plain,
            encoding: Encoding::Hex,
            proof: Proof::Hmac(digest, KeyForm::Utf8),
            message: "{body}",
            stamp: None,
            once: None,
            requires: &[],
        }
    }

    /// The message that a sender would have signed; none where the request lacks a part of it.
    #[cfg(test)]
    pub(super) fn message_of(
        &self,
        context: &Context<'_>,
        timestamp: &str,
        secret: &str,
    ) -> Option<Vec<u8>> {
        let message = Message {
            template: self.message,
            context,
            group: &Group::default(),
            timestamp: Some(timestamp),
        };
        let mut whole = Vec::new();
        let rendered = message.render(secret, &mut |piece| whole.extend_from_slice(piece));
        rendered.is_ok().then_some(whole)
    }

    /// Checks a request.
    ///
    /// # Errors
    /// Why it is not accepted, or which key is needed first.
    pub fn check(&self, context: &Context<'_>) -> Checked {
        let auth = context.auth;
        let mut scheme = *self;
        if let (Place::Header(_), Some(header)) = (scheme.at, auth.field("header_key")) {
            scheme.at = Place::Header(header);
        }
        if let Some(stamp) = &mut scheme.stamp {
            if let Some(tolerance_s) = auth.tolerance_s {
                *stamp = Stamp::new(stamp.at, stamp.unit, Some(tolerance_s));
            }
            if let (StampPlace::Header(_), Some(header)) =
                (stamp.at, auth.field("timestamp_header_key"))
            {
                stamp.at = StampPlace::Header(header);
            }
        }
        scheme.check_as_it_is(context)
    }

    fn check_as_it_is(&self, context: &Context<'_>) -> Checked {
        for requirement in self.requires {
            requirement.check(context)?;
        }
        let values = self.at.values(context.facts)?;
        let groups = values.iter().flat_map(|value| self.layout.read(value));
        let mut refusal = Diagnosis::malformed(self.at.words());
        for group in groups {
            match self.check_group(context, &group) {
                Err(Refusal::Diagnosed(diagnosis)) => refusal = diagnosis,
                settled => return settled,
            }
        }
        Err(refusal.into())
    }

    fn check_group(&self, context: &Context<'_>, group: &Group<'_>) -> Checked {
        let decode = |text: &&str| self.encoding.decode(text);
        let claimed: Vec<Vec<u8>> = group.candidates.iter().filter_map(decode).collect();
        if claimed.is_empty() {
            return Err(Diagnosis::malformed(self.at.words()).into());
        }
        let stamp = match &self.stamp {
            Some(stamp) => Some((stamp, stamp.text(context.facts, group)?)),
            None => None,
        };
        let text = stamp.as_ref().map(|(_, text)| text.as_ref());
        let proven = Proven::by(self.prove(context, group, text, &claimed)?);
        // Only what is signed rightly can be called stale.
        if let Some((stamp, text)) = &stamp {
            stamp.check(text, context.facts)?;
        }
        let Some(template) = self.once else {
            return Ok(proven);
        };
        let message = Message {
            template,
            context,
            group,
            timestamp: text,
        };
        let token = message.whole()?;
        Ok(proven.once(token, stamp.and_then(|(stamp, _)| stamp.window_s())))
    }

    fn prove(
        &self,
        context: &Context<'_>,
        group: &Group<'_>,
        timestamp: Option<&str>,
        claimed: &[Vec<u8>],
    ) -> Result<Option<usize>, Refusal> {
        let message = Message {
            template: self.message,
            context,
            group,
            timestamp,
        };
        match self.proof {
            Proof::Hmac(digest, form) => {
                let mac = |secret: &str| message.hmac(digest, form, secret);
                try_secrets(context, claimed, mac)?.map_or_else(
                    || Err(hint::explain(&message, digest, form, claimed).into()),
                    |place| Ok(Some(place)),
                )
            }
            Proof::Hash(digest) => {
                let sum = |secret: &str| message.hash(digest, secret).map(Some);
                let found = try_secrets(context, claimed, sum)?;
                found
                    .map(Some)
                    .ok_or(Refusal::Diagnosed(Diagnosis::Mismatch))
            }
            Proof::PublicKey(algorithm, from) => {
                let message = message.whole()?;
                try_keys(context, algorithm, from, &message, claimed)
            }
            Proof::PublicKeyOverDigest(digest, algorithm, from) => {
                let digest = digest.of(&message.whole()?);
                try_keys(context, algorithm, from, &digest, claimed)
            }
        }
    }
}

impl Requirement<'_> {
    fn check(&self, context: &Context<'_>) -> Result<(), Diagnosis> {
        let (header, expected) = match self {
            Self::Json(path) => {
                let text = context.facts.json(path).filter(|text| !text.is_empty());
                let missing = || Diagnosis::missing(format!("JSON field {path}"));
                return text.map(|_| ()).ok_or_else(missing);
            }
            Self::Header(header, expected) => (header, *expected),
            Self::HeaderIsField(header, field) => {
                let unfinished =
                    || Diagnosis::Unfinished(format!("config.auth.{field} is missing"));
                (header, context.auth.field(field).ok_or_else(unfinished)?)
            }
        };
        if context.facts.header(header)? == expected {
            Ok(())
        } else {
            Err(Diagnosis::Unexpected(format!("header {header}")))
        }
    }
}

/// The message of one group of candidates.
pub(super) struct Message<'m> {
    template: &'m str,
    pub(super) context: &'m Context<'m>,
    group: &'m Group<'m>,
    timestamp: Option<&'m str>,
}

impl Message<'_> {
    fn render(&self, secret: &str, sink: &mut dyn FnMut(&[u8])) -> Result<(), Diagnosis> {
        let sources = Sources {
            facts: self.context.facts,
            group: self.group,
            timestamp: self.timestamp,
            secret,
            fields: &|name| self.context.auth.field(name),
        };
        template::render(self.template, &sources, sink)
    }

    /// The HMAC of the message. None when the secret is not of the form that the scheme asks for.
    pub(super) fn hmac(
        &self,
        digest: Digest,
        form: KeyForm,
        secret: &str,
    ) -> Result<Option<Finished>, Diagnosis> {
        let key = form.key(secret);
        let Some(mut sum) = key.and_then(|key| digest.hmac(&key)) else {
            return Ok(None);
        };
        self.render(secret, &mut |piece| sum.update(piece))?;
        Ok(Some(sum.finish()))
    }

    fn hash(&self, digest: Digest, secret: &str) -> Result<Finished, Diagnosis> {
        let mut sum = digest.hash();
        self.render(secret, &mut |piece| sum.update(piece))?;
        Ok(sum.finish())
    }

    fn whole(&self) -> Result<Vec<u8>, Diagnosis> {
        let mut message = Vec::with_capacity(self.context.facts.body.len() + 64);
        self.render("", &mut |piece| message.extend_from_slice(piece))?;
        Ok(message)
    }

    /// Whether the raw body is part of it, or what it is a digest of.
    pub(super) fn covers_body(&self) -> bool {
        self.template.contains("{body")
    }

    /// The message of the same scheme over another context, such as one with another body.
    pub(super) fn with<'n>(&'n self, context: &'n Context<'n>) -> Message<'n> {
        Message {
            template: self.template,
            context,
            group: self.group,
            timestamp: self.timestamp,
        }
    }
}

/// Tries every live secret, also after one has fitted: the time it takes says nothing about which one did.
pub(super) fn try_secrets(
    context: &Context<'_>,
    claimed: &[Vec<u8>],
    sum: impl Fn(&str) -> Result<Option<Finished>, Diagnosis>,
) -> Result<Option<usize>, Diagnosis> {
    let mut any = false;
    let mut found = None;
    let mut is_challenge = false;
    for (place, secret) in context.auth.live(context.facts.now) {
        let Some(sum) = sum(secret)? else { continue };
        any = true;
        let fits = claimed
            .iter()
            .fold(false, |fits, claimed| fits | sum.is(claimed));
        is_challenge |= fits && sum.could_be_challenge();
        if fits && found.is_none() {
            found = Some(place);
        }
    }
    if is_challenge {
        // A handshake would have signed it for a stranger.
        let what = "signed text: it could be a challenge";
        return Err(Diagnosis::Unexpected(what.into()));
    }
    if any {
        Ok(found)
    } else {
        Err(Diagnosis::NoSecret)
    }
}

fn try_keys(
    context: &Context<'_>,
    algorithm: Algorithm,
    from: KeyFrom,
    message: &[u8],
    claimed: &[Vec<u8>],
) -> Result<Option<usize>, Refusal> {
    for (place, key) in from.keys(context)? {
        if claimed
            .iter()
            .any(|claimed| algorithm.verify(&key, message, claimed))
        {
            return Ok(place);
        }
    }
    Err(Diagnosis::Mismatch.into())
}
