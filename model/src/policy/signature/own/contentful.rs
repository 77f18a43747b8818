//! Contentful: the request names the headers that it signs.

use super::super::{
    Context,
    diagnosis::Diagnosis,
    digest::Digest,
    encoding::Encoding,
    layout::Group,
    proven::Proven,
    signed::{Checked, try_secrets},
    stamp::{Stamp, StampPlace, Unit},
    template,
};
use std::fmt::Write;

const SIGNATURE: &str = "x-contentful-signature";
const SIGNED: &str = "x-contentful-signed-headers";
const TIMESTAMP: &str = "x-contentful-timestamp";
const HEADERS_MAX: usize = 32;

pub(in super::super) const WORDS: &str = "HMAC-SHA256 of method, path, the signed headers and the body, each on a line, \
    hex in header x-contentful-signature; timestamp in header x-contentful-timestamp (milliseconds), at most 30 s old";

pub(in super::super) fn check(context: &Context<'_>) -> Checked {
    let facts = context.facts;
    let malformed = || Diagnosis::malformed(format!("header {SIGNATURE}"));
    let claimed = [Encoding::Hex
        .decode(facts.header(SIGNATURE)?)
        .ok_or_else(malformed)?];
    let mut names: Vec<String> = facts
        .header(SIGNED)?
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    // What is not signed could be changed: the list and the time are always among it.
    let complete = [SIGNED, TIMESTAMP]
        .iter()
        .all(|must| names.iter().any(|name| name == must));
    if !complete || names.len() > HEADERS_MAX {
        return Err(Diagnosis::malformed(format!("header {SIGNED}")).into());
    }
    names.sort();
    names.dedup();
    let mut headers = Vec::with_capacity(names.len());
    for name in &names {
        headers.push(format!("{name}:{}", facts.header(name)?.trim()));
    }
    let path = encode_uri(template::path_and_query(facts.url));
    let head = format!("{}\n{path}\n{}\n", facts.record.method, headers.join(";"));
    let place = try_secrets(context, &claimed, |secret| {
        Ok(Digest::Sha256.hmac(secret.as_bytes()).map(|mut sum| {
            sum.update(head.as_bytes());
            sum.update(facts.body);
            sum.finish()
        }))
    })?;
    let place = place.ok_or(Diagnosis::Mismatch)?;
    let stamp = Stamp {
        at: StampPlace::Header(TIMESTAMP),
        unit: Unit::Millis,
        past_s: Some(context.auth.tolerance_s.unwrap_or(30)),
        ahead_s: None,
    };
    let text = stamp.text(facts, &Group::default())?;
    stamp.check(&text, facts)?;
    Ok(Proven::by(Some(place)))
}

/// What the sender signs of a path: the query escaped as a whole, then everything escaped again as `encodeURI` does, so
/// that the percent signs of both are doubled.
fn encode_uri(path: &str) -> String {
    let mut parts = path.split('?');
    let path = parts.next().unwrap_or_default();
    let mut encoded = escape(path, b";,/?:@&=+$-_.!~*'()#");
    if let Some(query) = parts.next().filter(|query| !query.is_empty()) {
        encoded.push('?');
        encoded.push_str(&escape(
            &escape(query, b"-_.!~*'()"),
            b";,/?:@&=+$-_.!~*'()#",
        ));
    }
    encoded
}

fn escape(text: &str, kept: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a string can't fail.
            write!(out, "%{byte:02X}").unwrap_or_default();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_escaped_twice() {
        assert_eq!(encode_uri("/a/b"), "/a/b");
        assert_eq!(encode_uri("/a?x=1&y=%20"), "/a?x%253D1%2526y%253D%252520");
    }
}
