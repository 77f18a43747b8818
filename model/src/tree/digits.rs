//! A number as it was written: amounts and long ids are not rounded.

use serde_json::Number;

/// Significant digits that a double keeps, whatever they are.
const EXACT_DIGITS: usize = 15;
/// Whole numbers from here on have more.
const EXACT_MAX: f64 = 1e15;

/// Digits as they stood there. Two are equal when they are written alike; by value numbers are compared where filters are.
#[derive(Clone, Debug)]
pub struct Digits {
    text: Box<str>,
    is_rounded: bool,
}

impl Digits {
    pub(super) fn written(text: &str) -> Self {
        Self {
            text: text.into(),
            is_rounded: false,
        }
    }

    /// A number of the configuration, where it went through a double if it is not whole or has more than 64 bits.
    #[must_use]
    pub fn of(number: &Number) -> Self {
        let text = number.to_string();
        let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        let significant = digits.trim_matches('0').len();
        Self {
            is_rounded: number.is_f64()
                && (significant > EXACT_DIGITS
                    || number.as_f64().is_none_or(|n| n.abs() >= EXACT_MAX)),
            text: text.into(),
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it may have had other digits once: only the double next to it is known.
    #[must_use]
    pub fn is_rounded(&self) -> bool {
        self.is_rounded
    }
}

impl PartialEq for Digits {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Digits {}

impl From<u64> for Digits {
    fn from(number: u64) -> Self {
        Self::written(&number.to_string())
    }
}
