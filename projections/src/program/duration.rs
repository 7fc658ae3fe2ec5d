//! Calendar durations: ISO 8601, in a program's time zone (domain, section 2).

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// The longest duration that a program may name, in years.
pub const DURATION_YEARS_MAX: i16 = 100;

/// A positive length of time like `P30D`, `P1M` or `PT12H`.
///
/// Days, weeks, months and years are calendar ones, hours, minutes and seconds exact: a day over a clock change has
/// 23 or 25 hours.
#[derive(Debug, Clone, Copy)]
pub struct CalendarDuration(Span);

/// Why a text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DurationError {
    /// The text is no ISO 8601 duration.
    #[error("a duration is written as in ISO 8601, for example \"P30D\", \"P1M\" or \"PT12H\"")]
    NotIso8601,
    /// Zero or less.
    #[error("a duration must be longer than zero")]
    NotPositive,
    /// Longer than [`DURATION_YEARS_MAX`].
    #[error("a duration is at most {DURATION_YEARS_MAX} years")]
    TooLong,
}

impl FromStr for CalendarDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        // The library reads looser forms too ("30 days", lower case); the domain has one.
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        if !unsigned.starts_with('P') || unsigned.bytes().any(|b| b.is_ascii_lowercase()) {
            return Err(DurationError::NotIso8601);
        }
        let span: Span = text.parse().map_err(|_| DurationError::NotIso8601)?;
        if span.is_zero() || span.is_negative() {
            return Err(DurationError::NotPositive);
        }
        let start = jiff::civil::date(2000, 1, 1);
        let longest = start.saturating_add(Span::new().years(DURATION_YEARS_MAX));
        match start
            .to_datetime(jiff::civil::Time::midnight())
            .checked_add(span)
        {
            Ok(end) if end <= longest.to_datetime(jiff::civil::Time::midnight()) => Ok(Self(span)),
            _ => Err(DurationError::TooLong),
        }
    }
}

impl CalendarDuration {
    /// The moment that lies this much after `start`, by the calendar of a time zone.
    ///
    /// A local time that a clock change skips moves forward, of two equal ones the earlier counts; the 31st becomes the
    /// last day of a shorter month. Beyond the calendar, which ends with the year 9999, it is the last moment of that
    /// year; it is never before `start`.
    pub fn after(&self, start: DateTime<Utc>, zone: &TimeZone) -> DateTime<Utc> {
        let Some(begin) = to_timestamp(start) else {
            return if start.timestamp() < 0 {
                start
            } else {
                last_moment_from(start)
            };
        };
        begin
            .to_zoned(zone.clone())
            .checked_add(self.0)
            .ok()
            .and_then(|end| to_chrono(end.timestamp()))
            .unwrap_or_else(|| last_moment_from(start))
    }
}

/// The moment in the calendar's library; `None` outside of the years -9999 to 9999. A leap second counts as the second
/// before it, as everywhere else in UTC timestamps.
pub(super) fn to_timestamp(time: DateTime<Utc>) -> Option<Timestamp> {
    let nanos = time.timestamp_subsec_nanos().min(999_999_999);
    Timestamp::new(time.timestamp(), i32::try_from(nanos).ok()?).ok()
}

pub(super) fn to_chrono(timestamp: Timestamp) -> Option<DateTime<Utc>> {
    // The whole seconds round towards the past for times before 1970, so that the rest is never negative.
    let nanos = timestamp.as_nanosecond();
    let second = i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?;
    let rest = u32::try_from(nanos.rem_euclid(1_000_000_000)).ok()?;
    DateTime::from_timestamp(second, rest)
}

/// Where what begins at `start` ends at the latest: the last moment of the year 9999, behind which no time can be
/// written; or `start` itself where a log has a time behind that.
pub(super) fn last_moment_from(start: DateTime<Utc>) -> DateTime<Utc> {
    const LAST_SECOND: i64 = 253_402_300_799;
    DateTime::from_timestamp(LAST_SECOND, 999_999_999).map_or(start, |last| last.max(start))
}

impl PartialEq for CalendarDuration {
    fn eq(&self, other: &Self) -> bool {
        self.0.fieldwise() == other.0.fieldwise()
    }
}

impl Eq for CalendarDuration {}

impl fmt::Display for CalendarDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for CalendarDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CalendarDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(duration: &str, start: &str, zone: &str) -> String {
        let zone = TimeZone::get(zone).unwrap();
        let start: DateTime<Utc> = start.parse().unwrap();
        let duration: CalendarDuration = duration.parse().unwrap();
        duration
            .after(start, &zone)
            .to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
    }

    #[test]
    fn days_keep_the_time_of_day_over_a_clock_change_and_hours_do_not() {
        // Oslo goes from +01 to +02 on 29 March 2026 at 02:00, and back on 25 October at 03:00.
        let cases = [
            ("P1D", "2026-03-28T11:00:00Z", "2026-03-29T10:00:00Z"),
            ("PT24H", "2026-03-28T11:00:00Z", "2026-03-29T11:00:00Z"),
            ("P1D", "2026-10-24T10:00:00Z", "2026-10-25T11:00:00Z"),
            ("PT24H", "2026-10-24T10:00:00Z", "2026-10-25T10:00:00Z"),
            ("P30D", "2026-03-01T08:30:00Z", "2026-03-31T07:30:00Z"),
            ("P1DT2H", "2026-03-28T11:00:00Z", "2026-03-29T12:00:00Z"),
        ];
        for (duration, start, end) in cases {
            assert_eq!(
                after(duration, start, "Europe/Oslo"),
                end,
                "{start} + {duration}"
            );
        }
    }

    #[test]
    fn a_skipped_local_time_moves_forward_and_of_two_equal_ones_the_earlier_counts() {
        // 02:30 on 29 March does not exist and becomes 03:30; 02:30 on 25 October comes twice.
        assert_eq!(
            after("P1D", "2026-03-28T01:30:00Z", "Europe/Oslo"),
            "2026-03-29T01:30:00Z"
        );
        assert_eq!(
            after("P1D", "2026-10-24T00:30:00Z", "Europe/Oslo"),
            "2026-10-25T00:30:00Z"
        );
    }

    #[test]
    fn the_31st_becomes_the_last_day_of_a_shorter_month() {
        assert_eq!(
            after("P1M", "2026-01-31T12:00:00Z", "UTC"),
            "2026-02-28T12:00:00Z"
        );
        assert_eq!(
            after("P1M", "2028-01-31T12:00:00Z", "UTC"),
            "2028-02-29T12:00:00Z"
        );
        assert_eq!(
            after("P1Y", "2028-02-29T12:00:00Z", "UTC"),
            "2029-02-28T12:00:00Z"
        );
        // In Oslo this is already 1 February.
        assert_eq!(
            after("P1M", "2026-01-31T23:30:00Z", "Europe/Oslo"),
            "2026-02-28T23:30:00Z"
        );
    }

    #[test]
    fn a_fraction_of_a_second_survives_on_both_sides_of_1970() {
        assert_eq!(
            after("PT1S", "1969-12-31T23:59:58.25Z", "UTC"),
            "1969-12-31T23:59:59.250Z"
        );
        assert_eq!(
            after("P1D", "2026-01-01T00:00:00.000000001Z", "UTC"),
            "2026-01-02T00:00:00.000000001Z"
        );
    }

    /// The library's calendar ends 26 hours before the year does, so that what began on the last day ended before it
    /// began.
    #[test]
    fn beyond_the_calendar_it_is_the_last_moment_of_the_year_9999() {
        let last = "9999-12-31T23:59:59.999999999Z";
        for start in [
            "9999-01-01T00:00:00Z",
            "9999-12-30T22:00:00Z",
            "9999-12-31T23:59:59Z",
            last,
        ] {
            assert_eq!(after("P100Y", start, "UTC"), last);
        }
        let behind = "+10000-01-01T00:00:00Z";
        assert_eq!(after("P1D", behind, "UTC"), behind);
    }

    #[test]
    fn only_positive_iso_8601_is_a_duration() {
        for text in [
            "30 days", "p30d", "P", "", "30D", "PT", "P1H", "P1.5D", "--P1D",
        ] {
            assert_eq!(
                text.parse::<CalendarDuration>(),
                Err(DurationError::NotIso8601),
                "{text:?}"
            );
        }
        for text in ["P0D", "-P1D", "PT0S"] {
            assert_eq!(
                text.parse::<CalendarDuration>(),
                Err(DurationError::NotPositive),
                "{text:?}"
            );
        }
        for text in ["P101Y", "P36600D", "PT8766000H"] {
            assert_eq!(
                text.parse::<CalendarDuration>(),
                Err(DurationError::TooLong),
                "{text:?}"
            );
        }
        let week: CalendarDuration = "P1W".parse().unwrap();
        assert_eq!(serde_json::to_string(&week).unwrap(), "\"P1W\"");
    }
}
