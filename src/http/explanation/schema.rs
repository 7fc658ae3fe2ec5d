//! The shapes of explanations for the description of the interface: fields as in [`farelog_replay::explanation`].

#![expect(dead_code, reason = "what counts of these types is their shape")]

use chrono::{DateTime, Utc};
use utoipa::ToSchema;

use crate::http::schema::TransactionView;

/// An amount of money.
#[derive(ToSchema)]
#[schema(as = ExplainedMoney, rename_all = "camelCase")]
pub struct MoneyView {
    /// The amount, exact, in units of the currency.
    amount: String,
    /// The currency, by its ISO 4217 code.
    currency: String,
}

/// The points of an order, with their reasons, as they stand.
#[derive(ToSchema)]
#[schema(as = OrderExplanation, rename_all = "camelCase")]
pub struct OrderExplanationView {
    /// The order.
    order_id: String,
    /// Its lines, by id, at most 100.
    lines: Vec<LineExplanationView>,
    /// How many lines are left out, since there are more; a question may name one.
    lines_left_out: u64,
}

/// A transaction, with its reasons.
#[derive(ToSchema)]
#[schema(as = TransactionExplanation, rename_all = "camelCase")]
pub struct TransactionExplanationView {
    /// The transaction, as it stands.
    transaction: TransactionView,
    /// Its line and definition as they stood when it was given: by the events up to that record.
    given: LineExplanationView,
    /// The same as they stand now. Its chain shows what became of the transaction.
    now: LineExplanationView,
}

/// Where a line stands.
#[derive(ToSchema)]
#[schema(as = LineStanding, rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LineStandingView {
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
#[derive(ToSchema)]
#[schema(as = ExplainedLine, rename_all = "camelCase")]
pub struct LineExplanationView {
    /// The line.
    order_line_id: String,
    /// Where it stands.
    standing: LineStandingView,
    /// Its price as last confirmed.
    #[schema(required = false)]
    price: MoneyView,
    /// What of it was paid back, in the price's currency.
    #[schema(required = false)]
    refunded: MoneyView,
    /// The events that decide, in log order. Of refunds at most 100: the last ones.
    events: Vec<CountedEventView>,
    /// How many earlier refunds are left out.
    events_left_out: u64,
    /// Its deferred registrations, those that were taken back too, in log order, at most 100: the last ones.
    registrations: Vec<RegistrationExplanationView>,
    /// How many earlier registrations are left out.
    registrations_left_out: u64,
    /// What each definition gives for it, by program and definition; of all lines together at most 1,000.
    definitions: Vec<DefinitionExplanationView>,
    /// How many definitions are left out, since there are more; a question may name a line and a program.
    definitions_left_out: u64,
}

/// A deferred registration of a line.
#[derive(ToSchema)]
#[schema(as = ExplainedRegistration, rename_all = "camelCase")]
pub struct RegistrationExplanationView {
    /// The program.
    program_id: i64,
    /// The customer.
    customer_id: String,
    /// The customer's member.
    member_id: i64,
    /// The record that accepted it.
    accepted: u64,
    /// When it was asked for.
    accepted_at: DateTime<Utc>,
    /// The record that took it back.
    #[schema(required = false)]
    revoked: u64,
    /// Definitions that it did not get, for good.
    refused: Vec<RefusalExplanationView>,
}

/// A definition that a registration did not get.
#[derive(ToSchema)]
#[schema(as = ExplainedRefusal, rename_all = "camelCase")]
pub struct RefusalExplanationView {
    /// The definition.
    point_definition_id: i64,
    /// Its trigger.
    trigger: String,
    /// Why.
    code: String,
    /// The same, in a sentence.
    detail: String,
}

/// Why a definition gives nothing for a line.
#[derive(ToSchema)]
#[schema(as = WhyNothing, rename_all = "kebab-case")]
pub enum WhyNothingView {
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
#[derive(ToSchema)]
#[schema(as = ExplainedDefinition, rename_all = "camelCase")]
pub struct DefinitionExplanationView {
    /// The program.
    program_id: i64,
    /// Its reference.
    program_reference: String,
    /// The version that was asked: the one that stands at the trigger's place.
    program_version: u32,
    /// The definition.
    point_definition_id: i64,
    /// Its reference.
    point_definition_reference: String,
    /// What it waits for.
    trigger: String,
    /// When that came.
    #[schema(required = false)]
    trigger_time: DateTime<Utc>,
    /// The record of the event that brought it.
    #[schema(required = false)]
    trigger_position: u64,
    /// Its place: the record with which the line first had it. Program and membership are those that stand there.
    #[schema(required = false)]
    place: u64,
    /// Points that it gives; 0 for nothing.
    points: f64,
    /// Why it gives nothing, where it does.
    #[schema(required = false)]
    why_nothing: WhyNothingView,
    /// All of it in a sentence.
    summary: String,
    /// For the line's own customer, or for one who was registered.
    #[schema(required = false)]
    registration: String,
    /// To whom the points go, or would.
    #[schema(required = false)]
    customer_id: String,
    /// The customer's member.
    #[schema(required = false)]
    member_id: i64,
    /// The expressions that were evaluated, in the order in which they were.
    expressions: Vec<ExpressionExplanationView>,
    /// How many points before refunds.
    #[schema(required = false)]
    amount: AmountExplanationView,
    /// What refunds took, where there were any.
    #[schema(required = false)]
    refunds: RefundExplanationView,
    /// The period.
    #[schema(required = false)]
    period: PeriodExplanationView,
    /// The cap.
    #[schema(required = false)]
    cap: CapExplanationView,
    /// The transactions of the line, definition and trigger, oldest first; each takes the place of the one before. At most
    /// 100: the last ones, or where the transaction that is asked for came before them, it and those that came next.
    transactions: Vec<GivenTransactionView>,
    /// How many earlier transactions are left out.
    transactions_left_out: u64,
    /// How many later transactions are left out.
    later_transactions_left_out: u64,
}

/// An expression, what it gave, and what it saw.
#[derive(ToSchema)]
#[schema(as = ExplainedExpression, rename_all = "camelCase")]
pub struct ExpressionExplanationView {
    /// Where it stands in the definition.
    field: String,
    /// The expression.
    source: String,
    /// What it gave, as a JSON text that is cut short where it is long.
    #[schema(required = false)]
    value: String,
    /// What went wrong instead.
    #[schema(required = false)]
    problem: String,
    /// The values in it, in the order in which they stand there.
    seen: Vec<SeenValueView>,
}

/// A value that an expression saw.
#[derive(ToSchema)]
#[schema(as = SeenValue, rename_all = "camelCase")]
pub struct SeenValueView {
    /// By what it is reached.
    path: String,
    /// The value, as a JSON text that is cut short where it is long.
    #[schema(required = false)]
    value: String,
    /// Why there is none.
    #[schema(required = false)]
    problem: String,
}

/// How many points the line gives before refunds.
#[derive(ToSchema)]
#[schema(as = ExplainedAmount, rename_all = "camelCase")]
pub struct AmountExplanationView {
    /// What `amount` gave, to 9 decimals.
    exact: f64,
    /// The same, rounded.
    rounded: f64,
    /// How many decimals stay.
    scale: u32,
    /// Which way it is rounded.
    mode: String,
}

/// What refunds took.
#[derive(ToSchema)]
#[schema(as = ExplainedRefund, rename_all = "camelCase")]
pub struct RefundExplanationView {
    /// The line's price as last confirmed.
    price: MoneyView,
    /// What was paid back of it.
    refunded: MoneyView,
    /// Whether there were refunds in another currency, which do not count.
    other_currency: bool,
    /// What the definition does on a refund.
    on_refund: String,
    /// The points that are left.
    left: f64,
}

/// The period that points belong to.
#[derive(ToSchema)]
#[schema(as = ExplainedPeriod, rename_all = "camelCase")]
pub struct PeriodExplanationView {
    /// Its id, where points were given.
    #[schema(required = false)]
    id: i64,
    /// What keeps it apart from others of the member and definition; empty without a key.
    key: String,
    /// Its first moment.
    #[schema(required = false)]
    from: DateTime<Utc>,
    /// The first moment that is no longer in it.
    #[schema(required = false)]
    to: DateTime<Utc>,
}

/// How many points a member can have.
#[derive(ToSchema)]
#[schema(as = ExplainedCap, rename_all = "camelCase")]
pub struct CapExplanationView {
    /// The most.
    amount: f64,
    /// In what they are counted.
    per: String,
    /// What the line would give without it.
    wanted: f64,
    /// What was cut off.
    cut: f64,
    /// What is counted now, also where an earlier state is explained; absent where there is no period to count in.
    #[schema(required = false)]
    counted_now: f64,
}

/// A transaction, with what gave and what cancelled it.
#[derive(ToSchema)]
#[schema(as = GivenTransaction, rename_all = "camelCase")]
pub struct GivenTransactionView {
    /// The transaction, as it stood.
    transaction: TransactionView,
    /// The event that gave it.
    #[schema(required = false)]
    given_by: CountedEventView,
    /// The event that cancelled it.
    #[schema(required = false)]
    cancelled_by: CountedEventView,
}

/// What an event did to a line.
#[derive(ToSchema)]
#[schema(as = EventRole, rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EventRoleView {
    /// It opened the round of the order that counts, and names the owner.
    Order,
    /// It says what the line is.
    Line,
    /// It confirmed the line for the first time.
    Confirmation,
    /// It is the line's first activation.
    Activation,
    /// It is the order's first capture of a payment.
    Capture,
    /// It paid money of the line back.
    Refund,
    /// It ended the line.
    End,
}

/// An event that counted.
#[derive(ToSchema)]
#[schema(as = CountedEvent, rename_all = "camelCase")]
pub struct CountedEventView {
    /// Its place in the log.
    position: u64,
    /// Who made it.
    source: String,
    /// Its id at the source.
    id: String,
    /// Its type.
    #[schema(rename = "type")]
    event_type: String,
    /// When it acts.
    time: DateTime<Utc>,
    /// What it did to the line; `None` where it is the cause of a transaction.
    #[schema(required = false)]
    role: EventRoleView,
    /// Of a refund: how much.
    #[schema(required = false)]
    refund: MoneyView,
}
