//! `@key`, which an expression for the key of periods ends with: any value as a text that is the same for equal values, in
//! every process.

use std::collections::BTreeMap;

use cel::common::types::{
    CelBool, CelDouble, CelDuration, CelInt, CelList, CelString, CelTimestamp, CelUInt, DYN_TYPE,
    Kind,
};
use cel::common::value::{CowVal, Val};
use cel::{Env, ExecutionError};
use chrono::SecondsFormat;
use serde_json::{Value as Json, json};

use super::value::Fields;

/// The function's name, which no source can spell.
pub(super) const KEY: &str = "@key";

/// Longest text of a key, in bytes.
pub const PERIOD_KEY_BYTES_MAX: usize = 1_000;

/// Declares the function.
pub(super) fn declare(env: &mut Env) -> Result<(), cel::DeclarationError> {
    env.add_overload(KEY, KEY, vec![DYN_TYPE], key)
}

/// `@key(value)`: the value as a text; fails with the type of what can't be a key.
fn key<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = args
        .pop()
        .ok_or_else(ExecutionError::missing_argument_or_target)?;
    let text = canonical(value.as_ref())?.to_string();
    Ok(CowVal::owned(CelString::from(text)))
}

/// The value as JSON, whose objects have their keys sorted.
fn canonical(value: &dyn Val) -> Result<Json, ExecutionError> {
    if value.get_type().kind() == Kind::NullType {
        Ok(json!(null))
    } else if let Some(is) = value.downcast_ref::<CelBool>() {
        Ok(json!(*is.inner()))
    } else if let Some(number) = value.downcast_ref::<CelInt>() {
        Ok(json!(*number.inner()))
    } else if let Some(number) = value.downcast_ref::<CelUInt>() {
        Ok(json!(*number.inner()))
    } else if let Some(number) = value.downcast_ref::<CelDouble>() {
        float(*number.inner()).ok_or_else(|| unfit("number that is not finite"))
    } else if let Some(text) = value.downcast_ref::<CelString>() {
        Ok(json!(text.inner()))
    } else if let Some(time) = value.downcast_ref::<CelTimestamp>() {
        let time = time.inner().to_utc();
        Ok(json!(time.to_rfc3339_opts(SecondsFormat::AutoSi, true)))
    } else if let Some(duration) = value.downcast_ref::<CelDuration>() {
        Ok(json!(duration.inner().to_string()))
    } else if let Some(list) = value.downcast_ref::<CelList>() {
        let items = list.inner().iter().map(|item| canonical(item.as_ref()));
        items.collect()
    } else if let Some(fields) = value.downcast_ref::<Fields>() {
        let fields = fields
            .by_name()
            .ok_or_else(|| unfit("map with keys that are no strings"))?;
        let sorted: Result<BTreeMap<&str, Json>, ExecutionError> = fields
            .into_iter()
            .map(|(name, value)| Ok((name, canonical(value)?)))
            .collect();
        Ok(json!(sorted?))
    } else {
        Err(unfit(value.get_type().name()))
    }
}

/// Whole numbers are written as such: `1.0` and `1` are equal, so they are one key.
fn float(number: f64) -> Option<Json> {
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= WHOLE_MAX {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and at most 2^53")]
        return Some(json!(number as i64));
    }
    number.is_finite().then(|| json!(number))
}

/// Said in the library's words for a value that it has no counterpart of, so that it is understood as such.
fn unfit(type_name: &str) -> ExecutionError {
    ExecutionError::UnexpectedType {
        got: type_name.to_owned(),
        want: "a type representable as `Value`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::value::{Key, int, text};

    fn key_of(value: &dyn Val) -> Result<String, String> {
        canonical(value)
            .map(|json| json.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn equal_values_have_one_text() {
        assert_eq!(key_of(int(1).as_ref()).unwrap(), "1");
        assert_eq!(key_of(&CelUInt::from(1)).unwrap(), "1");
        assert_eq!(key_of(&CelDouble::from(1.0)).unwrap(), "1");
        assert_eq!(key_of(&CelDouble::from(-0.0)).unwrap(), "0");
        assert_eq!(key_of(text("1").as_ref()).unwrap(), "\"1\"");
        let object = Fields::object("", vec![("b", int(2)), ("a", text("x"))]);
        assert_eq!(key_of(&object).unwrap(), r#"{"a":"x","b":2}"#);
    }

    #[test]
    fn what_has_no_text_of_its_own_is_no_key() {
        assert!(key_of(&CelDouble::from(f64::NAN)).is_err());
        let numbered = Fields::map("", BTreeMap::from([(Key::Number(1), int(1))]));
        assert!(key_of(&numbered).is_err());
    }
}
