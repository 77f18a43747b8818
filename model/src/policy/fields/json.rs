//! JSON text that is read without losing anything: numbers stay as they were written, however long they are.

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// Values nested deeper are taken as they were written: each level is read once more for every one around it.
const DEPTH_MAX: usize = 32;
/// Objects with more members keep them in the order in which they came.
const SORTED_MAX: usize = 4_096;

/// The whole of a body, if it is one JSON value.
pub(super) fn parse(body: &[u8]) -> Option<&RawValue> {
    serde_json::from_slice(body).ok()
}

/// The value at the end of these steps.
pub(super) fn find<'a>(mut value: &'a RawValue, steps: &[String]) -> Option<&'a RawValue> {
    for step in steps {
        let mut found = None;
        visit(value, |name, inner| {
            // Of members that share a name, the last one counts.
            if *name == *step.as_bytes() {
                found = Some(inner);
            }
        })
        .ok()?;
        value = found?;
    }
    Some(value)
}

/// Whether it is `null`, which is as good as nothing.
pub(super) fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// What a string holds or a number or a boolean is written as; none for anything else.
pub(super) fn scalar(value: &RawValue) -> Option<Cow<'_, str>> {
    match value.get().as_bytes().first()? {
        b'"' => serde_json::from_str(value.get()).ok().map(Cow::Owned),
        b'{' | b'[' | b'n' => None,
        _ => Some(value.get().into()),
    }
}

/// Writes a value so that equal ones are written alike: without white space, members sorted by name, strings as what
/// they hold. What lies at one of the `without` is left out.
pub(super) fn canonical(value: &RawValue, without: &[&[String]], out: &mut Vec<u8>) {
    write(value, without, 0, out);
}

fn write(value: &RawValue, without: &[&[String]], depth: usize, out: &mut Vec<u8>) {
    let text = value.get();
    let start = out.len();
    let is_read = match text.as_bytes().first() {
        Some(b'"') => {
            let mut reader = serde_json::Deserializer::from_str(text);
            Name::deserialize(&mut reader).map(|name| write_text(&name.0, out))
        }
        Some(b'{') if depth < DEPTH_MAX => write_object(value, without, depth, out),
        Some(b'[') if depth < DEPTH_MAX => write_list(value, without, depth, out),
        _ => {
            out.extend_from_slice(text.as_bytes());
            Ok(())
        }
    };
    if is_read.is_err() {
        out.truncate(start);
        out.extend_from_slice(text.as_bytes());
    }
}

/// The length goes before the bytes, so that no text can pass for another.
fn write_text(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("\"{}:", text.len()).as_bytes());
    out.extend_from_slice(text);
}

fn write_object(
    value: &RawValue,
    without: &[&[String]],
    depth: usize,
    out: &mut Vec<u8>,
) -> serde_json::Result<()> {
    out.push(b'{');
    let mut write_member = |name: &[u8], inner: &RawValue| {
        if let Some(behind) = behind(without, name) {
            write_text(name, out);
            write(inner, &behind, depth + 1, out);
        }
    };
    let mut members = Vec::new();
    visit(value, |name, inner| {
        if members.len() <= SORTED_MAX {
            members.push((name, inner));
        }
    })?;
    if members.len() > SORTED_MAX {
        visit(value, |name, inner| write_member(&name, inner))?;
    } else {
        // Stable: members that share a name stay in their order.
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (name, inner) in members {
            write_member(&name, inner);
        }
    }
    out.push(b'}');
    Ok(())
}

fn write_list(
    value: &RawValue,
    without: &[&[String]],
    depth: usize,
    out: &mut Vec<u8>,
) -> serde_json::Result<()> {
    out.push(b'[');
    visit(value, |place, inner| {
        if let Some(behind) = behind(without, &place) {
            write(inner, &behind, depth + 1, out);
            out.push(b',');
        }
    })?;
    out.push(b']');
    Ok(())
}

/// What is left out further in; none when the member itself is.
fn behind<'w>(without: &[&'w [String]], name: &[u8]) -> Option<Vec<&'w [String]>> {
    let mut behind = Vec::new();
    for steps in without {
        match steps.split_first() {
            Some((step, [])) if step.as_bytes() == name => return None,
            Some((step, rest)) if step.as_bytes() == name => behind.push(rest),
            _ => {}
        }
    }
    Some(behind)
}

/// Calls for each member of an object, or each element of a list by its place. Nothing else has any.
fn visit<'a>(
    value: &'a RawValue,
    each: impl FnMut(Cow<'a, [u8]>, &'a RawValue),
) -> serde_json::Result<()> {
    match value.get().as_bytes().first() {
        Some(b'{' | b'[') => {
            serde_json::Deserializer::from_str(value.get()).deserialize_any(Each(each))
        }
        _ => Ok(()),
    }
}

struct Each<F>(F);

impl<'a, F: FnMut(Cow<'a, [u8]>, &'a RawValue)> Visitor<'a> for Each<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut members: A) -> Result<(), A::Error> {
        while let Some((name, value)) = members.next_entry::<Name<'a>, &'a RawValue>()? {
            (self.0)(name.0, value);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut elements: A) -> Result<(), A::Error> {
        let mut place = 0u64;
        while let Some(value) = elements.next_element::<&'a RawValue>()? {
            (self.0)(Cow::Owned(place.to_string().into_bytes()), value);
            place += 1;
        }
        Ok(())
    }
}

/// A string as bytes: it may hold half a surrogate pair, which no `str` can.
struct Name<'a>(Cow<'a, [u8]>);

impl<'a> Deserialize<'a> for Name<'a> {
    fn deserialize<D: Deserializer<'a>>(reader: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'a> Visitor<'a> for Read {
            type Value = Name<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'a [u8]) -> Result<Name<'a>, E> {
                Ok(Name(bytes.into()))
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Name<'a>, E> {
                Ok(Name(Cow::Owned(bytes.to_owned())))
            }
        }
        reader.deserialize_bytes(Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn canon(text: &str, without: &[&str]) -> Vec<u8> {
        let steps: Vec<Vec<String>> = without
            .iter()
            .map(|path| path.split('.').map(str::to_owned).collect())
            .collect();
        let without: Vec<&[String]> = steps.iter().map(Vec::as_slice).collect();
        let mut out = Vec::new();
        canonical(parse(text.as_bytes()).expect(text), &without, &mut out);
        out
    }

    fn found<'a>(text: &'a str, path: &str) -> Option<&'a str> {
        let steps: Vec<String> = path.split('.').map(str::to_owned).collect();
        find(parse(text.as_bytes()).expect(text), &steps).map(RawValue::get)
    }

    #[test]
    fn equal_values_are_written_alike_and_others_are_not() {
        let same = [
            r#"{"a":1,"b":[true,"A\/"],"":{}}"#,
            " { \"b\" : [ true , \"\\u0041/\" ] ,\n\"\":{ }, \"a\": 1 } ",
        ];
        assert_eq!(canon(same[0], &[]), canon(same[1], &[]));
        for [a, b] in [
            ["1", "\"1\""],
            ["1", "1.0"],
            ["12345678901234567890123", "12345678901234567890124"],
            ["0.1234567890123456789", "0.1234567890123456788"],
            ["[1,2]", "[2,1]"],
            ["[[1],2]", "[[1,2]]"],
            [r#"["a,","b"]"#, r#"["a",",b"]"#],
            [r#"{"a":{"b":1}}"#, r#"{"a":{},"b":1}"#],
            ["null", "\"null\""],
            ["{}", "[]"],
            ["{}", "\"{\""],
            [r#""\ud800""#, r#""\ud801""#],
            [r#"{"\ud800":1,"z":1}"#, r#"{"\ud800":1,"z":2}"#],
        ] {
            assert_ne!(canon(a, &[]), canon(b, &[]), "{a} {b}");
        }
    }

    #[test]
    fn what_is_left_out_does_not_count() {
        let a = r#"{"id":1,"at":5,"inner":{"at":6,"x":[{"at":7},{"at":8}]}}"#;
        let b = r#"{"inner":{"x":[{"at":0},{"at":8}],"at":0},"id":1}"#;
        let without = ["at", "inner.at", "inner.x.0.at"];
        assert_eq!(canon(a, &without), canon(b, &without));
        assert_ne!(canon(a, &without[..2]), canon(b, &without[..2]));
    }

    #[test]
    fn a_value_is_found_by_its_steps() {
        let text = r#"{"a":{"b":[10,{"c":"x"}]},"a":{"b":[ 11 , {"c":null}]},"\u0064":2}"#;
        assert_eq!(found(text, "a.b.0"), Some("11"));
        assert_eq!(found(text, "a.b.1.c"), Some("null"));
        assert_eq!(found(text, "d"), Some("2"));
        for missing in ["b", "a.c", "a.b.2", "a.b.00", "a.b.0.x", "a.b.c"] {
            assert_eq!(found(text, missing), None, "{missing}");
        }
    }

    #[test]
    fn deep_and_wide_values_are_told_apart_too() {
        let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(5_000), "]".repeat(5_000));
        assert_ne!(canon(&deep("1"), &[]), canon(&deep("2"), &[]));
        let wide = |last: u32| {
            let members: Vec<String> = (0..=SORTED_MAX)
                .map(|n| format!("\"{n}\":{last}"))
                .collect();
            format!("{{{}}}", members.join(","))
        };
        assert_ne!(canon(&wide(1), &[]), canon(&wide(2), &[]));
        let all_but = |last: u32| canon(&format!("{{\"w\":{},\"x\":{last}}}", wide(1)), &["x"]);
        assert_eq!(all_but(1), all_but(2));
        let within = canon(&wide(1), &["7"]);
        assert_ne!(within, canon(&wide(1), &["8"]));
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a\"\\\\\\u{1}é]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ab]{0,2}", inner, 0..4)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn two_values_are_written_alike_only_if_they_are_equal(a in json(), b in json()) {
            let (a_text, b_text) = (a.to_string(), serde_json::to_string_pretty(&b).expect("json"));
            prop_assert_eq!(a == b, canon(&a_text, &[]) == canon(&b_text, &[]));
            let pretty = serde_json::to_string_pretty(&a).expect("json");
            prop_assert_eq!(canon(&a_text, &[]), canon(&pretty, &[]));
        }

        #[test]
        fn no_body_makes_the_reader_panic(body: Vec<u8>, text in r#"[{}\[\]",:a0\\u]{0,24}"#) {
            for body in [body.as_slice(), text.as_bytes()] {
                if let Some(value) = parse(body) {
                    canonical(value, &[&["a".to_owned()]], &mut Vec::new());
                    let _ = find(value, &["a".to_owned(), "0".to_owned()]);
                }
            }
        }
    }
}
