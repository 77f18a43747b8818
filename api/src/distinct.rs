//! JSON whose objects name each field once. Of a field that is given twice a reader would take one and lose the other.

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value, map::Entry};
use std::fmt;

pub fn read(bytes: &[u8]) -> serde_json::Result<Value> {
    serde_json::from_slice(bytes).map(|Distinct(value)| value)
}

struct Distinct(Value);

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any).map(Self)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(flag.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Distinct(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            match fields.entry(name) {
                Entry::Vacant(place) => {
                    let Distinct(value) = object.next_value()?;
                    place.insert(value);
                }
                Entry::Occupied(known) => {
                    return Err(A::Error::custom(format!(
                        "the field {:?} is given twice",
                        known.key()
                    )));
                }
            }
        }
        Ok(fields.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_once_is_read_as_ever() {
        let text =
            r#" {"a": [1, -2, 2.5, 18446744073709551615, "x\n", "", null, true], "b": {"a": {}}} "#;
        let expected: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(read(text.as_bytes()).expect("JSON"), expected);
        for broken in ["", "{", "[1,]", r#"{"a":1}x"#] {
            assert!(read(broken.as_bytes()).is_err(), "{broken}");
        }
        let deep = "[".repeat(100_000);
        assert!(read(deep.as_bytes()).is_err(), "no end of the stack");
    }

    #[test]
    fn a_field_that_is_given_twice_is_named_at_any_depth() {
        for text in [
            r#"{"name":"a","name":"b"}"#,
            r#"{"x":[{"name":1,"n\u0061me":1}]}"#,
        ] {
            let error = read(text.as_bytes()).expect_err(text).to_string();
            assert!(error.contains("\"name\" is given twice"), "{error}");
        }
    }
}
