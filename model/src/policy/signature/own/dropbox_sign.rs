//! Dropbox Sign posts a form whose field `json` holds the event; some libraries post the event itself.

use super::super::{
    Context,
    digest::Digest::Sha256,
    layout::Place,
    signed::{Checked, Signed},
};
use crate::policy::document::Parsed;

const SCHEME: Signed<'static> = Signed {
    at: Place::Json("event.event_hash"),
    message: "{json:event.event_time}{json:event.event_type}",
    ..Signed::body("", Sha256)
};

pub(in super::super) const WORDS: &str = "HMAC-SHA256 of `{event_time}{event_type}`, hex in event.event_hash, all in the \
    JSON of form field json or of the body; nothing else is covered";

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
