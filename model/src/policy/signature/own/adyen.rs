//! Adyen's standard notifications: each item of the body carries a signature over eight of its own fields.

use super::super::{
    Context,
    diagnosis::Diagnosis,
    digest::Digest,
    encoding::{Encoding, KeyForm},
    facts::json_text,
    proven::Proven,
    signed::{Checked, try_secrets},
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Items that a notification may hold.
const ITEMS_MAX: usize = 100;
/// In the order in which they are joined with colons; a missing one is empty.
const FIELDS: [&str; 8] = [
    "pspReference",
    "originalReference",
    "merchantAccountCode",
    "merchantReference",
    "amount.value",
    "amount.currency",
    "eventCode",
    "success",
];

#[derive(Deserialize)]
struct Notification<'a> {
    #[serde(borrow, rename = "notificationItems")]
    items: Vec<Item<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, rename = "NotificationRequestItem")]
    item: &'a RawValue,
}

pub(in super::super) const WORDS: &str = "HMAC-SHA256 of eight fields of each notification item, base64 in \
    additionalData.hmacSignature, key is the hex-decoded secret; nothing else is covered";

pub(in super::super) fn check(context: &Context<'_>) -> Checked {
    let malformed = || Diagnosis::malformed("body");
    let notification: Notification<'_> =
        serde_json::from_slice(context.facts.body).map_err(|_| malformed())?;
    if notification.items.is_empty() || notification.items.len() > ITEMS_MAX {
        return Err(malformed().into());
    }
    // An item that nobody signed would ride along with one that somebody did.
    let mut place = None;
    for item in &notification.items {
        place = Some(check_item(context, item.item.get())?);
    }
    Ok(Proven::by(place))
}

fn check_item(context: &Context<'_>, item: &str) -> Result<usize, Diagnosis> {
    const SIGNATURE: &str = "additionalData.hmacSignature";
    let signature = json_text(item, SIGNATURE);
    let signature =
        signature.ok_or_else(|| Diagnosis::missing(format!("JSON field {SIGNATURE}")))?;
    let claimed = Encoding::Base64.decode(&signature);
    let claimed = [claimed.ok_or_else(|| Diagnosis::malformed(format!("JSON field {SIGNATURE}")))?];
    let message = FIELDS
        .map(|path| json_text(item, path).unwrap_or_default())
        .join(":");
    try_secrets(context, &claimed, |secret| {
        let key = KeyForm::Hex.key(secret);
        Ok(key
            .and_then(|key| Digest::Sha256.hmac(&key))
            .map(|mut sum| {
                sum.update(message.as_bytes());
                sum.finish()
            }))
    })?
    .ok_or(Diagnosis::Mismatch)
}
