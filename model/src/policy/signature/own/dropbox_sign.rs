//! Dropbox Sign posts a form whose field `json` holds the event; some libraries post the event itself.

use super::super::{
    Context,
    digest::Digest::Sha256,
    layout::Place,
    signed::{Checked, Signed},
    stamp::{Stamp, StampPlace, Unit},
};
use crate::policy::document::Parsed;

const SCHEME: Signed<'static> = Signed {
    at: Place::Json("event.event_hash"),
    message: "{timestamp}{json:event.event_type}",
    // It tries again for some three days.
    stamp: Some(Stamp::new(
        StampPlace::Json("event.event_time"),
        Unit::Seconds,
        Some(3 * 24 * 3600),
    )),
    ..Signed::body("", Sha256)
};

pub(in super::super) const WORDS: &str = "HMAC-SHA256 of `{event_time}{event_type}`, hex in event.event_hash, all in the \
    JSON of form field json or of the body; nothing else is covered; at most three days old";

pub(in super::super) fn check(context: &Context<'_>) -> Checked {
    if !context.facts.has_fields() {
        return SCHEME.check(context);
    }
    let event = context.facts.form_field("json")?;
    let parsed = Parsed::default();
    let facts = context.facts.with_body(event.as_bytes(), &parsed);
    SCHEME.check(&Context {
        facts: &facts,
        ..*context
    })
}
