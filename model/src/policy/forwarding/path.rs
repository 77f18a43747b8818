//! Paths that could lead a receiver out of the place that its owner named.

use super::escapes;
use unicode_normalization::UnicodeNormalization;

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
        // Bytes that are no UTF-8 may be an overlong way to write a dot or a slash.
        let layer =
            std::str::from_utf8(&text).map_err(|_| "expected UTF-8 behind the path's escapes")?;
        if layer.chars().any(char::is_control) {
            return Err("expected a path without control characters");
        }
        let plain = likeness(layer);
        check_layer(&plain)?;
        text = escapes::unescaped(plain.as_bytes());
        if text.len() == plain.len() {
            return Ok(());
        }
    }
    Err("expected a path that is escaped once")
}

/// A text without its escapes, or as far as they are taken off a path that may go on.
pub(in crate::policy) fn unescaped(text: &str) -> Vec<u8> {
    let plain = escapes::fully_unescaped(text.as_bytes(), LAYERS_MAX);
    plain.unwrap_or_else(|| escapes::unescaped(text.as_bytes()))
}

/// Checks a path as a receiver may have it before it.
fn check_layer(plain: &str) -> Result<(), &'static str> {
    let mut segments = plain.split('/').skip(1);
    // Two slashes at the start are an authority to some readers, also when they took a parameter out from between.
    let is_empty = |segment: &str| segment.is_empty() || segment.starts_with(';');
    if segments.next().is_some_and(is_empty) && segments.next().is_some() {
        return Err("expected one slash at the path's start");
    }
    let mut segments = plain.split('/').map(without_parameters);
    if segments.any(|segment| !segment.is_empty() && segment.bytes().all(|byte| byte == b'.')) {
        return Err("expected a path without . and .. as segments, however they are written");
    }
    Ok(())
}

/// What a receiver may make of a text: one that folds compatible characters, drops those that can't be seen, or writes in
/// an alphabet that has other signs in the places of slashes and dots.
fn likeness(text: &str) -> String {
    let seen = |character: &char| !character.is_whitespace() && !is_ignorable(*character);
    let folded = text.chars().filter(seen).nfkd();
    folded.filter(seen).map(ascii_likeness).collect()
}

/// Signs that code pages of one byte write as ASCII, or that look like it, and that no normal form folds.
fn ascii_likeness(character: char) -> char {
    match character {
        // The yen and the won stand in the backslash's place.
        '\\' | '\u{A5}' | '\u{20A9}' | '\u{2044}' | '\u{2215}' | '\u{2216}' | '\u{29F8}'
        | '\u{29F9}' => '/',
        '\u{3002}' => '.',
        other => other,
    }
}

/// Unicode's `Default_Ignorable_Code_Point`, which HFS+, browsers and name checks drop, and what annotates.
fn is_ignorable(character: char) -> bool {
    matches!(
        character,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}'
    )
}

/// A segment as servers compare it: what stands behind `;` is a parameter of it, and a query, a fragment or a stream's name
/// ends it where escapes are taken off too early.
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
            "/:/x",
            "/:80/",
            "/%3a/x",
            "/%e5%b9%b3/%ef%bc%8dx",
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
            "/..%3ax",
            "/%ef%b8%b0/admin",
            "/..%cd%be/admin",
            "/..%ef%b9%94/admin",
            "/..%ef%bc%9f",
            "/..%ef%bc%83",
            "/..%ef%bc%9a",
            "/.%e2%80%aa./",
            "/.%e2%81%aa./",
            "/.%cd%8f./",
            "/.%ef%b8%8f./",
            "/.%e1%a0%8e./",
            "/..%e2%a7%b9x",
            "/..%c2%a5x",
            "/%e3%80%82%e3%80%82/admin",
            "/%ef%bd%a1%ef%bd%a1/admin",
            "/%ef%bc%85%ef%bc%92e%ef%bc%852e/admin",
            "/%25ef%25b8%25b0/admin",
            "/%e2%80%8b/evil.example",
            "/%ef%bc%9b/evil.example",
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

    /// A text as some receivers have it: folded, and with or without what can't be seen.
    fn readings(text: &str) -> [String; 3] {
        let unseen = |character: &char| !is_ignorable(*character) && !character.is_whitespace();
        [
            text.nfkc().collect(),
            text.chars().filter(unseen).nfkc().collect(),
            text.nfkc().filter(unseen).collect(),
        ]
    }

    fn leads_up(text: &str) -> bool {
        let segments = text.split(['/', '\\']);
        let mut plain = segments.map(|segment| segment.split(';').next().unwrap_or(""));
        plain.any(|segment| matches!(segment, "." | ".."))
    }

    #[test]
    fn no_character_helps_a_dot_segment_past_the_check() {
        let planes = (0x80..0x4_0000).chain(0xE_0000..0xE_1000);
        for character in planes.filter_map(char::from_u32) {
            let forms = [
                format!("{character}"),
                format!(".{character}"),
                format!("..{character}"),
                format!("..{character}x"),
                format!(".{character}."),
                format!(".{character}.{character}"),
                format!("{character}.{character}"),
                format!("x{character}.."),
            ];
            for form in forms {
                if !readings(&form).iter().any(|reading| leads_up(reading)) {
                    continue;
                }
                let escaped: String = form.bytes().map(|byte| format!("%{byte:02x}")).collect();
                for path in [format!("/a/{escaped}/b"), format!("/{escaped}")] {
                    assert!(check(&path).is_err(), "{character:?} {path}");
                }
            }
        }
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
