//! Periods: which one points fall in, and when a new one is opened (domain, section 3, rule 9).

use chrono::{DateTime, Utc};
use farelog_events::id::{MemberId, PointDefinitionId};
use serde::{Deserialize, Serialize};

use crate::program::PeriodSpans;

/// A period that was opened for a member. It stays, whatever becomes of the points that opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// Made of the record that opened it; unique among all periods.
    pub id: i64,
    /// Its first moment.
    pub from: DateTime<Utc>,
    /// The first moment that is no longer in it.
    pub to: DateTime<Utc>,
    /// Whether it began with the first points in it, not with the calendar.
    pub rolling: bool,
}

/// Whose periods.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeriodsOf {
    /// The member.
    pub member_id: MemberId,
    /// The definition, in whatever version.
    pub point_definition_id: PointDefinitionId,
    /// The text of what the definition's `period.key` gave; empty without one.
    pub key: String,
}

/// A definition's periods for one line: plain data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodTerms {
    /// How they lie in time.
    pub spans: PeriodSpans,
    /// The text that keeps periods of one member and definition apart.
    pub key: String,
}

/// A period that is not opened yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// Its first moment.
    pub from: DateTime<Utc>,
    /// The first moment that is no longer in it.
    pub to: DateTime<Utc>,
    /// Whether it begins with the first points in it, not with the calendar.
    pub rolling: bool,
}

/// The period that points fall in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fall {
    /// One that was opened before.
    Into(Period),
    /// One that they open.
    Open(Opening),
}

impl PeriodTerms {
    /// Where points from `valid_from` on fall, among the periods that were opened so far, in the order in which they were.
    ///
    /// A rolling period is the first opened one that contains `valid_from`; they may overlap. A period of the calendar
    /// has the bounds of its month or year.
    pub fn fall(
        &self,
        valid_from: DateTime<Utc>,
        mut opened: impl Iterator<Item = Period>,
    ) -> Fall {
        let (from, to) = self.spans.opened_at(valid_from);
        let rolling = self.spans.is_rolling();
        let found = opened.find(|period| {
            period.rolling == rolling
                && if rolling {
                    period.from <= valid_from && valid_from < period.to
                } else {
                    (period.from, period.to) == (from, to)
                }
        });
        found.map_or(Fall::Open(Opening { from, to, rolling }), Fall::Into)
    }
}

impl Opening {
    /// The period, opened with this id.
    pub fn with_id(self, id: i64) -> Period {
        Period {
            id,
            from: self.from,
            to: self.to,
            rolling: self.rolling,
        }
    }
}
