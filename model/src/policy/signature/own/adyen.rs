//! Adyen's standard notifications: each item of the body carries a signature over eight of its own fields.

use super::super::{
    Context,
    diagnosis::Diagnosis,
    digest::Digest,
    encoding::{Encoding, KeyForm},
    facts::text_at,
    proven::Proven,
    signed::{Checked, try_secrets},
};
use crate::tree::Tree;

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

pub(in super::super) const WORDS: &str = "HMAC-SHA256 of eight fields of each notification item, base64 in \
    additionalData.hmacSignature, key is the hex-decoded secret; nothing else is covered";

pub(in super::super) fn check(context: &Context<'_>) -> Checked {
    let malformed = || Diagnosis::malformed("body");
    let items = context
        .facts
        .tree()
        .and_then(|tree| tree.key("notificationItems"));
    let Some(Tree::List(items)) = items else {
        return Err(malformed().into());
    };
    if items.is_empty() || items.len() > ITEMS_MAX {
        return Err(malformed().into());
    }
    // An item that nobody signed would ride along with one that somebody did.
    let mut place = None;
    for item in items {
        let item = item.key("NotificationRequestItem").ok_or_else(malformed)?;
        place = Some(check_item(context, item)?);
    }
    Ok(Proven::by(place))
}

fn check_item(context: &Context<'_>, item: &Tree) -> Result<usize, Diagnosis> {
    const SIGNATURE: &str = "additionalData.hmacSignature";
    let signature = text_at(item, SIGNATURE);
    let signature =
        signature.ok_or_else(|| Diagnosis::missing(format!("JSON field {SIGNATURE}")))?;
    let claimed = Encoding::Base64.decode(signature);
    let claimed = [claimed.ok_or_else(|| Diagnosis::malformed(format!("JSON field {SIGNATURE}")))?];
    let message = FIELDS
        .map(|path| text_at(item, path).unwrap_or_default())
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
