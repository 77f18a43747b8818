//! One of an enum's names, with all of them for whoever has named none.

use serde::{
    Deserialize,
    de::{self, IntoDeserializer, value::StrDeserializer},
};
use std::fmt;

/// Reads a name as it is spelled in the API. The error says in words what was expected.
pub fn read<T: for<'de> Deserialize<'de>>(name: &str) -> Result<T, String> {
    let name: StrDeserializer<'_, Unknown> = name.into_deserializer();
    T::deserialize(name).map_err(|error| error.to_string())
}

/// The names that there are.
#[derive(Debug)]
struct Unknown(String);

impl de::Error for Unknown {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    fn unknown_variant(name: &str, known: &'static [&'static str]) -> Self {
        Self(format!(
            "expected one of {}, got {name:?}",
            known.join(", ")
        ))
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
