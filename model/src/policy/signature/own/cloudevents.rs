//! CloudEvents over HTTP: the sender shows a token (web hooks, section 3), and the event is in one of three modes (HTTP
//! binding, section 3).

use super::super::{Context, diagnosis::Diagnosis, layout::Place, shared::Token, signed::Checked};
use serde_json::{Map, Value};

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
        let batch: Vec<Map<String, Value>> = read(facts.body)?;
        batch.iter().try_for_each(check_event)?;
    } else if kind.starts_with("application/cloudevents") {
        check_event(&read(facts.body)?)?;
    } else {
        for name in REQUIRED {
            facts.header(&format!("ce-{name}"))?;
        }
    }
    Ok(place)
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Diagnosis> {
    serde_json::from_slice(body).map_err(|_| Diagnosis::malformed("body"))
}

fn check_event(event: &Map<String, Value>) -> Result<(), Diagnosis> {
    for name in REQUIRED {
        let given = event
            .get(name)
            .and_then(Value::as_str)
            .is_some_and(|text| !text.is_empty());
        if !given {
            return Err(Diagnosis::missing(format!("JSON field {name}")));
        }
    }
    Ok(())
}
