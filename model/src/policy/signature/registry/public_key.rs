//! Providers that sign with a private key whose public half the admin configures, or that is one of a few.

use super::super::{
    digest::Digest,
    encoding::Encoding,
    handshake::{Asked, Guard, Handshake, Reply},
    keys::KeyFrom,
    layout::{Layout, Place},
    provider::Provider,
    public_key::Algorithm,
    signed::{Proof, Signed},
    stamp::{Stamp, StampPlace, UNDOCUMENTED_S, Unit},
};

/// A signature over the raw body in one header, base64.
const fn body(header: &'static str, algorithm: Algorithm) -> Signed<'static> {
    Signed {
        at: Place::Header(header),
        layout: Layout::Plain,
        encoding: Encoding::Base64,
        proof: Proof::PublicKey(algorithm, KeyFrom::Configured),
        message: "{body}",
        stamp: None,
        once: None,
        requires: &[],
    }
}

const BRIDGE: Signed<'static> = Signed {
    layout: Layout::Pairs {
        separators: ",",
        name: "v0",
        sets: None,
    },
    proof: Proof::PublicKeyOverDigest(Digest::Sha256, Algorithm::RsaSha256, KeyFrom::Configured),
    message: "{timestamp}.{body}",
    stamp: Some(Stamp::new(StampPlace::Pair("t"), Unit::Millis, Some(600))),
    ..body("x-webhook-signature", Algorithm::RsaSha256)
};

pub(super) static ROWS: &[Provider] = &[
    Provider::signed(
        "BRIDGE_XYZ",
        BRIDGE,
        "https://apidocs.bridge.xyz/docs/webhook-event-signature-verification",
    )
    .secret("public_key"),
    Provider::signed(
        "DISCORD",
        Signed {
            encoding: Encoding::Hex,
            message: "{timestamp}{body}",
            stamp: Some(Stamp::new(
                StampPlace::Header("x-signature-timestamp"),
                Unit::Told,
                Some(UNDOCUMENTED_S),
            )),
            ..body("x-signature-ed25519", Algorithm::Ed25519)
        },
        "https://discord.com/developers/docs/interactions/overview",
    )
    .secret("public_key")
    .refused_with(401)
    .handshakes(&[
        Handshake {
            words: "signed POST of type 1 (PING): type 1",
            asked: Asked::Json {
                path: "type",
                value: "1",
                challenge: "",
            },
            guard: Guard::Signed,
            reply: Reply::Fixed(r#"{"type":1}"#),
        },
        Handshake {
            words: "signed POST of type 0 (PING of webhook events): 204",
            asked: Asked::Json {
                path: "type",
                value: "0",
                challenge: "",
            },
            guard: Guard::Signed,
            reply: Reply::NoContent,
        },
    ]),
    Provider::signed(
        "FRESHCHAT",
        body("x-freshchat-signature", Algorithm::RsaSha256),
        "https://crmsupport.freshworks.com",
    )
    .secret("public_key"),
    Provider::signed(
        "SENDGRID",
        Signed {
            message: "{timestamp}{body}",
            stamp: Some(Stamp::new(
                StampPlace::Header("x-twilio-email-event-webhook-timestamp"),
                Unit::Seconds,
                // It tries again for a day.
                Some(24 * 3600),
            )),
            ..body(
                "x-twilio-email-event-webhook-signature",
                Algorithm::EcdsaP256Sha256,
            )
        },
        "https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features",
    ),
    Provider::signed(
        "TELNYX",
        Signed {
            message: "{timestamp}|{body}",
            stamp: Some(Stamp::new(
                StampPlace::Header("telnyx-timestamp"),
                Unit::Seconds,
                Some(300),
            )),
            ..body("telnyx-signature-ed25519", Algorithm::Ed25519)
        },
        "https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks",
    )
    .secret("public_key"),
    Provider::signed(
        "TOKENIO",
        Signed {
            encoding: Encoding::Base64url,
            ..body("token-signature", Algorithm::Ed25519)
        },
        "https://developer.token.io/token_rest_api_doc/content/e-rest/webhooks.htm",
    )
    .secret("public_key"),
    Provider::signed(
        "UTILA",
        body("x-utila-signature", Algorithm::RsaPssSha512),
        "https://docs.utila.io",
    )
    .secret("public_key"),
    Provider::signed(
        "WISE",
        body("x-signature-sha256", Algorithm::RsaSha256),
        "https://docs.wise.com",
    )
    .secret("public_key"),
];
