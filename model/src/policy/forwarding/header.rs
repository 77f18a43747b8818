//! Headers: names that a server may take for the same, and those that never go on.

use crate::policy::transform::check_header_name;

/// Names that a destination may open.
pub const OPENED_MAX: usize = 50;

/// Headers of one hop and of the message's framing, and those that we set ourselves. Folded names; no option opens them.
const NEVER: [&str; 19] = [
    // What encodings we can read is between us and the receiver.
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "idempotency-key",
    "keep-alive",
    "max-forwards",
    "proxy",
    "proxy-connection",
    "set-cookie",
    "set-cookie2",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-tidegate",
];
const NEVER_BEGINS: [&str; 3] = ["proxy-", "webhook-", "x-tidegate-"];

/// Headers that servers read by names of their own: another spelling of one would stand in for it.
const READ_BY_SERVERS: [&str; 8] = [
    "accept",
    "content-encoding",
    "content-language",
    "content-type",
    "date",
    "origin",
    "referer",
    "user-agent",
];

/// The folded form of a header's name: one spelling for all that a server may take for one variable (`X_Team`,
/// `x.team`, `x-team`).
#[must_use]
pub fn folded(name: &str) -> String {
    name.chars()
        .map(|sign| match sign.is_ascii_alphanumeric() {
            true => sign.to_ascii_lowercase(),
            false => '-',
        })
        .collect()
}

/// Whether a header stays here whatever an option says. `connection` is the value of the `Connection` header, which may
/// name more headers that are meant for one hop.
pub(super) fn is_for_one_hop(name: &str, folded: &str, connection: &[u8]) -> bool {
    let named = connection
        .split(|byte| *byte == b',')
        .any(|listed| listed.trim_ascii().eq_ignore_ascii_case(name.as_bytes()));
    let disguised = folded != name && READ_BY_SERVERS.contains(&folded);
    named || disguised || is_never(folded)
}

fn is_never(folded: &str) -> bool {
    NEVER.contains(&folded) || NEVER_BEGINS.iter().any(|begin| folded.starts_with(begin))
}

/// Checks what an admin opens: the name of a header, or the beginning of several with `*` behind it.
///
/// # Errors
/// A sentence that says what was expected.
pub fn check_opened(pattern: &str) -> Result<(), String> {
    let name = pattern.strip_suffix('*').unwrap_or(pattern);
    if pattern.ends_with('*') && name.len() < 3 {
        return Err("expected at least three signs before the *".into());
    }
    check_header_name(name)?;
    if name.contains('*') {
        return Err("expected * at the end and nowhere else".into());
    }
    if is_never(&folded(name)) {
        return Err(format!(
            "the header {} is for one hop, or set by the gateway: it never goes on",
            name.to_ascii_lowercase()
        ));
    }
    Ok(())
}

/// Whether a folded name is among what an admin opened.
pub(super) fn is_opened(opened: &[String], folded_name: &str) -> bool {
    opened
        .iter()
        .any(|pattern| match pattern.strip_suffix('*') {
            Some(begin) => folded_name.starts_with(&folded(begin)),
            None => folded_name == folded(pattern),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admin_opens_names_and_beginnings_but_nothing_of_one_hop() {
        for pattern in ["x-forwarded-for", "X-MS-*", "authorization", "cf-ray"] {
            assert_eq!(check_opened(pattern), Ok(()), "{pattern}");
        }
        for pattern in [
            "",
            "*",
            "x-*x",
            "ab*",
            "a b",
            "host",
            "Connection",
            "te",
            "webhook-id",
            "x-tidegate-a",
            "proxy-authorization",
            "transfer_encoding",
            "max-forwards",
            "proxy",
            "webhook-*",
        ] {
            assert!(check_opened(pattern).is_err(), "{pattern}");
        }
        let opened = ["X-MS-*".to_owned(), "cf-ray".to_owned()];
        for (name, is) in [
            ("x-ms-a", true),
            ("cf-ray", true),
            ("cf-ray-b", false),
            ("x-msa", false),
        ] {
            assert_eq!(is_opened(&opened, name), is, "{name}");
        }
    }
}
