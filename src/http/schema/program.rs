//! The shape of a program's document (domain, section 2).

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use utoipa::ToSchema;

use super::FieldProblemView;

/// A program: its document, and in answers its version. A field that may be absent may also be null.
#[derive(ToSchema)]
#[schema(as = Program, rename_all = "camelCase")]
pub struct ProgramSchema {
    /// The same in every version.
    id: i64,
    /// A short name that is the same in every environment, unique among programs.
    #[schema(pattern = "^[A-Za-z0-9_.:-]{1,64}$")]
    reference: String,
    /// The name that is shown.
    #[schema(min_length = 1)]
    name: String,
    /// Shown, changes nothing.
    preset: Option<PresetSchema>,
    /// The organisation that runs it.
    organisation_id: Option<i64>,
    /// The organisations that may see it.
    organisations_with_access: Option<Vec<i64>>,
    /// An inactive program triggers nothing.
    #[schema(default = true)]
    active: Option<bool>,
    /// The IANA time zone of its days, months and years.
    #[schema(default = "UTC")]
    timezone: Option<String>,
    /// What holds for deferred registration.
    registration: Option<RegistrationRulesSchema>,
    /// Lookup tables for expressions, by table and key: numbers, strings and bools.
    #[schema(value_type = Option<HashMap<String, HashMap<String, Value>>>)]
    tables: Option<HashMap<String, HashMap<String, Value>>>,
    /// What gives points; at most 100.
    #[schema(max_items = 100)]
    point_definitions: Option<Vec<PointDefinitionSchema>>,
    /// Its version, from 1. In answers only.
    #[schema(read_only)]
    version: Option<u32>,
    /// When this version was recorded. In answers only.
    #[schema(read_only)]
    published_at: Option<DateTime<Utc>>,
    /// Of a version that this server would not take any more and that gives nothing: why. In answers only.
    #[schema(read_only)]
    problems: Option<Vec<FieldProblemView>>,
}

/// What kind of program its makers call it.
#[derive(ToSchema)]
#[schema(as = Preset, rename_all = "SCREAMING_SNAKE_CASE", default = "CUSTOM")]
pub enum PresetSchema {
    /// Any program.
    Custom,
    /// A program that customers join with a campaign code.
    CampaignCodeProgram,
}

/// What holds for deferred registration.
#[derive(ToSchema)]
#[schema(as = RegistrationRules, rename_all = "camelCase")]
pub struct RegistrationRulesSchema {
    /// How long after the trigger a claim may come, in ISO 8601; no limit when absent.
    #[schema(format = Duration, example = "P90D")]
    window: Option<String>,
    /// Whether the customer must have been a member at the trigger already.
    #[schema(default = false)]
    require_membership_at_trigger: Option<bool>,
}

/// What gives points, when, and how many. Expressions are CEL.
#[derive(ToSchema)]
#[schema(as = PointDefinition, rename_all = "camelCase")]
pub struct PointDefinitionSchema {
    /// Unique in the program.
    id: i64,
    /// A short name that is the same in every environment, unique in the program.
    #[schema(pattern = "^[A-Za-z0-9_.:-]{1,64}$")]
    reference: String,
    /// The name that is shown, by language.
    name: Option<LocalizedNameSchema>,
    /// The fact about a line that it waits for.
    trigger: TriggerSchema,
    /// Gives a bool: whether the line counts. Always when absent.
    #[schema(max_length = 2000, example = "line.userType == \"ADULT\"")]
    when: Option<String>,
    /// Gives a number: how many points.
    #[schema(max_length = 2000, example = "double(line.price.amount) / 10.0")]
    amount: String,
    /// How the number is rounded.
    rounding: Option<RoundingSchema>,
    /// Gives a string: to whom. The line's customer, else the owner, when absent.
    #[schema(max_length = 2000)]
    customer: Option<String>,
    /// Gives a timestamp: from when the points count. `trigger.time` when absent.
    #[schema(max_length = 2000)]
    valid_from: Option<String>,
    /// Until when they count; for ever when absent.
    expiry: Option<ExpirySchema>,
    /// The period that they belong to; none when absent.
    period: Option<PeriodSchema>,
    /// What becomes of them when the line is cancelled or refunded.
    reversal: Option<ReversalSchema>,
    /// How many of them a member can have; any number when absent.
    cap: Option<CapSchema>,
}

/// A name in the languages of the interfaces.
#[derive(ToSchema)]
#[schema(as = LocalizedName)]
pub struct LocalizedNameSchema {
    /// Norwegian bokmål.
    nob: Option<String>,
    /// Norwegian nynorsk.
    nno: Option<String>,
    /// English.
    eng: Option<String>,
}

/// A fact about a confirmed line.
#[derive(ToSchema)]
#[schema(as = Trigger)]
pub enum TriggerSchema {
    /// The line was confirmed for the first time.
    LineConfirmed,
    /// A ticket of the line was taken into use for the first time.
    LineActivated,
    /// The order's first payment was captured.
    PaymentCaptured,
}

/// How a number of points is rounded.
#[derive(ToSchema)]
#[schema(as = Rounding)]
pub struct RoundingSchema {
    /// How many decimals stay.
    #[schema(minimum = 0, maximum = 9, default = 0)]
    scale: Option<u32>,
    /// Which way.
    mode: Option<RoundingModeSchema>,
}

/// Which way a number is rounded.
#[derive(ToSchema)]
#[schema(as = RoundingMode, rename_all = "SCREAMING_SNAKE_CASE", default = "FLOOR")]
pub enum RoundingModeSchema {
    /// Down.
    Floor,
    /// Up.
    Ceiling,
    /// To the nearest, halves up.
    HalfUp,
    /// To the nearest, halves to the even one.
    HalfEven,
}

/// Until when points count.
#[derive(ToSchema)]
#[schema(as = Expiry)]
pub struct ExpirySchema {
    /// Which way; DURATION has `after`, FIXED has `at`, PERIOD_END needs a period.
    kind: ExpiryKindSchema,
    /// How long, in ISO 8601.
    #[schema(format = Duration, example = "P30D")]
    after: Option<String>,
    /// Until which moment.
    at: Option<DateTime<Utc>>,
}

/// How the end of points is found.
#[derive(ToSchema)]
#[schema(as = ExpiryKind, rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExpiryKindSchema {
    /// For ever.
    Never,
    /// For a time from `validFrom` on.
    Duration,
    /// Until a moment that is the same for all.
    Fixed,
    /// Until the end of the period.
    PeriodEnd,
}

/// The period that points belong to.
#[derive(ToSchema)]
#[schema(as = Period)]
pub struct PeriodSchema {
    /// How periods follow one another.
    kind: PeriodKindSchema,
    /// How long a rolling period is, in ISO 8601; of others the calendar says it.
    #[schema(format = Duration, example = "P30D")]
    length: Option<String>,
    /// What keeps periods of one member and definition apart; CEL.
    #[schema(max_length = 2000)]
    key: Option<String>,
}

/// How periods follow one another.
#[derive(ToSchema)]
#[schema(as = PeriodKind, rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PeriodKindSchema {
    /// The first points open one, the first after its end the next.
    RollingFromFirst,
    /// The months of the calendar.
    CalendarMonth,
    /// The years of the calendar.
    CalendarYear,
}

/// What becomes of points when the line does not stay as it was.
#[derive(ToSchema)]
#[schema(as = Reversal, rename_all = "camelCase")]
pub struct ReversalSchema {
    /// When the line is cancelled or replaced, or its order is cancelled.
    on_cancel: Option<OnCancelSchema>,
    /// When money is paid back.
    on_refund: Option<OnRefundSchema>,
}

/// What becomes of points when the line is cancelled.
#[derive(ToSchema)]
#[schema(as = OnCancel, rename_all = "SCREAMING_SNAKE_CASE", default = "CANCEL")]
pub enum OnCancelSchema {
    /// They count no more.
    Cancel,
    /// They stay.
    Keep,
}

/// What becomes of points when money is paid back.
#[derive(ToSchema)]
#[schema(as = OnRefund, rename_all = "SCREAMING_SNAKE_CASE", default = "PROPORTIONAL")]
pub enum OnRefundSchema {
    /// As many stay as the part of the price that was not paid back.
    Proportional,
    /// They count no more after any refund.
    Cancel,
    /// They stay.
    Keep,
}

/// How many points of a definition a member can have.
#[derive(ToSchema)]
#[schema(as = Cap)]
pub struct CapSchema {
    /// The most, with at most 9 decimals.
    #[schema(minimum = 0)]
    amount: f64,
    /// In what.
    per: CapScopeSchema,
}

/// What a cap counts in.
#[derive(ToSchema)]
#[schema(as = CapScope, rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CapScopeSchema {
    /// The period.
    Period,
    /// The day of `validFrom`.
    Day,
    /// The order.
    Order,
    /// Ever.
    Member,
}
