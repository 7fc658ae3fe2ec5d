//! How the points of a line came about, definition by definition: the data of an explanation.

use chrono::{DateTime, Utc};
use farelog_events::id::{CustomerId, MemberId, OrderLineId, PointDefinitionId, ProgramId};
use farelog_events::log::Position;
use farelog_events::money::Money;
use farelog_projections::order::TriggerKind;
use farelog_projections::points::registration::ReasonCode;
use farelog_projections::points::transaction::decimal_as_number;
use farelog_projections::points::{RegistrationKind, Transaction};
use farelog_projections::program::{
    Amount, CapScope, ExpressionField, OnRefund, Reading, Rounding, RoundingMode,
};
use rust_decimal::Decimal;
use serde::Serialize;

use super::history::CountedEvent;

/// Where a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LineStanding {
    /// No event confirmed it.
    NotConfirmed,
    /// It is confirmed.
    Confirmed,
    /// It was cancelled.
    Cancelled,
    /// It was exchanged for others.
    Replaced,
    /// Its order was cancelled.
    OrderCancelled,
}

/// A line, what happened to it, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LineExplanation {
    /// The line.
    pub order_line_id: OrderLineId,
    /// Where it stands.
    pub standing: LineStanding,
    /// Its price as last confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// What of it was paid back, in the price's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refunded: Option<Money>,
    /// The events that decide, in log order. Of refunds at most [`HISTORY_TOLD_MAX`](super::HISTORY_TOLD_MAX): the last
    /// ones.
    pub events: Vec<CountedEvent>,
    /// How many earlier refunds are left out.
    pub events_left_out: usize,
    /// Its deferred registrations, those that were taken back too, in log order; as many at most.
    pub registrations: Vec<RegistrationExplanation>,
    /// How many earlier registrations are left out.
    pub registrations_left_out: usize,
    /// What each definition gives for it, by program and definition; of all lines together at most
    /// [`DEFINITIONS_TOLD_MAX`](super::DEFINITIONS_TOLD_MAX).
    pub definitions: Vec<DefinitionExplanation>,
    /// How many definitions are left out, since there are more; a question may name a line and a program.
    pub definitions_left_out: usize,
}

/// A deferred registration of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationExplanation {
    /// The program.
    pub program_id: ProgramId,
    /// The customer.
    pub customer_id: CustomerId,
    /// The customer's member.
    pub member_id: MemberId,
    /// The record that accepted it.
    pub accepted: Position,
    /// When it was asked for.
    pub accepted_at: DateTime<Utc>,
    /// The record that took it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Position>,
    /// Definitions that it did not get, for good.
    pub refused: Vec<RefusalExplanation>,
}

/// A definition that a registration did not get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusalExplanation {
    /// The definition.
    pub point_definition_id: PointDefinitionId,
    /// Its trigger.
    pub trigger: TriggerKind,
    /// Why.
    pub code: ReasonCode,
    /// The same, in a sentence.
    pub detail: String,
}

/// Why a definition gives nothing for a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhyNothing {
    /// The line is not confirmed.
    NotConfirmed,
    /// The trigger has not come.
    NotTriggered,
    /// The program was published after the trigger's place.
    ProgramNotPublished,
    /// A version that was published after the trigger's place brought the definition.
    DefinitionNotPublished,
    /// The program was inactive at the trigger's place.
    ProgramInactive,
    /// The line's registration did not get this definition.
    RefusedByRegistration,
    /// Nobody is named to whom points could go.
    NoCustomer,
    /// The customer's membership was not in force at the trigger's place.
    NotMember,
    /// `when` does not hold.
    NotMatched,
    /// A table has no such key.
    MissingTableKey,
    /// An expression failed.
    RuleError,
    /// The amount is 0 after rounding.
    NoAmount,
    /// The line ended, and nothing of it is kept, or it ended before the trigger came.
    LineEnded,
    /// Refunds leave nothing.
    Refunded,
    /// The cap left no room.
    CapReached,
    /// The record had no numbers left for it; the order's next event gives it.
    Postponed,
}

/// What a definition gives for a line and trigger, and how that came about. What was not reached is absent.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DefinitionExplanation {
    /// The program.
    pub program_id: ProgramId,
    /// Its reference.
    pub program_reference: String,
    /// The version that was asked: the one that stands at the trigger's place.
    pub program_version: u32,
    /// The definition.
    pub point_definition_id: PointDefinitionId,
    /// Its reference.
    pub point_definition_reference: String,
    /// What it waits for.
    pub trigger: TriggerKind,
    /// When that came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_time: Option<DateTime<Utc>>,
    /// The record of the event that brought it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_position: Option<Position>,
    /// Its place: the record with which the line first had it. Program and membership are those that stand there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Position>,
    /// Points that it gives; 0 for nothing.
    #[serde(serialize_with = "decimal_as_number")]
    pub points: Decimal,
    /// Why it gives nothing, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_nothing: Option<WhyNothing>,
    /// All of it in a sentence.
    pub summary: String,
    /// For the line's own customer, or for one who was registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration: Option<RegistrationKind>,
    /// To whom the points go, or would.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<CustomerId>,
    /// The customer's member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_id: Option<MemberId>,
    /// The expressions that were evaluated, in the order in which they were.
    pub expressions: Vec<ExpressionExplanation>,
    /// How many points before refunds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<AmountExplanation>,
    /// What refunds took, where there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refunds: Option<RefundExplanation>,
    /// The period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<PeriodExplanation>,
    /// The cap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cap: Option<CapExplanation>,
    /// The transactions of the line, definition and trigger, oldest first; each takes the place of the one before. At most
    /// [`HISTORY_TOLD_MAX`](super::HISTORY_TOLD_MAX): the last ones, or where one that is asked for came before them, it
    /// and those that came next.
    pub transactions: Vec<GivenTransaction>,
    /// How many earlier transactions are left out.
    pub transactions_left_out: usize,
    /// How many later transactions are left out.
    pub later_transactions_left_out: usize,
}

/// An expression, what it gave, and what it saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpressionExplanation {
    /// Where it stands in the definition.
    pub field: ExpressionField,
    /// The expression.
    pub source: String,
    /// What it gave, as a JSON text that is cut short where it is long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What went wrong instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The values in it, in the order in which they stand there.
    pub seen: Vec<SeenValue>,
}

/// A value that an expression saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenValue {
    /// By what it is reached.
    pub path: String,
    /// The value, as a JSON text that is cut short where it is long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// How many points the line gives before refunds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AmountExplanation {
    /// What `amount` gave, to 9 decimals.
    #[serde(serialize_with = "decimal_as_number")]
    pub exact: Decimal,
    /// The same, rounded.
    #[serde(serialize_with = "decimal_as_number")]
    pub rounded: Decimal,
    /// How many decimals stay.
    pub scale: u32,
    /// Which way it is rounded.
    pub mode: RoundingMode,
}

/// What refunds took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RefundExplanation {
    /// The line's price as last confirmed.
    pub price: Money,
    /// What was paid back of it.
    pub refunded: Money,
    /// Whether there were refunds in another currency, which do not count.
    pub other_currency: bool,
    /// What the definition does on a refund.
    pub on_refund: OnRefund,
    /// The points that are left.
    #[serde(serialize_with = "decimal_as_number")]
    pub left: Decimal,
}

/// The period that points belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeriodExplanation {
    /// Its id, where points were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// What keeps it apart from others of the member and definition; empty without a key.
    pub key: String,
    /// Its first moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// The first moment that is no longer in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<DateTime<Utc>>,
}

/// How many points a member can have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CapExplanation {
    /// The most.
    #[serde(serialize_with = "decimal_as_number")]
    pub amount: Decimal,
    /// In what they are counted.
    pub per: CapScope,
    /// What the line would give without it.
    #[serde(serialize_with = "decimal_as_number")]
    pub wanted: Decimal,
    /// What was cut off.
    #[serde(serialize_with = "decimal_as_number")]
    pub cut: Decimal,
    /// What is counted now, also where an earlier state is explained; absent where there is no period to count in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted_now: Option<Points>,
}

/// A transaction, with what gave and what cancelled it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GivenTransaction {
    /// The transaction, as it stood.
    pub transaction: Transaction,
    /// The event that gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_by: Option<CountedEvent>,
    /// The event that cancelled it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<CountedEvent>,
}

impl ExpressionExplanation {
    pub(super) fn new(field: ExpressionField, reading: Reading) -> Self {
        let (value, problem) = apart(reading.value);
        let seen = reading.seen.into_iter().map(|seen| {
            let (value, problem) = apart(seen.value);
            SeenValue {
                path: seen.path,
                value,
                problem,
            }
        });
        Self {
            field,
            source: reading.source,
            value,
            problem,
            seen: seen.collect(),
        }
    }
}

fn apart(value: Result<String, String>) -> (Option<String>, Option<String>) {
    match value {
        Ok(value) => (Some(value), None),
        Err(problem) => (None, Some(problem)),
    }
}

impl AmountExplanation {
    pub(super) fn new(amount: Amount, rounding: Rounding) -> Self {
        Self {
            exact: amount.exact,
            rounded: amount.rounded,
            scale: rounding.scale,
            mode: rounding.mode,
        }
    }
}

/// A decimal as a JSON number with exactly its digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Points(#[serde(serialize_with = "decimal_as_number")] pub Decimal);
