//! The spans of time that points are gathered in.

use chrono::{DateTime, Utc};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::document::{Period, PeriodKind};
use super::duration::{CalendarDuration, last_moment_from, to_chrono, to_timestamp};

/// How the periods of a definition lie in time (domain, section 3, rule 9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodSpans {
    kind: SpanKind,
    zone: TimeZone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SpanKind {
    Rolling(CalendarDuration),
    Month,
    Year,
}

impl PeriodSpans {
    /// The spans that a document asks for; `None` for a rolling period without a length, which publication refuses.
    pub(super) fn new(period: &Period, zone: &TimeZone) -> Option<Self> {
        let kind = match period.kind {
            PeriodKind::RollingFromFirst => SpanKind::Rolling(period.length?),
            PeriodKind::CalendarMonth => SpanKind::Month,
            PeriodKind::CalendarYear => SpanKind::Year,
        };
        Some(Self {
            kind,
            zone: zone.clone(),
        })
    }

    /// Whether each period begins with the first points in it, not with the calendar.
    pub fn is_rolling(&self) -> bool {
        matches!(self.kind, SpanKind::Rolling(_))
    }

    /// The period that points from `time` on open: from when, and until when. It begins at `time`, or with the month or
    /// the year of it, counted in the program's time zone.
    pub fn opened_at(&self, time: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
        let calendar = match self.kind {
            SpanKind::Rolling(length) => return (time, length.after(time, &self.zone)),
            SpanKind::Month => self.date(time).map(|date| {
                let first = date.first_of_month();
                (first, first.checked_add(1.month()))
            }),
            SpanKind::Year => self.date(time).map(|date| {
                let first = date.first_of_year();
                (first, first.checked_add(1.year()))
            }),
        };
        // Beyond the calendar there is one last period, which ends with it.
        calendar.map_or((time, last_moment_from(time)), |(first, next)| {
            (
                midnight(first, &self.zone).unwrap_or(time),
                next.ok()
                    .and_then(|next| midnight(next, &self.zone))
                    .unwrap_or_else(|| last_moment_from(time)),
            )
        })
    }

    fn date(&self, time: DateTime<Utc>) -> Option<Date> {
        Some(to_timestamp(time)?.to_zoned(self.zone.clone()).date())
    }
}

/// The day of `time` in a time zone: its first moment, and that of the next day.
pub fn day_of(time: DateTime<Utc>, zone: &TimeZone) -> (DateTime<Utc>, DateTime<Utc>) {
    let bounds = || {
        let date = to_timestamp(time)?.to_zoned(zone.clone()).date();
        let next = date.tomorrow().ok().and_then(|next| midnight(next, zone));
        Some((
            midnight(date, zone)?,
            next.unwrap_or_else(|| last_moment_from(time)),
        ))
    };
    bounds().unwrap_or((time, last_moment_from(time)))
}

/// The first moment of a day; of one whose midnight a clock change skips, the moment after.
fn midnight(date: Date, zone: &TimeZone) -> Option<DateTime<Utc>> {
    to_chrono(date.to_zoned(zone.clone()).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use chrono::SecondsFormat;

    use super::*;

    fn spans(kind: PeriodKind, length: Option<&str>) -> PeriodSpans {
        let period = Period {
            kind,
            length: length.map(|length| length.parse().unwrap()),
            key: None,
        };
        let zone = TimeZone::get("Europe/Oslo").unwrap();
        PeriodSpans::new(&period, &zone).unwrap()
    }

    fn opened(spans: &PeriodSpans, time: &str) -> [String; 2] {
        let (from, to) = spans.opened_at(time.parse().unwrap());
        [from, to].map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }

    #[test]
    fn months_and_years_are_those_of_the_time_zone_across_both_clock_changes() {
        let month = spans(PeriodKind::CalendarMonth, None);
        let cases = [
            // Still December in UTC, January in Oslo.
            (
                "2025-12-31T23:00:00Z",
                ["2025-12-31T23:00:00Z", "2026-01-31T23:00:00Z"],
            ),
            (
                "2026-03-10T12:00:00Z",
                ["2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"],
            ),
            (
                "2026-10-31T22:59:59Z",
                ["2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z"],
            ),
        ];
        for (time, bounds) in cases {
            assert_eq!(opened(&month, time), bounds, "{time}");
        }
        assert_eq!(
            opened(
                &spans(PeriodKind::CalendarYear, None),
                "2026-07-01T00:00:00Z"
            ),
            ["2025-12-31T23:00:00Z", "2026-12-31T23:00:00Z"]
        );
    }

    #[test]
    fn a_rolling_period_keeps_the_time_of_day_over_a_clock_change() {
        let rolling = spans(PeriodKind::RollingFromFirst, Some("P30D"));
        assert_eq!(
            opened(&rolling, "2026-03-10T12:00:00Z"),
            ["2026-03-10T12:00:00Z", "2026-04-09T11:00:00Z"]
        );
        assert_eq!(
            opened(&rolling, "2026-10-10T12:00:00Z"),
            ["2026-10-10T12:00:00Z", "2026-11-09T13:00:00Z"]
        );
    }

    #[test]
    fn the_last_month_ends_with_the_calendar() {
        let month = spans(PeriodKind::CalendarMonth, None);
        let (from, to) = month.opened_at("9999-12-30T12:00:00Z".parse().unwrap());
        assert!(from < to);

        let rolling = spans(PeriodKind::RollingFromFirst, Some("P30D"));
        for spans in [month, rolling] {
            let (from, to) = spans.opened_at("9999-12-31T23:59:59Z".parse().unwrap());
            assert!(from < to);
        }
    }

    #[test]
    fn a_day_begins_at_local_midnight_or_right_after_where_a_clock_change_skips_it() {
        let day = |time: &str, zone: &str| {
            let (from, to) = day_of(time.parse().unwrap(), &TimeZone::get(zone).unwrap());
            [from, to].map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
        };
        assert_eq!(
            day("2026-03-29T21:59:59Z", "Europe/Oslo"),
            ["2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"]
        );
        // Chile goes from 00:00 to 01:00 on 6 September 2026.
        assert_eq!(
            day("2026-09-06T12:00:00Z", "America/Santiago"),
            ["2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"]
        );
    }
}
