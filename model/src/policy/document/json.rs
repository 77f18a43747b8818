//! JSON within bounds: depth and number of values are counted while it is read, before memory is taken for more.

use super::{DEPTH_MAX, VALUES_MAX};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::{cell::Cell, fmt};

/// The value; none when it is not JSON or beyond the bounds. Of a repeated key the last value counts.
pub(super) fn read(body: &[u8]) -> Option<Value> {
    let body = without_mark(body);
    let left = Cell::new(VALUES_MAX);
    let bounds = Bounds {
        depth: DEPTH_MAX,
        left: &left,
    };
    let mut from = serde_json::Deserializer::from_slice(body);
    let value = bounds.deserialize(&mut from).ok()?;
    from.end().ok()?;
    Some(value)
}

/// The text behind a byte order mark, which some senders begin with.
pub(super) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// Whether a value that was not read here is one that could have been.
pub(super) fn is_within_bounds(value: &Value) -> bool {
    let mut values = 0;
    let mut open = vec![(value, 0)];
    while let Some((value, depth)) = open.pop() {
        values += 1;
        let within = match value {
            Value::Array(items) => {
                open.extend(items.iter().map(|item| (item, depth + 1)));
                depth + 1
            }
            Value::Object(map) => {
                open.extend(map.values().map(|value| (value, depth + 1)));
                depth + 1
            }
            _ => depth,
        };
        if within > DEPTH_MAX || values + open.len() > VALUES_MAX {
            return false;
        }
    }
    true
}

/// What is left: of the depth here, of the values everywhere.
#[derive(Clone, Copy)]
struct Bounds<'a> {
    depth: usize,
    left: &'a Cell<usize>,
}

impl Bounds<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth = self
            .depth
            .checked_sub(1)
            .ok_or_else(|| E::custom("too deep"))?;
        Ok(Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Bounds<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        let left = self.left.get().checked_sub(1);
        self.left
            .set(left.ok_or_else(|| D::Error::custom("too many values"))?);
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounds<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let bounds = self.deeper()?;
        let mut read = Vec::new();
        while let Some(item) = items.next_element_seed(bounds)? {
            read.push(item);
        }
        Ok(Value::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let bounds = self.deeper()?;
        let mut read = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            read.insert(name, fields.next_value_seed(bounds)?);
        }
        Ok(Value::Object(read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_is_beyond_the_bounds_has_no_structure() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read(nested(DEPTH_MAX).as_bytes()).is_some());
        assert!(read(nested(DEPTH_MAX + 1).as_bytes()).is_none());
        assert!(read(nested(100_000).as_bytes()).is_none());
        let list = |values: usize| format!("[{}0]", "0,".repeat(values - 2));
        assert!(read(list(VALUES_MAX).as_bytes()).is_some());
        assert!(read(list(VALUES_MAX + 1).as_bytes()).is_none());
    }

    #[test]
    fn what_is_not_json_has_no_structure() {
        for bytes in [&b""[..], b"{", b"{} {}", b"\xff", b"nul", b"'a'", b"[1,]"] {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn large_numbers_keep_their_digits_and_a_repeated_key_its_last_value() {
        assert_eq!(
            read(br#"{"a":1,"n":9007199254740993,"a":2}"#),
            Some(json!({"a": 2, "n": 9_007_199_254_740_993_u64}))
        );
        assert_eq!(read(b"\xef\xbb\xbf1"), Some(json!(1)));
    }

    proptest! {
        #[test]
        fn it_reads_what_serde_json_reads(bytes: Vec<u8>, text in "[\\[\\]{}:,\"a0-9e. -]{0,20}") {
            for bytes in [bytes.as_slice(), text.as_bytes()] {
                prop_assert_eq!(read(bytes), serde_json::from_slice::<Value>(bytes).ok());
            }
        }
    }
}
