//! CloudEvents over HTTP: the sender shows a token (web hooks, section 3), and the event is in one of three modes (HTTP
//! binding, section 3).

use super::super::{Context, diagnosis::Diagnosis, layout::Place, shared::Token, signed::Checked};
use crate::tree::Tree;

const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];

pub(in super::super) const WORDS: &str = "the secret itself as bearer token or in the query field access_token; the \
    event in structured, binary or batched mode; the body is not covered";

pub(in super::super) fn check(context: &Context<'_>) -> Checked {
    let facts = context.facts;
    let token = if facts.has_header("authorization") {
        Token {
            at: Place::Header("authorization"),
            prefix: "Bearer ",
        }
    } else {
        Token {
            at: Place::Query("access_token"),
            prefix: "",
        }
    };
    let place = token.check(context)?;
    let kind = facts
        .header_if_any("content-type")?
        .unwrap_or_default()
        .to_ascii_lowercase();
    if kind.starts_with("application/cloudevents-batch") {
        let Some(Tree::List(batch)) = facts.tree() else {
            return Err(malformed().into());
        };
        batch.iter().try_for_each(check_event)?;
    } else if kind.starts_with("application/cloudevents") {
        check_event(facts.tree().ok_or_else(malformed)?)?;
    } else {
        for name in REQUIRED {
            facts.header(&format!("ce-{name}"))?;
        }
    }
    Ok(place)
}

fn malformed() -> Diagnosis {
    Diagnosis::malformed("body")
}

fn check_event(event: &Tree) -> Result<(), Diagnosis> {
    if !matches!(event, Tree::Object(_)) {
        return Err(malformed());
    }
    for name in REQUIRED {
        let given = event.key(name).and_then(Tree::as_str);
        if given.is_none_or(str::is_empty) {
            return Err(Diagnosis::missing(format!("JSON field {name}")));
        }
    }
    Ok(())
}
