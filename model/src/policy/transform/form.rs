//! Form-encoded bodies as trees and back.

use super::{
    Halt,
    tree::{Tree, VALUES_MAX},
};
use crate::policy::document;
use form_urlencoded::Serializer;

/// The fields of a form in their order, each a text; of a name that comes several times a list of texts.
pub(super) fn read(content_type: Option<&str>, body: &[u8]) -> Result<Tree, Halt> {
    document::form::read(content_type, body)
        .ok_or_else(|| Halt::new(format!("the form has more than {VALUES_MAX} fields")))
}

/// Writes an object of scalars and lists of scalars as a form.
pub(super) fn write(tree: &Tree) -> Result<Vec<u8>, Halt> {
    let mut form = Serializer::new(String::new());
    let Tree::Object(fields) = tree else {
        return Err(Halt::new(format!(
            "a form is made of an object, and the body is {}",
            tree.kind()
        )));
    };
    for (name, value) in fields.iter() {
        let values = match value {
            Tree::List(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        for value in values {
            let text = value.as_text().ok_or_else(|| {
                Halt::new(format!(
                    "a form takes texts, numbers, booleans and lists of them, and {name} holds {}",
                    value.kind()
                ))
            })?;
            form.append_pair(name.as_str(), text);
        }
    }
    Ok(form.finish().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_form_is_an_object_of_texts() {
        let tree = read(None, b"b=1&a=x+y&b=%26&c").expect("a form");
        let expected = json!({"b": ["1", "&"], "a": "x y", "c": ""});
        assert_eq!(tree, Tree::of(&expected));
    }

    #[test]
    fn what_a_form_can_not_hold_is_refused_by_name() {
        let write = |value: serde_json::Value| write(&Tree::of(&value));
        let nested = write(json!({"a": {"b": 1}})).expect_err("nested");
        assert!(nested.to_string().contains("a holds an object"), "{nested}");
        assert!(write(json!({"a": [[1]]})).is_err());
        assert!(write(json!([1])).is_err());
        let plain = write(json!({"a": 1.5, "b": [true, null], "c": []})).expect("plain");
        assert_eq!(plain, b"a=1.5&b=true&b=");
    }

    proptest! {
        #[test]
        fn a_form_reads_back_as_it_was_written(fields in prop::collection::btree_map(".{0,6}", ".{0,9}", 0..6)) {
            let tree = Tree::object(fields.into_iter().map(|(name, value)| (name.into(), Tree::text(value))));
            prop_assert_eq!(read(None, &write(&tree).expect("plain")).expect("a form"), tree);
        }
    }
}
