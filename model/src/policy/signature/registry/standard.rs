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
    clone_of("CLAUDE", "https://docs.claude.com"),
    clone_of("CLERK", "https://clerk.com/docs/webhooks/overview"),
    clone_of("LITHIC", "https://docs.lithic.com/docs/events-api"),
    clone_of("LOOPS", "https://loops.so/docs/webhooks"),
    clone_of("OPENAI", "https://platform.openai.com/docs/guides/webhooks"),
    clone_of("POLAR", "https://docs.polar.sh/integrate/webhooks/delivery"),
    clone_of("RECALL", "https://docs.recall.ai"),
    clone_of("RENDER", "https://render.com/docs/webhooks"),
    clone_of(
        "REPLICATE",
        "https://replicate.com/docs/topics/webhooks/verify-webhook",
    ),
    clone_of(
        "RESEND",
        "https://resend.com/docs/dashboard/webhooks/verify-webhooks-requests",
    ),
    Provider::signed("STANDARD_WEBHOOKS", WEBHOOK, SPECIFICATION),
    Provider::signed("STANDARD_WEBHOOKS_V1A", WEBHOOK_A, SPECIFICATION).secret("public_key"),
    Provider::new("SVIX", EITHER, SVIX_DOCS),
];
