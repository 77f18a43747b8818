//! Hook0, by which Coinbase's platform sends: the newer signature covers headers that it names itself.

use super::super::{
    Context,
    diagnosis::Diagnosis,
    digest::Digest,
    encoding::Encoding,
    layout::{Layout, Place},
    proven::Proven,
    signed::{Checked, Signed, try_secrets},
    stamp::{Stamp, StampPlace, Unit},
};

const HEADER: &str = "x-hook0-signature";
const HEADERS_MAX: usize = 32;
const TOLERANCE_S: u32 = 300;

const V1: Layout<'static> = elements("v1");

const V0: Signed<'static> = Signed {
    layout: elements("v0"),
    message: "{timestamp}.{body}",
    stamp: Some(Stamp::new(
        StampPlace::Pair("t"),
        Unit::Seconds,
        Some(TOLERANCE_S),
    )),
    ..Signed::body(HEADER, Digest::Sha256)
};

pub(in super::super) const WORDS: &str = "HMAC-SHA256 of `{timestamp}.` with the names in element h, the values of \
    those headers and the body, joined with dots, hex in header x-hook0-signature, `…,v1=…`; without v1 of \
    `{timestamp}.{body}`, `…,v0=…`; timestamp in element t (seconds), within 300 s";

/// The names of the signed headers stand between spaces, so only commas separate.
const fn elements(name: &'static str) -> Layout<'static> {
    Layout::Pairs {
        separators: ",",
        name,
        sets: None,
    }
}

pub(in super::super) fn check(context: &Context<'_>) -> Checked {
    let facts = context.facts;
    let at = Place::Header(context.auth.field("header_key").unwrap_or(HEADER));
    let malformed = || Diagnosis::malformed(at.words());
    let values = at.values(facts)?;
    let groups = V1.read(values.first().ok_or_else(malformed)?);
    let group = groups.first().ok_or_else(malformed)?;
    if group.candidates.is_empty() {
        return V0.check(context);
    }
    let decoded = group
        .candidates
        .iter()
        .map(|text| Encoding::Hex.decode(text));
    let claimed: Option<Vec<Vec<u8>>> = decoded.collect();
    let claimed = claimed.ok_or_else(malformed)?;
    let stamp = Stamp::new(
        StampPlace::Pair("t"),
        Unit::Seconds,
        Some(context.auth.tolerance_s.unwrap_or(TOLERANCE_S)),
    );
    let time = stamp.text(facts, group)?;
    let lost = || Diagnosis::missing("element h of the signature");
    let names = group.pair("h")?.ok_or_else(lost)?;
    let listed: Vec<&str> = names.split(' ').filter(|name| !name.is_empty()).collect();
    if listed.len() > HEADERS_MAX {
        return Err(malformed().into());
    }
    let mut headers = Vec::with_capacity(listed.len());
    for name in listed {
        headers.push(facts.header(name)?);
    }
    let head = format!("{time}.{names}.{}.", headers.join("."));
    let place = try_secrets(context, &claimed, |secret| {
        Ok(Digest::Sha256.hmac(secret.as_bytes()).map(|mut sum| {
            sum.update(head.as_bytes());
            sum.update(facts.body);
            sum.finish()
        }))
    })?;
    let place = place.ok_or(Diagnosis::Mismatch)?;
    stamp.check(&time, facts)?;
    Ok(Proven::by(Some(place)))
}
