//! Providers that prove a request with a JSON Web Token, or with a token that stands in for a signature.

use super::super::{
    encoding::KeyForm,
    handshake::{Asked, Guard, Handshake, Reply},
    jwt::{Binding, JwsAlgorithm, Jwt, JwtKeys, TokenPlace},
    provider::{ALLOW_LEGACY, Check, Checks, Field, Provider, When},
    shared::Token,
    stamp::UNDOCUMENTED_S,
};

const HS: &[JwsAlgorithm] = &[
    JwsAlgorithm::Hs256,
    JwsAlgorithm::Hs384,
    JwsAlgorithm::Hs512,
];
const HS256: &[JwsAlgorithm] = &[JwsAlgorithm::Hs256];
const RS: &[JwsAlgorithm] = &[
    JwsAlgorithm::Rs256,
    JwsAlgorithm::Rs384,
    JwsAlgorithm::Rs512,
];
const ES: &[JwsAlgorithm] = &[JwsAlgorithm::Es256, JwsAlgorithm::Es384];
const ED: &[JwsAlgorithm] = &[JwsAlgorithm::EdDsa];
const RS256: &[JwsAlgorithm] = &[JwsAlgorithm::Rs256];

const fn jwt(
    name: &'static str,
    at: TokenPlace,
    signed: &'static [JwsAlgorithm],
    binds: Binding,
    source: &'static str,
) -> Provider {
    let once = matches!(binds, Binding::UrlAndPayload | Binding::Digest { .. });
    let check = Check::Jwt(Jwt {
        at,
        signed,
        keys: JwtKeys::Configured,
        leeway_s: 1,
        max_age_s: Some(UNDOCUMENTED_S),
        once,
        binds,
    });
    Provider::new(name, Checks::One(check), source)
}

const fn fusionauth(signed: &'static [JwsAlgorithm]) -> Check {
    Check::Jwt(Jwt {
        at: TokenPlace::Header("x-fusionauth-signature-jwt"),
        signed,
        keys: JwtKeys::SetOrConfigured,
        leeway_s: 1,
        max_age_s: Some(UNDOCUMENTED_S),
        once: true,
        binds: digest("request_body_sha256", true),
    })
}

const fn messagebird(name: &'static str) -> Provider {
    jwt(
        name,
        TokenPlace::Header("messagebird-signature-jwt"),
        HS,
        Binding::UrlAndPayload,
        "https://developers.messagebird.com/api/#verifying-http-requests",
    )
}

const fn digest(claim: &'static str, base64: bool) -> Binding {
    Binding::Digest {
        claim,
        base64,
        optional: false,
    }
}

pub(super) static ROWS: &[Provider] = &[
    // An admin of FusionAuth chooses the kind of the key. Which one it is must be said here too: a public key that were
    // taken for a shared secret would let anyone sign.
    Provider::new(
        "FUSIONAUTH",
        Checks::FirstOf(&[
            (When::ConfiguredAs("key_type", "RSA"), fusionauth(RS)),
            (When::ConfiguredAs("key_type", "EC"), fusionauth(ES)),
            (When::ConfiguredAs("key_type", "OKP"), fusionauth(ED)),
            (When::Always, fusionauth(HS)),
        ]),
        "https://fusionauth.io/docs/extend/events-and-webhooks/signing",
    )
    .fields(&[Field::one_of("key_type", &["HMAC", "RSA", "EC", "OKP"])]),
    Provider::new(
        "GITLAB",
        Checks::FirstOf(&[
            (
                When::Configured("signing_token"),
                Check::SignedWith("signing_token", super::standard::WEBHOOK),
            ),
            (When::Always, Check::Token(Token::header("x-gitlab-token"))),
        ]),
        "https://docs.gitlab.com/user/project/integrations/webhooks/",
    )
    .secret("api_key")
    .fields(&[Field::secret("signing_token", KeyForm::Whsec)]),
    jwt(
        "GONG",
        TokenPlace::Header("authorization"),
        RS256,
        digest("body_sha256", false),
        "https://help.gong.io",
    )
    .secret("public_key"),
    jwt(
        "LIVEKIT",
        TokenPlace::Header("authorization"),
        HS256,
        digest("sha256", true),
        "https://docs.livekit.io/home/server/webhooks/",
    ),
    messagebird("MESSAGEBIRD"),
    jwt(
        "MONDAY",
        TokenPlace::Header("authorization"),
        HS256,
        Binding::Nothing,
        "https://developer.monday.com/apps/docs/webhooks",
    )
    .handshakes(&[Handshake {
        words: "POST of challenge alone: echoed as JSON",
        asked: Asked::Alone {
            challenge: "challenge",
            without: "x-monday-unsigned",
        },
        guard: Guard::Open,
        reply: Reply::Json("challenge"),
    }]),
    jwt(
        "NETLIFY",
        TokenPlace::Header("x-webhook-signature"),
        HS256,
        digest("sha256", false),
        "https://docs.netlify.com/site-deploys/notifications/",
    ),
    jwt(
        "VONAGE",
        TokenPlace::Header("authorization"),
        HS256,
        Binding::Digest {
            claim: "payload_hash",
            base64: false,
            optional: true,
        },
        "https://developer.vonage.com/en/getting-started/concepts/webhooks",
    )
    .fields(&[ALLOW_LEGACY]),
    jwt(
        "WIX",
        TokenPlace::Body,
        RS256,
        Binding::Body,
        "https://dev.wix.com/docs/build-apps/develop-your-app/api-integrations/events-and-webhooks/handle-events-with-webhooks",
    ),
];
