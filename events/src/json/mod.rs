//! JSON that comes from outside: read by type, with errors that are farelog's own sentences.
//!
//! What a publisher or a client sends is read here and nowhere else, because serde has two habits that must not
//! show. A derived type takes an array for an object, its fields by position, so that data which no page describes
//! would count; [`Objects`](objects::Objects) takes that away. And its messages speak of Rust's types and parsers;
//! [`wording`] says instead what is wrong and what would be right (contract, section 1: no library's message reaches
//! a client).

mod equality;
mod objects;
pub mod path;
mod text;
pub mod wording;

use serde::Deserialize;
use thiserror::Error;

pub use equality::is_same_value;
pub use text::JsonText;

use objects::Objects;

/// Why a JSON text is not what it should be, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}{fault}", place(.field))]
pub struct JsonError {
    /// The field by its path, for example `fareProducts[0].type`; empty for the text as a whole.
    pub field: String,
    /// What is wrong with it.
    pub fault: JsonFault,
}

/// What is wrong with a field, or with the text as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JsonFault {
    /// The text is not JSON, with what is known of why.
    #[error("is no JSON: {0}")]
    NotJson(String),
    /// A field that must be there is not.
    #[error("is missing")]
    Missing,
    /// A field that is not looked for, where others are refused.
    #[error("is not known here")]
    Unknown,
    /// The value is not what the field takes.
    #[error("{0}")]
    Malformed(String),
}

impl From<&serde_json::Error> for JsonError {
    /// For a text that was read without [`read`], by a type whose path is not needed.
    fn from(error: &serde_json::Error) -> Self {
        explain(".", error)
    }
}

fn place(field: &str) -> String {
    if field.is_empty() {
        String::new()
    } else {
        format!("{field}: ")
    }
}

/// Reads a value from JSON text that holds nothing else. An object is only read from an object.
///
/// # Errors
/// The first thing that is wrong.
pub fn read<'de, T: Deserialize<'de>>(json: &'de str) -> Result<T, JsonError> {
    // The plain way first: keeping track of the path costs a third of the time and serves only errors.
    let mut deserializer = serde_json::Deserializer::from_str(json);
    T::deserialize(Objects(&mut deserializer))
        .and_then(|value| deserializer.end().map(|()| value))
        .or_else(|_| read_with_path(json))
}

#[cold]
fn read_with_path<'de, T: Deserialize<'de>>(json: &'de str) -> Result<T, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let value = serde_path_to_error::deserialize(Objects(&mut deserializer))
        .map_err(|error| explain(&error.path().to_string(), error.inner()))?;
    match deserializer.end() {
        Ok(()) => Ok(value),
        Err(error) => Err(explain(".", &error)),
    }
}

fn explain(path: &str, error: &serde_json::Error) -> JsonError {
    // How the path of the value as a whole is written.
    let path = if path == "." { "" } else { path };
    if error.is_syntax() || error.is_eof() {
        return JsonError {
            field: String::new(),
            fault: JsonFault::NotJson(wording::not_json(error)),
        };
    }
    let said = error.to_string();
    let said = wording::without_place(&said);
    let (field, fault) = if let Some(name) = wording::quoted(said, "missing field `") {
        (path::within(path, name), JsonFault::Missing)
    } else if let Some(name) = wording::quoted(said, "duplicate field `") {
        (
            path::within(path, name),
            JsonFault::Malformed("stands twice".to_owned()),
        )
    } else if let Some(name) = wording::quoted(said, "unknown field `") {
        (path::leading_to(path, name), JsonFault::Unknown)
    } else {
        let field = match wording::quoted(said, "unknown variant `") {
            // A variant counts as a step of the path, and is no field.
            Some(variant) => path
                .strip_suffix(variant)
                .map_or(path, |parent| parent.strip_suffix('.').unwrap_or(parent)),
            None => path,
        };
        (
            field.to_owned(),
            JsonFault::Malformed(wording::sentence(said)),
        )
    };
    JsonError { field, fault }
}

#[cfg(test)]
mod tests;
