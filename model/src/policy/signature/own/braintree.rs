//! Braintree: a form of a payload and of pairs `public key|signature`, of which only ours counts.

use super::super::{
    Context,
    diagnosis::Diagnosis,
    digest::Digest,
    encoding::{Encoding, KeyForm},
    proven::Proven,
    signed::{Checked, try_secrets},
};

pub(in super::super) const WORDS: &str = "HMAC-SHA1 of the form field bt_payload, hex behind our public key in the \
    form field bt_signature, key is the SHA-1 of the private key";

pub(in super::super) fn check(context: &Context<'_>) -> Checked {
    let signatures = context.facts.form_field("bt_signature")?;
    let payload = context.facts.form_field("bt_payload")?;
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"+=/\n".contains(&b);
    if payload.is_empty() || !payload.bytes().all(legal) {
        return Err(Diagnosis::malformed("form field bt_payload").into());
    }
    let unfinished = || Diagnosis::Unfinished("config.auth.public_key is missing".into());
    let ours = context.auth.field("public_key").ok_or_else(unfinished)?;
    let claimed: Vec<Vec<u8>> = signatures
        .split('&')
        .filter_map(|pair| pair.split_once('|'))
        .filter(|(public, _)| *public == ours)
        .filter_map(|(_, signature)| Encoding::Hex.decode(signature))
        .take(4)
        .collect();
    if claimed.is_empty() {
        return Err(Diagnosis::missing("signature for our public key").into());
    }
    // The form encoding may have lost the payload's last line break.
    let mut found = None;
    for end in ["", "\n"] {
        let place = try_secrets(context, &claimed, |secret| {
            let key = KeyForm::Sha1.key(secret);
            Ok(key.and_then(|key| Digest::Sha1.hmac(&key)).map(|mut sum| {
                sum.update(payload.as_bytes());
                sum.update(end.as_bytes());
                sum.finish()
            }))
        })?;
        found = found.or(place);
    }
    found
        .map(|place| Proven::by(Some(place)))
        .ok_or_else(|| Diagnosis::Mismatch.into())
}
