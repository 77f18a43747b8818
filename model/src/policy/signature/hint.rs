//! Explanations of an HMAC that does not match, where that can be told: the usual mistakes are tried, and the one that
//! explains the signature is named. Only admins see it, and only a bounded body is looked at again.

use super::{
    Context,
    diagnosis::Diagnosis,
    digest::{Digest, Finished},
    encoding::KeyForm,
    signed::Message,
};
use crate::policy::document::Parsed;
use std::borrow::Cow;

/// Bodies beyond this are not looked at again: a flood of forgeries must stay cheap.
const BODY_MAX: usize = 64 * 1024;

/// The best explanation of a signature that no live secret fits.
pub(super) fn explain(
    message: &Message<'_>,
    digest: Digest,
    form: KeyForm,
    claimed: &[Vec<u8>],
) -> Diagnosis {
    let context = message.context;
    if context.facts.body.len() > BODY_MAX {
        return Diagnosis::Mismatch;
    }
    let fits = |sum: Result<Option<Finished>, Diagnosis>| matches!(sum, Ok(Some(sum)) if claimed.iter().any(|claimed| sum.is(claimed)));
    for (_, secret) in context.auth.live(context.facts.now) {
        for (other, words) in forms(form, secret) {
            if fits(message.hmac(digest, other.1, &other.0)) {
                return Diagnosis::SecretForm(words.to_owned());
            }
        }
        // White space changes no field.
        let bodies = match message.covers_body() {
            true => bodies(context.facts.body),
            false => Vec::new(),
        };
        for (body, words) in bodies {
            let parsed = Parsed::default();
            let facts = context.facts.with_body(&body, &parsed);
            let changed = Context {
                facts: &facts,
                ..*context
            };
            if fits(message.with(&changed).hmac(digest, form, secret)) {
                return Diagnosis::BodyChanged(words.to_owned());
            }
        }
    }
    Diagnosis::Mismatch
}

type Reading<'s> = ((Cow<'s, str>, KeyForm), &'static str);

/// The secret read in the other ways that people paste it.
fn forms(form: KeyForm, secret: &str) -> Vec<Reading<'_>> {
    let mut readings: Vec<Reading<'_>> = Vec::new();
    let trimmed = secret.trim();
    if trimmed != secret {
        readings.push((
            (trimmed.into(), form),
            "the secret without the white space around it",
        ));
    }
    for (other, words) in [
        (KeyForm::Utf8, "the secret taken as text"),
        (KeyForm::Whsec, "the secret decoded from base64"),
        (KeyForm::Hex, "the secret decoded from hex"),
    ] {
        if other != form {
            readings.push(((trimmed.into(), other), words));
        }
    }
    readings
}

/// The body before the usual changes on the way.
fn bodies(body: &[u8]) -> Vec<(Vec<u8>, &'static str)> {
    let mut bodies = vec![
        (
            [body, b"\n"].concat(),
            "the body with a line break at its end",
        ),
        (
            [body, b"\r\n"].concat(),
            "the body with a line break at its end",
        ),
    ];
    let without = body.trim_ascii();
    if without.len() < body.len() {
        bodies.push((
            without.to_vec(),
            "the body without the white space around it",
        ));
    }
    if let Some(compact) = compact_json(body) {
        bodies.push((compact, "the JSON without white space"));
    }
    bodies
}

/// A JSON text without white space between its tokens; none when that changes nothing or it isn't JSON.
fn compact_json(body: &[u8]) -> Option<Vec<u8>> {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).ok()?;
    let (mut quoted, mut escaped) = (false, false);
    let compact: Vec<u8> = body
        .iter()
        .copied()
        .filter(|byte| {
            let keep = quoted || !byte.is_ascii_whitespace();
            if escaped {
                escaped = false;
            } else if *byte == b'"' {
                quoted = !quoted;
            } else if quoted && *byte == b'\\' {
                escaped = true;
            }
            keep
        })
        .collect();
    (compact.len() < body.len()).then_some(compact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_inside_strings_stays() {
        let compact = compact_json(b"{ \"a b\" : [1, \"\\\" x\"] }\n").expect("shorter");
        assert_eq!(compact, b"{\"a b\":[1,\"\\\" x\"]}");
        assert_eq!(compact_json(b"{}"), None);
        assert_eq!(compact_json(b"not json "), None);
    }
}
