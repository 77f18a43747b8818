//! Providers whose keys are fetched from a host of theirs.

use super::super::{
    Context,
    diagnosis::Diagnosis,
    encoding::Encoding,
    facts::json_text,
    handshake::{Asked, Guard, Handshake, Reply},
    jwt::{Binding, JwsAlgorithm, Jwt, JwtKeys, TokenPlace},
    keys::{self, Access, KeyFrom, KeyRequest},
    layout::{Layout, Place},
    own::{adobe, ebay, shipstation, sns},
    provider::{ALLOW_ANY_TOPIC, ALLOW_LEGACY, Check, Checks, Field, Provider, When},
    public_key::{Algorithm, PublicKey},
    signed::{Proof, Requirement, Signed},
    stamp::{Stamp, StampPlace, Unit},
};
use crate::catalog::{Secret, Verification};

const fn published(
    header: &'static str,
    algorithm: Algorithm,
    locate: fn(&Context<'_>) -> Result<KeyRequest, Diagnosis>,
    read: fn(&Context<'_>, &[u8]) -> Option<PublicKey>,
) -> Signed<'static> {
    Signed {
        at: Place::Header(header),
        layout: Layout::Plain,
        encoding: Encoding::Base64,
        proof: Proof::PublicKey(algorithm, KeyFrom::Published { locate, read }),
        message: "{body}",
        stamp: None,
        once: None,
        requires: &[],
    }
}

const fn public(url: String) -> KeyRequest {
    KeyRequest {
        url,
        access: Access::Public,
    }
}

fn circle_key(context: &Context<'_>) -> Result<KeyRequest, Diagnosis> {
    let key_id = context.facts.header("x-circle-key-id")?;
    // The id becomes a part of a URL.
    if !ebay::is_uuid(key_id) {
        return Err(Diagnosis::malformed("header x-circle-key-id"));
    }
    let newest = context.auth.live(context.facts.now).last();
    let (_, api_key) = newest.ok_or(Diagnosis::NoSecret)?;
    Ok(KeyRequest {
        url: format!("https://api.circle.com/v2/notifications/publicKey/{key_id}"),
        access: Access::Bearer(Secret::new(api_key.to_owned())),
    })
}

fn circle_read(_: &Context<'_>, document: &[u8]) -> Option<PublicKey> {
    PublicKey::pasted(&json_text(
        std::str::from_utf8(document).ok()?,
        "data.publicKey",
    )?)
}

/// A certificate at a host of PayPal's, over https.
fn paypal_certificate(context: &Context<'_>) -> Result<KeyRequest, Diagnosis> {
    let url = context.facts.header("paypal-cert-url")?;
    let host = url
        .strip_prefix("https://")
        .and_then(|rest| rest.split_once('/'))
        .map(|(host, _)| host);
    let is_paypal = host.is_some_and(|host| {
        let plain = host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
        plain && (host == "paypal.com" || host.ends_with(".paypal.com"))
    });
    if is_paypal && url.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(public(url.to_owned()))
    } else {
        Err(Diagnosis::Unexpected("header paypal-cert-url".into()))
    }
}

fn certificate(context: &Context<'_>, document: &[u8]) -> Option<PublicKey> {
    PublicKey::of_certificate(document, Some(context.facts.now))
}

fn shipengine_set(_: &Context<'_>) -> Result<KeyRequest, Diagnosis> {
    Ok(public("https://api.shipengine.com/jwks".into()))
}

fn shipengine_key(context: &Context<'_>, document: &[u8]) -> Option<PublicKey> {
    let key_id = context
        .facts
        .header("x-shipengine-rsa-sha256-key-id")
        .ok()?;
    keys::of_jwks(document, Some(key_id))
}

fn plaid_key(context: &Context<'_>, key_id: Option<&str>) -> Result<KeyRequest, Diagnosis> {
    let key_id = key_id.filter(|id| ebay::is_uuid(id));
    let key_id = key_id.ok_or_else(|| Diagnosis::malformed("key id of the token"))?;
    let unfinished = || Diagnosis::Unfinished("config.auth.client_id is missing".into());
    let client_id = context.auth.field("client_id").ok_or_else(unfinished)?;
    let newest = context.auth.live(context.facts.now).last();
    let (_, secret) = newest.ok_or(Diagnosis::NoSecret)?;
    let host = match context.auth.field("environment") {
        Some("SANDBOX") => "sandbox",
        _ => "production",
    };
    let body = serde_json::json!({"client_id": client_id, "secret": secret, "key_id": key_id});
    Ok(KeyRequest {
        url: format!("https://{host}.plaid.com/webhook_verification_key/get"),
        access: Access::Post(Secret::new(body.to_string())),
    })
}

/// developers.fireblocks.com, "Validating webhooks".
fn fireblocks_set(context: &Context<'_>, _: Option<&str>) -> Result<KeyRequest, Diagnosis> {
    let host = match context.auth.field("environment") {
        Some("EU") => "eu-keys",
        Some("EU2") => "eu2-keys",
        Some("SANDBOX") => "sandbox-keys",
        _ => "keys",
    };
    Ok(public(format!(
        "https://{host}.fireblocks.io/.well-known/jwks.json"
    )))
}

/// The keys of the first version are fixed. The sandbox has had two.
fn fireblocks_keys(auth: &Verification) -> &'static [&'static str] {
    match auth.field("environment") {
        Some("SANDBOX") => &[
            include_str!("keys/fireblocks-sandbox.pem"),
            include_str!("keys/fireblocks-sandbox-newer.pem"),
        ],
        Some("EU" | "EU2") => &[include_str!("keys/fireblocks-eu.pem")],
        _ => &[include_str!("keys/fireblocks.pem")],
    }
}

const RSA_OF_BODY: Signed<'static> = Signed {
    at: Place::Header("fireblocks-signature"),
    layout: Layout::Plain,
    encoding: Encoding::Base64,
    proof: Proof::PublicKey(Algorithm::RsaSha512, KeyFrom::Environment(fireblocks_keys)),
    message: "{body}",
    stamp: None,
    once: None,
    requires: &[],
};

const ENVIRONMENTS: Field = Field::one_of("environment", &["PRODUCTION", "SANDBOX"]);

/// A message may have 256 KiB; as a JSON string it is longer, and the envelope comes on top.
const SNS_BODY_MAX: usize = (2 * 256 + 16) * 1024;

const SNS_CONFIRM: &str = "signed SubscriptionConfirmation: answered, and its SubscribeURL is shown to the admin, never opened by itself";

pub(super) static ROWS: &[Provider] = &[
    Provider::new(
        "ADOBE",
        Checks::One(Check::Own(adobe::check, adobe::WORDS)),
        "https://developer.adobe.com/events/docs/guides/sdk/sdk_signature_verification/",
    )
    .secret("")
    .fields(&[Field::required("client_id")])
    .handshakes(&[Handshake {
        words: "GET with challenge: echoed as JSON",
        asked: Asked::Get("challenge"),
        guard: Guard::Open,
        reply: Reply::Json("challenge"),
    }]),
    Provider::new(
        "AWS_SNS",
        Checks::One(Check::Own(sns::check, sns::WORDS)),
        "https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html",
    )
    .secret("")
    .fields(&[Field::pending("topic_arn"), ALLOW_ANY_TOPIC])
    .own_once()
    .body_max(SNS_BODY_MAX)
    .handshakes(&[Handshake {
        words: SNS_CONFIRM,
        asked: Asked::Json {
            path: "Type",
            value: "SubscriptionConfirmation",
            challenge: "",
        },
        guard: Guard::Signed,
        reply: Reply::Confirm("SubscribeURL"),
    }]),
    Provider::signed(
        "CIRCLE",
        published(
            "x-circle-signature",
            Algorithm::EcdsaP256Sha256,
            circle_key,
            circle_read,
        ),
        "https://developers.circle.com/wallets/webhook-notifications",
    )
    .secret("api_key")
    .handshakes(&[Handshake {
        words: "HEAD: answered",
        asked: Asked::Head,
        guard: Guard::Open,
        reply: Reply::Empty,
    }]),
    Provider::new(
        "EBAY",
        Checks::One(Check::Own(ebay::check, ebay::WORDS)),
        "https://developer.ebay.com/marketplace-account-deletion",
    )
    .secret("client_secret")
    .fields(&[
        ENVIRONMENTS,
        Field::optional("dev_id"),
        Field::required("client_id"),
        Field::required("verification_token"),
    ])
    .refused_with(412)
    .handshakes(&[Handshake {
        words: "GET with challenge_code: digest of it, verification_token and URL",
        asked: Asked::Get("challenge_code"),
        guard: Guard::Open,
        reply: Reply::EndpointDigest {
            field: "verification_token",
            name: "challengeResponse",
        },
    }]),
    Provider::new(
        "FIREBLOCKS",
        Checks::FirstOf(&[
            (
                When::Header("fireblocks-webhook-signature"),
                Check::Jwt(Jwt {
                    at: TokenPlace::Detached("fireblocks-webhook-signature"),
                    signed: &[JwsAlgorithm::Rs512],
                    keys: JwtKeys::Published {
                        locate: fireblocks_set,
                        read: keys::of_jwks,
                    },
                    leeway_s: 0,
                    max_age_s: None,
                    once: false,
                    binds: Binding::Body,
                }),
            ),
            (When::Always, Check::Signed(RSA_OF_BODY)),
        ]),
        "https://developers.fireblocks.com/reference/validating-webhooks",
    )
    .secret("")
    .fields(&[Field::one_of(
        "environment",
        &["US_PRODUCTION", "EU", "EU2", "SANDBOX"],
    )]),
    Provider::signed(
        "PAYPAL",
        Signed {
            message: "{header:paypal-transmission-id}|{timestamp}|{field:webhook_id}|{body_crc32}",
            // It tries again for three days.
            stamp: Some(Stamp::new(
                StampPlace::Header("paypal-transmission-time"),
                Unit::Rfc3339,
                Some(3 * 24 * 3600),
            )),
            once: Some("{header:paypal-transmission-id}"),
            requires: &[Requirement::Header("paypal-auth-algo", "SHA256withRSA")],
            ..published(
                "paypal-transmission-sig",
                Algorithm::RsaSha256,
                paypal_certificate,
                certificate,
            )
        },
        "https://developer.paypal.com/api/rest/webhooks/rest/#link-verifysignature",
    )
    .secret("")
    .fields(&[Field::required("webhook_id")]),
    Provider::new(
        "PLAID",
        Checks::One(Check::Jwt(Jwt {
            at: TokenPlace::Header("plaid-verification"),
            signed: &[JwsAlgorithm::Es256],
            keys: JwtKeys::Published {
                locate: plaid_key,
                read: super::super::jwt::plaid_key,
            },
            leeway_s: 0,
            max_age_s: None,
            once: false,
            binds: Binding::FreshDigest {
                claim: "request_body_sha256",
                within_s: 300,
            },
        })),
        "https://plaid.com/docs/api/webhooks/webhook-verification/",
    )
    .secret("secret")
    .fields(&[Field::required("client_id"), ENVIRONMENTS]),
    Provider::new(
        "SHIPSTATION",
        Checks::FirstOf(&[
            (
                When::Header("x-shipengine-rsa-sha256-signature"),
                Check::Signed(Signed {
                    message: "{timestamp}.{body}",
                    stamp: Some(Stamp::new(
                        StampPlace::Header("x-shipengine-timestamp"),
                        Unit::Rfc3339,
                        Some(300),
                    )),
                    ..published(
                        "x-shipengine-rsa-sha256-signature",
                        Algorithm::RsaSha256,
                        shipengine_set,
                        shipengine_key,
                    )
                }),
            ),
            (
                When::Consented(&When::Always),
                Check::Own(shipstation::check, shipstation::WORDS),
            ),
        ]),
        "https://www.shipengine.com/docs/webhooks/",
    )
    .secret("token")
    .fields(&[ALLOW_LEGACY]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_environment_of_fireblocks_has_keys_of_its_own() {
        let mut seen = Vec::new();
        for environment in ["US_PRODUCTION", "EU", "SANDBOX"] {
            let mut auth = Verification::of("FIREBLOCKS");
            let value = Secret::new(environment.to_owned());
            auth.fields.insert("environment".to_owned(), value);
            for pem in fireblocks_keys(&auth) {
                assert!(PublicKey::pasted(pem).is_some(), "{environment}");
                assert!(!seen.contains(pem), "{environment}");
                seen.push(*pem);
            }
        }
        assert_eq!(seen.len(), 4);
    }
}
