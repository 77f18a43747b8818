//! Reads JSON into a tree: RFC 8259, but for what strings hold. Where a string has half a surrogate pair or bytes that are
//! no UTF-8, it alone is odd and not the whole body unreadable.

use super::{DEPTH_MAX, Digits, Members, Text, Tree, VALUES_MAX, charset};
use std::ops::Range;

/// Text that is not JSON, or beyond the bounds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    #[error("not JSON at byte {0}")]
    Malformed(usize),
    #[error("nested more than {DEPTH_MAX} levels deep")]
    TooDeep,
    #[error("more than {VALUES_MAX} values")]
    TooMany,
}

/// Reads one JSON value, whole. A byte order mark in front is no part of it.
///
/// # Errors
/// When the bytes are not JSON, or beyond [`DEPTH_MAX`] or [`VALUES_MAX`].
pub fn read(bytes: &[u8]) -> Result<Tree, TreeError> {
    let bytes = charset::without_mark(bytes);
    let mut reader = Reader {
        bytes,
        text: std::str::from_utf8(bytes).ok(),
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
    bytes: &'a [u8],
    /// The same, where it is UTF-8 as it should be.
    text: Option<&'a str>,
    at: usize,
    values: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
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
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
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
        let mut members = Vec::new();
        self.skip_space();
        if self.takes(b'}') {
            return Ok(Tree::Object(Members::default()));
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
            members.push((key, self.value(depth)?));
            self.skip_space();
            if self.takes(b'}') {
                return Ok(Tree::Object(members.into()));
            }
            if !self.takes(b',') {
                return Err(self.malformed());
            }
        }
    }

    fn string(&mut self) -> Result<Text, TreeError> {
        self.at += 1;
        let start = self.at;
        let mut unescaped: Option<Unescaped> = None;
        loop {
            let run = self.at;
            let rest = &self.bytes[run..];
            let len = rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
            self.at = run + len.unwrap_or(rest.len());
            let run = run..self.at;
            match self.peek() {
                Some(b'"') => {
                    let raw = &self.bytes[start..self.at];
                    self.at += 1;
                    return Ok(match unescaped {
                        None => self.plain(start, raw),
                        Some(mut unescaped) => {
                            self.push_run(run, &mut unescaped);
                            Text::spelled(unescaped.text, raw, unescaped.odd)
                        }
                    });
                }
                Some(b'\\') => {
                    let unescaped = unescaped.get_or_insert_default();
                    self.push_run(run, unescaped);
                    self.escape(unescaped)?;
                }
                _ => return Err(self.malformed()),
            }
        }
    }

    /// What stands between escapes.
    fn push_run(&self, run: Range<usize>, unescaped: &mut Unescaped) {
        match self.text.and_then(|text| text.get(run.clone())) {
            Some(text) => unescaped.push(text),
            None => unescaped.push_bytes(&self.bytes[run]),
        }
    }

    /// A string without escapes, which is what stands there.
    fn plain(&self, start: usize, raw: &[u8]) -> Text {
        let text = self
            .text
            .and_then(|text| text.get(start..start + raw.len()));
        if let Some(text) = text.or_else(|| std::str::from_utf8(raw).ok()) {
            return text.into();
        }
        let text = String::from_utf8_lossy(raw).into_owned();
        Text::spelled(text, raw, Some(raw.to_owned()))
    }

    fn escape(&mut self, unescaped: &mut Unescaped) -> Result<(), TreeError> {
        let start = self.at;
        let malformed = Err(TreeError::Malformed(start));
        let Some(&kind) = self.bytes.get(start + 1) else {
            return malformed;
        };
        self.at += 2;
        let character = match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let Some(unit) = self.hex() else {
                    return malformed;
                };
                self.unit(unit, unescaped);
                return Ok(());
            }
            _ => return malformed,
        };
        unescaped.push_char(character);
        Ok(())
    }

    /// Four digits behind `\u`; they are passed over only if they are there.
    fn hex(&mut self) -> Option<u16> {
        let digits = self.bytes.get(self.at..self.at + 4)?;
        let unit = digits.iter().try_fold(0, |unit, digit| {
            Some(unit << 4 | char::from(*digit).to_digit(16)?)
        })?;
        self.at += 4;
        u16::try_from(unit).ok()
    }

    /// A unit of UTF-16, with the other half of its pair if that follows.
    fn unit(&mut self, unit: u16, unescaped: &mut Unescaped) {
        let behind = self.at;
        if matches!(unit, 0xd800..0xdc00) && self.takes(b'\\') && self.takes(b'u') {
            let low = self.hex().filter(|low| matches!(low, 0xdc00..0xe000));
            if let Some(Ok(character)) = low.and_then(|low| char::decode_utf16([unit, low]).next())
            {
                unescaped.push_char(character);
                return;
            }
        }
        self.at = behind;
        match char::from_u32(u32::from(unit)) {
            Some(character) => unescaped.push_char(character),
            None => unescaped.push_half(unit),
        }
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
        let digits = &self.bytes[start..self.at];
        let text = std::str::from_utf8(digits).map_err(|_| TreeError::Malformed(start))?;
        Ok(Tree::Number(Digits::written(text)))
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

/// What a string with escapes holds, as far as it was read.
#[derive(Default)]
struct Unescaped {
    text: String,
    /// The same once something in it is no text.
    odd: Option<Vec<u8>>,
}

impl Unescaped {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        if let Some(odd) = &mut self.odd {
            odd.extend_from_slice(text.as_bytes());
        }
    }

    fn push_char(&mut self, character: char) {
        match &self.odd {
            None => self.text.push(character),
            Some(_) => self.push(character.encode_utf8(&mut [0; 4])),
        }
    }

    fn push_bytes(&mut self, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.push(text),
            Err(_) => {
                self.odd().extend_from_slice(bytes);
                self.text.push_str(&String::from_utf8_lossy(bytes));
            }
        }
    }

    /// Half a surrogate pair, in three bytes as UTF-8 would write it if it might.
    fn push_half(&mut self, unit: u16) {
        let [high, low] = unit.to_be_bytes();
        let bytes = [
            0xe0 | high >> 4,
            0x80 | (high & 0x0f) << 2 | low >> 6,
            0x80 | low & 0x3f,
        ];
        self.odd().extend_from_slice(&bytes);
        self.text.push(char::REPLACEMENT_CHARACTER);
    }

    fn odd(&mut self) -> &mut Vec<u8> {
        let text = &self.text;
        self.odd.get_or_insert_with(|| text.clone().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::write;
    use proptest::prelude::*;
    use serde_json::Value;

    fn written(text: &[u8]) -> Vec<u8> {
        write(&read(text).expect("JSON"), usize::MAX).expect("fits")
    }

    fn text(json: &[u8]) -> Text {
        match read(json) {
            Ok(Tree::Text(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn digits_keys_and_escapes_are_written_back_as_they_were_spelled() {
        for text in [
            "12.30",
            "1e400",
            "-0",
            "1E+05",
            "123456789012345678901234567890.10",
            r#"{"z":1,"a":[true,false,null],"m":{}}"#,
            r#"{"a":1,"b":2,"a":3,"\u0061":4}"#,
            r#""\ud83d""#,
            r#"{"\udE00\ud83d":"\/ \u00e9 é \ud83d\ude00 \u0000"}"#,
            "\"Zw\u{7f}lf \u{10ffff}\"",
        ] {
            assert_eq!(String::from_utf8_lossy(&written(text.as_bytes())), text);
        }
        let long = "7".repeat(310);
        assert_eq!(written(long.as_bytes()), long.as_bytes());
        assert_eq!(
            written(b"{\"a\":\"Zw\xf6lf\",\"\xff\\n\":1}"),
            b"{\"a\":\"Zw\xf6lf\",\"\xff\\n\":1}"
        );
    }

    #[test]
    fn half_a_surrogate_pair_equals_itself_and_shows_as_a_replacement() {
        let half = text(br#""a\ud83db""#);
        assert_eq!(half.as_str(), "a\u{fffd}b");
        assert_eq!(half.bytes(), b"a\xed\xa0\xbdb");
        assert_eq!(half, text(br#""\u0061\uD83Db""#));
        for other in [&br#""a\ud83eb""#[..], br#""a\ufffdb""#, br#""a\ud83d""#] {
            assert_ne!(half, text(other));
        }
        assert_ne!(half, Text::from("a\u{fffd}b"));
        assert_eq!(text(br#""\ud83d\ude00""#), Text::from("😀"));
        assert_eq!(text(br#""\ud83d\ud83d\ude00""#).as_str(), "\u{fffd}😀");
        assert_eq!(text(br#""\ud83d\u0041""#).as_str(), "\u{fffd}A");
        assert_eq!(text(br#""\ude00\ud83d""#).as_str(), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn bytes_that_are_no_text_spoil_their_own_string_only() {
        let tree = read(b"{\"note\":\"Zw\xf6lf\",\"type\":\"paid\"}").expect("JSON");
        assert_eq!(tree.key("type"), Some(&Tree::text("paid")));
        assert_eq!(
            tree.key("note").and_then(Tree::as_str),
            Some("Zw\u{fffd}lf")
        );
        assert_eq!(read(b"{\xff}"), Err(TreeError::Malformed(1)));
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        assert_eq!(written("\u{feff}[1]".as_bytes()), b"[1]");
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
            (r#""a\x""#, 2),
            (r#""\ud8""#, 1),
            (r#""\"#, 1),
            (r#""a"#, 2),
            ("{} x", 3),
            ("NaN", 0),
        ] {
            let malformed = Err(TreeError::Malformed(at));
            assert_eq!(read(text.as_bytes()), malformed, "{text}");
        }
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
                // A number beyond a double and half a surrogate pair are JSON all the same.
                Err(error) if ["number out of range", "surrogate", "hex escape"].iter().any(|odd| error.to_string().contains(odd)) => {}
                Err(_) => prop_assert!(ours.is_err(), "{:?}", ours),
            }
        }

        #[test]
        fn whatever_is_read_reads_the_same_when_it_is_written(bytes: Vec<u8>, text in r#"[\[\]{}",:\\ud8def0-9]{0,40}"#) {
            let quoted = [b"[\"", bytes.as_slice(), b"\"]"].concat();
            for bytes in [bytes.as_slice(), quoted.as_slice(), text.as_bytes()] {
                if let Ok(tree) = read(bytes) {
                    let json = write(&tree, usize::MAX).expect("fits");
                    prop_assert_eq!(read(&json), Ok(tree));
                }
            }
        }
    }
}
