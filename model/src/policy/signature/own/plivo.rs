//! Plivo's third version: query and form are sorted, and how they are joined depends on which of them there are.

use super::super::{
    Context,
    diagnosis::Diagnosis,
    digest::Digest,
    encoding::Encoding,
    proven::Proven,
    signed::{Checked, try_secrets},
    template::{base_url, joined},
};
const SIGNATURE: &str = "x-plivo-signature-v3";
const CANDIDATES_MAX: usize = 16;

pub(in super::super) const WORDS: &str = "HMAC-SHA256 of URL, sorted query, sorted form and nonce, base64, several \
    between commas, in header x-plivo-signature-v3; nonce in header x-plivo-signature-v3-nonce";

pub(in super::super) fn check(context: &Context<'_>) -> Checked {
    let facts = context.facts;
    let claimed: Vec<Vec<u8>> = facts
        .header(SIGNATURE)?
        .split(',')
        .filter_map(|text| Encoding::Base64.decode(text.trim()))
        .take(CANDIDATES_MAX)
        .collect();
    if claimed.is_empty() {
        return Err(Diagnosis::malformed(format!("header {SIGNATURE}")).into());
    }
    let nonce = facts.header("x-plivo-signature-v3-nonce")?;
    let url = facts.url;
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let mut query: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    query.sort();
    let query: Vec<_> = query
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let form = if facts.record.method == "GET" {
        Vec::new()
    } else {
        facts.sorted_form()?
    };
    let mut message = base_url(url).to_owned();
    if !query.is_empty() || !form.is_empty() {
        message.push('?');
    }
    message.push_str(&query.join("&"));
    if !query.is_empty() && !form.is_empty() {
        message.push('.');
    }
    message.push_str(&joined(&form, facts.body.len()));
    message.push('.');
    message.push_str(nonce);
    try_secrets(context, &claimed, |secret| {
        Ok(Digest::Sha256.hmac(secret.as_bytes()).map(|mut sum| {
            sum.update(message.as_bytes());
            sum.finish()
        }))
    })?
    .map(|place| Proven::by(Some(place)).once(nonce.as_bytes().to_vec(), None))
    .ok_or_else(|| Diagnosis::Mismatch.into())
}
