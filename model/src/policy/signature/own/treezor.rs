//! Treezor signs one field of the body as PHP's `json_encode` would write it: compact, in the order of its keys, with
//! escaped slashes and everything outside ASCII as `\u` and lower-case hex.

use super::super::{
    Context,
    diagnosis::Diagnosis,
    digest::Digest,
    encoding::Encoding,
    proven::Proven,
    signed::{Checked, try_secrets},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::fmt::Write;

pub(in super::super) const WORDS: &str = "HMAC-SHA256 of the JSON field object_payload as PHP writes it, base64 in JSON \
    field object_payload_signature; nothing else is covered";

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    object_payload: &'a RawValue,
    object_payload_signature: String,
}

pub(in super::super) fn check(context: &Context<'_>) -> Checked {
    let envelope: Envelope<'_> = serde_json::from_slice(context.facts.body)
        .map_err(|_| Diagnosis::missing("JSON field object_payload or its signature"))?;
    let claimed = Encoding::Base64.decode(&envelope.object_payload_signature);
    let malformed = || Diagnosis::malformed("JSON field object_payload_signature");
    let claimed = [claimed.ok_or_else(malformed)?];
    let message = as_php(envelope.object_payload.get());
    let message = message.ok_or_else(|| Diagnosis::malformed("JSON field object_payload"))?;
    try_secrets(context, &claimed, |secret| {
        Ok(Digest::Sha256.hmac(secret.as_bytes()).map(|mut sum| {
            sum.update(message.as_bytes());
            sum.finish()
        }))
    })?
    .map(|place| Proven::by(Some(place)))
    .ok_or_else(|| Diagnosis::Mismatch.into())
}

/// Rewrites valid JSON text. Numbers and the order of keys stay as they are.
fn as_php(json: &str) -> Option<String> {
    let mut out = String::with_capacity(json.len() * 2);
    let mut rest = json;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let end = string_end(rest)?;
            let text: String = serde_json::from_str(&rest[..end]).ok()?;
            write_string(&text, &mut out);
            rest = &rest[end..];
        } else {
            if !first.is_ascii_whitespace() {
                out.push(first);
            }
            rest = &rest[first.len_utf8()..];
        }
    }
    Some(out)
}

/// Where the string that the text begins with ends.
fn string_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for unit in text.encode_utf16() {
        match unit {
            0x22 => out.push_str("\\\""),
            0x5c => out.push_str("\\\\"),
            0x2f => out.push_str("\\/"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            0x0a => out.push_str("\\n"),
            0x0d => out.push_str("\\r"),
            0x09 => out.push_str("\\t"),
            0x20..=0x7f => out.push(char::from(unit as u8)),
            // Writing into a string can't fail.
            _ => write!(out, "\\u{unit:04x}").unwrap_or_default(),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_written_as_php_writes_it() {
        let json = r#"{ "b" : "a/b", "a": [ 1.50, "é\u00e9😀" , "\n\"" ], "e": [] }"#;
        let php = r#"{"b":"a\/b","a":[1.50,"\u00e9\u00e9\ud83d\ude00","\n\""],"e":[]}"#;
        assert_eq!(as_php(json).as_deref(), Some(php));
    }
}
