//! Strava signs nothing: all that an event shows is the id of its subscription.

use super::super::{Context, diagnosis::Diagnosis, proven::Proven, signed::Checked};

pub(in super::super) const WORDS: &str = "JSON field subscription_id equals the configured one; nothing is signed, so use a source of its own";

pub(in super::super) fn check(context: &Context<'_>) -> Checked {
    // The id is known only after the handshake, so the source is made without it.
    let unfinished = || Diagnosis::Unfinished("config.auth.subscription_id is missing".into());
    let expected = context
        .auth
        .field("subscription_id")
        .ok_or_else(unfinished)?;
    if context.facts.json_required("subscription_id")? == expected {
        Ok(Proven::default())
    } else {
        Err(Diagnosis::Unexpected("JSON field subscription_id".into()).into())
    }
}
