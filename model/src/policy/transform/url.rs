//! Paths and queries: what is put into them is escaped, what they already hold stays as it is written.

use crate::policy::forwarding;
use std::fmt::Write;

pub(super) const PATH_LEN_MAX: usize = 4096;
pub(super) const QUERY_LEN_MAX: usize = 8192;

/// Escapes a text so that it is part of one path segment, whatever it holds.
pub(super) fn escape_segment(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

/// Checks a path as it would be sent.
///
/// # Errors
/// A sentence that says what was expected.
pub fn check_path(path: &str) -> Result<(), String> {
    if path.is_empty() {
        return Ok(());
    }
    if path.len() > PATH_LEN_MAX {
        return Err(format!("expected a path of at most {PATH_LEN_MAX} bytes"));
    }
    // Receivers resolve dots, escaped or not, and would find themselves elsewhere.
    forwarding::check_path(path)?;
    check_characters(path, "?#")
}

/// Checks a query as it would be sent.
///
/// # Errors
/// A sentence that says what was expected.
pub fn check_query(query: &str) -> Result<(), String> {
    if query.len() > QUERY_LEN_MAX {
        return Err(format!("expected a query of at most {QUERY_LEN_MAX} bytes"));
    }
    check_characters(query, "#")
}

fn check_characters(text: &str, delimiters: &str) -> Result<(), String> {
    let is_bad = |byte: u8| {
        !byte.is_ascii_graphic()
            || b"\"<>\\^`{|}".contains(&byte)
            || delimiters.as_bytes().contains(&byte)
    };
    match text.bytes().position(is_bad) {
        Some(at) => Err(format!(
            "expected visible characters of a URL, escaped where need be; byte {at} is none"
        )),
        None => Ok(()),
    }
}

/// The values of a query's parameter, decoded.
pub(super) fn parameter(query: &str, name: &str) -> Vec<String> {
    form_urlencoded::parse(query.as_bytes())
        .filter(|(known, _)| known == name)
        .map(|(_, value)| value.into_owned())
        .collect()
}

/// The query with a parameter set to one value, at the place of its first; the others as they were written.
pub(super) fn with_parameter(query: &str, name: &str, value: &str) -> String {
    let mut pairs: Vec<&str> = parts(query).collect();
    let written = form_urlencoded::Serializer::new(String::new())
        .append_pair(name, value)
        .finish();
    let place = pairs.iter().position(|pair| is_named(pair, name));
    pairs.retain(|pair| !is_named(pair, name));
    pairs.insert(place.unwrap_or(pairs.len()), &written);
    pairs.join("&")
}

/// The query without a parameter.
pub(super) fn without_parameter(query: &str, name: &str) -> String {
    if !parts(query).any(|pair| is_named(pair, name)) {
        return query.to_owned();
    }
    let kept: Vec<&str> = parts(query).filter(|pair| !is_named(pair, name)).collect();
    kept.join("&")
}

fn parts(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').filter(|pair| !pair.is_empty())
}

fn is_named(pair: &str, name: &str) -> bool {
    form_urlencoded::parse(pair.as_bytes()).any(|(known, _)| known == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn escaped(text: &str) -> String {
        let mut out = String::new();
        escape_segment(text, &mut out);
        out
    }

    #[test]
    fn a_value_stays_within_its_segment() {
        assert_eq!(escaped("a/b?c#d é%"), "a%2Fb%3Fc%23d%20%C3%A9%25");
        assert_eq!(escaped("A-z_0.9~"), "A-z_0.9~");
    }

    #[test]
    fn a_path_leads_where_it_says() {
        for path in ["", "/", "/a/b-c", "/a%20b", "/.hidden/a..b", "/a//b"] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
        for path in [
            "a",
            "/..",
            "/a/../b",
            "/./a",
            "/%2e%2E/a",
            "/.%2e",
            "/a?b",
            "/a#b",
            "/a b",
            "/a\r\n",
            "/é",
            "/a\\b",
        ] {
            assert!(check_path(path).is_err(), "{path:?}");
        }
        assert!(check_path(&format!("/{}", "a".repeat(PATH_LEN_MAX))).is_err());
    }

    #[test]
    fn one_parameter_is_set_and_the_others_stay_as_they_were_written() {
        for (query, after) in [
            ("", "k=1%262"),
            ("a=%41&b", "a=%41&b&k=1%262"),
            ("a=1&k=0&b=%20&k=9", "a=1&k=1%262&b=%20"),
            ("%6b=0", "k=1%262"),
        ] {
            assert_eq!(with_parameter(query, "k", "1&2"), after, "{query}");
        }
        assert_eq!(without_parameter("a=1&k=0&b=+&%6b", "k"), "a=1&b=+");
        assert_eq!(without_parameter("a&&b", "k"), "a&&b");
        assert_eq!(parameter("k=a+b&k=%26&j=1", "k"), ["a b", "&"]);
    }

    proptest! {
        #[test]
        fn any_escaped_text_makes_one_segment_of_a_sound_path(text in ".{1,40}") {
            let path = format!("/a/{}/b", escaped(&text));
            prop_assert_eq!(path.split('/').count(), 4);
            let dots = text.chars().all(|sign| sign == '.');
            prop_assert!(!(dots && check_path(&path).is_ok()), "{}", path);
            if text.chars().all(char::is_alphanumeric) {
                prop_assert!(check_path(&path).is_ok(), "{}", path);
            }
        }

        #[test]
        fn a_parameter_that_was_set_reads_back_whatever_it_holds(
            query in "[a-z&=%+]{0,20}", name in ".{1,8}", value in ".{0,20}",
        ) {
            let after = with_parameter(&query, &name, &value);
            prop_assert_eq!(parameter(&after, &name), vec![value]);
            prop_assert!(check_characters(&after, "#").is_ok(), "{}", after);
            prop_assert!(parameter(&without_parameter(&after, &name), &name).is_empty());
        }
    }
}
