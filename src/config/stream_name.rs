//! The name of a stream.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// Longest name that a NATS server takes, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// A name that a NATS server takes for a stream.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct StreamName(String);

impl StreamName {
    /// The name as text.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for StreamName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let is_fit = (1..=NAME_BYTES_MAX).contains(&name.len())
            && !name
                .contains(|c: char| c.is_whitespace() || c.is_control() || ".*>/\\".contains(c));
        if is_fit {
            Ok(Self(name))
        } else {
            Err(format!(
                "write a name of 1 to {NAME_BYTES_MAX} bytes without spaces and . * > / \\, like ORDERS"
            ))
        }
    }
}

impl FromStr for StreamName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        name.to_owned().try_into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_a_server_takes() {
        for fit in ["ORDERS", "sales-2026_a", "Å"] {
            assert_eq!(fit.parse::<StreamName>().unwrap().into_string(), fit);
        }
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        for unfit in ["", "a b", "a.b", "a*", ">", "a/b", "a\\b", "a\n", &long] {
            assert!(unfit.parse::<StreamName>().is_err(), "{unfit:?}");
        }
    }
}
