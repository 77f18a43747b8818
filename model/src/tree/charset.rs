//! The characters of a body: what its byte order mark says, or the `charset` of its content type, or UTF-8.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use std::borrow::Cow;

/// A body as UTF-8, without a byte order mark. One that is taken for UTF-8 stays as it is, also where it is none; one in
/// another charset that does not fit it has U+FFFD, and half a surrogate pair of UTF-16 is escaped as JSON does it.
#[must_use]
pub fn decoded<'b>(body: &'b [u8], content_type: Option<&str>) -> Cow<'b, [u8]> {
    match Encoding::for_bom(body) {
        Some((encoding, mark)) => decoded_as(encoding, &body[mark..]),
        None => decoded_field(body, content_type),
    }
}

/// Decodes a part of a body, which has no byte order mark of its own.
pub(crate) fn decoded_field<'b>(field: &'b [u8], content_type: Option<&str>) -> Cow<'b, [u8]> {
    let label = content_type.and_then(|value| parameter(value, "charset"));
    // A name that nobody knows means nothing.
    match label.and_then(|label| Encoding::for_label(label.as_bytes())) {
        // Without a mark its order is told by where the zeros are.
        Some(utf16) if utf16 == UTF_16LE && field.first() == Some(&0) => {
            decoded_as(UTF_16BE, field)
        }
        Some(encoding) => decoded_as(encoding, field),
        None => field.into(),
    }
}

fn decoded_as<'b>(encoding: &'static Encoding, body: &'b [u8]) -> Cow<'b, [u8]> {
    if encoding == UTF_8 {
        return body.into();
    }
    let text = match encoding {
        utf16 if utf16 == UTF_16LE => units(body, u16::from_le_bytes),
        utf16 if utf16 == UTF_16BE => units(body, u16::from_be_bytes),
        other => other.decode_without_bom_handling(body).0.into_owned(),
    };
    Cow::Owned(text.into_bytes())
}

/// Text of UTF-16.
fn units(body: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let pairs = body.chunks(2);
    let units = pairs.map(|pair| match *pair {
        [one, other] => unit([one, other]),
        // An end that is cut off is no character.
        _ => 0xfffd,
    });
    let mut text = String::with_capacity(body.len());
    for character in char::decode_utf16(units) {
        match character {
            Ok(character) => text.push(character),
            Err(half) => text.push_str(&format!("\\u{:04x}", half.unpaired_surrogate())),
        }
    }
    text
}

/// The text behind the mark that some editors and senders begin with.
pub(super) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// A content type for the same body written as UTF-8; none where it says that already, or nothing.
#[must_use]
pub fn as_utf8(content_type: &str) -> Option<String> {
    let label = parameter(content_type, "charset")?;
    if Encoding::for_label(label.as_bytes()) == Some(UTF_8) {
        return None;
    }
    let is_charset = |part: &&str| {
        let name = part.split('=').next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("charset")
    };
    let kept = content_type.split(';').filter(|part| !is_charset(part));
    let kept: Vec<&str> = kept.map(str::trim).collect();
    Some(format!("{}; charset=utf-8", kept.join("; ")))
}

/// A parameter of a content type or a disposition, without its quotes. Backslashes escape within quotes.
pub(crate) fn parameter(value: &str, name: &str) -> Option<String> {
    parameters(value)
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// The parameters behind the first semicolon, in their order.
pub(crate) fn parameters(value: &str) -> impl Iterator<Item = (&str, String)> {
    let mut rest = value.split_once(';').map_or("", |(_, rest)| rest);
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start_matches([' ', '\t', ';']);
            if rest.is_empty() {
                return None;
            }
            let end = rest.find(['=', ';']).unwrap_or(rest.len());
            let (name, behind) = rest.split_at(end);
            let Some(given) = behind.strip_prefix('=') else {
                // A word without a value.
                rest = behind;
                continue;
            };
            let given = given.trim_start_matches([' ', '\t']);
            let (value, behind) = match given.strip_prefix('"') {
                Some(quoted) => unquoted(quoted),
                None => {
                    let (value, behind) = given.split_at(given.find(';').unwrap_or(given.len()));
                    (value.trim().trim_matches('\'').to_owned(), behind)
                }
            };
            rest = behind;
            return Some((name.trim(), value));
        }
    })
}

/// The text up to the closing quote, and what is behind that.
fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &text[at + 1..]),
            // Some write a file's whole Windows path: only what must be escaped is.
            '\\' => match text[at + 1..].chars().next() {
                Some(escaped @ ('"' | '\\')) => {
                    value.push(escaped);
                    characters.next();
                }
                _ => value.push('\\'),
            },
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(body: &[u8], content_type: &str) -> String {
        String::from_utf8_lossy(&decoded(body, Some(content_type))).into_owned()
    }

    fn utf16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(order).collect()
    }

    #[test]
    fn a_charset_is_taken_at_its_word_and_a_mark_before_it() {
        let latin = b"{\"name\":\"Zw\xf6lf\"}";
        for charset in [
            "iso-8859-1",
            "ISO-8859-1",
            "\"latin1\"",
            "'windows-1252'",
            " latin1 ",
        ] {
            let kind = format!("application/json; a=\"x;charset=utf-8\"; Charset={charset}; b=c");
            assert_eq!(text(latin, &kind), "{\"name\":\"Zwölf\"}", "{charset}");
        }
        let json = "{\"a\":\"😀é\"}";
        for (bytes, charset) in [
            (utf16(json, u16::to_le_bytes), "utf-16le"),
            (utf16(json, u16::to_be_bytes), "utf-16be"),
            (utf16(json, u16::to_le_bytes), "utf-16"),
            (utf16(json, u16::to_be_bytes), "utf-16"),
            (
                utf16(&format!("\u{feff}{json}"), u16::to_be_bytes),
                "utf-16",
            ),
            (
                utf16(&format!("\u{feff}{json}"), u16::to_le_bytes),
                "latin1",
            ),
            (format!("\u{feff}{json}").into_bytes(), "latin1"),
            (json.as_bytes().to_vec(), "utf8"),
            (json.as_bytes().to_vec(), "no-such-charset"),
        ] {
            assert_eq!(
                text(&bytes, &format!("application/json;charset={charset}")),
                json,
                "{charset}"
            );
        }
        assert_eq!(decoded(latin, None), &latin[..], "nothing says otherwise");
    }

    #[test]
    fn half_a_pair_of_utf16_is_escaped() {
        let units = [u16::from(b'"'), 0xd83d, u16::from(b'"')];
        let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        assert_eq!(text(&bytes, "a/b; charset=utf-16le"), r#""\ud83d""#);
    }

    #[test]
    fn what_is_written_anew_says_utf8() {
        assert_eq!(
            as_utf8("application/json; charset=latin1; v=1").as_deref(),
            Some("application/json; v=1; charset=utf-8")
        );
        assert_eq!(as_utf8("application/json; charset=UTF-8"), None);
        assert_eq!(as_utf8("application/json"), None);
    }

    #[test]
    fn parameters_have_quotes_and_none() {
        let given = r#"form-data; name="a \"b\";c"; filename="C:\dir\x.txt";x; y = z ; w='v'"#;
        let read: Vec<(String, String)> =
            parameters(given).map(|(n, v)| (n.to_owned(), v)).collect();
        let expected = [
            ("name", "a \"b\";c"),
            ("filename", r"C:\dir\x.txt"),
            ("y", "z"),
            ("w", "v"),
        ];
        assert_eq!(read, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    proptest! {
        #[test]
        fn no_body_and_no_type_make_it_panic(body: Vec<u8>, kind in "[a-z/;= \"\\\\']{0,20}", charset in "(utf-16|utf-16le|gb18030|iso-2022-jp|)") {
            let _ = decoded(&body, Some(&format!("{kind};charset={charset}")));
            let _ = as_utf8(&kind);
        }
    }
}
