//! Text with placeholders, such as `{{body.first}} {{body.last}}`. A placeholder may also hold a text in quotes, which
//! stands for itself: `{{"{{"}}`.

use super::address::Address;

pub(super) const LEN_MAX: usize = 4096;
pub(super) const PLACEHOLDERS_MAX: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Literal(String),
    Placeholder(Address),
}

impl Template {
    /// Reads a template. The error says what was expected.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if text.len() > LEN_MAX {
            return Err(format!("expected at most {LEN_MAX} bytes"));
        }
        let mut parts = Vec::new();
        let mut placeholders = 0;
        let mut rest = text;
        while let Some((literal, behind)) = rest.split_once("{{") {
            push_literal(&mut parts, literal);
            let behind = behind.trim_start();
            rest = match behind.strip_prefix('"') {
                Some(_) => quoted(behind, &mut parts)?,
                None => {
                    let (address, after) = behind
                        .split_once("}}")
                        .ok_or("expected }} behind each {{")?;
                    let address = Address::read(address.trim_end())
                        .map_err(|error| format!("in {{{{{address}}}}}: {error}"))?;
                    placeholders += 1;
                    parts.push(Part::Placeholder(address));
                    after
                }
            };
        }
        push_literal(&mut parts, rest);
        if placeholders > PLACEHOLDERS_MAX {
            return Err(format!("expected at most {PLACEHOLDERS_MAX} placeholders"));
        }
        Ok(Self { parts })
    }
}

fn push_literal(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Literal(known)) => known.push_str(text),
        _ => parts.push(Part::Literal(text.to_owned())),
    }
}

/// Reads a text in quotes and the braces behind it. Gives what follows.
fn quoted<'a>(text: &'a str, parts: &mut Vec<Part>) -> Result<&'a str, String> {
    let expected = "expected {{\"text\"}}";
    let mut texts = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let literal = texts.next().and_then(Result::ok).ok_or(expected)?;
    push_literal(parts, &literal);
    let rest = text[texts.byte_offset()..].trim_start().strip_prefix("}}");
    Ok(rest.ok_or(expected)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn literal(text: &str) -> Part {
        Part::Literal(text.into())
    }

    fn placeholder(address: &str) -> Part {
        Part::Placeholder(Address::read(address).expect("an address"))
    }

    #[test]
    fn text_and_placeholders_come_in_turn() {
        for (text, parts) in [
            ("", vec![]),
            ("plain } text", vec![literal("plain } text")]),
            ("{{ body.a }}", vec![placeholder("body.a")]),
            (
                "a{{body.b}}{{path}} c",
                vec![
                    literal("a"),
                    placeholder("body.b"),
                    placeholder("path"),
                    literal(" c"),
                ],
            ),
            (r#"a{{"{{x}}"}}b"#, vec![literal("a{{x}}b")]),
        ] {
            assert_eq!(Template::read(text).expect(text).parts, parts, "{text}");
        }
    }

    #[test]
    fn a_broken_placeholder_is_refused() {
        for text in [
            "{{",
            "{{body.a}",
            "{{}}",
            "{{nothing}}",
            r#"{{"a}}"#,
            r#"{{"a" b}}"#,
        ] {
            assert!(Template::read(text).is_err(), "{text}");
        }
        assert!(Template::read(&"x".repeat(LEN_MAX + 1)).is_err());
        assert!(Template::read(&"{{path}}".repeat(PLACEHOLDERS_MAX + 1)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r#"[{}" a-z.\PC]{0,40}"#) {
            let _ = Template::read(&text);
        }

        #[test]
        fn any_text_can_stand_for_itself(text in ".{0,40}") {
            let quoted = serde_json::to_string(&text).expect("text");
            let template = Template::read(&format!("{{{{{quoted}}}}}")).expect("quoted");
            let expected = if text.is_empty() { vec![] } else { vec![literal(&text)] };
            prop_assert_eq!(template.parts, expected);
        }
    }
}
