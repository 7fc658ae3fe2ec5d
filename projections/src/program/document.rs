//! A program's document: the same fields in TOML and in JSON (domain, section 2).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use farelog_events::id::{OrganisationId, PointDefinitionId, ProgramId};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use rust_decimal::RoundingStrategy;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::duration::CalendarDuration;
use super::expiry::Expiry;
use super::problem::ProgramRefused;
use super::source::ProgramSource;
use crate::order::TriggerKind;

/// A loyalty program as its document says. Reading one checks its form;
/// [`CompiledProgram::compile`](super::CompiledProgram::compile) checks what it means.
///
/// Two documents are the same program version if they are equal as this type, whatever their format, layout and
/// spelled-out defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Program {
    /// Its id, the same in every version.
    pub id: ProgramId,
    /// A short name that is the same in every environment, for example `reis`.
    pub reference: String,
    /// The name that is shown.
    pub name: String,
    /// Shown; changes nothing.
    #[serde(default)]
    pub preset: Preset,
    /// The organisation that runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation_id: Option<OrganisationId>,
    /// Who may see it. Which orders count is for `when` to say.
    #[serde(default)]
    pub organisations_with_access: Vec<OrganisationId>,
    /// An inactive program triggers nothing.
    #[serde(default = "yes")]
    pub active: bool,
    /// The IANA time zone that days, months and years are counted in.
    #[serde(default = "utc")]
    pub timezone: String,
    /// Deferred registration.
    #[serde(default)]
    pub registration: Registration,
    /// Lookup tables for expressions: by table, then by key.
    #[serde(default)]
    pub tables: BTreeMap<String, BTreeMap<String, Value>>,
    /// What gives points.
    #[serde(default)]
    pub point_definitions: Vec<PointDefinition>,
}

fn yes() -> bool {
    true
}

fn utc() -> String {
    "UTC".to_owned()
}

impl Program {
    /// Reads a TOML document.
    ///
    /// # Errors
    /// What is wrong with its form, with line and column.
    pub fn from_toml(text: &str) -> Result<Self, ProgramRefused> {
        ProgramSource::toml(text)?.read()
    }

    /// Reads a JSON document.
    ///
    /// # Errors
    /// What is wrong with its form; of a syntax error with line and column.
    pub fn from_json(text: &str) -> Result<Self, ProgramRefused> {
        ProgramSource::json(text)?.read()
    }

    /// The program's time zone, by the rules that come with farelog; `None` for a name that they don't have, which
    /// publication refuses.
    pub fn zone(&self) -> Option<TimeZone> {
        // The bundled rules, so that two machines can't differ.
        static BUNDLED: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
        BUNDLED.get(&self.timezone).ok()
    }

    /// Until when points for a trigger at this time can be claimed; `None`: always.
    pub fn window_closes_at(&self, trigger_time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let window = self.registration.window?;
        Some(window.after(trigger_time, &self.zone().unwrap_or(TimeZone::UTC)))
    }

    /// The document in the form that the log keeps: JSON, every default spelled out.
    pub fn to_json(&self) -> String {
        // A struct of plain data with string keys has no way to fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What kind of program its makers call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Preset {
    /// Any program.
    #[default]
    Custom,
    /// A program that customers join with a campaign code.
    CampaignCodeProgram,
}

impl Preset {
    /// The name in the document, for example `CAMPAIGN_CODE_PROGRAM`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Custom => "CUSTOM",
            Self::CampaignCodeProgram => "CAMPAIGN_CODE_PROGRAM",
        }
    }
}

/// What holds for points that are claimed after the fact (domain, section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Registration {
    /// How long after `trigger.time` a claim may come; no limit when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<CalendarDuration>,
    /// Whether the customer must have been a member at the trigger already.
    pub require_membership_at_trigger: bool,
}

/// What gives points, when, and how many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PointDefinition {
    /// Its id, unique in the program.
    pub id: PointDefinitionId,
    /// A short name that is the same in every environment, unique in the program.
    pub reference: String,
    /// The name that is shown, by language.
    #[serde(default)]
    pub name: LocalizedName,
    /// The fact about a line that it waits for.
    pub trigger: TriggerKind,
    /// CEL, a bool: whether the line counts. Always when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// CEL, a number: how many points.
    pub amount: String,
    /// How the number is rounded.
    #[serde(default)]
    pub rounding: Rounding,
    /// CEL, a string: to whom; the line's customer, else the owner, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// CEL, a timestamp: from when the points count; `trigger.time` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<String>,
    /// Until when they count.
    #[serde(default)]
    pub expiry: Expiry,
    /// The period that they belong to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// What becomes of them when the line is cancelled or refunded.
    #[serde(default)]
    pub reversal: Reversal,
    /// How many of them a member can have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Cap>,
}

/// A name in the languages of the interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LocalizedName {
    /// Norwegian bokmål.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nob: Option<String>,
    /// Norwegian nynorsk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nno: Option<String>,
    /// English.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eng: Option<String>,
}

/// How a number of points is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Rounding {
    /// How many decimals stay.
    pub scale: u32,
    /// Which way.
    pub mode: RoundingMode,
}

/// Which way a number is rounded. Numbers of points are never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RoundingMode {
    /// Down.
    #[default]
    Floor,
    /// Up.
    Ceiling,
    /// To the nearest, halves up.
    HalfUp,
    /// To the nearest, halves to the even one.
    HalfEven,
}

impl RoundingMode {
    pub(crate) fn strategy(self) -> RoundingStrategy {
        match self {
            Self::Floor => RoundingStrategy::ToNegativeInfinity,
            Self::Ceiling => RoundingStrategy::ToPositiveInfinity,
            Self::HalfUp => RoundingStrategy::MidpointAwayFromZero,
            Self::HalfEven => RoundingStrategy::MidpointNearestEven,
        }
    }
}

/// The period that points belong to (domain, section 3, rule 9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Period {
    /// How periods follow one another.
    pub kind: PeriodKind,
    /// How long a rolling period is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<CalendarDuration>,
    /// CEL: what keeps periods of one member and definition apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// How periods follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PeriodKind {
    /// The first points open one, the first after its end the next.
    RollingFromFirst,
    /// The months of the calendar.
    CalendarMonth,
    /// The years of the calendar.
    CalendarYear,
}

/// What becomes of points when the line does not stay as it was (domain, section 3, rules 4 and 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Reversal {
    /// When the line is cancelled or replaced, or its order is cancelled.
    pub on_cancel: OnCancel,
    /// When money is paid back.
    pub on_refund: OnRefund,
}

/// What becomes of points when the line is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OnCancel {
    /// They count no more.
    #[default]
    Cancel,
    /// They stay.
    Keep,
}

/// What becomes of points when money is paid back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OnRefund {
    /// As many stay as the part of the price that was not paid back.
    #[default]
    Proportional,
    /// They count no more after any refund.
    Cancel,
    /// They stay.
    Keep,
}

/// How many points of a definition a member can have (domain, section 3, rule 10).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// The most.
    pub amount: Number,
    /// In what.
    pub per: CapScope,
}

/// What a cap counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CapScope {
    /// The period.
    Period,
    /// The day of `validFrom`.
    Day,
    /// The order.
    Order,
    /// Ever.
    Member,
}
