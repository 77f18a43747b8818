//! Microsoft Graph and SharePoint: every notification of the body repeats the `clientState` that the subscription was
//! made with.

use super::super::{Context, diagnosis::Diagnosis, proven::Proven, shared, signed::Checked};
use crate::tree::Tree;

pub(in super::super) const WORDS: &str =
    "the secret itself as clientState in every element of value[]; the body is not covered";

pub(in super::super) fn check(context: &Context<'_>) -> Checked {
    let body = context.facts.tree();
    let body = body.ok_or_else(|| Diagnosis::malformed("body"))?;
    let elements = match body.key("value") {
        Some(Tree::List(elements)) if !elements.is_empty() => elements,
        _ => return Err(Diagnosis::missing("JSON field value").into()),
    };
    let mut place = None;
    for element in elements {
        let state = element.key("clientState").and_then(Tree::as_str);
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
