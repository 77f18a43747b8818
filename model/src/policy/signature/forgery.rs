//! Stories: what a handshake answers never proves a delivery, of its own type or of any other with the same secret.
//! Deliveries are made for every scheme of the registry, a handshake of every type is asked to sign what they would have
//! to sign, and whatever comes back is tried as their signature.

use super::{
    Context, Finding, NoKeys,
    digest::Digest,
    encoding::Encoding,
    examine,
    facts::Facts,
    handshake::{Answer, Asked, Guard, Handshake},
    layout::{Layout, Place},
    provider::{Check, FieldKind, Provider},
    registry,
    signed::{Proof, Requirement, Signed},
    stamp::{StampPlace, Unit},
};
use crate::{
    catalog::{LiveSecret, Secret, Source, Verification},
    ids::SourceId,
    policy::document::Parsed,
    time::Timestamp,
    traffic::{Origin, Request, RequestRecord},
};
use base64::{Engine, engine::general_purpose};
use bytes::Bytes;
use serde_json::{Map, Value, json};

const NOW: Timestamp = Timestamp(1_764_515_000_000);
const URL: &str = "https://events.example.com/src";
/// Text, hex and base64 at once: every form of a key takes it.
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const FIELD: &str = "abcdefghijkl";

/// What bodies may be: real ones, and such as a challenge could be.
const BODIES: [&str; 13] = [
    "",
    "{\"id\":\"evt_1\",\"amount\":100}",
    "id=evt_1&amount=100",
    "<event/>",
    "challenge-1",
    "AbcdefghijklmnopqrstuvwxyZ",
    "amount=",
    "8a4b2c1e-7d3f-4a5b-9c8d-1e2f3a4b5c6d",
    "deadbeefdeadbeefdead",
    "deadbeefdeadbeefdeadbeefdeadbeef",
    "deadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
    "1764515000",
    "PD94bWwgdmVyc2lvbj0iMS4wIj8+PGV2ZW50Lz4=",
];

/// Puts a signature where a delivery has it.
type Sign = Box<dyn Fn(&mut RequestRecord, &mut String, &[u8])>;

/// A delivery that lacks nothing but its signature.
struct Delivery {
    provider: &'static Provider,
    source: Source,
    record: RequestRecord,
    body: String,
    /// What its sender would have signed.
    message: Vec<u8>,
    sign: Sign,
}

impl Delivery {
    /// Whether it is taken with this signature.
    fn is_proven_by(&self, mac: &[u8]) -> bool {
        let (mut record, mut body) = (self.record.clone(), self.body.clone());
        (self.sign)(&mut record, &mut body, mac);
        let request = Request::received(record, body.into());
        let finding = examine(&self.source, request, URL, NOW, &NoKeys);
        matches!(finding, Finding::Verified(request)
            if matches!(request.record.origin, Origin::Proven { .. }))
    }
}

fn source(provider: &Provider) -> Source {
    let mut auth = Verification::of(provider.name);
    auth.secrets = vec![LiveSecret::new(Secret::new(SECRET.into()))];
    for field in provider.fields {
        let value = match field.kind {
            FieldKind::OneOf(values) => values[0],
            FieldKind::Flag => "true",
            FieldKind::Secret(_) => SECRET,
            FieldKind::SecretsById => r#"{"7":"0123456789abcdef0123456789abcdef"}"#,
            _ if [
                "header_key",
                "query_key",
                "form_key",
                "json_key",
                "jwks_url",
            ]
            .contains(&field.name) =>
            {
                continue;
            }
            _ if provider.name == "HMAC" => continue,
            _ if ["issuer", "audience"].contains(&field.name) => continue,
            _ if field.name == "algorithm" => "HS256",
            _ => FIELD,
        };
        let value = Secret::new(value.to_owned());
        auth.fields.insert(field.name.to_owned(), value);
    }
    if provider.name == "HMAC" {
        let header = Secret::new("x-signature".into());
        auth.fields.insert("header_key".into(), header);
    }
    Source {
        id: SourceId(1),
        name: provider.name.into(),
        description: None,
        verification: auth,
        allowed_http_methods: Vec::new(),
        custom_response: None,
        deduplicate: None,
        ordering_key: Vec::new(),
        disabled_at: None,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn record(method: &str) -> RequestRecord {
    RequestRecord {
        source_id: SourceId(1),
        received_at: NOW,
        method: method.into(),
        path: String::new(),
        query: String::new(),
        headers: Vec::new(),
        origin: Origin::Unproven,
    }
}

fn header(record: &mut RequestRecord, name: &str, value: &str) {
    let name = name.to_ascii_lowercase();
    record.headers.retain(|(known, _)| *known != name);
    record.headers.push((name, Bytes::from(value.to_owned())));
}

fn put(object: &mut Map<String, Value>, path: &str, value: &str) {
    match path.split_once('.') {
        None => drop(object.insert(path.to_owned(), json!(value))),
        Some((name, rest)) => {
            let inner = object.entry(name).or_insert_with(|| json!({}));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

fn timestamp(unit: Unit) -> String {
    match unit {
        Unit::Millis => NOW.0.to_string(),
        Unit::Rfc3339 => "2025-11-30T15:03:20Z".into(),
        Unit::HttpDate => "Sun, 30 Nov 2025 15:03:20 GMT".into(),
        Unit::Seconds | Unit::Told | Unit::Nonce => (NOW.0 / 1000).to_string(),
    }
}

/// The arguments of a template's parts of one kind.
fn parts<'t>(template: &'t str, kind: &'t str) -> impl Iterator<Item = &'t str> {
    template.split('{').filter_map(move |part| {
        let (part, _) = part.split_once('}')?;
        part.strip_prefix(kind)?.strip_prefix(':')
    })
}

/// Deliveries of a scheme that is data.
fn deliveries_of(provider: &'static Provider, scheme: Signed<'static>) -> Vec<Delivery> {
    let is_json = matches!(scheme.at, Place::Json(_)) || scheme.message.contains("{json");
    let is_form = matches!(scheme.at, Place::Form(_)) || scheme.message.contains("{form:");
    let mut deliveries = Vec::new();
    for body in BODIES {
        let mut record = record("POST");
        let stamp = scheme.stamp.map_or("", |_| "stamped");
        let at = scheme
            .stamp
            .map(|stamp| timestamp(stamp.unit))
            .unwrap_or_default();
        let mut object = Map::new();
        for path in parts(scheme.message, "json").chain(parts(scheme.message, "json?")) {
            put(&mut object, path, body);
        }
        let mut form: Vec<(String, String)> = parts(scheme.message, "form")
            .map(|name| (name.to_owned(), body.to_owned()))
            .collect();
        for name in parts(scheme.message, "header") {
            header(&mut record, name, FIELD);
        }
        for requirement in scheme.requires {
            match requirement {
                Requirement::Header(name, value) => header(&mut record, name, value),
                Requirement::HeaderIsField(name, _) => header(&mut record, name, FIELD),
                Requirement::Json(path) => put(&mut object, path, body),
            }
        }
        match scheme.stamp.map(|stamp| stamp.at) {
            Some(StampPlace::Header(name)) => header(&mut record, name, &at),
            Some(StampPlace::Json(path)) => put(&mut object, path, &at),
            Some(StampPlace::Form(name)) => {
                form.retain(|(known, _)| known != name);
                form.push((name.into(), at.clone()));
            }
            _ => {}
        }
        let is_object = is_json || !object.is_empty();
        let body = if is_object {
            Value::Object(object).to_string()
        } else if is_form {
            header(
                &mut record,
                "content-type",
                "application/x-www-form-urlencoded",
            );
            form_urlencoded::Serializer::new(String::new())
                .extend_pairs(&form)
                .finish()
        } else {
            body.to_owned()
        };
        let sign = {
            let at = at.clone();
            move |record: &mut RequestRecord, body: &mut String, mac: &[u8]| {
                let text = scheme.encoding.encode(mac);
                let value = match scheme.layout {
                    Layout::Plain => text,
                    Layout::Prefix(prefix) | Layout::List { prefix, .. } => {
                        format!("{prefix}{text}")
                    }
                    Layout::Pairs {
                        separators, name, ..
                    } => {
                        let between = separators.chars().next().unwrap_or(',');
                        match scheme.stamp.map(|stamp| stamp.at) {
                            Some(StampPlace::Pair(time)) => {
                                format!("{time}={at}{between}{name}={text}")
                            }
                            _ => format!("{name}={text}"),
                        }
                    }
                    Layout::Positional { separator } => format!("{at}{separator}{text}"),
                };
                match scheme.at {
                    Place::Header(name) | Place::Lines(name) => header(record, name, &value),
                    Place::Headers(names) => header(record, names[0], &value),
                    Place::Numbered(name) => header(record, &format!("{name}1"), &value),
                    Place::Query(name) => {
                        record.query = form_urlencoded::Serializer::new(String::new())
                            .append_pair(name, &value)
                            .finish();
                    }
                    Place::Form(name) => {
                        body.push_str(&format!("&{name}={value}"));
                    }
                    Place::Json(path) => {
                        let mut object: Map<String, Value> =
                            serde_json::from_str(body).expect("an object");
                        put(&mut object, path, &value);
                        *body = Value::Object(object).to_string();
                    }
                }
            }
        };
        let source = source(provider);
        let parsed = Parsed::default();
        let facts = Facts {
            record: &record,
            body: body.as_bytes(),
            parsed: &parsed,
            url: URL,
            now: NOW,
        };
        let context = Context {
            facts: &facts,
            auth: &source.verification,
            keys: &NoKeys,
        };
        let Some(message) = scheme.message_of(&context, &at, SECRET) else {
            continue;
        };
        debug_assert!(stamp.is_empty() || !at.is_empty());
        deliveries.push(Delivery {
            provider,
            source,
            record,
            body,
            message,
            sign: Box::new(sign),
        });
    }
    deliveries
}

fn by_hand(
    provider: &'static str,
    body: String,
    message: Vec<u8>,
    headers: &[(&str, &str)],
    sign: impl Fn(&mut RequestRecord, &mut String, &[u8]) + 'static,
) -> Delivery {
    let provider = registry::find(provider).expect("a provider");
    let mut record = record("POST");
    for (name, value) in headers {
        header(&mut record, name, value);
    }
    Delivery {
        provider,
        source: source(provider),
        record,
        body,
        message,
        sign: Box::new(sign),
    }
}

fn base64(bytes: &[u8]) -> String {
    general_purpose::STANDARD.encode(bytes)
}

/// Deliveries of the schemes that are no data and take a MAC.
fn deliveries_of_own() -> Vec<Delivery> {
    let mut all = Vec::new();
    for text in BODIES.into_iter().filter(|text| !text.is_empty()) {
        let payload = form_urlencoded::Serializer::new(String::new())
            .append_pair("bt_payload", text)
            .finish();
        for end in ["", "\n"] {
            let message = format!("{text}{end}").into_bytes();
            all.push(by_hand(
                "BRAINTREE",
                payload.clone(),
                message,
                &[],
                |_, body, mac| {
                    let pair = format!("{FIELD}|{}", hex::encode(mac));
                    let pair: String = form_urlencoded::byte_serialize(pair.as_bytes()).collect();
                    body.push_str(&format!("&bt_signature={pair}"));
                },
            ));
        }
        let claims = base64url(br#"{"exp":1764518600}"#);
        let signed = format!("{}.{claims}", base64url(br#"{"alg":"HS256"}"#));
        for provider in ["JWT", "MONDAY"] {
            let head = signed.clone();
            let sign = move |record: &mut RequestRecord, _: &mut String, mac: &[u8]| {
                let token = format!("{head}.{}", base64url(mac));
                header(record, "authorization", &format!("Bearer {token}"));
            };
            let message = signed.clone().into_bytes();
            all.push(by_hand(provider, text.into(), message, &[], sign));
        }
        if serde_json::from_str::<Value>(text).is_ok() {
            let body = format!(r#"{{"object_payload":{text}}}"#);
            let sign = |_: &mut RequestRecord, body: &mut String, mac: &[u8]| {
                body.pop();
                body.push_str(&format!(
                    r#","object_payload_signature":"{}"}}"#,
                    base64(mac)
                ));
            };
            all.push(by_hand("TREEZOR", body, text.into(), &[], sign));
        }
        let nonce = ("x-plivo-signature-v3-nonce", text);
        let message = format!("{URL}.{text}").into_bytes();
        all.push(by_hand(
            "PLIVO",
            String::new(),
            message,
            &[nonce],
            |record, _, mac| {
                header(record, "x-plivo-signature-v3", &base64(mac));
            },
        ));
        let at = NOW.0.to_string();
        let headers = [("x-hubspot-request-timestamp", at.as_str())];
        let message = format!("POST{URL}{text}{at}").into_bytes();
        all.push(by_hand(
            "HUBSPOT",
            text.into(),
            message,
            &headers,
            |record, _, mac| {
                header(record, "x-hubspot-signature-v3", &base64(mac));
            },
        ));
    }
    let sign = |record: &mut RequestRecord, _: &mut String, mac: &[u8]| {
        header(record, "x-twilio-signature", &base64(mac));
    };
    all.push(by_hand("TWILIO", String::new(), URL.into(), &[], sign));
    all
}

fn base64url(bytes: &[u8]) -> String {
    general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn deliveries() -> Vec<Delivery> {
    let of_rows = registry::all().flat_map(|provider| {
        provider.every_check().flat_map(move |check| match check {
            Check::Signed(scheme) | Check::SignedWith(_, scheme)
                if matches!(scheme.proof, Proof::Hmac(..) | Proof::Hash(_)) =>
            {
                deliveries_of(provider, scheme)
            }
            _ if provider.name == "HMAC" => {
                deliveries_of(provider, Signed::body("x-signature", Digest::Sha256))
            }
            _ => Vec::new(),
        })
    });
    of_rows.chain(deliveries_of_own()).collect()
}

/// The requests by which a stranger asks for an answer to a challenge; none where it takes a signature.
fn asks(handshake: &Handshake, challenge: &str) -> Option<(RequestRecord, String)> {
    let query = |name: &str, more: &[(&str, &str)]| {
        form_urlencoded::Serializer::new(String::new())
            .append_pair(name, challenge)
            .extend_pairs(more)
            .finish()
    };
    let known = match handshake.guard {
        Guard::Signed => return None,
        // Whoever has seen the URL that the sender calls knows it.
        Guard::Token { query, .. } => vec![(query, FIELD)],
        Guard::Open | Guard::NoSecretYet => Vec::new(),
    };
    let with = |method: &str, query: String| RequestRecord {
        query,
        ..record(method)
    };
    let with_header = |method: &str, name: &str| {
        let mut record = record(method);
        header(&mut record, name, challenge);
        record
    };
    let asked = match handshake.asked {
        Asked::Get(name) => (with("GET", query(name, &known)), String::new()),
        Asked::PostQuery(name) => (with("POST", query(name, &known)), String::new()),
        Asked::GetHeader(name) => (with_header("GET", name), String::new()),
        Asked::Header(name) | Asked::Secret { header: name, .. } => {
            (with_header("POST", name), String::new())
        }
        Asked::Options(name) => (with_header("OPTIONS", name), String::new()),
        Asked::Json {
            path,
            value,
            challenge: at,
        } => {
            let mut object = Map::new();
            put(&mut object, path, value);
            put(&mut object, at, challenge);
            (record("POST"), Value::Object(object).to_string())
        }
        Asked::HeaderIs {
            name,
            value,
            challenge: at,
        } => {
            let mut record = record("POST");
            header(&mut record, name, value);
            (record, json!({ at: challenge }).to_string())
        }
        Asked::Alone { challenge: at, .. } => {
            (record("POST"), json!({ at: challenge }).to_string())
        }
        _ => return None,
    };
    Some(asked)
}

fn answers(challenge: &str) -> Vec<(&'static Provider, Box<Answer>)> {
    let mut answers = Vec::new();
    for provider in registry::all() {
        for handshake in provider.handshakes {
            let Some((record, body)) = asks(handshake, challenge) else {
                continue;
            };
            let request = Request::received(record, body.into());
            if let Finding::Answered(answer) =
                examine(&source(provider), request, URL, NOW, &NoKeys)
            {
                answers.push((provider, answer));
            }
        }
    }
    answers
}

/// Everything in an answer that could be a MAC.
fn macs(answer: &Answer) -> Vec<Vec<u8>> {
    let headers = answer.headers.iter().map(|(_, value)| value.as_str());
    let texts = headers.chain([answer.body.as_str()]);
    let letters = |c: char| !(c.is_ascii_alphanumeric() || "+/=_-".contains(c));
    let runs = texts.flat_map(|text| {
        let whole = text.split(letters);
        // A prefix such as `sha256=` is no part of it.
        whole.flat_map(|run| [Some(run), run.split_once('=').map(|(_, rest)| rest)])
    });
    let encodings = [Encoding::Hex, Encoding::Base64, Encoding::Base64url];
    runs.flatten()
        .flat_map(|run| encodings.map(|encoding| encoding.decode(run)))
        .flatten()
        .filter(|mac| mac.len() >= 16)
        .collect()
}

#[test]
fn nothing_that_a_handshake_answers_proves_a_delivery() {
    let deliveries = deliveries();
    let mut answered = std::collections::BTreeSet::new();
    let mut tried = 0_u32;
    for delivery in &deliveries {
        let Ok(message) = std::str::from_utf8(&delivery.message) else {
            continue;
        };
        for (provider, answer) in answers(message) {
            answered.insert(provider.name);
            for mac in macs(&answer) {
                tried += 1;
                let forged = delivery.is_proven_by(&mac);
                let (asked, name) = (provider.name, delivery.provider.name);
                assert!(!forged, "{asked} signs {message:?} for {name}");
            }
        }
    }
    for signs in ["BRAINTREE", "LINKEDIN", "SMARTCAR", "TWITTER"] {
        assert!(
            answered.contains(signs),
            "{signs} answers its own challenges"
        );
    }
    assert!(tried > 100, "{tried} tried");
}

#[test]
fn the_deliveries_of_these_stories_are_taken_with_the_right_signature() {
    use super::{digest::Finished, encoding::KeyForm};
    let mac = |digest: Digest, form: KeyForm, message: &[u8]| -> Option<Vec<u8>> {
        let mut sum = digest.hmac(&form.key(SECRET)?)?;
        sum.update(message);
        Some(Finished::reveal(sum.finish()))
    };
    let digests = [Digest::Sha1, Digest::Sha256, Digest::Sha384, Digest::Sha512];
    let forms = [KeyForm::Utf8, KeyForm::Hex, KeyForm::Base64, KeyForm::Sha1];
    let right = |delivery: &Delivery| {
        digests.into_iter().any(|digest| {
            let keyed = forms
                .into_iter()
                .filter_map(|form| mac(digest, form, &delivery.message));
            keyed
                .chain([digest.of(&delivery.message)])
                .any(|mac| delivery.is_proven_by(&mac))
        })
    };
    let mut proven = std::collections::BTreeSet::new();
    let mut all = std::collections::BTreeSet::new();
    for delivery in deliveries() {
        let name = delivery.provider.name;
        all.insert(name);
        if !proven.contains(name) && right(&delivery) {
            proven.insert(name);
        }
    }
    let never: Vec<_> = all.difference(&proven).collect();
    assert!(never.is_empty(), "never taken: {never:?}");
    assert!(all.len() > 100, "{} types", all.len());
}
