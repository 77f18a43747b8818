//! JSON strings: what one holds, and how it was spelled.

use std::{
    borrow::Cow,
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
};

/// A string. Two are equal when they hold the same, however each is spelled.
///
/// JSON can spell what no text is: half a surrogate pair (`"\ud83d"`), and senders write bytes that are no UTF-8. Such a
/// string keeps its bytes, by which it is compared; as text it has U+FFFD in their place.
#[derive(Clone)]
pub struct Text(Inner);

#[derive(Clone)]
enum Inner {
    /// It has no spelling of its own.
    Plain(Box<str>),
    Spelled(Box<Spelled>),
}

#[derive(Clone)]
struct Spelled {
    text: Box<str>,
    /// What stood between the quotes.
    raw: Box<[u8]>,
    /// What it holds, where that is no text; half a surrogate pair as WTF-8 has it.
    odd: Option<Box<[u8]>>,
}

impl Text {
    pub(super) fn spelled(text: String, raw: &[u8], odd: Option<Vec<u8>>) -> Self {
        Self(Inner::Spelled(Box::new(Spelled {
            text: text.into(),
            raw: raw.into(),
            odd: odd.map(Into::into),
        })))
    }

    /// Bytes that should be UTF-8, but did not come as JSON; what is none of it is written as U+FFFD.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        match String::from_utf8_lossy(bytes) {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => {
                let quoted = serde_json::Value::from(text.as_str()).to_string();
                let raw = quoted.get(1..quoted.len() - 1).unwrap_or_default();
                Self::spelled(text, raw.as_bytes(), Some(bytes.to_owned()))
            }
        }
    }

    /// As text, with U+FFFD for what is none.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Inner::Plain(text) => text,
            Inner::Spelled(spelled) => &spelled.text,
        }
    }

    /// The content of the string, decoded. Equal strings have equal bytes, and others have not.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Inner::Plain(text) => text.as_bytes(),
            Inner::Spelled(spelled) => spelled.odd.as_deref().unwrap_or(spelled.text.as_bytes()),
        }
    }

    /// The spelling between the string's quotes, where that is not just what it holds.
    #[must_use]
    pub fn raw(&self) -> Option<&[u8]> {
        match &self.0 {
            Inner::Plain(_) => None,
            Inner::Spelled(spelled) => Some(&spelled.raw),
        }
    }

    /// Whether it has another string in it.
    #[must_use]
    pub fn contains(&self, part: &Self) -> bool {
        match (self.is_odd(), part.is_odd()) {
            (false, false) => self.as_str().contains(part.as_str()),
            // No text has in it what is none.
            (false, true) => false,
            // Each byte as a character of its own.
            (true, _) => {
                let wide = |text: &Self| {
                    text.bytes()
                        .iter()
                        .copied()
                        .map(char::from)
                        .collect::<String>()
                };
                wide(self).contains(&wide(part))
            }
        }
    }

    /// Whether it holds what no text can.
    #[must_use]
    pub fn is_odd(&self) -> bool {
        matches!(&self.0, Inner::Spelled(spelled) if spelled.odd.is_some())
    }

    /// About the bytes that it takes between its quotes.
    pub(super) fn spelled_len(&self) -> usize {
        self.raw().map_or(self.as_str().len(), <[u8]>::len)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Inner::Plain(text.into()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Inner::Plain(text.into()))
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By characters: UTF-8 sorts as they do.
impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes().cmp(other.bytes())
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes().hash(state);
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.raw() {
            None => write!(f, "{:?}", self.as_str()),
            Some(raw) => write!(f, "\"{}\"", String::from_utf8_lossy(raw)),
        }
    }
}
