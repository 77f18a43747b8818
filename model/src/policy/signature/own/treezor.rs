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
use crate::tree::{Text, Tree};
use std::fmt::Write;

pub(in super::super) const WORDS: &str = "HMAC-SHA256 of the JSON field object_payload as PHP writes it, base64 in JSON \
    field object_payload_signature; nothing else is covered";

pub(in super::super) fn check(context: &Context<'_>) -> Checked {
    let missing = || Diagnosis::missing("JSON field object_payload or its signature");
    let envelope = context.facts.tree().ok_or_else(missing)?;
    let payload = envelope.key("object_payload").ok_or_else(missing)?;
    let signature = envelope
        .key("object_payload_signature")
        .and_then(Tree::as_str);
    let claimed = Encoding::Base64.decode(signature.ok_or_else(missing)?);
    let malformed = || Diagnosis::malformed("JSON field object_payload_signature");
    let claimed = [claimed.ok_or_else(malformed)?];
    let mut message = String::new();
    write(payload, &mut message);
    try_secrets(context, &claimed, |secret| {
        Ok(Digest::Sha256.hmac(secret.as_bytes()).map(|mut sum| {
            sum.update(message.as_bytes());
            sum.finish()
        }))
    })?
    .map(|place| Proven::by(Some(place)))
    .ok_or_else(|| Diagnosis::Mismatch.into())
}

/// Writes a value as PHP does. Numbers and the order of keys stay as they are.
fn write(tree: &Tree, out: &mut String) {
    match tree {
        Tree::Null => out.push_str("null"),
        Tree::Text(text) => write_string(text, out),
        Tree::List(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                comma(place, out);
                write(item, out);
            }
            out.push(']');
        }
        Tree::Object(members) => {
            out.push('{');
            for (place, (name, value)) in members.iter().enumerate() {
                comma(place, out);
                write_string(name, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
        scalar => out.push_str(scalar.as_text().unwrap_or_default()),
    }
}

fn comma(place: usize, out: &mut String) {
    if place > 0 {
        out.push(',');
    }
}

fn write_string(text: &Text, out: &mut String) {
    out.push('"');
    for unit in text.as_str().encode_utf16() {
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
        let tree = crate::tree::read(json.as_bytes()).expect("JSON");
        let mut written = String::new();
        write(&tree, &mut written);
        assert_eq!(written, php);
    }
}
