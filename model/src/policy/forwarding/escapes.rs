//! Percent escapes as the most lenient receiver reads them.

/// Takes one layer of escapes off. What is no escape stays as it is. `%u002e` is what some servers read beside RFC 3986.
pub(super) fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if let Some(byte) = escaped_byte(rest) {
            plain.push(byte);
            at += 3;
        } else if let Some(character) = escaped_character(rest) {
            plain.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
            at += 6;
        } else {
            plain.push(text[at]);
            at += 1;
        }
    }
    plain
}

/// Takes off layer by layer, up to `layers`; none when there are more.
pub(super) fn fully_unescaped(text: &[u8], layers: usize) -> Option<Vec<u8>> {
    let mut known = text.to_vec();
    for _ in 0..=layers {
        let plain = unescaped(&known);
        if plain.len() == known.len() {
            return Some(known);
        }
        known = plain;
    }
    None
}

/// Whether every `%` has two hex digits behind it.
pub(super) fn are_sound(text: &[u8]) -> bool {
    let mut signs = text.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    signs.all(|(at, _)| escaped_byte(&text[at..]).is_some())
}

fn escaped_byte(text: &[u8]) -> Option<u8> {
    match text {
        [b'%', high, low, ..] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    }
}

fn escaped_character(text: &[u8]) -> Option<char> {
    let [b'%', b'u' | b'U', digits @ ..] = text else {
        return None;
    };
    let mut code = 0;
    for byte in digits.get(..4)? {
        code = code << 4 | u32::from(digit(*byte)?);
    }
    char::from_u32(code)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_comes_off_and_what_is_no_escape_stays() {
        for (text, plain) in [
            ("a%2Fb%2f", "a/b/"),
            ("%252e", "%2e"),
            ("%u002e%U002E", ".."),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%u00", "%u00"),
        ] {
            assert_eq!(unescaped(text.as_bytes()), plain.as_bytes(), "{text}");
        }
        assert!(
            are_sound(b"%2e") && !are_sound(b"%u002e") && !are_sound(b"%2") && !are_sound(b"%")
        );
    }

    #[test]
    fn layers_have_a_bound() {
        assert_eq!(fully_unescaped(b"%25252e", 3).as_deref(), Some(&b"."[..]));
        assert_eq!(fully_unescaped(b"%25252e", 2), None);
        assert_eq!(fully_unescaped(b".", 0).as_deref(), Some(&b"."[..]));
    }
}
