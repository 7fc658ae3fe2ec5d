//! JSON texts: by reference, and the check that every later reader can take them.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::Unreadable;
use crate::json::{JsonError, wording};

/// Reads a text as JSON by its grammar, whatever value it is, without the white space around it.
pub(super) fn parse_raw(text: &str) -> Result<&RawValue, Unreadable> {
    serde_json::from_str(text).map_err(|error| not_json(&error))
}

/// Says that a message is not JSON, or is not the JSON object that an envelope is.
pub(super) fn not_json(error: &serde_json::Error) -> Unreadable {
    Unreadable::not_readable(match error.classify() {
        Category::Data => format!("the message is no envelope: {}", JsonError::from(error)),
        Category::Eof | Category::Syntax | Category::Io => {
            format!("the message is not JSON: {}", wording::not_json(error))
        }
    })
}

/// Checks all of a JSON text, also what no type of the vocabulary looks at.
///
/// The log keeps the data as it came, and projections, expressions and clients read fields of it that are not
/// decoded at the door. Text that is JSON by its grammar can still be unreadable: nested deeper than a parser goes, a
/// number that no double holds, half of a surrogate pair. Such data must not get into the log, where it would fail at
/// each reader. Nothing is allocated.
///
/// # Errors
/// What is wrong, without the field's name.
pub(super) fn check_everything(text: &str) -> Result<(), String> {
    match serde_json::from_str::<Anything>(text) {
        Ok(Anything) => Ok(()),
        Err(error) => Err(format!(
            "can't be read as JSON: {}",
            wording::not_json(&error)
        )),
    }
}

struct Anything;

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Anything {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        while entries.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}
