//! Form-encoded fields as an object of strings; the values of a repeated name are a list. What no text is keeps its bytes.

use crate::tree::{Gathered, Members, Text, Tree, VALUES_MAX, charset};

/// A form body in the charset that its content type tells; none when it has too many fields.
pub(crate) fn read(content_type: Option<&str>, body: &[u8]) -> Option<Tree> {
    fields(content_type, body, VALUES_MAX - 1).map(Tree::Object)
}

/// The fields, decoded; none when there are more than `most`.
pub(super) fn fields(content_type: Option<&str>, encoded: &[u8], most: usize) -> Option<Members> {
    let text = |encoded: Vec<u8>| Text::of_bytes(&charset::decoded_field(&encoded, content_type));
    let mut read = Gathered::default();
    for (place, (name, value)) in pairs(encoded).enumerate() {
        if place >= most {
            return None;
        }
        read.add(text(name), Tree::Text(text(value)));
    }
    Some(read.into())
}

/// Names and values as bytes.
pub(crate) fn pairs(encoded: &[u8]) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    let pairs = encoded.split(|byte| *byte == b'&');
    pairs.filter(|pair| !pair.is_empty()).map(|pair| {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let mut half = || unescaped(halves.next().unwrap_or_default(), true);
        (half(), half())
    })
}

/// Percent-encoded text as bytes; what is no escape stays.
pub(super) fn unescaped(text: &[u8], plus_is_space: bool) -> Vec<u8> {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match first {
            b'+' if plus_is_space => bytes.push(b' '),
            b'%' => match digit(behind.first()).zip(digit(behind.get(1))) {
                Some((high, low)) => {
                    bytes.push((high << 4 | low) as u8);
                    rest = &behind[2..];
                }
                None => bytes.push(b'%'),
            },
            other => bytes.push(*other),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn too_many_fields_are_no_structure() {
        assert_eq!(fields(None, b"a&b&c", 2), None);
        assert_eq!(fields(None, b"a&b", 2).map(|fields| fields.len()), Some(2));
    }

    #[test]
    fn a_charset_is_taken_at_its_word_and_other_bytes_are_told_apart() {
        let latin = "application/x-www-form-urlencoded; charset=iso-8859-1";
        let tree = read(Some(latin), b"name=Zw%F6lf+1").expect("a form");
        assert_eq!(tree.key("name"), Some(&Tree::text("Zw\u{f6}lf 1")));
        let odd = |body: &[u8]| read(None, body).expect("a form");
        assert_eq!(odd(b"a=%F6"), odd(b"a=\xf6"));
        assert_ne!(odd(b"a=%F6"), odd(b"a=%F7"));
        assert_eq!(
            odd(b"a=%F6").key("a").and_then(Tree::as_str),
            Some("\u{fffd}")
        );
    }

    proptest! {
        #[test]
        fn a_form_is_read_as_others_read_it(text in "[a&=+%4fF;\u{e9}]{0,24}", bytes: Vec<u8>) {
            for encoded in [text.as_bytes(), &bytes] {
                let lossy = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
                let ours: Vec<_> = pairs(encoded).map(|(name, value)| (lossy(name), lossy(value))).collect();
                let theirs: Vec<_> = form_urlencoded::parse(encoded).into_owned().collect();
                prop_assert_eq!(ours, theirs);
            }
        }
    }
}
