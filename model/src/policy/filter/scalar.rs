//! How single values compare: loosely across types, strictly within lists, by order.

use serde_json::Value;
use std::cmp::Ordering;

/// A number by its value: `1`, `1.0` and `"1"` are the same one. Whole numbers are exact as far as JSON's are, so
/// 9007199254740993 is not 9007199254740992.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Number {
    Whole(i128),
    /// The bits of a finite double that is not whole, or too large to be told from its neighbours.
    Double(u64),
}

/// Doubles up to here are whole numbers that an `i128` holds with room to spare.
const WHOLE_MAX: f64 = 36_893_488_147_419_103_232.0;

impl Number {
    /// What a scalar is as a number: `true` is 1, `""` is 0, `"x"` is none.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => Self::of_json(number),
            Value::Bool(value) => Some(Self::Whole(i128::from(*value))),
            Value::String(text) => Self::read(text),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// A number as text: decimal with or without fraction and exponent, or whole after `0x`, `0o`, `0b`; white space
    /// around it does not count, and nothing at all is 0.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        // A byte order mark is white space to those who know this language.
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        let first = *text.as_bytes().first().unwrap_or(&b'0');
        if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
            return None;
        }
        if text.is_empty() {
            return Some(Self::Whole(0));
        }
        if let [b'0', radix @ (b'x' | b'X' | b'o' | b'O' | b'b' | b'B'), ..] = text.as_bytes() {
            return Self::read_digits(&text[2..], radix.to_ascii_lowercase());
        }
        if let Ok(whole) = text.parse::<i64>() {
            return Some(Self::Whole(whole.into()));
        }
        if let Ok(whole) = text.parse::<u64>() {
            return Some(Self::Whole(whole.into()));
        }
        // `inf` and `nan` are words to us.
        let is_decimal = |byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        if !text.bytes().all(is_decimal) {
            return None;
        }
        Self::of_double(text.parse().ok()?)
    }

    fn read_digits(digits: &str, radix: u8) -> Option<Self> {
        let radix = match radix {
            b'x' => 16,
            b'o' => 8,
            _ => 2,
        };
        if !digits.bytes().all(|byte| char::from(byte).is_digit(radix)) {
            return None;
        }
        match u64::from_str_radix(digits, radix) {
            Ok(whole) => Some(Self::Whole(whole.into())),
            Err(_) if digits.is_empty() => None,
            Err(_) => {
                let digits = digits.chars().filter_map(|digit| digit.to_digit(radix));
                let base = f64::from(radix);
                Self::of_double(digits.fold(0.0, |sum, digit| sum * base + f64::from(digit)))
            }
        }
    }

    fn of_json(number: &serde_json::Number) -> Option<Self> {
        if let Some(whole) = number.as_i64() {
            return Some(Self::Whole(whole.into()));
        }
        if let Some(whole) = number.as_u64() {
            return Some(Self::Whole(whole.into()));
        }
        Self::of_double(number.as_f64()?)
    }

    fn of_double(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        if value.fract() == 0.0 && value.abs() < WHOLE_MAX {
            return Some(Self::Whole(value as i128));
        }
        Some(Self::Double(value.to_bits()))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (*self, *other) {
            (Self::Whole(one), Self::Whole(other)) => one.cmp(&other),
            (Self::Double(one), Self::Double(other)) => {
                f64::from_bits(one).total_cmp(&f64::from_bits(other))
            }
            (Self::Whole(one), Self::Double(other)) => compare_mixed(one, f64::from_bits(other)),
            (Self::Double(one), Self::Whole(other)) => {
                compare_mixed(other, f64::from_bits(one)).reverse()
            }
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A double is either broken or beyond every whole number that we hold, so the two are never equal.
fn compare_mixed(whole: i128, double: f64) -> Ordering {
    if double.abs() >= WHOLE_MAX {
        return if double > 0.0 {
            Ordering::Less
        } else {
            Ordering::Greater
        };
    }
    if whole <= double.floor() as i128 {
        Ordering::Less
    } else {
        Ordering::Greater
    }
}

pub(super) fn is_scalar(value: &Value) -> bool {
    !(value.is_array() || value.is_object())
}

/// `"5"` is `5`, `true` is `1`, `null` is only `null`. Lists and objects equal no scalar.
pub(super) fn loosely_equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => one == other,
        (Value::Null, other) | (other, Value::Null) => other.is_null(),
        _ => Number::of(one).is_some_and(|number| Number::of(other) == Some(number)),
    }
}

/// The same type and the same value. Not for lists and objects.
pub(super) fn strictly_equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(_), Value::Number(_)) => Number::of(one) == Number::of(other),
        (Value::String(one), Value::String(other)) => one == other,
        (Value::Bool(one), Value::Bool(other)) => one == other,
        (Value::Null, Value::Null) => true,
        _ => false,
    }
}

/// Text against text by its characters, a number against a number or a text that is one by value; anything else has no order.
pub(super) fn order(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        (Value::String(_) | Value::Number(_), Value::String(_) | Value::Number(_)) => {
            Some(Number::of(one)?.cmp(&Number::of(other)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn text_is_a_number_where_it_reads_as_one() {
        let whole = |text| match Number::read(text) {
            Some(Number::Whole(whole)) => Some(whole),
            _ => None,
        };
        for (text, number) in [
            ("", 0),
            (" \n", 0),
            ("5", 5),
            ("+5", 5),
            ("-5", -5),
            ("05", 5),
            (" 5 ", 5),
            ("5.", 5),
            ("5.0", 5),
            ("1e2", 100),
            ("-0", 0),
            ("0x1F", 31),
            ("0b11", 3),
            ("0o17", 15),
            ("18446744073709551615", u64::MAX.into()),
            ("9007199254740993", 9_007_199_254_740_993),
        ] {
            assert_eq!(whole(text), Some(number), "{text:?}");
        }
        assert_eq!(Number::read(".5"), Number::of(&json!(0.5)));
        for text in [
            "x",
            "5x",
            "true",
            "null",
            "NaN",
            "inf",
            "Infinity",
            "-Infinity",
            "1e999",
            ".",
            "+",
            "-",
            "e5",
            "0x",
            "-0x1",
            "0x1.5",
            "0b2",
            "1_000",
            "1,000",
            "5 5",
            "--5",
        ] {
            assert_eq!(Number::read(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_large_number_and_its_text_are_the_same() {
        for text in [
            "1e300",
            "36893488147419103232",
            "1000000000000000000000001",
            "1e22",
            "-1e22",
        ] {
            let number: Value = serde_json::from_str(text).expect("a number");
            assert_eq!(Number::read(text), Number::of(&number), "{text}");
        }
        let hex = Number::read("0x20000000000000000");
        assert_eq!(hex, Number::of(&json!(36_893_488_147_419_103_232.0)));
    }

    proptest! {
        #[test]
        fn numbers_have_one_order(a: i64, b: f64, c in -1e20..1e20_f64) {
            let number = |value: Value| Number::of(&value);
            let (a_number, c_number) = (number(json!(a)), number(json!(c)));
            prop_assert_eq!(a_number.cmp(&c_number), c_number.cmp(&a_number).reverse());
            // Exact where doubles are.
            if a.unsigned_abs() < 1 << 53 {
                prop_assert_eq!(a_number.cmp(&c_number), (a as f64).partial_cmp(&c).expect("finite"));
            }
            if b.is_finite() {
                prop_assert_eq!(Number::read(&format!("{b:e}")), Number::of_double(b));
                prop_assert_eq!(Number::of_double(b), Number::of_double(b + 0.0));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = Number::read(&text);
        }
    }
}
