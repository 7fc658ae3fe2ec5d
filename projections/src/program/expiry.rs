//! Until when points count.

use chrono::{DateTime, Utc};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::duration::CalendarDuration;

/// Until when points count (domain, section 3, rule 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "ExpiryForm", into = "ExpiryForm")]
pub enum Expiry {
    /// For ever.
    #[default]
    Never,
    /// For a time from `validFrom` on.
    Duration {
        /// How long.
        after: CalendarDuration,
    },
    /// Until a moment that is the same for all.
    Fixed {
        /// The moment.
        at: DateTime<Utc>,
    },
    /// Until the end of the period.
    PeriodEnd,
}

/// An [`Expiry`] as it is written: which fields go with which kind is checked in a second step, so that an error in one
/// of them is reported at that field.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpiryForm {
    kind: ExpiryKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<CalendarDuration>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "moment"
    )]
    at: Option<DateTime<Utc>>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ExpiryKind {
    Never,
    Duration,
    Fixed,
    PeriodEnd,
}

/// What is said of a text that is no moment.
pub(super) const NO_MOMENT: &str =
    "a moment is written with date, time and offset, for example 2026-12-31T23:00:00Z";

fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.parse() {
        Ok(time) => Ok(Some(time)),
        Err(_) => Err(D::Error::custom(NO_MOMENT)),
    }
}

impl TryFrom<ExpiryForm> for Expiry {
    type Error = &'static str;

    fn try_from(form: ExpiryForm) -> Result<Self, &'static str> {
        match form {
            ExpiryForm {
                kind: ExpiryKind::Duration,
                after: Some(after),
                at: None,
            } => Ok(Self::Duration { after }),
            ExpiryForm {
                kind: ExpiryKind::Fixed,
                after: None,
                at: Some(at),
            } => Ok(Self::Fixed { at }),
            ExpiryForm {
                kind: ExpiryKind::Never,
                after: None,
                at: None,
            } => Ok(Self::Never),
            ExpiryForm {
                kind: ExpiryKind::PeriodEnd,
                after: None,
                at: None,
            } => Ok(Self::PeriodEnd),
            ExpiryForm { kind, .. } => Err(match kind {
                ExpiryKind::Duration => "an expiry of kind DURATION has `after`, and no `at`",
                ExpiryKind::Fixed => "an expiry of kind FIXED has `at`, and no `after`",
                ExpiryKind::Never => "an expiry of kind NEVER has no `after` and no `at`",
                ExpiryKind::PeriodEnd => "an expiry of kind PERIOD_END has no `after` and no `at`",
            }),
        }
    }
}

impl From<Expiry> for ExpiryForm {
    fn from(expiry: Expiry) -> Self {
        let (kind, after, at) = match expiry {
            Expiry::Never => (ExpiryKind::Never, None, None),
            Expiry::Duration { after } => (ExpiryKind::Duration, Some(after), None),
            Expiry::Fixed { at } => (ExpiryKind::Fixed, None, Some(at)),
            Expiry::PeriodEnd => (ExpiryKind::PeriodEnd, None, None),
        };
        Self { kind, after, at }
    }
}
