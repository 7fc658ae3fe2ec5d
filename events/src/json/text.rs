//! JSON as text.

use std::fmt;
use std::sync::Arc;

use serde::ser::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// JSON text as it came, whatever its value: white space and the spelling of numbers stay. A clone shares it.
///
/// It is looked at when it is made, and never again: what the log gives back is as it went in, by the log's own digests,
/// and a type that reads it by its fields finds what is wrong all the same.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonText(Arc<str>);

impl JsonText {
    /// Takes a text that is one JSON value, without the white space around it.
    ///
    /// # Errors
    /// It is not.
    pub fn new(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<&RawValue>(text).map(Self::from)
    }

    /// Writes a value as JSON.
    ///
    /// # Errors
    /// The value has no JSON, for example a map whose keys are no texts.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::to_string(value).map(|text| Self(text.into()))
    }

    /// Takes a text that was one of these when it was put away. Damage is for those to find who keep it.
    pub fn kept(text: &str) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn get(&self) -> &str {
        &self.0
    }
}

impl From<&RawValue> for JsonText {
    fn from(value: &RawValue) -> Self {
        Self(value.get().into())
    }
}

impl fmt::Display for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Writes the value that the text is; serde_json as it stands, byte for byte.
impl Serialize for JsonText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<&RawValue>(&self.0)
            .map_err(Error::custom)?
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|value| Self::from(&*value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_as_it_came_and_written_as_it_stands() {
        for text in [r#"{ "b": 1.50,  "a": [] }"#, "1e2", "\"\\u00e6\"", "null"] {
            let json = JsonText::new(text).unwrap();
            assert_eq!(json.get(), text);
            let around = serde_json::to_string(&[&json]).unwrap();
            assert_eq!(around, format!("[{text}]"));
            let [read]: [JsonText; 1] = serde_json::from_str(&around).unwrap();
            assert_eq!(read, json);
        }
    }

    #[test]
    fn what_is_no_json_value_is_refused_and_white_space_around_one_goes() {
        for text in ["", "{", "{}{}", "\u{1}"] {
            assert!(JsonText::new(text).is_err(), "{text:?}");
        }
        assert_eq!(JsonText::new(" { }\n").unwrap().get(), "{ }");
    }

    #[test]
    fn what_is_no_json_after_all_is_not_written() {
        assert!(serde_json::to_string(&JsonText::kept("{")).is_err());
    }
}
