//! Validation of the headers that a transformation or a destination's configuration may set.

/// Headers of one hop, of the message's framing, and of who receives it.
const RESERVED: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "idempotency-key",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const RESERVED_PREFIXES: [&str; 3] = ["proxy-", "webhook-", "x-tidegate-"];
pub(super) const NAME_LEN_MAX: usize = 256;
pub(super) const VALUE_LEN_MAX: usize = 8192;
/// Headers that a message may have.
pub const HEADERS_MAX: usize = 100;

/// Checks the name of a header that is to be set.
///
/// # Errors
/// A sentence that says what was expected.
pub fn check_name(name: &str) -> Result<(), String> {
    if name.len() > NAME_LEN_MAX || !is_token(name) {
        return Err(format!(
            "expected a header's name of 1 to {NAME_LEN_MAX} letters, digits and signs such as - and _"
        ));
    }
    let lower = name.to_ascii_lowercase();
    let is_reserved = RESERVED.contains(&lower.as_str())
        || RESERVED_PREFIXES
            .iter()
            .any(|prefix| lower.starts_with(prefix));
    if is_reserved {
        return Err(format!(
            "the header {lower} is set by the gateway and can't be changed"
        ));
    }
    Ok(())
}

/// Whether a text is a word as HTTP's grammar knows it.
pub(super) fn is_token(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

/// Checks the value of a header that is to be set.
///
/// # Errors
/// A sentence that says what was expected.
pub fn check_value(value: &[u8]) -> Result<(), String> {
    if value.len() > VALUE_LEN_MAX {
        return Err(format!(
            "expected a header's value of at most {VALUE_LEN_MAX} bytes"
        ));
    }
    // A line break would start another header; what is not visible hides from whoever looks.
    if !value.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        return Err("expected a header's value of visible ASCII characters and spaces".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_the_gateway_sets_can_not_be_set() {
        for name in [
            "host",
            "Host",
            "CONTENT-LENGTH",
            "Webhook-Id",
            "webhook-signature",
            "X-Tidegate-Event-Id",
            "x-tidegate-anything",
            "Transfer-Encoding",
            "te",
            "Expect",
            "Proxy-Authorization",
            "Idempotency-Key",
        ] {
            let refused = check_name(name).expect_err(name);
            assert!(refused.contains("set by the gateway"), "{refused}");
        }
        for name in ["x-kind", "Authorization", "x_y", "webhook", "hostess"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "a b", "a:b", "a\r\nb", "é", &"x".repeat(257)] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_value_can_not_start_another_header() {
        for value in [
            "a\r\nx-evil: 1",
            "a\nb",
            "a\rb",
            "a\0",
            "\u{7f}",
            "\u{1b}[2J",
            "é",
        ] {
            assert!(check_value(value.as_bytes()).is_err(), "{value:?}");
        }
        assert_eq!(check_value(b"Bearer a.b; q=\"1\""), Ok(()));
        assert!(check_value(&[b'x'; VALUE_LEN_MAX + 1]).is_err());
    }

    proptest! {
        #[test]
        fn a_value_that_passes_is_one_line_of_visible_characters(value: Vec<u8>) {
            let is_visible = value.iter().all(|byte| (0x20..0x7f).contains(byte));
            prop_assert_eq!(check_value(&value).is_ok(), is_visible && value.len() <= VALUE_LEN_MAX);
        }
    }
}
