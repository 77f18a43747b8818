//! Generic schemes (HMAC, Basic, API key, JWT and the like), for senders that have no row of their own.

use super::super::{
    Context,
    diagnosis::Diagnosis,
    generic,
    handshake::{Asked, Guard, Handshake, Reply},
    jwt::{Binding, JwsAlgorithm, Jwt, JwtKeys, TokenPlace},
    own::cloudevents,
    provider::{Check, Checks, Field, Provider},
    shared::Token,
    signed::Checked,
};

fn closed(_: &Context<'_>) -> Checked {
    Err(Diagnosis::missing("operator's token").into())
}

pub(super) static ROWS: &[Provider] = &[
    Provider::new("WEBHOOK", Checks::Nothing, "docs/operations.md").secret(""),
    Provider::new("HTTP", Checks::Nothing, "docs/operations.md").secret(""),
    Provider::new(
        "PUBLISH_API",
        Checks::One(Check::Own(
            closed,
            "only what comes with the operator's token is taken",
        )),
        "docs/operations.md",
    )
    .secret(""),
    Provider::new(
        "HMAC",
        Checks::One(Check::Own(generic::check, generic::WORDS)),
        "RFC 2104",
    )
    .fields(generic::OPTIONS),
    Provider::new(
        "API_KEY",
        Checks::One(Check::Token(Token::header("x-api-key"))),
        "docs/operations.md",
    )
    .secret("api_key")
    .fields(&[Field::optional("header_key"), Field::optional("query_key")]),
    Provider::new("BASIC_AUTH", Checks::One(Check::Basic), "RFC 7617")
        .secret("password")
        .fields(&[Field::required("username")]),
    Provider::new(
        "JWT",
        Checks::One(Check::Jwt(Jwt {
            at: TokenPlace::Header("authorization"),
            signed: JwsAlgorithm::ALL,
            keys: JwtKeys::SetOrConfigured,
            leeway_s: 30,
            // A token that serves many requests is usual here.
            max_age_s: None,
            once: false,
            binds: Binding::Nothing,
        })),
        "RFC 7519",
    )
    .fields(&[
        Field::required("algorithm"),
        Field::optional("header_key"),
        Field::optional("jwks_url"),
        Field::optional("issuer"),
        Field::optional("audience"),
        Field::one_of("secret_form", &["utf8", "hex", "base64"]),
    ]),
    Provider::new(
        "CLOUDEVENTS",
        Checks::One(Check::Own(cloudevents::check, cloudevents::WORDS)),
        "https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md",
    )
    .fields(&[Field::optional("allowed_origin")])
    .handshakes(&[Handshake {
        words: "OPTIONS with webhook-request-origin: the origin and its rate are granted",
        asked: Asked::Options("webhook-request-origin"),
        guard: Guard::Open,
        reply: Reply::Grant,
    }]),
];
