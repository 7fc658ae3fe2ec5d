//! Arguments of commands, as they are read from text: what is wrong with one is said in a sentence of farelog's own.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use farelog_events::time::Time;
use reqwest::Url;

/// Reads a time, or a day, which begins at midnight UTC.
///
/// # Errors
/// The text is neither.
pub fn day_or_time(text: &str) -> Result<DateTime<Utc>, &'static str> {
    let written_in_full = text.len() == "2026-01-31".len();
    if let Some(day) = NaiveDate::from_str(text).ok().filter(|_| written_in_full) {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    match text.parse::<Time>() {
        Ok(time) => Ok(time.0),
        Err(_) => Err("give a day like 2026-01-31, or a time like 2026-01-31T08:00:00Z"),
    }
}

/// Reads a whole number.
///
/// # Errors
/// The text is none, or one that the type does not hold.
pub fn number<T: FromStr>(text: &str) -> Result<T, &'static str> {
    text.parse()
        .map_err(|_| "give a whole number that is not negative")
}

/// Reads whole numbers within limits.
pub fn number_within<T>(
    limits: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: FromStr + PartialOrd + Display + Clone + Send + Sync + 'static,
{
    move |text| {
        let number = text.parse().ok().filter(|number| limits.contains(number));
        number.ok_or_else(|| {
            let (first, last) = (limits.start(), limits.end());
            format!("give a whole number from {first} to {last}")
        })
    }
}

/// Reads the address of a server.
///
/// # Errors
/// The text is no address of HTTP.
pub fn server(text: &str) -> Result<Url, &'static str> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or("give an address like http://127.0.0.1:8080")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn a_day_begins_at_midnight_utc_and_a_time_has_its_zone() {
        let expected: DateTime<Utc> = "2026-01-31T00:00:00Z".parse().unwrap();
        assert_eq!(day_or_time("2026-01-31"), Ok(expected));
        assert_eq!(day_or_time("2026-01-31T01:00:00+01:00"), Ok(expected));
        for neither in ["31.1.2026", "2026-1-31", "+12026-01-3", "2026-01-31T01:00"] {
            assert!(day_or_time(neither).is_err(), "{neither}");
        }
    }

    /// What the parsers of numbers, times and addresses say of a text stood there as it was.
    #[test]
    fn what_is_wrong_with_an_argument_is_said_in_words_of_ones_own() {
        const DAY: &str = "give a day like 2026-01-31, or a time like 2026-01-31T08:00:00Z";
        const NUMBER: &str = "give a whole number that is not negative";
        const SERVER: &str = "give an address like http://127.0.0.1:8080";
        for (arguments, said) in [
            ("member status --customer C1 --at yesterday", DAY),
            ("replay simulate --program a.toml --from yesterday", DAY),
            ("dead-letters show x", NUMBER),
            ("dead-letters retry x", NUMBER),
            ("dead-letters discard x", NUMBER),
            ("program publish a.toml --if-match x", NUMBER),
            ("order O1 --from-position x", NUMBER),
            ("order O1 --min-stream-sequence x", NUMBER),
            ("program list --server nonsense", SERVER),
            ("serve --connections-max 0", "give a whole number from 1"),
            ("serve --nats-port 70000", "from 0 to 65535"),
            ("serve --outbox-after x", NUMBER),
            ("member list --program reis --page 0", "from 1 to 1000000"),
            ("dead-letters list --per-page 101", "from 1 to 100"),
            (
                "replay simulate --program a.toml --top 1001",
                "from 0 to 1000",
            ),
            (
                "member enroll --program reis --customer C1 --organisation x",
                "a numeric id is a whole number from 1 to",
            ),
        ] {
            let arguments = std::iter::once("farelog").chain(arguments.split(' '));
            let refused = Cli::try_parse_from(arguments).err().map(|e| e.to_string());
            let refused = refused.unwrap_or_default();
            assert!(refused.contains(said), "{refused}");
        }
    }

    #[test]
    fn a_server_is_reached_over_http() {
        assert!(server("https://farelog.example/").is_ok());
        for text in ["nonsense", "localhost:8080", "nats://127.0.0.1:4222"] {
            assert!(server(text).is_err(), "{text}");
        }
    }
}
