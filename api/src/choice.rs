//! Parsing of enums by name, with all names in the error for whoever has named none.

use serde::{
    Deserialize, Serialize,
    de::{self, IntoDeserializer, value::StrDeserializer},
};
use serde_json::Value;
use std::fmt;

/// Reads a name as it is spelled in the API. The error says in words what was expected.
pub fn read<T: for<'de> Deserialize<'de>>(name: &str) -> Result<T, String> {
    let name: StrDeserializer<'_, Unknown> = name.into_deserializer();
    T::deserialize(name).map_err(|error| error.to_string())
}

/// The name of a value, as it is spelled in the API.
pub fn name<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        _ => String::new(),
    }
}

/// The names that an enum has, as they are spelled in the API. None where it is no enum of plain names.
pub fn names<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    let nothing: StrDeserializer<'_, Unknown> = "".into_deserializer();
    T::deserialize(nothing).map_or_else(|unknown| unknown.known, |_| &[])
}

/// That there is no such name, and which there are.
#[derive(Debug)]
struct Unknown {
    message: String,
    known: &'static [&'static str],
}

impl de::Error for Unknown {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            message: message.to_string(),
            known: &[],
        }
    }

    fn unknown_variant(name: &str, known: &'static [&'static str]) -> Self {
        Self {
            message: format!("expected one of {}, got {name:?}", known.join(", ")),
            known,
        }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Unknown {}

#[cfg(test)]
mod tests {
    use super::*;
    use model::traffic::{IssueStatus, LogLevel};

    #[test]
    fn a_name_is_read_or_all_names_are_told() {
        assert_eq!(read("OPENED"), Ok(IssueStatus::Opened));
        let error = read::<LogLevel>("loud").expect_err("no level");
        assert_eq!(
            error,
            "expected one of debug, info, warn, error, fatal, got \"loud\""
        );
    }
}
