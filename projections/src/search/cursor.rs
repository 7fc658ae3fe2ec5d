//! Where a page ends, so that the next can begin there.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use thiserror::Error;

use super::place::GroupPlace;

/// The place behind which a search goes on, as text without meaning for a caller. It holds for as long as the filters
/// stay the same; a group that is updated meanwhile moves before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub(super) GroupPlace);

/// The text is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is no cursor; write the one of the page before as it came")]
pub struct CursorError;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .to_bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let digits: Vec<u8> = text
            .chars()
            .map(|digit| {
                digit
                    .to_digit(16)
                    .and_then(|digit| u8::try_from(digit).ok())
            })
            .collect::<Option<_>>()
            .ok_or(CursorError)?;
        let (pairs, []) = digits.as_chunks::<2>() else {
            return Err(CursorError);
        };
        let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        let bytes = bytes.try_into().map_err(|_| CursorError)?;
        Ok(Self(GroupPlace::from_bytes(bytes)))
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let mut bytes = (0..u8::MAX).map(|n| n.wrapping_mul(13));
        let bytes = std::array::from_fn(|_| bytes.next().unwrap_or_default());
        let cursor = Cursor(GroupPlace::from_bytes(bytes));
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        let text = cursor.to_string();
        for other in ["", "x", &text[1..], &text[2..], &format!("{text}00"), "ø"] {
            assert_eq!(other.parse::<Cursor>(), Err(CursorError), "{other}");
        }
    }
}
