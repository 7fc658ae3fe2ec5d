//! Times as they come from outside.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use crate::text;

/// A time that someone sent: RFC 3339 by its grammar (section 5.6, `date-time`), of the years 0000 to 9999 in UTC, so
/// that it can be written again in the same form.
///
/// chrono's own reading of a [`DateTime`] takes more: `2026-1-1T0:0:0Z`, spaces, offsets without a colon, years of six
/// digits. It stays what the types of events are read by ([`recorded`]), because a record that is in a log is read for
/// ever as it was when it was taken in. What comes from outside is read by this, once, where it comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub DateTime<Utc>);

/// Why a text is no [`Time`]; to stand after the field's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TimeError {
    /// The text is not RFC 3339.
    #[error("must be a time like 2026-01-31T12:00:00Z")]
    NotRfc3339,
    /// The offset carries it out of the years that RFC 3339 can write.
    #[error("must be a time of the years 0000 to 9999 in UTC")]
    Year,
}

/// From here on the library counts the nanoseconds of a leap second, which is the last of a day in UTC.
const NANOS_OF_A_SECOND: u32 = 1_000_000_000;

impl FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        if let Some(time) = usual(text) {
            return Ok(Self(time));
        }
        // The library also takes U+2212 for a minus, and a space for the T.
        if !text.is_ascii() || text.as_bytes().get(10) == Some(&b' ') {
            return Err(TimeError::NotRfc3339);
        }
        let time = DateTime::parse_from_rfc3339(text)
            .map_err(|_| TimeError::NotRfc3339)?
            .to_utc();
        if time.nanosecond() >= NANOS_OF_A_SECOND && (time.hour(), time.minute()) != (23, 59) {
            return Err(TimeError::NotRfc3339);
        }
        Self::within_years(time).ok_or(TimeError::Year)
    }
}

impl Time {
    /// The time, if it is of the years that RFC 3339 can write.
    pub fn within_years(time: DateTime<Utc>) -> Option<Self> {
        (0..=9999).contains(&time.year()).then_some(Self(time))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::parse(deserializer)
    }
}

/// A time as nearly all are written, `2026-01-31T12:00:00Z`, which takes a tenth of the time that chrono takes for any.
/// `None`: it is none, or is written in another way.
fn usual(text: &str) -> Option<DateTime<Utc>> {
    fn number<const N: usize>(digits: [&u8; N]) -> Option<u32> {
        digits.into_iter().try_fold(0, |number, digit| {
            digit
                .is_ascii_digit()
                .then(|| number * 10 + u32::from(digit - b'0'))
        })
    }
    let [
        y1,
        y2,
        y3,
        y4,
        b'-',
        mo1,
        mo2,
        b'-',
        d1,
        d2,
        b'T',
        h1,
        h2,
        b':',
        mi1,
        mi2,
        b':',
        s1,
        s2,
        b'Z',
    ] = text.as_bytes()
    else {
        return None;
    };
    let year = i32::try_from(number([y1, y2, y3, y4])?).ok()?;
    NaiveDate::from_ymd_opt(year, number([mo1, mo2])?, number([d1, d2])?)?
        .and_hms_opt(number([h1, h2])?, number([mi1, mi2])?, number([s1, s2])?)
        .map(|time| time.and_utc())
}

/// Reads a time in the data of an event: what chrono takes for one.
///
/// # Errors
/// chrono's.
pub(crate) fn recorded<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<DateTime<Utc>, D::Error> {
    struct Recorded;

    impl Visitor<'_> for Recorded {
        type Value = DateTime<Utc>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an RFC 3339 formatted date and time string")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<DateTime<Utc>, E> {
            usual(text).map_or_else(|| text.parse().map_err(E::custom), Ok)
        }
    }

    deserializer.deserialize_str(Recorded)
}

/// The same, of a field that may be absent or null: for `#[serde(default, deserialize_with = …)]`.
///
/// # Errors
/// chrono's.
pub(crate) fn recorded_if_any<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    #[derive(Deserialize)]
    struct Recorded(#[serde(deserialize_with = "recorded")] DateTime<Utc>);

    Ok(Option::<Recorded>::deserialize(deserializer)?.map(|time| time.0))
}

/// Reads a field of a request that may be absent or null: for `#[serde(default, deserialize_with = …)]`.
///
/// # Errors
/// The field is no [`Time`].
pub fn optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    Ok(Option::<Time>::deserialize(deserializer)?.map(|time| time.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<String, TimeError> {
        let time: Time = text.parse()?;
        Ok(time.0.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
    }

    #[test]
    fn what_rfc_3339_writes_is_a_time() {
        for (text, utc) in [
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
            ("2026-01-31t12:00:00z", "2026-01-31T12:00:00Z"),
            ("2026-01-31T12:00:00.25+01:00", "2026-01-31T11:00:00.250Z"),
            ("2026-01-31T12:00:00-00:00", "2026-01-31T12:00:00Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:60Z"),
            ("2017-01-01T00:59:60.5+01:00", "2016-12-31T23:59:60.500Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
            (
                "9999-12-31T23:59:59.999999999Z",
                "9999-12-31T23:59:59.999999999Z",
            ),
            ("9999-12-31T23:59:59+23:59", "9999-12-31T00:00:59Z"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(utc), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_usual_form_is_read_as_chrono_reads_it(
            date in "(0000|1970|2024|2025|9999)-(0[0-9]|1[0-3])-[0-3][0-9]",
            clock in "T[0-2][0-9]:[0-6][0-9]:[0-6][0-9][Zz]",
        ) {
            let text = date + &clock;
            if let Some(time) = usual(&text) {
                prop_assert_eq!(text.parse(), Ok(time));
            } else if text.parse::<DateTime<Utc>>().is_ok() {
                // A leap second, or a small letter.
                prop_assert!(text.ends_with(":60Z") || text.ends_with('z'));
            }
        }
    }

    #[test]
    fn what_only_looks_like_it_is_none() {
        for text in [
            "",
            "2026-01-31",
            "2026-01-31T12:00Z",
            "2026-01-31T12:00:00",
            "2026-02-29T00:00:00Z",
            "2026-01-31T24:00:00Z",
            "2016-12-31T12:00:60Z",
            "2016-12-31T23:59:60+01:00",
            "2026-1-1T00:00:00Z",
            "2026-01-01T0:0:0Z",
            "2026-01-01 00:00:00Z",
            " 2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00Z ",
            "2026-01-01T00:00:00 Z",
            "2026-01-01T00:00:00UTC",
            "2026-01-01T00:00:00+0100",
            "2026-01-01T00:00:00+01",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00\u{2212}01:00",
            "2026-01-01T00:00:00.Z",
            "+262142-12-31T23:59:59Z",
            "-262143-01-01T00:00:00Z",
            "-0001-01-01T00:00:00Z",
            "+2026-01-01T00:00:00Z",
            "２０２６-01-01T00:00:00Z",
        ] {
            assert_eq!(read(text), Err(TimeError::NotRfc3339), "{text:?}");
        }
    }

    #[test]
    fn an_offset_does_not_lead_out_of_the_years_that_can_be_written() {
        for text in ["9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00+00:01"] {
            assert_eq!(read(text), Err(TimeError::Year), "{text}");
        }
    }
}
