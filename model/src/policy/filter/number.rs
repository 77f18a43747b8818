//! A number by its value, exactly, however long it is written.

use crate::tree::{Digits, Tree};
use std::cmp::Ordering;

/// A number by its value: `1`, `1.0` and `"1"` are the same one, `10000000000000001` is not `10000000000000000`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Number {
    /// A whole number of at most [`WHOLE_DIGITS_MAX`] digits.
    Whole(i128),
    /// Any other.
    Decimal(Box<Decimal>),
    /// One of the configuration that lost digits on its way here: the bits of the double that is left. It equals whatever
    /// has that double next to it.
    Rounded(u64),
}

/// `0.` and the digits, times ten to the exponent. The digits neither begin nor end with a zero.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Decimal {
    is_negative: bool,
    digits: Box<[u8]>,
    exponent: i64,
}

/// Digits that an `i128` holds, whichever they are.
const WHOLE_DIGITS_MAX: i64 = 38;
/// Exponents beyond count as this one. No double and no amount has one of a thousandth of it.
const EXPONENT_MAX: i64 = 1 << 60;

impl Number {
    /// The number that a scalar converts to: `true` is 1, `""` is 0, `"x"` is none.
    pub(crate) fn of(value: &Tree) -> Option<Self> {
        match value {
            Tree::Number(digits) => Some(Self::written(digits)),
            Tree::Bool(value) => Some(Self::Whole(i128::from(*value))),
            Tree::Text(text) => Self::read(text.as_str()),
            Tree::Null | Tree::List(_) | Tree::Object(_) => None,
        }
    }

    /// A number of JSON.
    pub(super) fn written(digits: &Digits) -> Self {
        let text = digits.as_str();
        if digits.is_rounded() {
            return Self::Rounded(bits_of(text.parse().unwrap_or(0.0)));
        }
        // Whatever is a number to JSON is one here.
        Self::decimal(text).unwrap_or(Self::Whole(0))
    }

    /// A number as text: decimal with or without fraction and exponent, or whole after `0x`, `0o`, `0b`; white space
    /// around it does not count, and nothing at all is 0.
    pub(crate) fn read(text: &str) -> Option<Self> {
        // A byte order mark is white space to those who know this language.
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        if text.is_empty() {
            return Some(Self::Whole(0));
        }
        let radix = match text.get(..2) {
            Some("0x" | "0X") => 16,
            Some("0o" | "0O") => 8,
            Some("0b" | "0B") => 2,
            _ => return Self::decimal(text),
        };
        Self::of_radix(&text[2..], radix)
    }

    fn decimal(text: &str) -> Option<Self> {
        if let Ok(whole) = text.parse::<i64>() {
            return Some(Self::Whole(whole.into()));
        }
        let (is_negative, unsigned) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let (whole, rest) = leading_digits(unsigned);
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => leading_digits(rest),
            rest => (&[][..], rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', exponent @ ..] => read_exponent(exponent)?,
            _ => return None,
        };
        let digits = [whole, fraction].concat();
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        let point = i64::try_from(whole.len()).ok()? - i64::try_from(zeros).ok()?;
        Some(Self::normal(
            is_negative,
            &digits[zeros..],
            point.saturating_add(exponent),
        ))
    }

    /// `0.DIGITS` times ten to the exponent; the first digit is no zero.
    fn normal(is_negative: bool, digits: &[u8], exponent: i64) -> Self {
        let end = digits.iter().rposition(|digit| *digit != b'0');
        let Some(end) = end else {
            return Self::Whole(0);
        };
        let digits = &digits[..=end];
        let zeros = exponent - digits.len() as i64;
        if zeros >= 0 && exponent <= WHOLE_DIGITS_MAX {
            let whole = digits
                .iter()
                .fold(0, |sum: i128, digit| sum * 10 + i128::from(digit - b'0'));
            let whole = (0..zeros).fold(whole, |whole, _| whole * 10);
            return Self::Whole(if is_negative { -whole } else { whole });
        }
        Self::Decimal(Box::new(Decimal {
            is_negative,
            digits: digits.into(),
            exponent: exponent.clamp(-EXPONENT_MAX, EXPONENT_MAX),
        }))
    }

    fn of_radix(digits: &str, radix: u32) -> Option<Self> {
        let is_digits = digits.chars().all(|digit| digit.is_digit(radix));
        if !is_digits || digits.is_empty() {
            return None;
        }
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Some(Self::Whole(0));
        }
        match i128::from_str_radix(digits, radix) {
            // Up to here each value has one form.
            Ok(whole) => Some(Self::decimal(&whole.to_string())?),
            Err(_) => {
                let digits = digits.chars().filter_map(|digit| digit.to_digit(radix));
                let base = f64::from(radix);
                let double = digits.fold(0.0, |sum, digit| sum * base + f64::from(digit));
                double.is_finite().then(|| Self::Rounded(bits_of(double)))
            }
        }
    }

    pub(super) fn is_rounded(&self) -> bool {
        matches!(self, Self::Rounded(_))
    }

    /// The bits of the double next to it. Equal numbers have the same, some others too.
    pub(crate) fn nearest_bits(&self) -> u64 {
        match self {
            Self::Whole(whole) => bits_of(*whole as f64),
            Self::Rounded(bits) => *bits,
            Self::Decimal(decimal) => bits_of(decimal.nearest()),
        }
    }

    /// Whether both are the same number, as far as it is known.
    pub(super) fn is(&self, other: &Self) -> bool {
        match self.is_rounded() || other.is_rounded() {
            true => self.nearest_bits() == other.nearest_bits(),
            false => self == other,
        }
    }

    pub(super) fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => one.cmp(other),
            (Self::Rounded(_), _) | (_, Self::Rounded(_)) => {
                let double = |number: &Self| f64::from_bits(number.nearest_bits());
                double(self).total_cmp(&double(other))
            }
            (Self::Decimal(one), Self::Decimal(other)) => one.cmp(other),
            (Self::Decimal(one), Self::Whole(other)) => one.as_ref().cmp(&Decimal::of(*other)),
            (Self::Whole(one), Self::Decimal(other)) => Decimal::of(*one).cmp(other.as_ref()),
        }
    }
}

impl Decimal {
    fn of(whole: i128) -> Self {
        let digits = whole.unsigned_abs().to_string();
        Self {
            is_negative: whole < 0,
            exponent: if whole == 0 {
                i64::MIN
            } else {
                digits.len() as i64
            },
            digits: digits.trim_end_matches('0').as_bytes().into(),
        }
    }

    /// The double next to it, infinite where it is beyond all.
    fn nearest(&self) -> f64 {
        let digits = String::from_utf8_lossy(&self.digits);
        let sign = if self.is_negative { "-" } else { "" };
        let text = format!("{sign}0.{digits}e{}", self.exponent);
        text.parse().unwrap_or(0.0)
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_negative, other.is_negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (is_negative, _) => {
                // Digits begin with the largest, and none ends with a zero.
                let order = self.exponent.cmp(&other.exponent);
                let order = order.then_with(|| self.digits.cmp(&other.digits));
                if is_negative { order.reverse() } else { order }
            }
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn leading_digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

fn read_exponent(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits.iter().fold(0, |size: i64, digit| {
        (size
            .saturating_mul(10)
            .saturating_add(i64::from(digit - b'0')))
        .min(EXPONENT_MAX)
    });
    Some(if is_negative { -size } else { size })
}

/// The bits of a double, one for zero.
fn bits_of(double: f64) -> u64 {
    (double + 0.0).to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn of(value: &Value) -> Number {
        Number::of(&Tree::of(value)).expect("a number")
    }

    fn read(text: &str) -> Number {
        Number::read(text).unwrap_or_else(|| panic!("{text:?}"))
    }

    #[test]
    fn text_is_a_number_where_it_reads_as_one() {
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
            ("120e-1", 12),
            ("-0", 0),
            ("-0.0e5", 0),
            ("0x1F", 31),
            ("0b11", 3),
            ("0o17", 15),
            ("18446744073709551615", u64::MAX.into()),
            ("9007199254740993", 9_007_199_254_740_993),
            ("1e37", 10_i128.pow(37)),
        ] {
            assert_eq!(read(text), Number::Whole(number), "{text:?}");
        }
        assert_eq!(read(".5"), of(&json!(0.5)));
        for text in [
            "x",
            "5x",
            "true",
            "null",
            "NaN",
            "inf",
            "Infinity",
            "-Infinity",
            ".",
            "+",
            "-",
            "e5",
            "1e",
            "1e+",
            "1e5.5",
            "0x",
            "-0x1",
            "0x1.5",
            "0b2",
            "1_000",
            "1,000",
            "5 5",
            "--5",
            "٥",
        ] {
            assert_eq!(Number::read(text), None, "{text:?}");
        }
    }

    #[test]
    fn digits_beyond_a_double_count() {
        let long = "7".repeat(310);
        let longer = format!("{long}.{}1", "0".repeat(400));
        for (less, more) in [
            ("10000000000000000", "10000000000000001"),
            (
                "123456789012345678901234567890",
                "123456789012345678901234567891",
            ),
            ("0.30000000000000000001", "0.30000000000000000002"),
            ("1e399", "1e400"),
            ("1e400", "2e400"),
            ("-2e400", "-1e400"),
            ("-1", "1e-400"),
            ("0", "1e-400"),
            ("-1e-400", "0"),
            (long.as_str(), longer.as_str()),
            (
                "170141183460469231731687303715884105727",
                "170141183460469231731687303715884105728",
            ),
        ] {
            assert!(read(less).order(&read(more)).is_lt(), "{less} {more}");
            assert!(read(more).order(&read(less)).is_gt(), "{less} {more}");
            assert!(!read(less).is(&read(more)), "{less} {more}");
        }
        for (one, other) in [
            ("1e400", "10.0e399"),
            ("1e40", "10000000000000000000000000000000000000000"),
            ("0.10", "1e-1"),
            ("1e99999999999999999999", "1e88888888888888888888"),
            ("0x100000000000000000000", "1208925819614629174706176"),
        ] {
            assert_eq!(read(one), read(other), "{one} {other}");
        }
    }

    #[test]
    fn a_number_of_the_configuration_that_lost_digits_equals_what_it_may_have_been() {
        let configured = |text: &str| of(&serde_json::from_str(text).expect("a number"));
        for text in [
            "1e300",
            "36893488147419103232",
            "1000000000000000000000001",
            "0.1234567890123456789",
            "1e22",
            "-1e22",
            "0.1",
        ] {
            assert!(configured(text).is(&read(text)), "{text}");
            assert_eq!(
                configured(text).nearest_bits(),
                read(text).nearest_bits(),
                "{text}"
            );
        }
        assert!(!configured("0.1").is(&read("0.10000000000000001")));
        assert!(!configured("1e14").is(&read("100000000000000.1")));
        let hex = read("0x2000000000000000000000000000000000");
        assert!(hex.is(&of(&json!(
            10_889_035_741_470_030_830_827_987_437_816_582_766_592.0
        ))));
    }

    proptest! {
        #[test]
        fn numbers_have_one_order(a: i64, b: f64, c in -1e20..1e20_f64) {
            let (whole, double) = (of(&json!(a)), read(&c.to_string()));
            prop_assert_eq!(whole.order(&double), double.order(&whole).reverse());
            // Exact where doubles are.
            if a.unsigned_abs() < 1 << 53 {
                prop_assert_eq!(whole.order(&double), (a as f64).partial_cmp(&c).expect("finite"));
            }
            if b.is_finite() {
                let text = format!("{b:e}");
                prop_assert_eq!(f64::from_bits(read(&text).nearest_bits()), b);
                prop_assert!(of(&json!(b)).is(&read(&text)));
            }
        }

        #[test]
        fn zeros_change_no_value(digits in "[1-9][0-9]{0,60}", point in 0_usize..60, zeros in 0_usize..50) {
            let exponent = point as i64 - zeros as i64;
            let spelled = format!("00{digits}{}e{exponent}", "0".repeat(zeros));
            prop_assert_eq!(read(&spelled), read(&format!("{digits}e{point}")));
        }

        #[test]
        fn no_text_makes_it_panic(text: String, digits in "[-+0-9.eExXbo]{0,30}") {
            let _ = Number::read(&text);
            let _ = Number::read(&digits);
        }
    }
}
