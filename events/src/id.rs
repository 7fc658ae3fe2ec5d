//! Identifiers. Each is a type of its own, so that an order line's id can't stand where an order's is meant.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use smol_str::SmolStr;
use thiserror::Error;

use crate::number::WholeNumber;

/// Longest id of an order, an order line or a customer, in characters (domain, section 1).
pub const ID_CHARS_MAX: usize = 64;

/// Largest numeric id: JSON clients that read numbers as doubles keep every integer below 2^53 exact.
pub const NUMERIC_ID_MAX: i64 = (1 << 53) - 1;

/// Why a text is no id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdError {
    /// The text has no character.
    #[error("an id must not be empty")]
    Empty,
    /// The text is longer than [`ID_CHARS_MAX`].
    #[error("an id has at most {ID_CHARS_MAX} characters, this one has {0}")]
    TooLong(usize),
    /// The text has a character that ids don't have.
    #[error("an id is made of A-Z a-z 0-9 _ : -, this one has {0:?}")]
    Character(char),
}

fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    // All bytes first, whatever each is, which is done with many at once. What stands before the first that is none of these
    // is ASCII.
    let is_of_id = |byte: u8| byte.is_ascii_alphanumeric() | matches!(byte, b'_' | b':' | b'-');
    let is_id = text
        .bytes()
        .fold(true, |is_id, byte| is_id & is_of_id(byte));
    if !is_id
        && let Some(place) = text.bytes().position(|byte| !is_of_id(byte))
        && let Some(character) = text[place..].chars().next()
    {
        return Err(IdError::Character(character));
    }
    if text.len() > ID_CHARS_MAX {
        return Err(IdError::TooLong(text.len()));
    }
    Ok(())
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// 1 to 64 characters from `A-Z a-z 0-9 _ : -`; reading one from JSON or text checks that.
        /// A clone takes no memory of its own.
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(SmolStr);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                check(text)?;
                Ok(Self(text.into()))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::text::parse(deserializer)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id!(
    /// An order.
    OrderId
);
text_id!(
    /// A line of an order.
    OrderLineId
);
text_id!(
    /// A customer: who buys, or who travels.
    CustomerId
);
text_id!(
    /// A payment transaction of an order.
    PaymentTransactionId
);

macro_rules! numeric_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// A whole number from 1 to 2^53 - 1; in JSON a number, and read from a numeric string too.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// The id, if `value` is within 1 to 2^53 - 1.
            pub fn new(value: i64) -> Option<Self> {
                (1..=NUMERIC_ID_MAX).contains(&value).then_some(Self(value))
            }

            /// The id as a number.
            pub fn get(self) -> i64 {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = NumericIdError;

            fn from_str(text: &str) -> Result<Self, NumericIdError> {
                let WholeNumber(value) = text.parse().map_err(|_| NumericIdError)?;
                Self::new(value).ok_or(NumericIdError)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = deserializer.deserialize_any(NumericIdVisitor)?;
                Self::new(value).ok_or_else(|| serde::de::Error::custom(NumericIdError))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

/// The value is no whole number from 1 to 2^53 - 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a numeric id is a whole number from 1 to {NUMERIC_ID_MAX}")]
pub struct NumericIdError;

struct NumericIdVisitor;

impl serde::de::Visitor<'_> for NumericIdVisitor {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from 1 to {NUMERIC_ID_MAX}")
    }

    fn visit_i64<E>(self, value: i64) -> Result<i64, E> {
        Ok(value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<i64, E> {
        i64::try_from(value).map_err(|_| E::custom(NumericIdError))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<i64, E> {
        value.parse().map_err(|_| E::custom(NumericIdError))
    }
}

numeric_id!(
    /// An organisation: a transport company, an authority.
    OrganisationId
);
numeric_id!(
    /// A loyalty program, as its document names it.
    ProgramId
);
numeric_id!(
    /// A point definition of a program, as the program's document names it.
    PointDefinitionId
);
numeric_id!(
    /// A member of a program. Made from the log position of the first enrolment.
    MemberId
);
numeric_id!(
    /// A points transaction. Made from the log position of the event that gave it.
    TransactionId
);
numeric_id!(
    /// A ticket distribution group. Made from a log position.
    GroupId
);
numeric_id!(
    /// A ticket distribution within a group. Made from a log position.
    TicketDistributionId
);

impl TransactionId {
    /// The log position of the event that gave it.
    pub fn position(self) -> u64 {
        position_from_id(self.0)
    }
}

/// How many things of one kind one log record can bring into being: ids are `position * 4096 + number`.
pub const EFFECTS_PER_RECORD_MAX: u32 = 4096;

/// The numeric id of the `number`th thing that the record at `position` brought into being (domain, section 3).
///
/// `None` when `number` is not below [`EFFECTS_PER_RECORD_MAX`] or the id would pass 2^53 - 1. The id is the
/// same on every rebuild, since positions are.
pub fn id_from_position(position: u64, number: u32) -> Option<i64> {
    if number >= EFFECTS_PER_RECORD_MAX {
        return None;
    }
    let base = position.checked_mul(u64::from(EFFECTS_PER_RECORD_MAX))?;
    let id = i64::try_from(base.checked_add(u64::from(number))?).ok()?;
    (1..=NUMERIC_ID_MAX).contains(&id).then_some(id)
}

/// The position of the record that brought the thing with this id into being: [`id_from_position`] the other way round.
pub fn position_from_id(id: i64) -> u64 {
    id.unsigned_abs() / u64::from(EFFECTS_PER_RECORD_MAX)
}

macro_rules! version {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(u32);

        impl $name {
            /// The version, if it is at least 1.
            pub fn new(value: u32) -> Option<Self> {
                (value >= 1).then_some(Self(value))
            }

            /// The version as a number, at least 1.
            pub fn get(self) -> u32 {
                self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = u32::deserialize(deserializer)?;
                Self::new(value).ok_or_else(|| serde::de::Error::custom("a version starts at 1"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

version!(
    /// The round of an order: 1 at first, one more each time a confirmed order is opened for change again.
    OrderVersion
);
version!(
    /// The version of an order line: 1 at first, one more with each change of the line.
    OrderLineVersion
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_keeps_to_its_characters_and_length() {
        assert_eq!(
            "ENT:Order:1_a-B".parse::<OrderId>().unwrap().as_str(),
            "ENT:Order:1_a-B"
        );
        assert_eq!("".parse::<OrderId>(), Err(IdError::Empty));
        assert_eq!("a b".parse::<OrderId>(), Err(IdError::Character(' ')));
        assert_eq!("aø".parse::<OrderId>(), Err(IdError::Character('ø')));
        assert_eq!("x".repeat(65).parse::<OrderId>(), Err(IdError::TooLong(65)));
        assert!("x".repeat(64).parse::<OrderId>().is_ok());
    }

    #[test]
    fn ids_from_positions_are_distinct_and_below_2_to_the_53() {
        assert_eq!(id_from_position(1, 0), Some(4096));
        assert_eq!(id_from_position(1, 4095), Some(8191));
        assert_eq!(id_from_position(2, 0), Some(8192));
        assert_eq!(id_from_position(1, 4096), None);
        assert_eq!(id_from_position(1 << 41, 0), None);
        assert_eq!(id_from_position((1 << 41) - 1, 4095), Some(NUMERIC_ID_MAX));
    }

    #[test]
    fn a_numeric_id_is_read_from_a_number_or_a_numeric_string() {
        assert_eq!(serde_json::from_str::<ProgramId>("7").unwrap().get(), 7);
        assert_eq!(serde_json::from_str::<ProgramId>("\"7\"").unwrap().get(), 7);
        assert!(serde_json::from_str::<ProgramId>("0").is_err());
        assert!(serde_json::from_str::<ProgramId>("7.5").is_err());
        assert!(serde_json::from_str::<ProgramId>("9007199254740992").is_err());
    }
}
