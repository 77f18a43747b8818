//! Form-encoded fields as an object of strings; the values of a repeated name are a list.

use super::VALUES_MAX;
use serde_json::{Map, Value};

/// A form body; none when it has too many fields.
pub(super) fn read(body: &[u8]) -> Option<Value> {
    fields(body, VALUES_MAX).map(Value::Object)
}

/// The fields, decoded; none when there are more than `most`.
pub(super) fn fields(encoded: &[u8], most: usize) -> Option<Map<String, Value>> {
    let mut read: Map<String, Value> = Map::new();
    for (place, (name, value)) in form_urlencoded::parse(encoded).enumerate() {
        if place >= most {
            return None;
        }
        let value = Value::String(value.into_owned());
        match read.get_mut(&*name) {
            None => {
                read.insert(name.into_owned(), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(known) => *known = Value::Array(vec![known.take(), value]),
        }
    }
    Some(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_fields_are_no_structure() {
        assert_eq!(fields(b"a&b&c", 2), None);
        assert_eq!(fields(b"a&b", 2).map(|fields| fields.len()), Some(2));
    }
}
