//! Reads JSON into a tree. Of a key that comes twice the last value counts, at the place of the first.

use super::{DEPTH_MAX, Tree, VALUES_MAX};
use std::collections::HashMap;

/// Text that is not JSON, or more deeply nested than is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in super::super) enum TreeError {
    #[error("not JSON at byte {0}")]
    Malformed(usize),
    #[error("nested more than {DEPTH_MAX} levels deep")]
    TooDeep,
    #[error("more than {VALUES_MAX} values")]
    TooMany,
}

/// Objects with fewer keys are searched for doubles by looking at each pair.
const FEW: usize = 12;

/// Reads one JSON value, whole.
pub(in super::super) fn read(bytes: &[u8]) -> Result<Tree, TreeError> {
    let text =
        std::str::from_utf8(bytes).map_err(|error| TreeError::Malformed(error.valid_up_to()))?;
    let mut reader = Reader {
        // Some editors write a mark in front that is no part of the text.
        text: text.strip_prefix('\u{feff}').unwrap_or(text),
        at: 0,
        values: 0,
    };
    let tree = reader.value(0)?;
    reader.skip_space();
    match reader.peek() {
        None => Ok(tree),
        Some(_) => Err(reader.malformed()),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    values: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn malformed(&self) -> TreeError {
        TreeError::Malformed(self.at)
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Steps over a byte, if it is the next one.
    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn value(&mut self, depth: usize) -> Result<Tree, TreeError> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(TreeError::TooMany);
        }
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.list(depth + 1),
            Some(b'"') => self.string().map(Tree::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Tree::Bool(true)),
            Some(b'f') => self.word("false", Tree::Bool(false)),
            Some(b'n') => self.word("null", Tree::Null),
            _ => Err(self.malformed()),
        }
    }

    fn word(&mut self, word: &str, tree: Tree) -> Result<Tree, TreeError> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.malformed());
        }
        self.at += word.len();
        Ok(tree)
    }

    fn list(&mut self, depth: usize) -> Result<Tree, TreeError> {
        if depth > DEPTH_MAX {
            return Err(TreeError::TooDeep);
        }
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.takes(b']') {
            return Ok(Tree::List(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.skip_space();
            if self.takes(b']') {
                return Ok(Tree::List(items));
            }
            if !self.takes(b',') {
                return Err(self.malformed());
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Tree, TreeError> {
        if depth > DEPTH_MAX {
            return Err(TreeError::TooDeep);
        }
        self.at += 1;
        let mut fields = Vec::new();
        self.skip_space();
        if self.takes(b'}') {
            return Ok(Tree::Object(fields));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.malformed());
            }
            let key = self.string()?;
            self.skip_space();
            if !self.takes(b':') {
                return Err(self.malformed());
            }
            fields.push((key, self.value(depth)?));
            self.skip_space();
            if self.takes(b'}') {
                return Ok(Tree::Object(each_once(fields)));
            }
            if !self.takes(b',') {
                return Err(self.malformed());
            }
        }
    }

    fn string(&mut self) -> Result<String, TreeError> {
        let start = self.at;
        let mut is_plain = true;
        loop {
            self.at += 1;
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    is_plain = false;
                    self.at += 1;
                }
                Some(0..0x20) | None => return Err(self.malformed()),
                Some(_) => {}
            }
        }
        self.at += 1;
        if is_plain {
            return Ok(self.text[start + 1..self.at - 1].to_owned());
        }
        serde_json::from_str(&self.text[start..self.at]).map_err(|_| TreeError::Malformed(start))
    }

    fn number(&mut self) -> Result<Tree, TreeError> {
        let start = self.at;
        self.takes(b'-');
        if !self.takes(b'0') {
            self.digits()?;
        }
        if self.takes(b'.') {
            self.digits()?;
        }
        if self.takes(b'e') || self.takes(b'E') {
            let _ = self.takes(b'+') || self.takes(b'-');
            self.digits()?;
        }
        Ok(Tree::Number(self.text[start..self.at].to_owned()))
    }

    fn digits(&mut self) -> Result<(), TreeError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.malformed());
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }
}

/// Of a key that comes twice the last value, at the place of the first.
pub(in super::super) fn each_once(fields: Vec<(String, Tree)>) -> Vec<(String, Tree)> {
    let mut doubles = fields.iter().enumerate();
    let has_none = if fields.len() < FEW {
        !doubles.any(|(at, (key, _))| fields[..at].iter().any(|(other, _)| other == key))
    } else {
        let keys: std::collections::HashSet<&String> = fields.iter().map(|(key, _)| key).collect();
        keys.len() == fields.len()
    };
    if has_none {
        return fields;
    }
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut once: Vec<(String, Tree)> = Vec::new();
    for (key, value) in fields {
        match places.get(&key) {
            Some(&place) => once[place].1 = value,
            None => {
                places.insert(key.clone(), once.len());
                once.push((key, value));
            }
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::transform::tree::write;
    use proptest::prelude::*;
    use serde_json::Value;

    fn written(text: &str) -> String {
        let tree = read(text.as_bytes()).expect("JSON");
        String::from_utf8(write(&tree, usize::MAX).expect("fits")).expect("text")
    }

    #[test]
    fn digits_and_the_order_of_keys_stay() {
        for text in [
            "12.30",
            "1e400",
            "-0",
            "123456789012345678901234567890.10",
            r#"{"z":1,"a":[true,false,null],"m":{}}"#,
        ] {
            assert_eq!(written(text), text);
        }
    }

    #[test]
    fn of_a_key_that_comes_twice_the_last_counts() {
        assert_eq!(
            written(r#"{"a":1,"b":2,"a":3}"#),
            r#"{"a":3,"b":2}"#.to_owned()
        );
        let many: Vec<String> = (0..40).map(|n| format!(r#""k{}":{n}"#, n % 20)).collect();
        let once: Vec<String> = (20..40).map(|n| format!(r#""k{}":{n}"#, n % 20)).collect();
        assert_eq!(
            written(&format!("{{{}}}", many.join(","))),
            format!("{{{}}}", once.join(","))
        );
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        assert_eq!(written("\u{feff}[1]"), "[1]");
    }

    #[test]
    fn what_is_no_json_says_where() {
        for (text, at) in [
            ("", 0),
            ("{", 1),
            ("[1,]", 3),
            ("[1 2]", 3),
            (r#"{"a" 1}"#, 5),
            (r#"{a:1}"#, 1),
            ("01", 1),
            ("1.", 2),
            ("-", 1),
            ("1e", 2),
            ("truth", 0),
            ("\"a\nb\"", 2),
            (r#""\ud800""#, 0),
            (r#""\"#, 3),
            ("{} x", 3),
        ] {
            assert_eq!(
                read(text.as_bytes()),
                Err(TreeError::Malformed(at)),
                "{text}"
            );
        }
        assert_eq!(read(b"\"\xff\""), Err(TreeError::Malformed(1)));
    }

    #[test]
    fn depth_has_a_bound() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(nested(DEPTH_MAX).as_bytes()).is_ok());
        let deeper = nested(DEPTH_MAX + 1);
        assert_eq!(read(deeper.as_bytes()), Err(TreeError::TooDeep));
        // So deep that a reader without a bound would overflow its stack.
        assert_eq!(read(&vec![b'['; 1_000_000]), Err(TreeError::TooDeep));
    }

    #[test]
    fn the_number_of_values_has_a_bound() {
        let zeros = |n: usize| format!("[{}0]", "0,".repeat(n - 1));
        assert!(read(zeros(VALUES_MAX - 1).as_bytes()).is_ok());
        assert_eq!(read(zeros(VALUES_MAX).as_bytes()), Err(TreeError::TooMany));
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(".{0,8}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_reads_as_serde_reads_it_and_writes_back(value in values(), pretty: bool) {
            let text = match pretty {
                true => serde_json::to_string_pretty(&value).expect("text"),
                false => value.to_string(),
            };
            let tree = read(text.as_bytes()).expect("JSON");
            prop_assert_eq!(&tree, &Tree::of(&value));
            prop_assert_eq!(write(&tree, usize::MAX).expect("fits"), value.to_string().into_bytes());
        }

        #[test]
        fn no_text_is_json_for_one_and_not_for_the_other(text in r#"[\[\]{}",:\\ 0-9eE.+\-a-ftrueinlsu\x00-\x1f\PC]{0,40}"#) {
            let other: Result<Value, _> = serde_json::from_str(&text);
            let ours = read(text.as_bytes());
            match other {
                Ok(_) => prop_assert!(ours.is_ok(), "{:?}", ours),
                // A number beyond a double is JSON all the same.
                Err(error) if error.to_string().starts_with("number out of range") => {}
                Err(_) => prop_assert!(ours.is_err(), "{:?}", ours),
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
            let _ = read(&[b"[\"\\", bytes.as_slice()].concat());
        }
    }
}
