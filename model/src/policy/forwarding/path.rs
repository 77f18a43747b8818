//! Paths that could lead a receiver out of the place that its owner named.

use super::escapes;

/// Layers of escapes that a path may have. Nobody who means well needs two.
const LAYERS_MAX: usize = 4;

/// Checks that a path leads further down and nowhere else, whichever way its receiver reads it: with its escapes taken
/// off, once or several times; with backslashes, path parameters and look-alikes of dots and slashes.
///
/// # Errors
/// What was expected.
pub fn check(path: &str) -> Result<(), &'static str> {
    if path.is_empty() {
        return Ok(());
    }
    if !path.starts_with('/') {
        return Err("expected a path that starts with a slash");
    }
    if path.bytes().any(|byte| byte == b'\\' || byte <= b' ') {
        return Err("expected a path without backslashes, spaces and control characters");
    }
    if !escapes::are_sound(path.as_bytes()) {
        return Err("expected two hex digits behind every % of the path");
    }
    let mut text = path.as_bytes().to_vec();
    for _ in 0..=LAYERS_MAX {
        check_layer(&text)?;
        let plain = escapes::unescaped(&text);
        if plain.len() == text.len() {
            return Ok(());
        }
        text = plain;
    }
    Err("expected a path that is escaped once")
}

/// Checks a path as a receiver may have it before it.
fn check_layer(text: &[u8]) -> Result<(), &'static str> {
    // Bytes that are no UTF-8 may be an overlong way to write a dot or a slash.
    let text = std::str::from_utf8(text).map_err(|_| "expected UTF-8 behind the path's escapes")?;
    if text.chars().any(char::is_control) {
        return Err("expected a path without control characters");
    }
    let plain: String = text.chars().filter_map(likeness).collect();
    let mut segments = plain.split('/').skip(1).map(without_parameters).peekable();
    // Two slashes at the start are an authority to some readers.
    if segments.peek().is_some_and(|first| first.is_empty()) && segments.nth(1).is_some() {
        return Err("expected one slash at the path's start");
    }
    let mut segments = plain.split('/').map(without_parameters);
    if segments.any(|segment| !segment.is_empty() && segment.bytes().all(|byte| byte == b'.')) {
        return Err("expected a path without . and .. as segments, however they are written");
    }
    Ok(())
}

/// What a receiver may make of a character: one that folds compatible characters, or drops those that can't be seen.
fn likeness(character: char) -> Option<char> {
    match character {
        '\\' | '\u{2044}' | '\u{2215}' | '\u{2216}' | '\u{29F8}' | '\u{FE68}' | '\u{FF0F}'
        | '\u{FF3C}' => Some('/'),
        '\u{2024}' | '\u{2025}' | '\u{2026}' | '\u{FE52}' | '\u{FF0E}' => Some('.'),
        '\u{FF1B}' => Some(';'),
        '\u{00AD}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}' => None,
        space if space.is_whitespace() => None,
        other => Some(other),
    }
}

/// A segment as servers compare it: what stands behind `;` is a parameter of it, and a query or fragment ends it where
/// escapes are taken off too early.
fn without_parameters(segment: &str) -> &str {
    segment.split([';', '?', '#', ':']).next().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_that_leads_down_goes_on_as_it_is_written() {
        for path in [
            "",
            "/",
            "/a",
            "/a/b-c/",
            "/a//b",
            "/a%2Fb",
            "/a%20b",
            "/.well-known/a..b/..c/d..",
            "/v1.2/a.b;v=1/c",
            "/100%25/%C3%A9t%C3%A9",
            "/a%5Cb",
            "/a:b@c,d=e",
            "/%20",
        ] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_refused_however_it_is_written() {
        for path in [
            "a",
            "/..",
            "/../admin",
            "/a/../../admin",
            "/./a",
            "/a/.",
            "/%2e%2e/admin",
            "/%2E./admin",
            "/.%2e/admin",
            "/..%2fadmin",
            "/..%2Fadmin",
            "/a%2f..%2f..%2fadmin",
            "/..;/admin",
            "/..;a=b/admin",
            "/..%3b/admin",
            "/%2e%2e%3Bx/admin",
            "/..\\admin",
            "/..%5cadmin",
            "/a%5C..%5C..",
            "/%252e%252e/admin",
            "/%25252e%25252e%25252fadmin",
            "/..%252fadmin",
            "/..%255cadmin",
            "/%u002e%u002e/admin",
            "/%25u002e%25u002e/admin",
            "/%c0%ae%c0%ae/admin",
            "/..%c0%afadmin",
            "/%e0%80%ae/admin",
            "/%25c0%25ae/admin",
            "/%ef%bc%8e%ef%bc%8e/admin",
            "/..%ef%bc%8fadmin",
            "/..%e2%88%95admin",
            "/.%e2%80%8b./admin",
            "/..%00/admin",
            "/a%00",
            "/a%0d%0ax",
            "/a%09",
            "/a%7f",
            "/..%20/admin",
            "/..%20;/admin",
            "/%20../admin",
            "/.../admin",
            "/..%3fx",
            "/..%23x",
            "//evil.example/",
            "/%2f/evil.example",
            "/%2fevil.example",
            "/\\evil.example",
            "/%5cevil.example",
            "/;/evil.example",
            "/%",
            "/%2",
            "/%zz",
            "/a b",
        ] {
            assert!(check(path).is_err(), "{path}");
        }
        let deep = format!("/%{}2e", "25".repeat(50));
        assert!(check(&deep).is_err());
    }

    /// The segments in which a receiver that takes escapes off so often ends, as RFC 3986 removes dots.
    fn ends_in(path: &str, layers: usize) -> Option<Vec<String>> {
        let mut text = path.as_bytes().to_vec();
        for _ in 0..layers {
            text = escapes::unescaped(&text);
        }
        let text = String::from_utf8_lossy(&text).replace('\\', "/");
        let mut stack = vec!["owner".to_owned()];
        for segment in text.split('/').skip(1) {
            match segment.split(';').next().unwrap_or("").trim() {
                "." => {}
                ".." => {
                    stack.pop()?;
                }
                _ => stack.push(segment.to_owned()),
            }
        }
        Some(stack)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn no_reader_finds_itself_above_the_owners_place(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "/", ".", "..", "a", ";", "%", "25", "2e", "%2e", "%2E", "%2f", "%5c", "\\", "%3b", "%20", "u002e", "%c0",
                    "%ae", "%00", "é", "?", "%25",
                ]),
                0..12,
            )
        ) {
            let path = format!("/{}", parts.concat());
            if check(&path).is_ok() {
                for layers in 0..4 {
                    let place = ends_in(&path, layers);
                    let stays = place.as_ref().and_then(|place| place.first());
                    prop_assert_eq!(stays.map(String::as_str), Some("owner"), "{}", path);
                }
            }
        }

        #[test]
        fn a_plain_path_goes_on(path in "(/[a-zA-Z0-9_~-][a-zA-Z0-9._~-]{0,8}){1,6}/?") {
            prop_assert_eq!(check(&path), Ok(()));
        }
    }
}
