//! The input of a script's run.

use bytes::Bytes;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, sync::Arc};
use url::form_urlencoded;

/// A call of a script: one run over one request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Whose turn this uses: the connection's id. Of one key one call runs at a time while others wait.
    pub(crate) key: String,
    /// The transformation's code, in the version that the attempt records.
    pub(crate) code: Arc<str>,
    /// What the script finds in `process.env` and in `context.env`.
    pub(crate) env: Arc<BTreeMap<String, String>>,
    /// The request that its handler is called with.
    pub(crate) request: Request,
    /// What its handler is called with beside it, such as `{"connection": {…}, "event": {"id": …}}`; `env` is added.
    pub(crate) context: Map<String, Value>,
    /// The only time that the script can read: the event's, so that each attempt on each node reads the same.
    pub(crate) at: Timestamp,
    /// The only chance that it has, see [`seed_of`].
    pub(crate) seed: u64,
}

/// A request as scripts see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// In capital letters.
    pub(crate) method: String,
    /// What followed the source's id in the URL: empty, or with its slash.
    pub(crate) path: String,
    /// Without its question mark.
    pub(crate) query: String,
    /// The query as an object: texts, or lists of texts where a name repeats.
    pub(crate) parsed_query: Value,
    /// Names in lower case, values as texts.
    pub(crate) headers: Map<String, Value>,
    #[serde(skip)]
    pub(crate) body: Payload,
}

/// A body, on its way into a script or out of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Payload {
    /// None at all; `null` to the script.
    #[default]
    Empty,
    /// Valid JSON, parsed for the script; what was form-encoded or XML is given as JSON too.
    Json(Bytes),
    /// Anything else: a string to the script.
    Text(Bytes),
}

impl Payload {
    /// The bytes, whatever they mean.
    pub(crate) fn bytes(&self) -> &Bytes {
        static NONE: Bytes = Bytes::new();
        match self {
            Self::Empty => &NONE,
            Self::Json(bytes) | Self::Text(bytes) => bytes,
        }
    }
}

/// A query as an object: texts, or lists of texts where a name repeats.
pub(crate) fn parsed(query: &str) -> Value {
    let mut names = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let value = Value::from(value.into_owned());
        match names.get_mut(name.as_ref()) {
            None => {
                names.insert(name.into_owned(), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(one) => *one = Value::Array(vec![one.take(), value]),
        }
    }
    Value::Object(names)
}

/// The seed of an event's dice: the same on every node and in every version (FNV-1a over the event's id).
pub(crate) fn seed_of(event: &str) -> u64 {
    event.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_repeats_is_a_list() {
        let expected = serde_json::json!({"a": ["1", "é", ""], "b": "2 3"});
        assert_eq!(parsed("a=1&b=2+3&a=%C3%A9&a"), expected);
        assert_eq!(parsed(""), serde_json::json!({}));
    }

    #[test]
    fn seeds_never_change() {
        // What a script drew for a stored event must be drawn again by its next attempt, also after an upgrade.
        assert_eq!(seed_of(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(seed_of("evt_1"), 0x92f4_3a00_c328_4f02);
        assert_ne!(seed_of("evt_1"), seed_of("evt_2"));
    }
}
