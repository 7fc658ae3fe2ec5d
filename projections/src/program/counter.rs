//! What a cap counts in, ready to be looked up.

use chrono::{DateTime, Utc};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::document::CapScope;
use super::period::day_of;

/// What a cap counts a member's points in (domain, section 3, rule 10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counter {
    /// Their period.
    Period,
    /// The day of their `validFrom`, in a time zone.
    Day(TimeZone),
    /// Their order.
    Order,
    /// All of them.
    Member,
}

/// One of the sums that a counter keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Tally {
    /// Of the period with this id.
    Period(i64),
    /// Of a day.
    Day {
        /// Its first moment.
        from: DateTime<Utc>,
        /// The first moment of the next.
        to: DateTime<Utc>,
    },
    /// Of the order at hand.
    Order,
    /// Of all.
    Member,
}

impl Counter {
    pub(super) fn new(per: CapScope, zone: &TimeZone) -> Self {
        match per {
            CapScope::Period => Self::Period,
            CapScope::Day => Self::Day(zone.clone()),
            CapScope::Order => Self::Order,
            CapScope::Member => Self::Member,
        }
    }

    /// The sum that points belong to which count from `valid_from` on, in this period. `None` for a counter of periods
    /// where they have none.
    pub fn tally(&self, valid_from: DateTime<Utc>, period_id: Option<i64>) -> Option<Tally> {
        match self {
            Self::Period => period_id.map(Tally::Period),
            Self::Day(zone) => {
                let (from, to) = day_of(valid_from, zone);
                Some(Tally::Day { from, to })
            }
            Self::Order => Some(Tally::Order),
            Self::Member => Some(Tally::Member),
        }
    }
}

impl Tally {
    /// Whether points that count from `valid_from` on, in this period, belong to it.
    pub fn covers(&self, valid_from: DateTime<Utc>, period_id: Option<i64>) -> bool {
        match self {
            Self::Period(id) => period_id == Some(*id),
            Self::Day { from, to } => (*from..*to).contains(&valid_from),
            Self::Order | Self::Member => true,
        }
    }
}
