//! Providers that show the secret itself.

use super::super::{
    handshake::{Asked, Guard, Handshake, Reply},
    own::{graph, strava},
    provider::{Check, Checks, Field, Provider},
    shared::Token,
};

const fn token(name: &'static str, header: &'static str, source: &'static str) -> Provider {
    Provider::new(
        name,
        Checks::One(Check::Token(Token::header(header))),
        source,
    )
}

const USERNAME: &[Field] = &[Field::required("username")];

const fn basic(name: &'static str, source: &'static str) -> Provider {
    Provider::new(name, Checks::One(Check::Basic), source)
        .secret("password")
        .fields(USERNAME)
}

const fn graph(
    name: &'static str,
    field: &'static str,
    handshakes: &'static [Handshake],
) -> Provider {
    Provider::new(
        name,
        Checks::One(Check::Own(graph::check, graph::WORDS)),
        "https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks",
    )
    .secret(field)
    .handshakes(handshakes)
}

const VALIDATION: Handshake = Handshake {
    words: "POST with validationToken: echoed as text",
    asked: Asked::PostQuery("validationToken"),
    guard: Guard::Open,
    reply: Reply::Text,
};

pub(super) static ROWS: &[Provider] = &[
    basic("BANDWIDTH", "https://dev.bandwidth.com").refused_with(401),
    basic(
        "CHARGEBEE_BILLING",
        "https://www.chargebee.com/docs/2.0/webhook_settings.html",
    ),
    basic(
        "CHARGEBEE",
        "https://www.chargebee.com/docs/2.0/webhook_settings.html",
    ),
    token(
        "CLOUDFLARE_NOTIFICATIONS",
        "cf-webhook-auth",
        "https://developers.cloudflare.com/notifications/",
    ),
    token("DEEPGRAM", "dg-token", "https://developers.deepgram.com"),
    token(
        "GOOGLE_PUSH",
        "x-goog-channel-token",
        "https://developers.google.com/workspace/calendar/api/guides/push",
    ),
    basic("GREENDOT", "the admin API's credential fields"),
    token(
        "HUGGING_FACE",
        "x-webhook-secret",
        "https://huggingface.co/docs/hub/webhooks",
    ),
    graph("MICROSOFT_GRAPH", "client_state", &[VALIDATION]),
    graph(
        "MICROSOFT_SHAREPOINT",
        "client_state",
        &[Handshake {
            words: "POST with validationtoken: echoed as text",
            asked: Asked::PostQuery("validationtoken"),
            guard: Guard::Open,
            reply: Reply::Text,
        }],
    ),
    token(
        "OKTA",
        "authorization",
        "https://developer.okta.com/docs/concepts/event-hooks/",
    )
    .fields(&[Field::optional("header_key")])
    .handshakes(&[Handshake {
        words: "GET with x-okta-verification-challenge and the secret: echoed as JSON",
        asked: Asked::GetHeader("x-okta-verification-challenge"),
        guard: Guard::Signed,
        reply: Reply::Json("verification"),
    }]),
    basic(
        "PIPEDRIVE",
        "https://pipedrive.readme.io/docs/guide-for-webhooks",
    ),
    basic(
        "POSTMARK",
        "https://postmarkapp.com/developer/webhooks/webhooks-overview#protecting-your-webhook",
    ),
    token(
        "RING_CENTRAL",
        "verification-token",
        "https://developers.ringcentral.com/guide/notifications/webhooks",
    )
    .secret("token")
    .handshakes(&[Handshake {
        words: "validation-token: echoed in the same header",
        asked: Asked::Header("validation-token"),
        guard: Guard::Open,
        reply: Reply::EchoHeader("validation-token"),
    }]),
    Provider::new(
        "STRAVA",
        Checks::One(Check::Own(strava::check, strava::WORDS)),
        "https://developers.strava.com/docs/webhooks/",
    )
    .secret("")
    .fields(&[
        Field::required("verify_token"),
        Field::pending("subscription_id"),
    ])
    .handshakes(&[Handshake {
        words: "GET with hub.challenge, if hub.verify_token is the configured one: echoed as JSON",
        asked: Asked::Get("hub.challenge"),
        guard: Guard::Token {
            query: "hub.verify_token",
            field: "verify_token",
        },
        reply: Reply::Json("hub.challenge"),
    }]),
    token(
        "TELEGRAM",
        "x-telegram-bot-api-secret-token",
        "https://core.telegram.org/bots/api#setwebhook",
    ),
];
