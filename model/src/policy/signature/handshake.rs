//! Handshakes: what a sender asks before it sends. They are answered and not stored, and none of them signs what a
//! stranger chose: where an answer is made with the secret, only a challenge that can't pass for an event gets one.

use super::{
    Context, Refusal,
    challenge::Shape,
    diagnosis::Diagnosis,
    digest::Digest,
    encoding::{Encoding, KeyForm},
    own::linkedin,
    provider::Provider,
    signed::Signed,
};
use crate::catalog::{HandshakeKind, Handshaken, Secret, Verification};
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq;

/// Challenges beyond this are no challenges.
const CHALLENGE_MAX: usize = 2048;
/// Bodies beyond this are no handshakes.
const HANDSHAKE_MAX: usize = 64 * 1024;
/// Bodies beyond this are no tests: the key is tried on every request that may be one.
const TEST_MAX: usize = 8 * 1024;
/// Bodies beyond this are no pings.
const PING_MAX: usize = 64;

/// A handshake of a provider (endpoint verification): how it is recognized, guarded and answered.
#[derive(Debug)]
pub struct Handshake {
    pub words: &'static str,
    pub asked: Asked,
    pub guard: Guard,
    pub reply: Reply,
}

/// The form of a handshake request: what tells it, and where its challenge is.
#[derive(Debug)]
pub enum Asked {
    /// A GET with a query field, which is the challenge.
    Get(&'static str),
    /// A POST with a query field, which is the challenge.
    PostQuery(&'static str),
    /// A GET with a header, which is the challenge.
    GetHeader(&'static str),
    /// Any request with a header, which is the challenge.
    Header(&'static str),
    /// A HEAD, without a challenge.
    Head,
    /// A GET, without a challenge and without this header.
    BareGet { without: &'static str },
    /// A POST whose body is a form of this one field, a whole number, without this header.
    Ping {
        field: &'static str,
        without: &'static str,
    },
    /// A POST that is signed with a key that the sender publishes for its tests, which is not a secret of the source.
    Test {
        key: &'static str,
        scheme: Signed<'static>,
    },
    /// An OPTIONS with a header.
    Options(&'static str),
    /// A POST whose JSON has this value at this path, and the challenge at another.
    Json {
        path: &'static str,
        value: &'static str,
        challenge: &'static str,
    },
    /// A POST with this header value, and the challenge in the JSON.
    HeaderIs {
        name: &'static str,
        value: &'static str,
        challenge: &'static str,
    },
    /// A POST whose JSON object holds nothing but the challenge, without this header.
    Alone {
        challenge: &'static str,
        without: &'static str,
    },
    /// A POST that brings the secret in a header and has no signature yet.
    Secret {
        header: &'static str,
        without: &'static str,
    },
}

/// The precondition under which a handshake is answered.
#[derive(Debug)]
pub enum Guard {
    /// The sender gives nothing to check. What it gets back, it knew before.
    Open,
    /// The request is proven as an event would be.
    Signed,
    /// A query field equals a field of `config.auth`, or the secret where that field is not configured.
    Token {
        query: &'static str,
        field: &'static str,
    },
    /// The source has no secret yet.
    NoSecretYet,
}

/// The form of the answer to a handshake.
#[derive(Debug)]
pub enum Reply {
    /// 200 and nothing.
    Empty,
    NoContent,
    /// The challenge as plain text.
    Text,
    /// The challenge in a JSON object under this name.
    Json(&'static str),
    /// A fixed JSON text.
    Fixed(&'static str),
    /// The challenge in a header of the answer.
    EchoHeader(&'static str),
    /// The challenge is the secret from now on; it is echoed in this header, if in any.
    Learn(Option<&'static str>),
    /// The HMAC-SHA256 of the challenge.
    Hmac {
        shape: Shape,
        encoding: Encoding,
        prefix: &'static str,
        name: &'static str,
        /// The name under which the challenge is repeated.
        echo: Option<&'static str>,
    },
    /// The hex SHA-256 of the challenge, a field of `config.auth` and the URL.
    EndpointDigest {
        field: &'static str,
        name: &'static str,
    },
    /// The public key and the hex HMAC-SHA1 of the challenge.
    Braintree,
    /// The rate and the origin are granted (CloudEvents web hooks, section 4).
    Grant,
    /// The admin is shown the URL that confirms the subscription.
    Confirm(&'static str),
}

/// An answer that needs no storing.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub content_type: Option<&'static str>,
    pub body: String,
    /// What the admin is shown, or the source knows from now on.
    pub leaves: Option<Handshaken>,
}

impl Answer {
    fn ok() -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            content_type: None,
            body: String::new(),
            leaves: None,
        }
    }

    fn text(body: String) -> Self {
        Self {
            content_type: Some("text/plain"),
            body,
            ..Self::ok()
        }
    }

    pub(super) fn json(body: &Value) -> Self {
        Self {
            content_type: Some("application/json"),
            body: body.to_string(),
            ..Self::ok()
        }
    }
}

impl Asked {
    /// The challenge, when the request is this handshake.
    pub(super) fn challenge(&self, context: &Context<'_>) -> Option<String> {
        let facts = context.facts;
        let method = facts.record.method.as_str();
        match self {
            Self::Get(field) => (method == "GET").then(|| facts.query_field(field).ok()?)?,
            Self::PostQuery(field) => {
                (method == "POST").then(|| facts.query_field(field).ok()?)?
            }
            Self::GetHeader(name) if method == "GET" => facts.header(name).ok().map(str::to_owned),
            Self::GetHeader(_) => None,
            Self::Header(name) => facts.header(name).ok().map(str::to_owned),
            Self::Head => (method == "HEAD").then(String::new),
            Self::BareGet { without } => {
                (method == "GET" && !facts.has_header(without)).then(String::new)
            }
            Self::Ping { field, without } => {
                if method != "POST" || facts.has_header(without) || facts.body.len() > PING_MAX {
                    return None;
                }
                let mut form = facts.form();
                let (name, value) = form.next()?;
                let is_number = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                (name == *field && is_number && form.next().is_none()).then(String::new)
            }
            Self::Test { key, scheme } => {
                let own = context
                    .auth
                    .live(facts.now)
                    .any(|(_, secret)| secret == *key);
                if method != "POST" || own || facts.body.len() > TEST_MAX {
                    return None;
                }
                let auth = Verification::with_secret(&context.auth.scheme, key);
                let with = Context {
                    auth: &auth,
                    ..*context
                };
                scheme.check(&with).is_ok().then(String::new)
            }
            Self::Options(name) if method == "OPTIONS" => {
                facts.header(name).ok().map(str::to_owned)
            }
            Self::Options(_) => None,
            Self::Json {
                path,
                value,
                challenge,
            } => {
                // A large body is no handshake: it isn't read twice to find out.
                let is = method == "POST"
                    && facts.body.len() <= HANDSHAKE_MAX
                    && facts.json(path).as_deref() == Some(*value);
                is.then(|| facts.json(challenge).unwrap_or_default())
            }
            Self::HeaderIs {
                name,
                value,
                challenge,
            } => {
                let is = facts.header(name).is_ok_and(|given| given == *value);
                is.then(|| facts.json(challenge).unwrap_or_default())
            }
            Self::Alone { challenge, without } => {
                if method != "POST" || facts.has_header(without) || facts.body.len() > CHALLENGE_MAX
                {
                    return None;
                }
                let object: Map<String, Value> = serde_json::from_slice(facts.body).ok()?;
                (object.len() == 1).then(|| object.get(*challenge)?.as_str().map(str::to_owned))?
            }
            Self::Secret { header, without } => {
                let asks = method == "POST" && !facts.has_header(without);
                asks.then(|| facts.header(header).ok().map(str::to_owned))?
            }
        }
    }
}

impl Handshake {
    /// Answers a challenge.
    pub(super) fn answer(
        &self,
        context: &Context<'_>,
        provider: &Provider,
        challenge: &str,
    ) -> Result<Answer, Refusal> {
        if challenge.len() > CHALLENGE_MAX || challenge.chars().any(char::is_control) {
            return Err(Diagnosis::malformed("challenge").into());
        }
        self.guard.check(context, provider)?;
        self.reply.answer(context, challenge)
    }
}

impl Guard {
    fn check(&self, context: &Context<'_>, provider: &Provider) -> Result<(), Refusal> {
        match self {
            Self::Open => Ok(()),
            Self::Signed => provider.check(context).map(|_| ()),
            Self::Token { query, field } => {
                let missing = || Diagnosis::missing(format!("query field {query}"));
                let given = context.facts.query_field(query)?.ok_or_else(missing)?;
                let is = |expected: &str| bool::from(expected.as_bytes().ct_eq(given.as_bytes()));
                let fits = match context.auth.field(field) {
                    Some(expected) => is(expected),
                    None => context
                        .auth
                        .live(context.facts.now)
                        .fold(false, |fits, (_, secret)| fits | is(secret)),
                };
                if fits {
                    Ok(())
                } else {
                    Err(Diagnosis::Unexpected(format!("query field {query}")).into())
                }
            }
            Self::NoSecretYet => {
                if context.auth.secrets.is_empty() {
                    Ok(())
                } else {
                    // A stranger could take the source over.
                    Err(Diagnosis::Unexpected("secret: the source has one already".into()).into())
                }
            }
        }
    }
}

impl Reply {
    fn answer(&self, context: &Context<'_>, challenge: &str) -> Result<Answer, Refusal> {
        let facts = context.facts;
        Ok(match self {
            Self::Empty => Answer::ok(),
            Self::NoContent => Answer {
                status: 204,
                ..Answer::ok()
            },
            Self::Text => Answer::text(present(challenge)?.to_owned()),
            Self::Json(name) => Answer::json(&json!({ *name: present(challenge)? })),
            Self::Fixed(body) => Answer {
                content_type: Some("application/json"),
                body: (*body).to_owned(),
                ..Answer::ok()
            },
            Self::EchoHeader(name) => Answer {
                headers: vec![(name, present(challenge)?.to_owned())],
                ..Answer::ok()
            },
            Self::Learn(echo) => Answer {
                headers: echo
                    .map(|name| (name, challenge.to_owned()))
                    .into_iter()
                    .collect(),
                leaves: Some(Handshaken {
                    kind: HandshakeKind::SecretLearned,
                    value: Secret::new(present(challenge)?.to_owned()),
                    at: facts.now,
                }),
                ..Answer::ok()
            },
            Self::Hmac {
                shape,
                encoding,
                prefix,
                name,
                echo,
            } => {
                shape.check(challenge)?;
                let mac =
                    encoding.encode(&hmac(context, Digest::Sha256, KeyForm::Utf8, challenge)?);
                let mut body = Map::new();
                if let Some(echo) = echo {
                    body.insert((*echo).to_owned(), challenge.into());
                }
                body.insert((*name).to_owned(), format!("{prefix}{mac}").into());
                Answer::json(&Value::Object(body))
            }
            Self::EndpointDigest { field, name } => {
                let unfinished =
                    || Diagnosis::Unfinished(format!("config.auth.{field} is missing"));
                let token = context.auth.field(field).ok_or_else(unfinished)?;
                let url = super::template::base_url(facts.url);
                let text = format!("{}{token}{url}", present(challenge)?);
                Answer::json(&json!({ *name: hex::encode(Digest::Sha256.of(text.as_bytes())) }))
            }
            Self::Braintree => {
                Shape::Hex.check(challenge)?;
                let unfinished =
                    || Diagnosis::Unfinished("config.auth.public_key is missing".into());
                let public = context.auth.field("public_key").ok_or_else(unfinished)?;
                let mac = hex::encode(hmac(context, Digest::Sha1, KeyForm::Sha1, challenge)?);
                Answer::text(format!("{public}|{mac}"))
            }
            Self::Grant => grant(context, challenge)?,
            Self::Confirm(path) => {
                let url = facts.json_required(path)?;
                if !super::own::sns::is_aws(&url) {
                    return Err(Diagnosis::Unexpected(format!("JSON field {path}")).into());
                }
                Answer {
                    leaves: Some(Handshaken {
                        kind: HandshakeKind::ConfirmUrl,
                        value: Secret::new(url),
                        at: facts.now,
                    }),
                    ..Answer::ok()
                }
            }
        })
    }
}

fn present(challenge: &str) -> Result<&str, Diagnosis> {
    if challenge.is_empty() {
        return Err(Diagnosis::missing("challenge"));
    }
    Ok(challenge)
}

/// The newest live secret answers: it is the one that the sender was given last.
fn hmac(
    context: &Context<'_>,
    digest: Digest,
    form: KeyForm,
    challenge: &str,
) -> Result<Vec<u8>, Diagnosis> {
    let of_application = match context.facts.query_field("applicationId")? {
        Some(id) => linkedin::applications(context.auth).remove(&id),
        None => None,
    };
    let newest = context.auth.live(context.facts.now).last();
    let newest = newest.map(|(_, secret)| secret.to_owned());
    let secret = of_application.or(newest).ok_or(Diagnosis::NoSecret)?;
    let key = form.key(&secret).ok_or(Diagnosis::NoSecret)?;
    let mut sum = digest.hmac(&key).ok_or(Diagnosis::NoSecret)?;
    sum.update(challenge.as_bytes());
    Ok(sum.finish().reveal())
}

fn grant(context: &Context<'_>, origin: &str) -> Result<Answer, Refusal> {
    let facts = context.facts;
    if let Some(allowed) = context.auth.field("allowed_origin")
        && !allowed.split(',').any(|allowed| allowed.trim() == origin)
    {
        return Err(Diagnosis::Unexpected("header webhook-request-origin".into()).into());
    }
    let mut headers = vec![
        ("webhook-allowed-origin", present(origin)?.to_owned()),
        ("allow", "POST".to_owned()),
    ];
    if let Some(rate) = facts.header_if_any("webhook-request-rate")? {
        let number = rate.parse::<u32>().ok().filter(|rate| *rate > 0);
        let number = number.ok_or_else(|| Diagnosis::malformed("header webhook-request-rate"))?;
        headers.push(("webhook-allowed-rate", number.to_string()));
    }
    Ok(Answer {
        headers,
        ..Answer::ok()
    })
}

impl Shape {
    fn check(self, challenge: &str) -> Result<(), Diagnosis> {
        if self.fits(challenge.as_bytes()) {
            Ok(())
        } else {
            Err(Diagnosis::malformed("challenge"))
        }
    }
}
