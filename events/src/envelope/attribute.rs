//! Attributes of an envelope: texts within limits, and times.

use std::borrow::Cow;

use chrono::{DateTime, TimeZone, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Unreadable;
use crate::time::Time;

/// A string of a JSON text, borrowed from it unless it has escapes. (serde borrows a `Cow` within an `Option` only
/// through a type of its own.)
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The text of a JSON string that stands in `field`.
pub(super) fn text<'a>(field: &str, json: &'a RawValue) -> Result<Cow<'a, str>, Unreadable> {
    serde_json::from_str::<Text<'a>>(json.get())
        .map(|text| text.0)
        .map_err(|_| Unreadable::field(field, format_args!("must be a string, not {}", kind(json))))
}

/// What a JSON text is, for a sentence.
pub(super) fn kind(json: &RawValue) -> &'static str {
    match json.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string with a malformed escape",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// Checks a text attribute: not empty, at most `bytes_max` long, and without control characters (CloudEvents 1.0,
/// section "Type System"; they could not travel on in a header either).
pub(super) fn checked<'a>(
    field: &str,
    value: Cow<'a, str>,
    bytes_max: usize,
) -> Result<Cow<'a, str>, Unreadable> {
    if value.is_empty() {
        return Err(Unreadable::field(field, "must not be empty"));
    }
    if value.len() > bytes_max {
        return Err(Unreadable::field(
            field,
            format_args!("has {} bytes, at most {bytes_max} are taken", value.len()),
        ));
    }
    if let Some(c) = value.chars().find(|c| c.is_control()) {
        return Err(Unreadable::field(
            field,
            format_args!("must not have control characters, this has {c:?}"),
        ));
    }
    Ok(value)
}

/// Checks the `specversion` of a CloudEvent: any 1.x, which by its own rules stays readable as 1.0.
pub(super) fn check_specversion(field: &str, value: &str) -> Result<(), Unreadable> {
    let is_1_x = value.strip_prefix("1.").is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    });
    if is_1_x {
        Ok(())
    } else {
        let shown: String = value.chars().take(16).collect();
        Err(Unreadable::field(
            field,
            format_args!("{shown:?} is not understood, send CloudEvents 1.0"),
        ))
    }
}

/// Reads an RFC 3339 time.
pub(super) fn time(field: &str, value: &str) -> Result<DateTime<Utc>, Unreadable> {
    let time: Time = value.parse().map_err(|_| not_a_time(field))?;
    Ok(time.0)
}

/// Reads the time of a domain event: RFC 3339, or milliseconds since 1970 as a number.
pub(super) fn timestamp(field: &str, json: &RawValue) -> Result<DateTime<Utc>, Unreadable> {
    match json.get().parse::<i64>() {
        Ok(millis) => Utc
            .timestamp_millis_opt(millis)
            .single()
            .and_then(Time::within_years)
            .map(|time| time.0)
            .ok_or_else(|| not_a_time(field)),
        Err(_) => time(field, &text(field, json)?),
    }
}

fn not_a_time(field: &str) -> Unreadable {
    Unreadable::field(
        field,
        "must be an RFC 3339 time with its offset, like 2026-01-10T08:00:00Z",
    )
}
