//! Whole numbers as they come from outside.

use std::str::FromStr;

use thiserror::Error;

/// A whole number that was written as digits and nothing else.
///
/// Rust takes `+3` for 3. In an address a plus is a space, and in an entity tag it makes another tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WholeNumber<T>(pub T);

/// A text is no whole number, or none that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be a whole number")]
pub struct NotWhole;

impl<T: FromStr> FromStr for WholeNumber<T> {
    type Err = NotWhole;

    fn from_str(text: &str) -> Result<Self, NotWhole> {
        let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = if is_digits { text.parse().ok() } else { None };
        number.map(Self).ok_or(NotWhole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_a_number_and_nothing_else_is() {
        let read = |text: &str| text.parse::<WholeNumber<u32>>();
        assert_eq!(read("3"), Ok(WholeNumber(3)));
        assert_eq!(read("4294967295"), Ok(WholeNumber(u32::MAX)));
        for text in ["+3", "-0", "", " 3", "3.0", "4294967296", "٣"] {
            assert_eq!(read(text), Err(NotWhole), "{text}");
        }
    }
}
