//! Headers that senders document as their own, though they begin as a family's do: they go on from sources of that type.

/// The type of a source, and the headers of its sender. A `*` stands for any end.
const OWN: &[(&str, &[&str])] = &[
    // https://docs.aws.amazon.com/sns/latest/dg/http-header.html
    ("AWS_SNS", &["x-amz-sns-*"]),
    // https://developers.google.com/workspace/calendar/api/guides/push
    (
        "GOOGLE_PUSH",
        &[
            "x-goog-channel-*",
            "x-goog-message-*",
            "x-goog-resource-*",
            "x-goog-changed",
        ],
    ),
    // https://vercel.com/docs/webhooks/webhooks-api
    ("VERCEL", &["x-vercel-signature"]),
    // https://vercel.com/docs/drains/security
    (
        "VERCEL_LOG_DRAINS",
        &["x-vercel-signature", "x-vercel-verify"],
    ),
];

/// The own headers of a scheme's sender.
pub(super) fn own(scheme: &str) -> impl Iterator<Item = &'static str> {
    let rows = OWN.iter().filter(move |(known, _)| *known == scheme);
    rows.flat_map(|(_, names)| names.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::signature::registry;

    #[test]
    fn every_row_is_a_type_of_the_registry() {
        for (scheme, names) in OWN {
            assert!(registry::find(scheme).is_some(), "{scheme}");
            assert!(own(scheme).eq(names.iter().copied()));
        }
        assert_eq!(own("WEBHOOK").count(), 0);
    }
}
