//! The shapes of what the lower crates serialise, for the description of the interface.
//!
//! Those crates know nothing of HTTP, so their types don't describe themselves in OpenAPI. Each type here has the
//! fields of one of theirs; it is never made, and a test compares the two field by field.

#![expect(dead_code, reason = "what counts of these types is their shape")]

mod program;

use chrono::{DateTime, Utc};
use serde_json::Value;
use utoipa::ToSchema;

pub use program::ProgramSchema;

use super::member_view::MemberView;

/// A points transaction. Its row stays when it is cancelled.
#[derive(ToSchema)]
#[schema(as = Transaction, rename_all = "camelCase")]
pub struct TransactionView {
    /// Below 2^53, the same on every rebuild, never reused.
    id: i64,
    /// The program.
    program_id: i64,
    /// Who has the points.
    member_id: i64,
    /// The definition that gave them.
    point_definition_id: i64,
    /// The definition's reference, the same in every environment.
    #[schema(required)]
    point_definition_reference: Option<String>,
    /// Points given: an exact decimal, written as a number.
    amount: f64,
    /// When the event that gave it was recorded.
    created_at: DateTime<Utc>,
    /// From when it counts; may lie in the future: pending points.
    valid_from: DateTime<Utc>,
    /// The period that it belongs to, where the definition has periods.
    #[schema(required)]
    point_period_id: Option<i64>,
    /// When it stops to count; null: never.
    #[schema(required)]
    expire_at: Option<DateTime<Utc>>,
    /// From when it is cancelled; it counts until then.
    #[schema(required)]
    cancelled_at: Option<DateTime<Utc>>,
    /// When the event that cancelled it was recorded.
    #[schema(required)]
    updated_at: Option<DateTime<Utc>>,
    /// What else is known of it.
    metadata: TransactionMetadataView,
}

/// A points transaction as a registration answers it: that of a dry run was not recorded, and has neither `id` nor
/// `createdAt`.
#[derive(ToSchema)]
#[schema(as = RegisteredTransaction, rename_all = "camelCase")]
pub struct RegisteredTransactionView {
    /// As in `Transaction`; absent in a dry run.
    #[schema(required = false)]
    id: i64,
    /// The program.
    program_id: i64,
    /// Who has the points.
    member_id: i64,
    /// The definition that gave them.
    point_definition_id: i64,
    /// The definition's reference, the same in every environment.
    #[schema(required)]
    point_definition_reference: Option<String>,
    /// Points given: an exact decimal, written as a number.
    amount: f64,
    /// When the event that gave it was recorded; absent in a dry run.
    #[schema(required = false)]
    created_at: DateTime<Utc>,
    /// From when it counts; may lie in the future: pending points.
    valid_from: DateTime<Utc>,
    /// The period that it belongs to, where the definition has periods.
    #[schema(required)]
    point_period_id: Option<i64>,
    /// When it stops to count; null: never.
    #[schema(required)]
    expire_at: Option<DateTime<Utc>>,
    /// From when it is cancelled; it counts until then.
    #[schema(required)]
    cancelled_at: Option<DateTime<Utc>>,
    /// When the event that cancelled it was recorded.
    #[schema(required)]
    updated_at: Option<DateTime<Utc>>,
    /// What else is known of it.
    metadata: TransactionMetadataView,
}

/// What else is known of a transaction.
#[derive(ToSchema)]
#[schema(as = TransactionMetadata, rename_all = "camelCase")]
pub struct TransactionMetadataView {
    /// The order.
    order_id: String,
    /// The line.
    order_line_id: String,
    /// What triggered it: `LineConfirmed`, `LineActivated` or `PaymentCaptured`.
    trigger: String,
    /// The id, at its source, of the event that did.
    trigger_event_id: String,
    /// The version of the program that gave it.
    program_version: u32,
    /// `AUTOMATIC`, or `DEFERRED` for a deferred registration.
    registration: String,
    /// The transaction in whose place it stands.
    replaces: Option<i64>,
}

/// What a definition gave for a registration.
#[derive(ToSchema)]
#[schema(as = GrantedDefinition, rename_all = "camelCase")]
pub struct GrantedDefinitionView {
    /// The definition.
    point_definition_id: i64,
    /// Its reference.
    #[schema(required)]
    point_definition_reference: Option<String>,
    /// The points of its transactions that are not cancelled.
    amount: f64,
    /// The transactions, oldest first.
    transactions: Vec<RegisteredTransactionView>,
}

/// A page of transactions.
#[derive(ToSchema)]
#[schema(as = TransactionPage, rename_all = "camelCase")]
pub struct PagedTransactions {
    /// The transactions on it.
    items: Vec<TransactionView>,
    /// Transactions on all pages.
    total_items: u64,
    /// Pages.
    total_pages: u64,
}

/// A page of members.
#[derive(ToSchema)]
#[schema(as = MemberPage, rename_all = "camelCase")]
pub struct PagedMembers {
    /// The members on it.
    items: Vec<MemberView>,
    /// Members on all pages.
    total_items: u64,
    /// Pages.
    total_pages: u64,
}

/// A page of dead letters.
#[derive(ToSchema)]
#[schema(as = DeadLetterPage, rename_all = "camelCase")]
pub struct PagedDeadLetters {
    /// The dead letters on it.
    items: Vec<DeadLetterView>,
    /// Dead letters on all pages.
    total_items: u64,
    /// Pages.
    total_pages: u64,
}

/// A message that could not be taken in.
#[derive(ToSchema)]
#[schema(as = DeadLetter, rename_all = "camelCase")]
pub struct DeadLetterView {
    /// The log position at which it was recorded.
    number: u64,
    /// The kind of reason; `/docs/errors/{reason}` explains it.
    reason: String,
    /// The reason in a sentence: what was wrong, and where.
    detail: String,
    /// The order that it seems to be about.
    #[schema(required)]
    order_id: Option<String>,
    /// The NATS subject.
    subject: String,
    /// The stream that it came from.
    stream: String,
    /// Its sequence there.
    stream_sequence: u64,
    /// When the stream took it.
    published_at: DateTime<Utc>,
    /// When the log took it.
    recorded_at: DateTime<Utc>,
    /// `OPEN`, `RETRIED` or `DISCARDED`.
    state: String,
    /// Size of its payload.
    bytes: u64,
    /// Its headers, as pairs of name and value. Of one that was asked for by number.
    headers: Option<Vec<Vec<String>>>,
    /// Its headers as they came over the wire, where they can't be read. Of one that was asked for by number.
    headers_base64: Option<String>,
    /// Its payload. Of one that was asked for by number.
    payload_base64: Option<String>,
    /// Its payload, where that is UTF-8. Of one that was asked for by number.
    payload_text: Option<String>,
}

/// A ticket distribution group: the tickets of one order line.
#[derive(ToSchema)]
#[schema(as = TicketDistributionGroup, rename_all = "camelCase")]
pub struct GroupView {
    /// The same on every rebuild.
    id: i64,
    /// The order.
    order_id: String,
    /// The line.
    order_line_id: String,
    /// The round of the order that stood when the group was made, or last brought up to a changed line.
    order_version: u32,
    /// The version of the line that the tickets are for.
    updated_for_order_line_version: u32,
    /// The distribution channel that had it generated.
    #[schema(required, rename = "createdByDCI")]
    created_by_dci: Option<String>,
    /// The organisation that sold the order.
    #[schema(required)]
    organisation_id: Option<i64>,
    /// The distribution channel that last had tickets of the group sent.
    #[schema(required, rename = "distributedByDCI")]
    distributed_by_dci: Option<String>,
    /// `NOD`, `ACCOUNT_BASED_TICKETING`, `INTERNATIONAL` or `BIFROST`.
    fulfillment_method: String,
    /// The organisation that last had tickets of the group sent.
    #[schema(required)]
    distributed_by_org_id: Option<i64>,
    /// Who bought the order.
    #[schema(required)]
    order_owner_customer_id: Option<String>,
    /// Who holds the tickets.
    #[schema(required)]
    distribution_holder_customer_id: Option<String>,
    /// When it was generated.
    created_at: DateTime<Utc>,
    /// When it or one of its tickets last changed.
    updated_at: DateTime<Utc>,
    /// The tickets; those that are void stay.
    ticket_distributions: Vec<TicketDistributionView>,
}

/// A ticket distribution: the ticket for one main product of a line.
#[derive(ToSchema)]
#[schema(as = TicketDistribution, rename_all = "camelCase")]
pub struct TicketDistributionView {
    /// The same on every rebuild.
    id: i64,
    /// `GENERATED`, `REQUESTED`, `DISTRIBUTED`, `ACTIVATED`, `CANCELLED`, `CANCELLED_EXTERNALLY` or `FAILED`.
    status: String,
    /// The product.
    fare_product_id: String,
    /// From when it is valid.
    #[schema(required)]
    start_of_validity: Option<DateTime<Utc>>,
    /// Until when it is valid.
    #[schema(required)]
    end_of_validity: Option<DateTime<Utc>>,
    /// Not to be delivered before.
    #[schema(required)]
    deliver_after: Option<DateTime<Utc>>,
    /// How its QR code is checked.
    #[schema(required)]
    qr_checksum_type: Option<String>,
    /// The travel card that it is written to.
    #[schema(required)]
    media_serial_number_id: Option<String>,
    /// `nob`, `nno` or `eng`.
    language: String,
    /// The fare contract in the ticket system.
    #[schema(required)]
    fare_contract_ref: Option<String>,
    /// The customer's account in the ticket system.
    #[schema(required)]
    customer_account_ref: Option<String>,
    /// When it was generated.
    created_at: DateTime<Utc>,
    /// When it last changed.
    updated_at: DateTime<Utc>,
}

/// What the ticket systems call an order's tickets.
#[derive(ToSchema)]
#[schema(as = DistributionSummary, rename_all = "camelCase")]
pub struct DistributionSummaryView {
    /// The order.
    order_id: String,
    /// Distinct; each has at least one of its two fields.
    distributions: Vec<SummaryRowView>,
}

/// A fare contract and the account that it is on.
#[derive(ToSchema)]
#[schema(as = DistributionSummaryRow, rename_all = "camelCase")]
pub struct SummaryRowView {
    /// The fare contract in the ticket system.
    #[schema(required)]
    fare_contract_ref: Option<String>,
    /// The customer's account in the ticket system.
    #[schema(required)]
    customer_account_ref: Option<String>,
}

/// Figures about the log and what is made of it.
#[derive(ToSchema)]
#[schema(as = LogStats, rename_all = "camelCase")]
pub struct LogStatsView {
    /// The log's id, made when it was created.
    log_id: String,
    /// The version of the record format.
    format_version: u32,
    /// Position of the last record, which is also how many there are.
    last_position: u64,
    /// When the last record was recorded.
    #[schema(required)]
    last_recorded_at: Option<DateTime<Utc>>,
    /// Bytes on disk.
    disk_bytes: u64,
    /// How far the stream was read.
    #[schema(required, value_type = Option<Object>)]
    checkpoint: Option<Value>,
    /// How far the projections are, and what they count.
    #[schema(value_type = Object)]
    projections: Value,
    /// How ingestion is doing.
    #[schema(value_type = Object)]
    ingestion: Value,
}

/// An error: RFC 9457, with the members that clients of the sales API read.
#[derive(ToSchema)]
#[schema(as = Problem, rename_all = "camelCase")]
pub struct ProblemView {
    /// The address of the page that explains the code.
    r#type: String,
    /// A few words, the same for every occurrence of the code.
    title: String,
    /// The HTTP status.
    status: u16,
    /// A sentence about this occurrence.
    detail: String,
    /// The path that was asked for.
    instance: String,
    /// The same.
    path: String,
    /// The name of the HTTP status.
    error: String,
    /// The same as `detail`.
    message: String,
    /// When it happened.
    timestamp: DateTime<Utc>,
    /// What kind of error it is; it never changes its meaning.
    code: String,
    /// The request's correlation id, which its log lines carry too.
    correlation_id: String,
    /// Which fields, parameters or headers are wrong (400).
    errors: Option<Vec<FieldProblemView>>,
    /// Why no points could be given (422 of deferred registration).
    reasons: Option<Vec<ReasonView>>,
}

/// What is wrong with one field, parameter or header.
#[derive(ToSchema)]
#[schema(as = FieldProblem)]
pub struct FieldProblemView {
    /// The field by its path, the parameter or header by its name.
    field: String,
    /// What is wrong with it.
    message: String,
    /// The kind of mistake; `/docs/errors/{code}` explains it.
    code: String,
}

/// Why no points could be given.
#[derive(ToSchema)]
#[schema(as = Reason, rename_all = "camelCase")]
pub struct ReasonView {
    /// The reason (domain, section 4); `/docs/errors/{code}` explains it.
    code: String,
    /// The reason in a sentence.
    detail: String,
    /// The definition that it is about, where definitions differ.
    point_definition_reference: Option<String>,
}
