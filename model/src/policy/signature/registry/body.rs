//! Providers that sign the raw body and nothing else, with an HMAC in one header.

use super::super::{
    challenge::Shape,
    digest::Digest::{self, Sha1, Sha256, Sha512},
    encoding::{Encoding, KeyForm},
    handshake::{Asked, Guard, Handshake, Reply},
    layout::{Layout, Place},
    provider::{Check, Checks, Field, Provider, When},
    signed::{Proof, Requirement, Signed},
    stamp::{Stamp, StampPlace, Unit},
};

const fn hex(
    name: &'static str,
    header: &'static str,
    digest: Digest,
    source: &'static str,
) -> Provider {
    Provider::signed(name, Signed::body(header, digest), source)
}

const fn prefixed(
    name: &'static str,
    header: &'static str,
    prefix: &'static str,
    digest: Digest,
    source: &'static str,
) -> Provider {
    let layout = Layout::Prefix(prefix);
    Provider::signed(
        name,
        Signed {
            layout,
            ..Signed::body(header, digest)
        },
        source,
    )
}

const fn in_base64(header: &'static str) -> Signed<'static> {
    Signed {
        encoding: Encoding::Base64,
        ..Signed::body(header, Sha256)
    }
}

const fn base64(
    name: &'static str,
    header: &'static str,
    digest: Digest,
    source: &'static str,
) -> Provider {
    let encoding = Encoding::Base64;
    Provider::signed(
        name,
        Signed {
            encoding,
            ..Signed::body(header, digest)
        },
        source,
    )
}

const VERIFY_TOKEN: &[Field] = &[Field::optional("verify_token")];
const META: &str = "https://developers.facebook.com/docs/graph-api/webhooks/getting-started";

const fn meta(name: &'static str) -> Provider {
    prefixed(name, "x-hub-signature-256", "sha256=", Sha256, META)
        .fields(VERIFY_TOKEN)
        .handshakes(&[Handshake {
            words: "GET with hub.challenge, if hub.verify_token is the configured one: echoed as text",
            asked: Asked::Get("hub.challenge"),
            guard: Guard::Token { query: "hub.verify_token", field: "verify_token" },
            reply: Reply::Text,
        }])
}

pub(super) static ROWS: &[Provider] = &[
    base64("ACUITY", "x-acuity-signature", Sha256, "https://developers.acuityscheduling.com"),
    prefixed(
        "AIRTABLE",
        "x-airtable-content-mac",
        "hmac-sha256=",
        Sha256,
        "https://airtable.com/developers/web/api/webhooks-overview",
    )
    .key_form(KeyForm::Base64),
    hex(
        "ALCHEMY",
        "x-alchemy-signature",
        Sha256,
        "https://docs.alchemy.com/reference/notify-api-quickstart",
    ),
    hex("ASANA", "x-hook-signature", Sha256, "https://developers.asana.com/docs/webhooks-guide")
        .learns_secret()
        .handshakes(&[Handshake {
            words: "POST with x-hook-secret and no signature, while no secret is known: the secret is kept and echoed",
            asked: Asked::Secret { header: "x-hook-secret", without: "x-hook-signature" },
            guard: Guard::NoSecretYet,
            reply: Reply::Learn(Some("x-hook-secret")),
        }]),
    hex("ATTIO", "attio-signature", Sha256, "https://developers.attio.com"),
    prefixed(
        "AUTHORIZE_NET",
        "x-anet-signature",
        "sha512=",
        Sha512,
        "https://developer.authorize.net/api/reference/features/webhooks.html",
    ),
    prefixed(
        "BITBUCKET",
        "x-hub-signature",
        "sha256=",
        Sha256,
        "https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/",
    ),
    hex("CALCOM", "x-cal-signature-256", Sha256, "https://cal.com/docs"),
    hex("CHECKOUT", "cko-signature", Sha256, "https://www.checkout.com/docs"),
    Provider::signed(
        "CIRCLECI",
        Signed {
            layout: Layout::List { separator: ',', prefix: "v1=" },
            ..Signed::body("circleci-signature", Sha256)
        },
        "https://circleci.com/docs/webhooks/",
    ),
    hex("CLICKUP", "x-signature", Sha256, "https://developer.clickup.com/docs/webhooksignature"),
    hex(
        "COINBASE",
        "x-cc-webhook-signature",
        Sha256,
        "https://docs.cdp.coinbase.com/commerce/api-arcitecture/webhooks-security",
    ),
    hex(
        "COINBASE_COMMERCE",
        "x-cc-webhook-signature",
        Sha256,
        "https://docs.cdp.coinbase.com/commerce/api-arcitecture/webhooks-security",
    ),
    hex(
        "COINIFY",
        "x-coinify-webhook-signature",
        Sha256,
        "https://coinify.readme.io/docs/webhook-signature",
    ),
    base64(
        "COMMERCELAYER",
        "x-commercelayer-signature",
        Sha256,
        "https://docs.commercelayer.io/core/callbacks-security",
    ),
    prefixed("CURSOR", "x-webhook-signature", "sha256=", Sha256, "https://docs.cursor.com"),
    Provider::signed(
        "DOCUSIGN",
        Signed {
            at: Place::Numbered("x-docusign-signature-"),
            encoding: Encoding::Base64,
            ..Signed::body("", Sha256)
        },
        "https://developers.docusign.com/platform/webhooks/connect/validate/",
    ),
    hex(
        "DROPBOX",
        "x-dropbox-signature",
        Sha256,
        "https://www.dropbox.com/developers/reference/webhooks",
    )
    .handshakes(&[Handshake {
        words: "GET with challenge: echoed as text",
        asked: Asked::Get("challenge"),
        guard: Guard::Open,
        reply: Reply::Text,
    }]),
    hex("DWOLLA", "x-request-signature-sha-256", Sha256, "https://developers.dwolla.com"),
    prefixed(
        "EASYPOST",
        "x-hmac-signature",
        "hmac-sha256-hex=",
        Sha256,
        "https://docs.easypost.com/docs/webhooks",
    )
    .key_form(KeyForm::Nfkd),
    prefixed("ENODE", "x-enode-signature", "sha1=", Sha1, "https://developers.enode.com/docs/webhooks"),
    meta("FACEBOOK"),
    base64("FASTSPRING", "x-fs-signature", Sha256, "https://developer.fastspring.com"),
    prefixed(
        "GITHUB",
        "x-hub-signature-256",
        "sha256=",
        Sha256,
        "https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries",
    ),
    hex(
        "GOCARDLESS",
        "webhook-signature",
        Sha256,
        "https://developer.gocardless.com/api-reference/#webhooks",
    ),
    base64("HELPSCOUT", "x-helpscout-signature", Sha1, "https://developer.helpscout.com/webhooks/"),
    Provider::signed(
        "HOOKDECK",
        Signed {
            at: Place::Headers(&["x-hookdeck-signature", "x-hookdeck-signature-2"]),
            encoding: Encoding::Base64,
            ..Signed::body("", Sha256)
        },
        "https://hookdeck.com/docs/authentication",
    ),
    prefixed(
        "INTERCOM",
        "x-hub-signature",
        "sha1=",
        Sha1,
        "https://developers.intercom.com/docs/references/webhooks/webhook-models",
    ),
    prefixed(
        "JIRA",
        "x-hub-signature",
        "sha256=",
        Sha256,
        "https://developer.atlassian.com/cloud/jira/platform/webhooks/",
    ),
    hex(
        "LAUNCHDARKLY",
        "x-ld-signature",
        Sha256,
        "https://launchdarkly.com/docs/home/infrastructure/webhooks",
    ),
    hex(
        "LEMONSQUEEZY",
        "x-signature",
        Sha256,
        "https://docs.lemonsqueezy.com/help/webhooks/signing-requests",
    ),
    base64("LINE", "x-line-signature", Sha256, "https://developers.line.biz/en/docs/messaging-api/"),
    meta("META"),
    hex("MODERN_TREASURY", "x-signature", Sha256, "https://docs.moderntreasury.com"),
    Provider::signed(
        "MOLLIE",
        Signed {
            // A line for each secret while one is replaced.
            at: Place::Lines("x-mollie-signature"),
            layout: Layout::Prefix("sha256="),
            ..Signed::body("", Sha256)
        },
        "https://github.com/mollie/mollie-api-php/blob/master/src/Webhooks/SignatureValidator.php",
    ),
    prefixed(
        "NOTION",
        "x-notion-signature",
        "sha256=",
        Sha256,
        "https://developers.notion.com/reference/webhooks",
    )
    .learns_secret()
    .handshakes(&[Handshake {
        words: "POST of verification_token alone without a signature, while no secret is known: it is kept",
        asked: Asked::Alone { challenge: "verification_token", without: "x-notion-signature" },
        guard: Guard::NoSecretYet,
        reply: Reply::Learn(None),
    }]),
    hex("NYLAS", "x-nylas-signature", Sha256, "https://developer.nylas.com/docs/v3/notifications/")
        .handshakes(&[Handshake {
            words: "GET with challenge: echoed as text",
            asked: Asked::Get("challenge"),
            guard: Guard::Open,
            reply: Reply::Text,
        }]),
    Provider::signed(
        "PAGERDUTY",
        Signed {
            layout: Layout::List { separator: ',', prefix: "v1=" },
            ..Signed::body("x-pagerduty-signature", Sha256)
        },
        "https://developer.pagerduty.com/docs/verifying-webhook-signatures",
    ),
    Provider::signed(
        "PANDADOC",
        Signed {
            at: Place::Query("signature"),
            ..Signed::body("", Sha256)
        },
        "https://developers.pandadoc.com",
    ),
    hex("PAYSTACK", "x-paystack-signature", Sha512, "https://paystack.com/docs/payments/webhooks/"),
    hex("PROPERTY-FINDER", "x-signature", Sha256, "third-party integrations only"),
    Provider::signed(
        "PUSHER",
        Signed {
            requires: &[Requirement::HeaderIsField("x-pusher-key", "app_key")],
            stamp: Some(Stamp {
                at: StampPlace::Json("time_ms"),
                unit: Unit::Millis,
                past_s: Some(300),
                ahead_s: None,
            }),
            ..Signed::body("x-pusher-signature", Sha256)
        },
        "https://pusher.com/docs/channels/server_api/webhooks",
    )
    .fields(&[Field::required("app_key")]),
    Provider::signed(
        "RAMP",
        // The second name is what receivers of another time read.
        Signed {
            at: Place::Headers(&["x-ramp-webhook-signature", "x-ramp-signature"]),
            ..Signed::body("", Sha256)
        },
        "https://docs.ramp.com/developer-api/v1/webhooks",
    ),
    hex("RAZORPAY", "x-razorpay-signature", Sha256, "https://razorpay.com/docs/webhooks/validate-test/"),
    prefixed(
        "SAVVYCAL",
        "x-savvycal-signature",
        "sha256=",
        Sha256,
        "https://savvycal.com/docs/api/webhooks",
    ),
    hex("SEGMENT", "x-signature", Sha1, "https://segment.com/docs/connections/destinations/catalog/webhooks/"),
    hex(
        "SENTRY",
        "sentry-hook-signature",
        Sha256,
        "https://docs.sentry.io/organization/integrations/integration-platform/webhooks/",
    ),
    Provider::new(
        "SHOPIFY",
        Checks::FirstOf(&[
            // Events, which have headers of their own.
            (When::Header("shopify-hmac-sha256"), Check::Signed(in_base64("shopify-hmac-sha256"))),
            (When::Always, Check::Signed(in_base64("x-shopify-hmac-sha256"))),
        ]),
        "https://shopify.dev/docs/apps/build/webhooks/subscribe/https",
    ),
    base64("SHOPLINE", "x-shopline-hmac-sha256", Sha256, "https://developer.shopline.com"),
    hex("SMARTCAR", "sc-signature", Sha256, "https://smartcar.com/docs/integrations/webhooks")
        .handshakes(&[Handshake {
            words: "POST with eventType VERIFY: HMAC of data.challenge, if that is a plain token",
            asked: Asked::Json { path: "eventType", value: "VERIFY", challenge: "data.challenge" },
            guard: Guard::Open,
            reply: Reply::Hmac {
                shape: Shape::Token,
                encoding: Encoding::Hex,
                prefix: "",
                name: "challenge",
                echo: None,
            },
        }]),
    prefixed("SNYK", "x-hub-signature", "sha256=", Sha256, "https://docs.snyk.io"),
    base64("TALLY", "tally-signature", Sha256, "https://tally.so/help/webhooks"),
    Provider::signed(
        "TEAMS",
        Signed {
            layout: Layout::Prefix("HMAC "),
            encoding: Encoding::Base64,
            proof: Proof::Hmac(Sha256, KeyForm::Base64),
            ..Signed::body("authorization", Sha256)
        },
        "https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/add-outgoing-webhook",
    ),
    Provider::signed(
        "TWITTER",
        Signed {
            // With the OAuth 2.0 client secret, and with the consumer secret of OAuth 1.0.
            at: Place::Headers(&[
                "x-twitter-webhooks-signature-oauth2",
                "x-twitter-webhooks-signature",
            ]),
            layout: Layout::Prefix("sha256="),
            encoding: Encoding::Base64,
            ..Signed::body("", Sha256)
        },
        "https://docs.x.com/x-api/webhooks/introduction",
    )
    .secret("api_key")
    .handshakes(&[Handshake {
        words: "GET with crc_token: its HMAC, if it is a plain token",
        asked: Asked::Get("crc_token"),
        guard: Guard::Open,
        reply: Reply::Hmac {
            shape: Shape::Token,
            encoding: Encoding::Base64,
            prefix: "sha256=",
            name: "response_token",
            echo: None,
        },
    }]),
    Provider::signed(
        "TYPEFORM",
        Signed {
            layout: Layout::Prefix("sha256="),
            encoding: Encoding::Base64,
            ..Signed::body("typeform-signature", Sha256)
        },
        "https://www.typeform.com/developers/webhooks/secure-your-webhooks/",
    ),
    hex("VERCEL", "x-vercel-signature", Sha1, "https://vercel.com/docs/webhooks/webhooks-api#securing-webhooks"),
    hex("VERCEL_LOG_DRAINS", "x-vercel-signature", Sha1, "https://vercel.com/docs/drains/security"),
    hex("WEBEX", "x-spark-signature", Sha1, "https://developer.webex.com/docs/api/guides/webhooks"),
    meta("WHATSAPP"),
    base64(
        "WOOCOMMERCE",
        "x-wc-webhook-signature",
        Sha256,
        "https://woocommerce.github.io/woocommerce-rest-api-docs/#webhooks",
    )
    .handshakes(&[Handshake {
        words: "unsigned POST of webhook_id alone: answered",
        asked: Asked::Ping {
            field: "webhook_id",
            without: "x-wc-webhook-signature",
        },
        guard: Guard::Open,
        reply: Reply::Empty,
    }]),
    base64(
        "XERO",
        "x-xero-signature",
        Sha256,
        "https://developer.xero.com/documentation/guides/webhooks/configuring-your-server/",
    )
    .refused_with(401)
    .accepted_with("", ""),
];

impl Provider {
    const fn key_form(mut self, form: KeyForm) -> Self {
        if let Checks::One(Check::Signed(scheme)) = &mut self.checks
            && let Proof::Hmac(digest, _) = scheme.proof
        {
            scheme.proof = Proof::Hmac(digest, form);
        }
        self
    }
}
