//! A regular expression within bounds: of an engine that takes linear time, and with a price for each byte that it looks at.

use super::{PATTERN_CACHE_MAX, PATTERN_PROGRAM_MAX, PATTERN_TEXT_MAX};
use regex::{Error, Regex, RegexBuilder};

/// Linear in the text, but times the program where nothing shorter can be kept of it: the larger the program, the more
/// steps a byte costs. Bytes of a program, and that price.
const PRICES: [(usize, u64); 3] = [(8 * 1024, 1), (64 * 1024, 4), (PATTERN_PROGRAM_MAX, 32)];

#[derive(Clone, Debug)]
pub(super) struct Pattern {
    regex: Regex,
    steps_per_byte: u64,
}

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// When it is none, or compiles to more than [`PATTERN_PROGRAM_MAX`] bytes.
    pub(super) fn compile(text: &str) -> Result<Self, Error> {
        let mut compiled = Err(Error::CompiledTooBig(PATTERN_PROGRAM_MAX));
        for (size, steps_per_byte) in PRICES {
            compiled = RegexBuilder::new(text)
                .size_limit(size)
                .dfa_size_limit(PATTERN_CACHE_MAX)
                .build()
                .map(|regex| Self {
                    regex,
                    steps_per_byte,
                });
            if !matches!(compiled, Err(Error::CompiledTooBig(_))) {
                break;
            }
        }
        compiled
    }

    /// The cost, in steps, of searching a text; none when the text is too long to be searched.
    pub(super) fn price(&self, text: &str) -> Option<u64> {
        let bytes = text.len();
        (bytes <= PATTERN_TEXT_MAX).then_some(bytes as u64 * self.steps_per_byte)
    }

    pub(super) fn finds(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_program_has_a_higher_price() {
        let price = |pattern| Pattern::compile(pattern).expect("a pattern").price("12345");
        assert_eq!(price("^order-[0-9]+$"), Some(5));
        assert_eq!(price(r"^\w+@example\.com$"), Some(5 * 4));
        assert_eq!(price("[ab]*a[ab]{999}c"), Some(5 * 32));
        assert!(Pattern::compile("(a{1000}){1000}").is_err());
        let long = "x".repeat(PATTERN_TEXT_MAX + 1);
        assert_eq!(Pattern::compile("x").expect("a pattern").price(&long), None);
    }
}
