//! The encoding of values: one version byte, then bincode 2 (or JSON for the catalog, which people read and extend).

use super::kv::{KvError, Read, Table};
use serde::{Serialize, de::DeserializeOwned};

/// A value that can't be read back. Found on disk it means a damaged row or a newer version of the program.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    #[error("reading a {what}: it is empty")]
    Empty { what: &'static str },
    #[error("reading a {what}: version {version} is unknown")]
    Version { what: &'static str, version: u8 },
    #[error("reading a {what}: {detail}")]
    Malformed { what: &'static str, detail: String },
}

/// A value with a name and a version of its layout. A changed layout gets the next version and keeps reading the old one.
pub trait Stored: Serialize + DeserializeOwned {
    const WHAT: &'static str;
    const VERSION: u8;

    /// Whether its fields fit together. One whose fields don't is never written, and is damage where it is read.
    fn is_sound(&self) -> bool {
        true
    }

    /// Reads the body of an earlier version; none for a version that was never written.
    fn read_earlier(_version: u8, _body: &[u8]) -> Option<Result<Self, CodecError>> {
        None
    }
}

/// No value is longer. Damaged bytes that claim a longer one are refused before memory is taken for it: an allocation
/// that fails would end the process.
const BYTES_MAX: usize = 64 << 20;

pub(crate) fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<BYTES_MAX>()
}

/// Writes a value in bincode behind its version byte.
///
/// # Panics
/// When a type can't be encoded at all, which is a mistake in the program.
#[must_use]
pub fn encode<T: Stored>(value: &T) -> Vec<u8> {
    debug_assert!(value.is_sound(), "{} that contradicts itself", T::WHAT);
    let mut out = vec![T::VERSION];
    bincode::serde::encode_into_std_write(value, &mut out, config())
        .expect("a stored type encodes into memory");
    out
}

/// Reads a value back.
///
/// # Errors
/// When the bytes are not exactly one value of the known version.
pub fn decode<T: Stored>(bytes: &[u8]) -> Result<T, CodecError> {
    if let Some((&version, body)) = bytes.split_first()
        && version < T::VERSION
        && let Some(read) = T::read_earlier(version, body)
    {
        return read.and_then(sound);
    }
    decode_body(versioned::<T>(bytes)?).and_then(sound)
}

/// A value that was read, unless its fields contradict each other. An assertion, like that of the writing side: builds for
/// use go by what an earlier version may have written.
fn sound<T: Stored>(value: T) -> Result<T, CodecError> {
    match cfg!(not(debug_assertions)) || value.is_sound() {
        true => Ok(value),
        false => Err(CodecError::Malformed {
            what: T::WHAT,
            detail: "its fields contradict each other".into(),
        }),
    }
}

/// Reads the value of a row of the state. One that can't be read is damage, and the store hears of it: whatever the
/// caller makes of the error, nothing is decided beside it.
///
/// # Errors
/// When the bytes are not exactly one value of a known version.
pub fn decode_row<T: Stored>(kv: &impl Read, table: Table, bytes: &[u8]) -> Result<T, CodecError> {
    decode(bytes).inspect_err(|error| kv.distrust(table, error))
}

/// Reads a row that is written in JSON, like [`decode_row`].
///
/// # Errors
/// When the bytes are not a value of the known version.
pub fn decode_json_row<T: Stored>(
    kv: &impl Read,
    table: Table,
    bytes: &[u8],
) -> Result<T, CodecError> {
    decode_json(bytes).inspect_err(|error| kv.distrust(table, error))
}

/// Reads what the key of a row says, where every key of its range says something, like [`decode_row`].
///
/// # Errors
/// When it says nothing.
pub fn read_key<T>(
    kv: &impl Read,
    table: Table,
    what: &'static str,
    read: Option<T>,
) -> Result<T, KvError> {
    read.ok_or_else(|| {
        let error = CodecError::Malformed {
            what,
            detail: "its bytes say nothing".into(),
        };
        kv.distrust(table, &error);
        KvError {
            table,
            doing: "reading a row of",
            source: Box::new(error),
        }
    })
}

/// Reads the bincode behind a version byte.
pub(crate) fn decode_body<T: Stored>(body: &[u8]) -> Result<T, CodecError> {
    let malformed = |detail: String| CodecError::Malformed {
        what: T::WHAT,
        detail,
    };
    let (value, read) =
        bincode::serde::decode_from_slice(body, config()).map_err(|e| malformed(e.to_string()))?;
    if read != body.len() {
        return Err(malformed("bytes are left over".into()));
    }
    Ok(value)
}

/// Writes a value in JSON behind its version byte.
///
/// # Panics
/// When a type can't be encoded at all, which is a mistake in the program.
#[must_use]
pub fn encode_json<T: Stored>(value: &T) -> Vec<u8> {
    debug_assert!(value.is_sound(), "{} that contradicts itself", T::WHAT);
    let mut out = vec![T::VERSION];
    serde_json::to_writer(&mut out, value).expect("a stored type encodes into memory");
    out
}

/// Reads a JSON value back.
///
/// # Errors
/// When the bytes are not a value of the known version.
pub fn decode_json<T: Stored>(bytes: &[u8]) -> Result<T, CodecError> {
    let read = serde_json::from_slice(versioned::<T>(bytes)?);
    let read = read.map_err(|e| CodecError::Malformed {
        what: T::WHAT,
        detail: e.to_string(),
    });
    read.and_then(sound)
}

/// A stored value inside a command: in bincode, behind its version byte, behind its length.
pub(crate) mod as_stored {
    use super::Stored;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<T: Stored, S: Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(&super::encode(value))
    }

    pub(crate) fn deserialize<'de, T: Stored, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
        let bytes = bytes::Bytes::deserialize(d)?;
        super::decode(&bytes).map_err(D::Error::custom)
    }
}

fn versioned<T: Stored>(bytes: &[u8]) -> Result<&[u8], CodecError> {
    match bytes.split_first() {
        None => Err(CodecError::Empty { what: T::WHAT }),
        Some((&version, _)) if version != T::VERSION => Err(CodecError::Version {
            what: T::WHAT,
            version,
        }),
        Some((_, body)) => Ok(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    /// Sound is what is odd.
    #[derive(Debug, Serialize, Deserialize, PartialEq)]
    struct Odd(u8);

    impl Stored for Odd {
        const WHAT: &'static str = "odd number";
        const VERSION: u8 = 1;

        fn is_sound(&self) -> bool {
            self.0 % 2 == 1
        }
    }

    #[test]
    fn what_contradicts_itself_is_not_read() {
        assert_eq!(decode::<Odd>(&[1, 3]).ok(), Some(Odd(3)));
        assert!(decode::<Odd>(&[1, 2]).is_err());
        assert_eq!(decode_json::<Odd>(b"\x013").ok(), Some(Odd(3)));
        assert!(decode_json::<Odd>(b"\x012").is_err());
    }

    #[test]
    #[should_panic(expected = "odd number that contradicts itself")]
    fn what_contradicts_itself_is_not_written() {
        let _ = encode(&Odd(2));
    }
}
