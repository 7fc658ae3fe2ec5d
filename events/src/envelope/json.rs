//! JSON texts: by reference, and the check that every later reader can take them.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::Unreadable;
use super::times::Times;
use crate::event::FieldError;
use crate::json::{JsonError, wording};
use crate::time::{Time, TimeError};

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

/// Checks all of a JSON text, also what no type of the vocabulary looks at, and that its times are written as RFC 3339
/// has it.
///
/// The log keeps the data as it came, and projections, expressions and clients read fields of it that are not
/// decoded at the door. Text that is JSON by its grammar can still be unreadable: nested deeper than a parser goes, a
/// number that no double holds, half of a surrogate pair. Such data must not get into the log, where it would fail at
/// each reader. Nothing is allocated.
///
/// # Errors
/// What is wrong; the field is `data` where it is the text as a whole.
pub(super) fn check_everything(text: &str, times: Option<&Times>) -> Result<(), FieldError> {
    let wrong = Cell::new(None);
    let anything = Anything {
        times,
        wrong: &wrong,
    };
    anything
        .deserialize(&mut serde_json::Deserializer::from_str(text))
        .map_err(|error| {
            let why = wording::not_json(&error);
            FieldError::new("data", format!("can't be read as JSON: {why}"))
        })?;
    match wrong.get() {
        None => Ok(()),
        Some((field, problem)) => Err(FieldError::new(field, problem.to_string())),
    }
}

/// Takes any value.
#[derive(Clone, Copy)]
struct Anything<'a> {
    /// Where the value has times.
    times: Option<&'a Times>,
    /// The last time that is none, by its path.
    wrong: &'a Cell<Option<(&'static str, TimeError)>>,
}

impl Anything<'_> {
    /// A value within this one that has no times.
    fn without_times(self) -> Self {
        Self {
            times: None,
            ..self
        }
    }
}

impl<'de> DeserializeSeed<'de> for Anything<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Anything<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        if let Some(Times::At(path)) = self.times
            && let Err(problem) = text.parse::<Time>()
        {
            self.wrong.set(Some((path, problem)));
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let item = self.without_times();
        while items.next_element_seed(item)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(times) = entries.next_key_seed(Key(self.times))? {
            entries.next_value_seed(Self { times, ..self })?;
        }
        Ok(())
    }
}

/// Takes any key of an object that has times within, and gives where the key's value has them.
struct Key<'a>(Option<&'a Times>);

impl<'de, 'a> DeserializeSeed<'de> for Key<'a> {
    type Value = Option<&'a Times>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Key<'a> {
    type Value = Option<&'a Times>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.and_then(|times| times.of(key)))
    }
}
