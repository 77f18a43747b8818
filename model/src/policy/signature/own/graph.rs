//! Microsoft Graph and SharePoint: every notification of the body repeats the `clientState` that the subscription was
//! made with.

use super::super::{Context, diagnosis::Diagnosis, proven::Proven, shared, signed::Checked};
use serde_json::Value;

pub(in super::super) const WORDS: &str =
    "the secret itself as clientState in every element of value[]; the body is not covered";

pub(in super::super) fn check(context: &Context<'_>) -> Checked {
    let body: Value =
        serde_json::from_slice(context.facts.body).map_err(|_| Diagnosis::malformed("body"))?;
    let elements = body
        .get("value")
        .and_then(Value::as_array)
        .filter(|list| !list.is_empty());
    let elements = elements.ok_or_else(|| Diagnosis::missing("JSON field value"))?;
    let mut place = None;
    for element in elements {
        let state = element.get("clientState").and_then(Value::as_str);
        let state = state.ok_or_else(|| Diagnosis::missing("JSON field clientState"))?;
        place = shared::same(context, state.as_bytes(), |secret| {
            Some(secret.as_bytes().to_vec())
        })?;
        if place.is_none() {
            return Err(Diagnosis::Unexpected("JSON field clientState".into()).into());
        }
    }
    Ok(Proven::by(place))
}
