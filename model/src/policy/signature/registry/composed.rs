//! Providers that sign something else than the raw body: a URL, fields, a secret in between, or a body that says where
//! its signature is.

use super::super::{
    challenge::Shape,
    digest::Digest::{Sha1, Sha256, Sha384, Sha512},
    encoding::{Encoding, KeyForm},
    handshake::{Asked, Guard, Handshake, Reply},
    layout::Place,
    own::{
        adyen, braintree, contentful, dropbox_sign, hubspot, linkedin, plivo, praxis, treezor,
        twilio,
    },
    provider::{ALLOW_LEGACY, Check, Checks, Field, Provider, When},
    shared::Token,
    signed::{Proof, Requirement, Signed},
    stamp::{Stamp, StampPlace, UNDOCUMENTED_S, Unit},
};

const HEAD: Handshake = Handshake {
    words: "HEAD: answered",
    asked: Asked::Head,
    guard: Guard::Open,
    reply: Reply::Empty,
};

const MANDRILL: Signed<'static> = Signed {
    encoding: Encoding::Base64,
    message: "{url}{form}",
    ..Signed::body("x-mandrill-signature", Sha1)
};

const fn mandrill(name: &'static str) -> Provider {
    Provider::signed(
        name,
        MANDRILL,
        "https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/",
    )
    .handshakes(&[
        HEAD,
        Handshake {
            words: "GET: answered",
            asked: Asked::BareGet {
                without: "x-mandrill-signature",
            },
            guard: Guard::Open,
            reply: Reply::Empty,
        },
        Handshake {
            words: "POST signed with the key test-webhook: answered",
            asked: Asked::Test {
                key: "test-webhook",
                scheme: MANDRILL,
            },
            guard: Guard::Open,
            reply: Reply::Empty,
        },
    ])
}

/// It tries again for eight hours.
const fn mailgun_stamp(at: StampPlace<'static>) -> Stamp<'static> {
    Stamp::new(at, Unit::Seconds, Some(9 * 3600))
}

const CLOUDINARY: Signed<'static> = Signed {
    proof: Proof::Hash(Sha1),
    message: "{body}{timestamp}{secret}",
    stamp: Some(Stamp {
        at: StampPlace::Header("x-cld-timestamp"),
        unit: Unit::Seconds,
        past_s: Some(7200),
        ahead_s: None,
    }),
    ..Signed::body("x-cld-signature", Sha1)
};

const PRAXIS: Signed<'static> = Signed {
    proof: Proof::Hash(Sha384),
    message: "{json?:merchant_id}{json?:application_key}{timestamp}{json?:customer.customer_token}\
              {json?:session.order_id}{json?:transaction.tid}{json?:transaction.currency}\
              {json?:transaction.amount}{json?:transaction.conversion_rate}\
              {json?:transaction.processed_currency}{json?:transaction.processed_amount}{secret}",
    stamp: Some(Stamp::new(
        StampPlace::Json("timestamp"),
        Unit::Seconds,
        Some(UNDOCUMENTED_S),
    )),
    // Without these the answer to one notification would be the signature of another.
    requires: &[
        Requirement::Json("merchant_id"),
        Requirement::Json("application_key"),
    ],
    ..Signed::body("gt-authentication", Sha384)
};

pub(super) static ROWS: &[Provider] = &[
    Provider::new(
        "ADYEN",
        Checks::FirstOf(&[
            (
                When::Header("hmacsignature"),
                Check::Signed(Signed {
                    encoding: Encoding::Base64,
                    proof: Proof::Hmac(Sha256, KeyForm::Hex),
                    ..Signed::body("hmacsignature", Sha256)
                }),
            ),
            (When::Always, Check::Own(adyen::check, adyen::WORDS)),
        ]),
        "https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures",
    )
    .accepted_with("text/plain", "[accepted]"),
    Provider::new(
        "BRAINTREE",
        Checks::One(Check::Own(braintree::check, braintree::WORDS)),
        "https://developer.paypal.com/braintree/docs/guides/webhooks/overview",
    )
    .secret("private_key")
    .fields(&[Field::required("public_key")])
    .handshakes(&[Handshake {
        words: "GET with bt_challenge: the public key and the challenge's HMAC, if that is 20 to 32 hex digits",
        asked: Asked::Get("bt_challenge"),
        guard: Guard::Open,
        reply: Reply::Braintree,
    }]),
    Provider::new(
        "CLOUDINARY",
        Checks::FirstOf(&[
            (
                When::ConfiguredAs("signature_algorithm", "sha256"),
                Check::Signed(Signed { proof: Proof::Hash(Sha256), ..CLOUDINARY }),
            ),
            (When::Always, Check::Signed(CLOUDINARY)),
        ]),
        "https://cloudinary.com/documentation/notifications",
    )
    .fields(&[Field::one_of("signature_algorithm", &["sha1", "sha256"])]),
    Provider::new(
        "CONTENTFUL",
        Checks::One(Check::Own(contentful::check, contentful::WORDS)),
        "https://www.contentful.com/developers/docs/extensibility/app-framework/request-verification/",
    ),
    Provider::new(
        "DROPBOX_SIGN",
        Checks::One(Check::Own(dropbox_sign::check, dropbox_sign::WORDS)),
        "https://developers.hellosign.com/docs/events/overview/",
    )
    .accepted_with("text/plain", "Hello API Event Received"),
    Provider::signed(
        "FAVRO",
        Signed {
            encoding: Encoding::Base64,
            message: "{json:payloadId}{url}",
            once: Some("{json:payloadId}"),
            ..Signed::body("x-favro-webhook", Sha1)
        },
        "https://favro.com/developer/#webhook-signatures",
    ),
    Provider::new(
        "HUBSPOT",
        Checks::FirstOf(&[
            (When::Header("x-hubspot-signature-v3"), Check::Own(hubspot::check, hubspot::WORDS)),
            (
                When::Consented(&When::HeaderIs("x-hubspot-signature-version", "v2")),
                Check::Signed(Signed {
                    proof: Proof::Hash(Sha256),
                    message: "{secret}{method}{url}{body}",
                    ..Signed::body("x-hubspot-signature", Sha256)
                }),
            ),
            (
                When::Consented(&When::Always),
                Check::Signed(Signed {
                    proof: Proof::Hash(Sha256),
                    message: "{secret}{body}",
                    requires: &[Requirement::Header("x-hubspot-signature-version", "v1")],
                    ..Signed::body("x-hubspot-signature", Sha256)
                }),
            ),
        ]),
        "https://developers.hubspot.com/docs/api/webhooks/validating-requests",
    )
    .fields(&[ALLOW_LEGACY]),
    Provider::new(
        "LINKEDIN",
        Checks::One(Check::Own(linkedin::check, linkedin::WORDS)),
        "https://learn.microsoft.com/en-us/linkedin/shared/api-guide/webhook-validation",
    )
    .fields(&[Field::secrets_by_id(linkedin::APPLICATIONS)])
    .handshakes(&[Handshake {
        words: "GET with challengeCode: its HMAC, if it is a UUID, with the secret of the application in applicationId",
        asked: Asked::Get("challengeCode"),
        guard: Guard::Open,
        reply: Reply::Hmac {
            shape: Shape::Uuid,
            encoding: Encoding::Hex,
            prefix: "",
            name: "challengeResponse",
            echo: Some("challengeCode"),
        },
    }]),
    mandrill("MAILCHIMP"),
    Provider::new(
        "MAILGUN",
        Checks::FirstOf(&[
            (
                When::Form,
                Check::Signed(Signed {
                    at: Place::Form("signature"),
                    message: "{timestamp}{form:token}",
                    stamp: Some(mailgun_stamp(StampPlace::Form("timestamp"))),
                    once: Some("{form:token}"),
                    ..Signed::body("", Sha256)
                }),
            ),
            (
                When::Always,
                Check::Signed(Signed {
                    at: Place::Json("signature.signature"),
                    message: "{timestamp}{json:signature.token}",
                    stamp: Some(mailgun_stamp(StampPlace::Json("signature.timestamp"))),
                    once: Some("{json:signature.token}"),
                    ..Signed::body("", Sha256)
                }),
            ),
        ]),
        "https://documentation.mailgun.com/docs/mailgun/user-manual/tracking-messages/#securing-webhooks",
    ),
    mandrill("MANDRILL"),
    Provider::new(
        "PLIVO",
        Checks::FirstOf(&[
            (When::Header("x-plivo-signature-v3"), Check::Own(plivo::check, plivo::WORDS)),
            (
                When::Consented(&When::Always),
                Check::Signed(Signed {
                    encoding: Encoding::Base64,
                    message: "{base_url}{header:x-plivo-signature-v2-nonce}",
                    once: Some("{header:x-plivo-signature-v2-nonce}"),
                    ..Signed::body("x-plivo-signature-v2", Sha256)
                }),
            ),
        ]),
        "https://www.plivo.com/docs/voice/concepts/signature-validation",
    )
    .fields(&[ALLOW_LEGACY])
    .own_once(),
    Provider::new(
        "PRAXIS",
        Checks::FirstOf(&[
            (
                When::Json("event"),
                Check::Signed(Signed {
                    message: "{json?:event}{json?:merchant_id}{json?:application_key}{json?:cid}\
                              {json?:plan_id}{json?:subscription_id}{json?:subscription_status}\
                              {timestamp}{secret}",
                    ..PRAXIS
                }),
            ),
            (When::Always, Check::Signed(PRAXIS)),
        ]),
        "https://docs.praxis.tech/reference/paymentnotification",
    )
    .acknowledged_by(praxis::acknowledge),
    Provider::signed(
        "SOLIDGATE",
        Signed {
            encoding: Encoding::Base64OfHex,
            message: "{field:public_key}{body}{field:public_key}",
            requires: &[Requirement::HeaderIsField("merchant", "public_key")],
            ..Signed::body("signature", Sha512)
        },
        "https://docs.solidgate.com/payments/integrate/webhooks/",
    )
    .fields(&[Field::required("public_key")]),
    Provider::signed(
        "SQUARE",
        Signed {
            encoding: Encoding::Base64,
            message: "{url}{body}",
            ..Signed::body("x-square-hmacsha256-signature", Sha256)
        },
        "https://developer.squareup.com/docs/webhooks/step3validate",
    ),
    Provider::signed(
        "TEBEX",
        Signed {
            message: "{body_sha256}",
            ..Signed::body("x-signature", Sha256)
        },
        "https://docs.tebex.io/developers/webhooks/overview#verifying-webhook-authenticity",
    )
    .handshakes(&[Handshake {
        words: "signed POST of type validation.webhook: id echoed as JSON",
        asked: Asked::Json { path: "type", value: "validation.webhook", challenge: "id" },
        guard: Guard::Signed,
        reply: Reply::Json("id"),
    }]),
    Provider::signed(
        "TIKTOK_SHOP",
        Signed {
            message: "{field:app_key}{body}",
            ..Signed::body("authorization", Sha256)
        },
        "secondary sources only",
    )
    .fields(&[Field::required("app_key")]),
    Provider::new(
        "TREEZOR",
        Checks::One(Check::Own(treezor::check, treezor::WORDS)),
        "https://docs.treezor.com/guide/webhooks/integrity-checks.html",
    ),
    Provider::signed(
        "TRELLO",
        Signed {
            encoding: Encoding::Base64,
            message: "{body}{url}",
            ..Signed::body("x-trello-webhook", Sha1)
        },
        "https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/",
    )
    .handshakes(&[HEAD]),
    Provider::new(
        "TWILIO",
        Checks::One(Check::Own(twilio::check, twilio::WORDS)),
        "https://www.twilio.com/docs/usage/security#validating-requests",
    ),
    Provider::new(
        "VAPI",
        Checks::FirstOf(&[
            (When::Header("x-vapi-signature"), Check::Signed(Signed::body("x-vapi-signature", Sha256))),
            (When::Header("x-vapi-secret"), Check::Token(Token::header("x-vapi-secret"))),
            // What its dashboard proposes: first for an HMAC, then for a token.
            (
                When::Header("x-signature"),
                Check::Signed(Signed {
                    message: "{timestamp}.{body}",
                    stamp: Some(Stamp::new(
                        StampPlace::Header("x-timestamp"),
                        Unit::Told,
                        Some(UNDOCUMENTED_S),
                    )),
                    ..Signed::body("x-signature", Sha256)
                }),
            ),
            (
                When::Always,
                Check::Token(Token { at: Place::Header("authorization"), prefix: "Bearer " }),
            ),
        ]),
        "https://docs.vapi.ai",
    ),
];
