//! Standard Webhooks 1.0.0, and everyone who sends so under the names of their own.

use super::super::{
    digest::Digest,
    encoding::{Encoding, KeyForm},
    keys::KeyFrom,
    layout::{Layout, Place},
    provider::{Check, Checks, Provider, When},
    public_key::Algorithm,
    signed::{Proof, Signed},
    stamp::{Stamp, StampPlace, Unit},
};

const SPECIFICATION: &str =
    "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md";
const SVIX_DOCS: &str = "https://docs.svix.com/receiving/verifying-payloads/how-manual";

/// Symmetric signatures, `v1`.
pub(super) const WEBHOOK: Signed<'static> = Signed {
    at: Place::Header("webhook-signature"),
    layout: Layout::List {
        separator: ' ',
        prefix: "v1,",
    },
    encoding: Encoding::Base64,
    proof: Proof::Hmac(Digest::Sha256, KeyForm::Whsec),
    message: "{header:webhook-id}.{timestamp}.{body}",
    stamp: Some(Stamp::new(
        StampPlace::Header("webhook-timestamp"),
        Unit::Seconds,
        Some(300),
    )),
    // One that is tried again has another time.
    once: Some("{header:webhook-id}.{timestamp}"),
    requires: &[],
};

/// Asymmetric signatures, `v1a`.
const WEBHOOK_A: Signed<'static> = Signed {
    layout: Layout::List {
        separator: ' ',
        prefix: "v1a,",
    },
    proof: Proof::PublicKey(Algorithm::Ed25519, KeyFrom::Configured),
    ..WEBHOOK
};

const SVIX: Signed<'static> = Signed {
    at: Place::Header("svix-signature"),
    message: "{header:svix-id}.{timestamp}.{body}",
    once: Some("{header:svix-id}.{timestamp}"),
    stamp: Some(Stamp::new(
        StampPlace::Header("svix-timestamp"),
        Unit::Seconds,
        Some(300),
    )),
    ..WEBHOOK
};

const fn clone_of(name: &'static str, source: &'static str) -> Provider {
    Provider::new(name, EITHER, source)
}

/// Some of them send the names of Svix, some the standard ones, some both.
const EITHER: Checks = Checks::FirstOf(&[
    (When::Header("svix-signature"), Check::Signed(SVIX)),
    (When::Always, Check::Signed(WEBHOOK)),
]);

pub(super) static ROWS: &[Provider] = &[
    clone_of("BREX", "https://developer.brex.com/docs/webhooks/"),
    clone_of(
        "CLAUDE",
        "https://github.com/anthropics/anthropic-sdk-python/blob/main/src/anthropic/resources/beta/webhooks.py",
    ),
    clone_of(
        "CLERK",
        "https://github.com/clerk/javascript/blob/main/packages/backend/src/webhooks.ts",
    ),
    clone_of(
        "LITHIC",
        "https://github.com/lithic-com/lithic-python/blob/main/src/lithic/resources/webhooks.py",
    ),
    clone_of("LOOPS", "https://loops.so/docs/webhooks"),
    Provider::signed(
        "OPENAI",
        Signed {
            proof: Proof::Hmac(Digest::Sha256, KeyForm::WhsecOrText),
            ..WEBHOOK
        },
        "https://github.com/openai/openai-python/blob/main/src/openai/resources/webhooks.py",
    ),
    // Not as the specification has it: the key is the secret's whole text, prefix and all.
    Provider::signed(
        "POLAR",
        Signed {
            proof: Proof::Hmac(Digest::Sha256, KeyForm::Utf8),
            ..WEBHOOK
        },
        "https://github.com/polarsource/polar-js/blob/main/src/webhooks.ts",
    ),
    clone_of(
        "RECALL",
        "https://docs.recall.ai/docs/authenticating-requests-from-recallai",
    ),
    clone_of("RENDER", "https://render.com/docs/webhooks"),
    clone_of(
        "REPLICATE",
        "https://github.com/replicate/replicate-javascript/blob/main/lib/util.js",
    ),
    clone_of(
        "RESEND",
        "https://resend.com/docs/dashboard/webhooks/verify-webhooks-requests",
    ),
    Provider::signed("STANDARD_WEBHOOKS", WEBHOOK, SPECIFICATION),
    Provider::signed("STANDARD_WEBHOOKS_V1A", WEBHOOK_A, SPECIFICATION).secret("public_key"),
    Provider::new("SVIX", EITHER, SVIX_DOCS),
];
