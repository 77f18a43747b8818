//! What a thief or a broken wire could change: every bit of what proves a request, and every shorter signature.

use crate::vector::{self, Expect, Vector};
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use bytes::Bytes;
use model::{
    catalog::{Secret, Source},
    policy::signature::{Finding, KeyForm, PublicKey, examine},
    traffic::{Origin, Request, RequestRecord},
};
use serde_json::Value;

const BASE64_LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A request that is accepted, taken apart.
struct Accepted {
    vector: Vector,
    source: Source,
    record: RequestRecord,
    body: Bytes,
    keys: vector::Published,
}

impl Accepted {
    fn new(vector: Vector) -> Self {
        Self {
            source: vector.source(),
            record: vector.record(),
            body: vector.body(),
            keys: vector.keys(),
            vector,
        }
    }

    fn proves(&self, source: &Source, record: RequestRecord, body: Bytes, url: &str) -> bool {
        let request = Request::received(record, body);
        let finding = examine(source, request, url, self.vector.now(), &self.keys);
        matches!(finding, Finding::Verified(request)
            if matches!(request.record.origin, Origin::Proven { .. }))
    }

    fn with_body(&self, body: Vec<u8>) -> bool {
        self.proves(
            &self.source,
            self.record.clone(),
            body.into(),
            &self.vector.url,
        )
    }

    fn with_header(&self, place: usize, value: Option<Bytes>) -> bool {
        let mut record = self.record.clone();
        match value {
            Some(value) => record.headers[place].1 = value,
            None => drop(record.headers.remove(place)),
        }
        self.proves(&self.source, record, self.body.clone(), &self.vector.url)
    }

    fn with_secret(&self, secret: String) -> bool {
        let mut source = self.source.clone();
        source.verification.secrets[0].secret = Secret::new(secret);
        self.proves(
            &source,
            self.record.clone(),
            self.body.clone(),
            &self.vector.url,
        )
    }

    /// The headers without which it is refused: those that prove something.
    fn needed_headers(&self) -> Vec<usize> {
        (0..self.record.headers.len())
            .filter(|place| !self.with_header(*place, None))
            .collect()
    }
}

fn accepted() -> Vec<Accepted> {
    let mut vectors = vector::read(&vector::own_folder());
    vectors.extend(
        vector::shared_folder()
            .iter()
            .flat_map(|folder| vector::read(folder)),
    );
    let accepted =
        |vector: &Vector| matches!(&vector.expect, Expect::Word(word) if word == "accept");
    let accepted: Vec<_> = vectors
        .into_iter()
        .filter(accepted)
        .map(Accepted::new)
        .collect();
    assert!(accepted.len() > 150);
    accepted
}

/// Every variant of a text in which one bit differs.
fn flipped(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..text.len() * 8).map(|bit| {
        let mut other = text.to_vec();
        other[bit / 8] ^= 1 << (bit % 8);
        other
    })
}

/// Types whose scheme leaves a part of the body or all of it uncovered, as the table of the docs says.
const BODY_NOT_COVERED: &[&str] = &[
    // A token, a password or a JWT that is not bound to the body.
    "API_KEY",
    "BANDWIDTH",
    "BASIC_AUTH",
    "CHARGEBEE_BILLING",
    "CLOUDEVENTS",
    "CLOUDFLARE_NOTIFICATIONS",
    "DEEPGRAM",
    "GOOGLE_PUSH",
    "GREENDOT",
    "HUGGING_FACE",
    "JWT",
    "MICROSOFT_GRAPH",
    "MONDAY",
    "OKTA",
    "PIPEDRIVE",
    "POSTMARK",
    "RING_CENTRAL",
    "SHIPSTATION/v1",
    "STRAVA",
    "TELEGRAM",
    "GITLAB/token",
    "REVENUECAT/valid",
    "VAPI/bearer",
    "VAPI/own-header",
    // Named fields of it.
    "ADYEN",
    "AWS_SNS",
    "BRAINTREE",
    "DROPBOX_SIGN/form",
    "FAVRO",
    "MAILGUN",
    "PRAXIS",
    "TREEZOR",
];

fn covers_body(vector: &Vector) -> bool {
    let title = format!("{}/{}", vector.source_type(), vector.name);
    !BODY_NOT_COVERED.iter().any(|type_or_title| {
        let rest = title.strip_prefix(type_or_title);
        rest.is_some_and(|rest| type_or_title.contains('/') || rest.starts_with('/'))
    })
}

/// Whether two texts differ only in the case of digits of one run of at least 32 hex digits (an MD5), which is the
/// same number.
fn same_hex(one: &[u8], other: &[u8]) -> bool {
    let runs = |text: &[u8]| -> Vec<Vec<u8>> {
        let hex = |byte: &u8, other: &u8| byte.is_ascii_hexdigit() == other.is_ascii_hexdigit();
        text.chunk_by(hex)
            .map(|run| {
                let number = run.len() >= 32 && run[0].is_ascii_hexdigit();
                if number {
                    run.to_ascii_lowercase()
                } else {
                    run.to_vec()
                }
            })
            .collect()
    };
    runs(one) == runs(other)
}

fn same_form(one: &[u8], other: &[u8]) -> bool {
    form_urlencoded::parse(one).eq(form_urlencoded::parse(other))
}

fn show(what: &str, vector: &Vector, value: &[u8]) -> String {
    format!(
        "{}: {what} {}",
        vector.title(),
        String::from_utf8_lossy(value)
    )
}

fn none(passed: &[String]) {
    assert!(
        passed.is_empty(),
        "{} passed:\n{}",
        passed.len(),
        passed.join("\n")
    );
}

#[test]
fn any_flipped_bit_of_the_body_is_noticed() {
    let mut passed = Vec::new();
    for one in accepted().iter().filter(|one| covers_body(&one.vector)) {
        let form = one
            .record
            .headers
            .iter()
            .any(|(_, value)| value.starts_with(b"application/x-www-form"));
        let signed_inside = one.vector.source_type() == "DROPBOX_SIGN";
        for body in flipped(&one.body) {
            // Twilio and Mandrill sign the decoded fields.
            let same =
                form && same_form(&one.body, &body) || signed_inside && same_hex(&one.body, &body);
            if !same && one.with_body(body.clone()) {
                passed.push(show("body", &one.vector, &body));
            }
        }
    }
    none(&passed);
}

/// Headers that a scheme needs and that prove nothing by themselves.
fn proves_nothing(one: &Accepted, name: &str) -> bool {
    // Whether the body is a form, or which mode of CloudEvents it is.
    name == "content-type" || one.vector.source_type() == "CLOUDEVENTS" && name.starts_with("ce-")
}

/// Whether a value holds more signatures than the one that fits: what the others are does not matter.
fn holds_others(vector: &Vector) -> bool {
    [
        "rotat", "multi", "extra", "two", "several", "both", "second", "rolled",
    ]
    .iter()
    .any(|word| vector.name.contains(word))
}

/// What two values of a header mean, where that is less than their bytes.
fn same_meaning(one: &Accepted, value: &[u8], other: &[u8]) -> bool {
    let scheme = |text: &[u8]| {
        let end = text.iter().position(|byte| *byte == b' ').unwrap_or(0);
        (text[..end].to_ascii_lowercase(), text[end..].to_vec())
    };
    same_hex(value, other)
        || scheme(value) == scheme(other)
        || value.trim_ascii() == other.trim_ascii()
        || same_base64(value, other)
        || one.vector.source_type() == "EBAY" && same_ebay(value, other)
}
/// Base64 of hex digits, which some senders write.
fn same_base64(value: &[u8], other: &[u8]) -> bool {
    match (STANDARD.decode(value), STANDARD.decode(other)) {
        (Ok(value), Ok(other)) => same_hex(&value, &other),
        _ => false,
    }
}

/// The header is base64 of JSON; what it says of the algorithm is not asked.
fn same_ebay(value: &[u8], other: &[u8]) -> bool {
    let read = |text: &[u8]| {
        let json: Value = serde_json::from_slice(&BASE64_LENIENT.decode(text).ok()?).ok()?;
        Some([json.get("kid")?.clone(), json.get("signature")?.clone()])
    };
    read(value).is_some_and(|value| Some(value) == read(other))
}

#[test]
fn any_flipped_bit_of_a_needed_header_is_noticed() {
    let mut passed = Vec::new();
    for one in accepted().iter().filter(|one| !holds_others(&one.vector)) {
        for place in one.needed_headers() {
            let (name, value) = &one.record.headers[place];
            if proves_nothing(one, name) {
                continue;
            }
            for other in flipped(value) {
                if !same_meaning(one, value, &other)
                    && one.with_header(place, Some(other.clone().into()))
                {
                    passed.push(show(name, &one.vector, &other));
                }
            }
        }
    }
    none(&passed);
}

#[test]
fn every_shorter_header_is_noticed() {
    let mut passed = Vec::new();
    for one in accepted().iter().filter(|one| !holds_others(&one.vector)) {
        for place in one.needed_headers() {
            let (name, value) = &one.record.headers[place];
            if proves_nothing(one, name) {
                continue;
            }
            for length in 0..value.len() {
                let other = value.slice(..length);
                if !same_meaning(one, value, &other) && one.with_header(place, Some(other.clone()))
                {
                    passed.push(show(name, &one.vector, &other));
                }
            }
        }
    }
    none(&passed);
}

/// Types whose rotating credential is what keys are fetched with, or what a handshake is answered with.
const SECRET_PROVES_NO_EVENT: &[&str] = &["CIRCLE", "EBAY", "PLAID", "REVENUECAT", "SHIPSTATION"];

/// Whether two secrets are the same key in another spelling.
fn same_key(one: &str, other: &str) -> bool {
    let spelled = |form: KeyForm| form.key(one).is_some() && form.key(one) == form.key(other);
    let public =
        PublicKey::pasted(one).is_some() && PublicKey::pasted(one) == PublicKey::pasted(other);
    public || [KeyForm::Hex, KeyForm::Whsec].into_iter().any(spelled)
}

#[test]
fn any_flipped_bit_of_the_key_is_noticed() {
    let mut passed = Vec::new();
    for one in accepted() {
        let Some(live) = one.source.verification.secrets.first() else {
            continue;
        };
        if SECRET_PROVES_NO_EVENT.contains(&&*one.vector.source_type()) {
            continue;
        }
        let secret = live.secret.reveal();
        for other in flipped(secret.as_bytes()) {
            let Ok(other) = String::from_utf8(other) else {
                continue;
            };
            if !same_key(secret, &other) && one.with_secret(other.clone()) {
                passed.push(show("key", &one.vector, other.as_bytes()));
            }
        }
    }
    none(&passed);
}
