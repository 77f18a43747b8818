//! Providers that sign a timestamp and the raw body.

use super::super::{
    challenge::Shape,
    digest::Digest::{Sha1, Sha256, Sha512},
    encoding::{Encoding, KeyForm},
    handshake::{Asked, Guard, Handshake, Reply},
    layout::{Layout, Place},
    own::hook0,
    provider::{ALLOW_LEGACY, Check, Checks, Field, Provider, When},
    signed::{Proof, Requirement, Signed},
    stamp::{Stamp, StampPlace, UNDOCUMENTED_S, Unit},
};

/// `t=…,v1=…` in one header, over `{timestamp}.{body}`.
const fn pairs(
    header: &'static str,
    time: &'static str,
    name: &'static str,
    unit: Unit,
    tolerance_s: Option<u32>,
) -> Signed<'static> {
    Signed {
        layout: Layout::Pairs {
            separators: ", ",
            name,
            sets: None,
        },
        message: "{timestamp}.{body}",
        stamp: Some(Stamp::new(StampPlace::Pair(time), unit, tolerance_s)),
        ..Signed::body(header, Sha256)
    }
}

/// The signature and the timestamp in a header each.
const fn headers(
    signature: &'static str,
    timestamp: &'static str,
    message: &'static str,
    unit: Unit,
    tolerance_s: Option<u32>,
) -> Signed<'static> {
    Signed {
        message,
        stamp: Some(Stamp::new(StampPlace::Header(timestamp), unit, tolerance_s)),
        ..Signed::body(signature, Sha256)
    }
}

const RECHARGE: &str = "https://developer.rechargepayments.com/2021-11/webhooks_endpoints";

const SLACK: Signed<'static> = Signed {
    layout: Layout::Prefix("v0="),
    ..headers(
        "x-slack-signature",
        "x-slack-request-timestamp",
        "v0:{timestamp}:{body}",
        Unit::Seconds,
        Some(300),
    )
};

const ZENDESK: Signed<'static> = Signed {
    encoding: Encoding::Base64,
    ..headers(
        "x-zendesk-webhook-signature",
        "x-zendesk-webhook-signature-timestamp",
        "{timestamp}{body}",
        Unit::Rfc3339,
        Some(UNDOCUMENTED_S),
    )
};

const FRONT: Checks = Checks::FirstOf(&[
    (
        When::Header("x-front-request-timestamp"),
        Check::Signed(Signed {
            encoding: Encoding::Base64,
            ..headers(
                "x-front-signature",
                "x-front-request-timestamp",
                "{timestamp}:{body}",
                Unit::Millis,
                Some(UNDOCUMENTED_S),
            )
        }),
    ),
    (
        When::Consented(&When::Always),
        Check::Signed(Signed {
            encoding: Encoding::Base64,
            ..Signed::body("x-front-signature", Sha1)
        }),
    ),
]);

const fn front(name: &'static str) -> Provider {
    Provider::new(
        name,
        FRONT,
        "https://dev.frontapp.com/docs/application-webhooks",
    )
    .fields(&[ALLOW_LEGACY])
    .handshakes(&[Handshake {
        words: "x-front-challenge: echoed as JSON",
        asked: Asked::Header("x-front-challenge"),
        guard: Guard::Open,
        reply: Reply::Json("challenge"),
    }])
}

pub(super) static ROWS: &[Provider] = &[
    Provider::signed(
        "AFFIRM",
        Signed {
            proof: Proof::Hmac(Sha512, KeyForm::Utf8),
            ..pairs("x-affirm-signature", "t", "v0", Unit::Seconds, Some(300))
        },
        "https://docs.affirm.com/developers/docs/checking-webhook-signatures",
    ),
    Provider::new(
        "AKENEO",
        Checks::FirstOf(&[
            // The event platform, with a signature for each of two secrets while one is replaced.
            (
                When::Header("x-akeneo-signature-primary"),
                Check::Signed(Signed {
                    at: Place::Headers(&[
                        "x-akeneo-signature-primary",
                        "x-akeneo-signature-secondary",
                    ]),
                    ..Signed::body("", Sha256)
                }),
            ),
            // The events API before it.
            (
                When::Always,
                Check::Signed(headers(
                    "x-akeneo-request-signature",
                    "x-akeneo-request-timestamp",
                    "{timestamp}.{body}",
                    Unit::Seconds,
                    Some(300),
                )),
            ),
        ]),
        "https://api.akeneo.com/events-documentation/overview.html",
    ),
    Provider::signed(
        "BOX",
        Signed {
            at: Place::Headers(&["box-signature-primary", "box-signature-secondary"]),
            encoding: Encoding::Base64,
            message: "{body}{timestamp}",
            stamp: Some(Stamp::new(
                StampPlace::Header("box-delivery-timestamp"),
                Unit::Rfc3339,
                Some(600),
            )),
            requires: &[
                Requirement::Header("box-signature-version", "1"),
                Requirement::Header("box-signature-algorithm", "HmacSHA256"),
            ],
            ..Signed::body("", Sha256)
        },
        "https://developer.box.com/guides/webhooks/v2/signatures-v2/",
    ),
    Provider::new(
        "BUILDKITE",
        Checks::FirstOf(&[
            (
                When::Header("x-buildkite-signature"),
                Check::Signed(pairs(
                    "x-buildkite-signature",
                    "timestamp",
                    "signature",
                    Unit::Seconds, Some(UNDOCUMENTED_S),
                )),
            ),
            (
                When::Always,
                Check::Token(super::super::shared::Token::header("x-buildkite-token")),
            ),
        ]),
        "https://buildkite.com/docs/apis/webhooks",
    ),
    Provider::signed(
        "CALENDLY",
        pairs(
            "calendly-webhook-signature",
            "t",
            "v1",
            Unit::Seconds,
            Some(180),
        ),
        "https://developer.calendly.com/api-docs/4c305798a61d3-webhook-signatures",
    ),
    Provider::signed(
        "CHATWOOT",
        Signed {
            layout: Layout::Prefix("sha256="),
            ..headers(
                "x-chatwoot-signature",
                "x-chatwoot-timestamp",
                "{timestamp}.{body}",
                Unit::Seconds, Some(UNDOCUMENTED_S),
            )
        },
        "https://developers.chatwoot.com",
    ),
    Provider::signed(
        "CLOUDFLARE_STREAM",
        pairs("webhook-signature", "time", "sig1", Unit::Seconds, Some(UNDOCUMENTED_S)),
        "https://developers.cloudflare.com/stream/manage-video-library/using-webhooks/",
    ),
    Provider::new(
        "COINBASE_CDP",
        Checks::One(Check::Own(hook0::check, hook0::WORDS)),
        "https://docs.cdp.coinbase.com/webhooks/verify-signatures",
    ),
    Provider::signed(
        "COURIER",
        pairs("courier-signature", "t", "signature", Unit::Millis, Some(UNDOCUMENTED_S)),
        "https://www.courier.com/docs/platform/workspaces/outbound-webhooks",
    ),
    Provider::signed(
        "CRISP",
        headers(
            "x-crisp-signature",
            "x-crisp-request-timestamp",
            "[{timestamp};{body}]",
            Unit::Millis, Some(UNDOCUMENTED_S),
        ),
        "https://docs.crisp.chat",
    ),
    Provider::signed(
        "CUSTOMERIO",
        headers(
            "x-cio-signature",
            "x-cio-timestamp",
            "v0:{timestamp}:{body}",
            Unit::Seconds, Some(UNDOCUMENTED_S),
        ),
        "https://customer.io/docs/journeys/webhooks-action/#securely-verify-requests",
    ),
    Provider::signed(
        "DAILY",
        Signed {
            encoding: Encoding::Base64,
            proof: Proof::Hmac(Sha256, KeyForm::Base64),
            ..headers(
                "x-webhook-signature",
                "x-webhook-timestamp",
                "{timestamp}.{body}",
                Unit::Told, Some(UNDOCUMENTED_S),
            )
        },
        "https://docs.daily.co/reference/rest-api/webhooks",
    )
    .handshakes(&[Handshake {
        words: "POST with the JSON test and nothing else, and no signature: 200",
        asked: Asked::Alone {
            challenge: "test",
            without: "x-webhook-signature",
        },
        guard: Guard::Open,
        reply: Reply::Empty,
    }]),
    Provider::signed(
        "ELEVENLABS",
        pairs("elevenlabs-signature", "t", "v0", Unit::Seconds, Some(1800)),
        "https://elevenlabs.io/docs",
    ),
    front("FRONT"),
    front("FRONTAPP"),
    Provider::signed(
        "KLAVIYO",
        headers(
            "klaviyo-signature",
            "klaviyo-timestamp",
            "{body}{timestamp}",
            Unit::HttpDate, Some(UNDOCUMENTED_S),
        ),
        "https://developers.klaviyo.com/en/docs/working_with_system_webhooks",
    ),
    Provider::signed(
        "LINEAR",
        Signed {
            stamp: Some(Stamp::new(
                StampPlace::Json("webhookTimestamp"),
                Unit::Millis,
                Some(60),
            )),
            ..Signed::body("linear-signature", Sha256)
        },
        "https://linear.app/developers/webhooks",
    ),
    Provider::signed(
        "MUX",
        pairs("mux-signature", "t", "v1", Unit::Seconds, Some(300)),
        "https://docs.mux.com/guides/verify-webhook-signatures",
    ),
    Provider::signed(
        "NMI",
        Signed {
            once: Some("{timestamp}"),
            ..pairs("webhook-signature", "t", "s", Unit::Nonce, None)
        },
        "https://secure.networkmerchants.com/gw/merchants/resources/integration/integration_portal.php#webhooks_setup",
    ),
    Provider::signed(
        "ORB",
        Signed {
            // Two of them while a secret is replaced.
            layout: Layout::List {
                separator: ' ',
                prefix: "v1=",
            },
            ..headers(
                "x-orb-signature",
                "x-orb-timestamp",
                "v1:{timestamp}:{body}",
                Unit::Told, Some(300),
            )
        },
        "https://github.com/orbcorp/orb-python/blob/main/src/orb/resources/webhooks.py",
    ),
    Provider::signed(
        "OURA",
        headers(
            "x-oura-signature",
            "x-oura-timestamp",
            "{timestamp}{body}",
            Unit::Seconds, Some(UNDOCUMENTED_S),
        ),
        "https://cloud.ouraring.com/v2/docs",
    )
    .fields(&[Field::optional("verification_token")])
    .handshakes(&[Handshake {
        words: "GET with challenge, if verification_token is the configured one: echoed as JSON",
        asked: Asked::Get("challenge"),
        guard: Guard::Token {
            query: "verification_token",
            field: "verification_token",
        },
        reply: Reply::Json("challenge"),
    }]),
    Provider::signed(
        "PADDLE",
        Signed {
            layout: Layout::Pairs {
                separators: ";",
                name: "h1",
                sets: None,
            },
            message: "{timestamp}:{body}",
            ..pairs("paddle-signature", "ts", "h1", Unit::Seconds, Some(UNDOCUMENTED_S))
        },
        "https://developer.paddle.com/webhooks/signature-verification",
    ),
    Provider::signed(
        "PERSONA",
        Signed {
            layout: Layout::Pairs {
                separators: ",",
                name: "v1",
                sets: Some(' '),
            },
            ..pairs("persona-signature", "t", "v1", Unit::Seconds, Some(UNDOCUMENTED_S))
        },
        "https://docs.withpersona.com/docs/webhooks-best-practices#checking-signatures",
    ),
    Provider::new(
        "PYLON",
        Checks::FirstOf(&[
            (
                When::Header("pylon-webhook-signature"),
                Check::Signed(Signed {
                    layout: Layout::Prefix("hs256="),
                    ..headers(
                        "pylon-webhook-signature",
                        "pylon-webhook-timestamp",
                        "{timestamp}.{body}",
                        Unit::Told,
                        Some(UNDOCUMENTED_S),
                    )
                }),
            ),
            (
                When::Always,
                Check::Signed(Signed::body("x-pylon-signature", Sha256)),
            ),
        ]),
        "https://docs.usepylon.com/pylon-docs/developer/guides/webhooks",
    ),
    Provider::new(
        "RECHARGE",
        Checks::FirstOf(&[
            (
                When::Header("x-recharge-webhook-signature"),
                Check::Signed(pairs(
                    "x-recharge-webhook-signature",
                    "t",
                    "v1",
                    Unit::Seconds,
                    Some(172_800),
                )),
            ),
            (
                When::Consented(&When::Always),
                Check::Signed(Signed {
                    proof: Proof::Hash(Sha256),
                    message: "{secret}{body}",
                    ..Signed::body("x-recharge-hmac-sha256", Sha256)
                }),
            ),
        ]),
        RECHARGE,
    )
    .fields(&[ALLOW_LEGACY]),
    Provider::signed(
        "RECURLY",
        Signed {
            layout: Layout::Positional { separator: ',' },
            message: "{timestamp}.{body}",
            stamp: Some(Stamp::new(StampPlace::First, Unit::Millis, Some(UNDOCUMENTED_S))),
            ..Signed::body("recurly-signature", Sha256)
        },
        "https://docs.recurly.com/recurly-subscriptions/docs/signature-verification",
    ),
    Provider::signed(
        "RETELL",
        Signed {
            message: "{body}{timestamp}",
            ..pairs("x-retell-signature", "v", "d", Unit::Millis, Some(300))
        },
        "https://docs.retellai.com/features/secure-webhook",
    ),
    Provider::new(
        "REVENUECAT",
        Checks::FirstOf(&[
            (
                When::Configured("signing_secret"),
                Check::SignedWith(
                    "signing_secret",
                    pairs(
                        "x-revenuecat-webhook-signature",
                        "t",
                        "v1",
                        Unit::Seconds, Some(UNDOCUMENTED_S),
                    ),
                ),
            ),
            (
                When::Always,
                Check::Token(super::super::shared::Token::header("authorization")),
            ),
        ]),
        "https://www.revenuecat.com/docs/integrations/webhooks",
    )
    .fields(&[Field::secret("signing_secret", KeyForm::Utf8)]),
    Provider::signed(
        "REVOLUT",
        Signed {
            layout: Layout::List {
                separator: ',',
                prefix: "v1=",
            },
            ..headers(
                "revolut-signature",
                "revolut-request-timestamp",
                "v1.{timestamp}.{body}",
                Unit::Millis,
                Some(300),
            )
        },
        "https://developer.revolut.com/docs/guides/accept-payments/tutorials/work-with-webhooks/verify-the-payload-signature",
    ),
    Provider::signed(
        "SANITY",
        Signed {
            encoding: Encoding::Base64url,
            ..pairs("sanity-webhook-signature", "t", "v1", Unit::Millis, Some(UNDOCUMENTED_S))
        },
        "https://github.com/sanity-io/webhook-toolkit",
    ),
    Provider::signed(
        "SLACK",
        SLACK,
        "https://docs.slack.dev/authentication/verifying-requests-from-slack",
    )
    .handshakes(&[Handshake {
        words: "signed POST of type url_verification: challenge echoed as text",
        asked: Asked::Json {
            path: "type",
            value: "url_verification",
            challenge: "challenge",
        },
        guard: Guard::Signed,
        reply: Reply::Text,
    }]),
    Provider::signed(
        "STRIPE",
        pairs("stripe-signature", "t", "v1", Unit::Seconds, Some(300)),
        "https://docs.stripe.com/webhooks#verify-manually",
    ),
    Provider::signed(
        "SYNCTERA",
        Signed {
            layout: Layout::List {
                separator: '.',
                prefix: "",
            },
            ..headers(
                "synctera-signature",
                "request-timestamp",
                "{timestamp}.{body}",
                Unit::Seconds,
                Some(300),
            )
        },
        "https://dev.synctera.com/docs/webhooks-guide",
    ),
    Provider::signed(
        "TIKTOK",
        pairs("tiktok-signature", "t", "s", Unit::Seconds, Some(UNDOCUMENTED_S)),
        "https://developers.tiktok.com/doc/webhooks-verification",
    ),
    Provider::signed(
        "TWITCH",
        Signed {
            layout: Layout::Prefix("sha256="),
            once: Some("{header:twitch-eventsub-message-id}"),
            ..headers(
                "twitch-eventsub-message-signature",
                "twitch-eventsub-message-timestamp",
                "{header:twitch-eventsub-message-id}{timestamp}{body}",
                Unit::Rfc3339,
                Some(600),
            )
        },
        "https://dev.twitch.tv/docs/eventsub/handling-webhook-events/",
    )
    .handshakes(&[Handshake {
        words: "signed POST of type webhook_callback_verification: challenge echoed as text",
        asked: Asked::HeaderIs {
            name: "twitch-eventsub-message-type",
            value: "webhook_callback_verification",
            challenge: "challenge",
        },
        guard: Guard::Signed,
        reply: Reply::Text,
    }]),
    Provider::signed(
        "WEBFLOW",
        headers(
            "x-webflow-signature",
            "x-webflow-timestamp",
            "{timestamp}:{body}",
            Unit::Millis,
            Some(300),
        ),
        "https://developers.webflow.com/data/docs/working-with-webhooks",
    ),
    Provider::signed(
        "WHEREBY",
        pairs("whereby-signature", "t", "v1", Unit::Seconds, Some(UNDOCUMENTED_S)),
        "https://docs.whereby.com",
    ),
    Provider::signed(
        "WORKOS",
        pairs("workos-signature", "t", "v1", Unit::Millis, Some(180)),
        "https://workos.com/docs/events/data-syncing/webhooks",
    ),
    Provider::signed(
        "ZENDESK",
        ZENDESK,
        "https://developer.zendesk.com/documentation/webhooks/verifying/",
    )
    .handshakes(&[Handshake {
        words: "POST signed with the secret that Zendesk documents for tests before a webhook is made: answered",
        asked: Asked::Test {
            key: "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==",
            scheme: ZENDESK,
        },
        guard: Guard::Open,
        reply: Reply::Empty,
    }]),
    Provider::signed(
        "ZOOM",
        Signed {
            layout: Layout::Prefix("v0="),
            ..headers(
                "x-zm-signature",
                "x-zm-request-timestamp",
                "v0:{timestamp}:{body}",
                Unit::Seconds, Some(UNDOCUMENTED_S),
            )
        },
        "https://developers.zoom.us/docs/api/webhooks/",
    )
    .handshakes(&[Handshake {
        words: "signed POST of event endpoint.url_validation: HMAC of payload.plainToken",
        asked: Asked::Json {
            path: "event",
            value: "endpoint.url_validation",
            challenge: "payload.plainToken",
        },
        guard: Guard::Signed,
        reply: Reply::Hmac {
            shape: Shape::Token,
            encoding: Encoding::Hex,
            prefix: "",
            name: "encryptedToken",
            echo: Some("plainToken"),
        },
    }]),
];
