//! HubSpot's third version signs the URL with a documented set of percent-encodings undone.

use super::super::{
    Context,
    digest::Digest,
    encoding::{Encoding, KeyForm},
    facts::Facts,
    layout::{Layout, Place},
    signed::{Checked, Proof, Signed},
    stamp::{Stamp, StampPlace, Unit},
};

/// developers.hubspot.com, "Validating requests", version 3.
const DECODED: [(&str, &str); 12] = [
    ("%3A", ":"),
    ("%2F", "/"),
    ("%3F", "?"),
    ("%40", "@"),
    ("%21", "!"),
    ("%24", "$"),
    ("%27", "'"),
    ("%28", "("),
    ("%29", ")"),
    ("%2A", "*"),
    ("%2C", ","),
    ("%3B", ";"),
];

const SCHEME: Signed<'static> = Signed {
    at: Place::Header("x-hubspot-signature-v3"),
    layout: Layout::Plain,
    encoding: Encoding::Base64,
    proof: Proof::Hmac(Digest::Sha256, KeyForm::Utf8),
    message: "{method}{url}{body}{timestamp}",
    stamp: Some(Stamp::new(
        StampPlace::Header("x-hubspot-request-timestamp"),
        Unit::Millis,
        Some(300),
    )),
    once: None,
    requires: &[],
};

pub(in super::super) const WORDS: &str = "HMAC-SHA256 of `{method}{url}{body}{timestamp}`, base64 in header \
    x-hubspot-signature-v3; timestamp in header x-hubspot-request-timestamp (milliseconds), within 300 s";

pub(in super::super) fn check(context: &Context<'_>) -> Checked {
    let mut url = context.facts.url.to_owned();
    for (encoded, plain) in DECODED {
        url = url
            .replace(encoded, plain)
            .replace(&encoded.to_ascii_lowercase(), plain);
    }
    let facts = Facts {
        url: &url,
        ..*context.facts
    };
    SCHEME.check(&Context {
        facts: &facts,
        ..*context
    })
}
