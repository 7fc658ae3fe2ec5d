//! Ticket distribution: summary, generate, distribute (operations 3 to 7; domain, section 5).

use axum::extract::{Extension, State};
use axum::response::Response;
use chrono::{DateTime, Utc};
use farelog_events::distribution::TravelCard;
use farelog_events::event::{About, EventKind};
use farelog_events::id::{OrderId, OrderLineId};
use farelog_events::log::writer::Decision;
use farelog_events::time::{self, Time};
use farelog_projections::answer::Answer;
use farelog_projections::distribution::{
    Distribute, DistributionRefusal, Generate, Groups, Reach, decision, summary,
};
use farelog_projections::document::OrderDocument;
use farelog_projections::order::OrderState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{JsonBody, OptionalJsonBody};
use super::caller::Caller;
use super::correlation::CorrelationId;
use super::event::own_event;
use super::orders::unknown_order;
use super::path::PathParameters;
use super::position::{AtLeast, answered};
use super::problem::{FieldProblem, Problem};
use super::query::QueryParameters;
use super::schema::{DistributionSummaryView, GroupView};
use super::state::Server;
use crate::engine::EngineError;
use crate::errors;

/// Longest free text of a distribution (card number, kind of card, kind of checksum), in characters.
const TEXT_CHARS_MAX: usize = 128;
/// Most lines that one call names.
const ORDER_LINES_MAX: usize = 1_000;
/// The travel card that tickets are written to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TravelCardRequest {
    /// Whether to activate the tickets at once; not when absent.
    activate: Option<bool>,
    /// The kind of card.
    #[schema(min_length = 1, max_length = 128)]
    payment_means_type: Option<String>,
    /// The card's number.
    #[schema(min_length = 1, max_length = 128)]
    media_serial_number_id: String,
}

/// What to distribute, and how. All of it may be left out, and so may the body.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DistributionRequest {
    /// The lines whose tickets to send; all when absent.
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 1000)]
    order_line_ids: Option<Vec<OrderLineId>>,
    /// Not to be delivered before.
    #[serde(default, deserialize_with = "time::optional")]
    deliver_after: Option<DateTime<Utc>>,
    /// How the QR code is checked.
    #[schema(min_length = 1, max_length = 128)]
    qr_checksum_type: Option<String>,
    /// The travel card to write to.
    travel_card: Option<TravelCardRequest>,
}

/// Summary of distribution data for an order
///
/// What the ticket systems call the order's tickets: each row once, with at least one of its two fields.
#[utoipa::path(
    get,
    path = "/sales/v1/ticket-distributions/{orderId}/summary",
    operation_id = "getDistributionSummary",
    tag = "ticket distributions",
    params(("orderId" = String, Path, description = "The order")),
    responses(
        (status = 200, description = "The summary", body = DistributionSummaryView),
        (status = 400, description = "`validation-failed`"),
        (status = 404, description = "`order-unknown`"),
        (status = 504, description = "`position-not-reached`"),
    )
)]
pub async fn summarise(
    State(server): State<Server>,
    path: PathParameters,
    mut query: QueryParameters,
) -> Result<Response, Problem> {
    let order: OrderId = path.get("orderId")?;
    let at_least = AtLeast::read(&mut query);
    query.finish()?;
    at_least.wait(&server).await?;
    let document = document(&server, &order).await?;
    Ok(answered(Answer {
        position: document.position,
        value: summary(&order, &document.value.groups),
    }))
}

/// Generate ticket distributions
///
/// Gives each confirmed line that is not cancelled one group with one ticket distribution per main product. Again
/// without a change of the order: the same groups and ids, and nothing is recorded.
#[utoipa::path(
    post,
    path = "/sales/v1/ticket-distributions/{orderId}/generate",
    operation_id = "generateTicketDistributions",
    tag = "ticket distributions",
    params(("orderId" = String, Path, description = "The order")),
    responses(
        (status = 200, description = "All groups of the order", body = [GroupView]),
        (status = 400, description = "`validation-failed`"),
        (status = 404, description = "`order-unknown`"),
        (status = 409, description = "`order-not-confirmed`"),
        (status = 422, description = "`too-many-tickets`"),
        (status = 504, description = "`position-not-reached`"),
    )
)]
pub async fn generate(
    State(server): State<Server>,
    Extension(correlation_id): Extension<CorrelationId>,
    path: PathParameters,
    mut query: QueryParameters,
    caller: Caller,
) -> Result<Response, Problem> {
    let order: OrderId = path.get("orderId")?;
    let at_least = AtLeast::read(&mut query);
    query.finish()?;
    at_least.wait(&server).await?;
    let command = Generate {
        created_by_dci: caller.distribution_channel,
        pos: caller.pos,
        language: caller.language.unwrap_or_default(),
    };
    let kind = EventKind::TicketDistributionGroupsGenerated;
    record(
        server,
        correlation_id,
        order,
        kind,
        |order, state, groups| decision::generate(order, state, groups, command),
    )
    .await
}

/// Distribute to NOD as QR code and animation
///
/// Deprecated: handles orders of version 1 and the fulfilment method NOD only. Its successor is
/// `POST /sales/v1/ticket-distribution-groups/{orderId}/distribute`.
#[utoipa::path(
    post,
    path = "/sales/v1/ticket-distributions/{orderId}/distribute/qr-code",
    operation_id = "distributeAsQrCode",
    tag = "ticket distributions",
    params(
        ("orderId" = String, Path, description = "The order"),
        ("deliverAfter" = Option<DateTime<Utc>>, Query, description = "Not to be delivered before"),
        ("qrChecksumType" = Option<String>, Query, min_length = 1, max_length = 128, description = "How the QR code is checked"),
    ),
    responses(
        (status = 200, description = "All groups of the order", body = [GroupView]),
        (status = 400, description = "`validation-failed`"),
        (status = 404, description = "`order-unknown`"),
        (status = 409, description = "`not-generated`"),
        (status = 422, description = "`order-version-not-supported`, `nothing-to-distribute`"),
        (status = 504, description = "`position-not-reached`"),
    )
)]
#[deprecated = "operation 7 is its successor"]
pub async fn distribute_as_qr_code(
    State(server): State<Server>,
    Extension(correlation_id): Extension<CorrelationId>,
    path: PathParameters,
    mut query: QueryParameters,
    caller: Caller,
) -> Result<Response, Problem> {
    let order: OrderId = path.get("orderId")?;
    let deliver_after: Option<Time> = query.optional("deliverAfter");
    let qr_checksum_type = query.text("qrChecksumType");
    let at_least = AtLeast::read(&mut query);
    query.finish()?;
    check_text("qrChecksumType", qr_checksum_type.as_deref())?;
    at_least.wait(&server).await?;
    let command = Distribute {
        reach: Reach::FirstVersionNod,
        deliver_after: deliver_after.map(|time| time.0),
        qr_checksum_type,
        ..by(caller)
    };
    distribute(server, correlation_id, order, command).await
}

/// Distribute to NOD on travel card
///
/// Deprecated: handles orders of version 1 and the fulfilment method NOD only. Its successor is
/// `POST /sales/v1/ticket-distribution-groups/{orderId}/distribute`.
#[utoipa::path(
    post,
    path = "/sales/v1/ticket-distributions/{orderId}/distribute/travel-card",
    operation_id = "distributeOnTravelCard",
    tag = "ticket distributions",
    params(("orderId" = String, Path, description = "The order")),
    request_body = TravelCardRequest,
    responses(
        (status = 200, description = "All groups of the order", body = [GroupView]),
        (status = 400, description = "`validation-failed`"),
        (status = 404, description = "`order-unknown`"),
        (status = 409, description = "`not-generated`"),
        (status = 422, description = "`order-version-not-supported`, `nothing-to-distribute`"),
        (status = 504, description = "`position-not-reached`"),
    )
)]
#[deprecated = "operation 7 is its successor"]
pub async fn distribute_on_travel_card(
    State(server): State<Server>,
    Extension(correlation_id): Extension<CorrelationId>,
    path: PathParameters,
    mut query: QueryParameters,
    caller: Caller,
    body: JsonBody<TravelCardRequest>,
) -> Result<Response, Problem> {
    let order: OrderId = path.get("orderId")?;
    let at_least = AtLeast::read(&mut query);
    let card = body.checked(|card| card.check("")).finish(query)?;
    at_least.wait(&server).await?;
    let command = Distribute {
        reach: Reach::FirstVersionNod,
        travel_card: Some(card.into()),
        ..by(caller)
    };
    distribute(server, correlation_id, order, command).await
}

/// Distribute
///
/// Hands the ticket distributions that are GENERATED or FAILED to their ticket systems. Again: nothing is sent twice.
#[utoipa::path(
    post,
    path = "/sales/v1/ticket-distribution-groups/{orderId}/distribute",
    operation_id = "distributeGroups",
    tag = "ticket distributions",
    params(("orderId" = String, Path, description = "The order")),
    request_body = Option<DistributionRequest>,
    responses(
        (status = 200, description = "All groups of the order", body = [GroupView]),
        (status = 400, description = "`validation-failed`"),
        (status = 404, description = "`order-unknown`"),
        (status = 409, description = "`not-generated`"),
        (status = 422, description = "`order-line-unknown`"),
        (status = 504, description = "`position-not-reached`"),
    )
)]
pub async fn distribute_groups(
    State(server): State<Server>,
    Extension(correlation_id): Extension<CorrelationId>,
    path: PathParameters,
    mut query: QueryParameters,
    caller: Caller,
    OptionalJsonBody(body): OptionalJsonBody<DistributionRequest>,
) -> Result<Response, Problem> {
    let order: OrderId = path.get("orderId")?;
    let at_least = AtLeast::read(&mut query);
    let request = body.checked(DistributionRequest::check).finish(query)?;
    let command = Distribute {
        order_line_ids: request.order_line_ids,
        deliver_after: request.deliver_after,
        qr_checksum_type: request.qr_checksum_type,
        travel_card: request.travel_card.map(TravelCard::from),
        ..by(caller)
    };
    at_least.wait(&server).await?;
    distribute(server, correlation_id, order, command).await
}

async fn distribute(
    server: Server,
    correlation_id: CorrelationId,
    order: OrderId,
    command: Distribute,
) -> Result<Response, Problem> {
    let kind = EventKind::TicketDistributionRequested;
    record(
        server,
        correlation_id,
        order,
        kind,
        |order, state, groups| decision::distribute(order, state, groups, command),
    )
    .await
}

/// Takes a decision on an order's groups, records the event of this kind that it gives, if any, and answers with the
/// groups as they are then.
async fn record<T: Serialize>(
    server: Server,
    correlation_id: CorrelationId,
    order: OrderId,
    kind: EventKind,
    decide: impl FnOnce(
        &OrderId,
        Option<&OrderState<'_>>,
        &Groups,
    ) -> Result<Option<T>, DistributionRefusal>
    + Send
    + 'static,
) -> Result<Response, Problem> {
    let asked = order.clone();
    server
        .engine()
        .decide(move |projections, moment| {
            let document = projections.order(&asked).map_err(EngineError::from)?.value;
            let state = document.as_ref().map(OrderDocument::state);
            let none = Groups::default();
            let groups = document.as_ref().map_or(&none, |document| &document.groups);
            let decided = decide(&asked, state.as_ref(), groups)
                .map_err(|refusal| refused(&refusal).reflecting(moment.head.position))?;
            let event = decided.map(|data| {
                let about = About::Order(asked.clone());
                own_event(kind, about, &data, moment, &correlation_id)
            });
            Ok::<_, Problem>(Decision {
                events: event.transpose()?.into_iter().collect(),
                answer: (),
            })
        })
        .await?;
    groups_of(&server, &order).await
}

/// A command of this caller, with all else as it is when nothing is said.
fn by(caller: Caller) -> Distribute {
    Distribute {
        distributed_by_dci: caller.distribution_channel,
        pos: caller.pos,
        language: caller.language,
        ..Distribute::default()
    }
}

async fn document(server: &Server, order: &OrderId) -> Result<Answer<OrderDocument>, Problem> {
    let asked = order.clone();
    let Answer { position, value } = server
        .engine()
        .read(move |projections| projections.order(&asked))
        .await?;
    let value = value.ok_or_else(|| unknown_order(order, position))?;
    Ok(Answer { position, value })
}

async fn groups_of(server: &Server, order: &OrderId) -> Result<Response, Problem> {
    let document = document(server, order).await?;
    Ok(answered(Answer {
        position: document.position,
        value: document.value.groups.to_view(),
    }))
}

fn refused(refusal: &DistributionRefusal) -> Problem {
    match errors::find(refusal.code()) {
        Some(code) => Problem::saying(code, refusal),
        None => Problem::internal(refusal),
    }
}

fn check_text(field: &str, text: Option<&str>) -> Result<(), Problem> {
    match text {
        Some(text) if text.is_empty() || text.chars().count() > TEXT_CHARS_MAX => {
            Err(Problem::validation(vec![FieldProblem::new(
                field,
                &errors::FIELD_OUT_OF_RANGE,
                format!("must have 1 to {TEXT_CHARS_MAX} characters"),
            )]))
        }
        _ => Ok(()),
    }
}

/// What is wrong by any of these checks.
fn all_of<const N: usize>(checks: [Result<(), Problem>; N]) -> Result<(), Problem> {
    let problems = checks.into_iter().filter_map(Result::err);
    problems.reduce(Problem::and).map_or(Ok(()), Err)
}

impl DistributionRequest {
    /// Whether its lists and texts are within their limits.
    fn check(&self) -> Result<(), Problem> {
        let card = self.travel_card.as_ref();
        all_of([
            self.check_lines(),
            check_text("qrChecksumType", self.qr_checksum_type.as_deref()),
            card.map_or(Ok(()), |card| card.check("travelCard.")),
        ])
    }

    fn check_lines(&self) -> Result<(), Problem> {
        let lines = self.order_line_ids.as_ref().map_or(1, Vec::len);
        if (1..=ORDER_LINES_MAX).contains(&lines) {
            return Ok(());
        }
        Err(Problem::field(
            "orderLineIds",
            &errors::FIELD_OUT_OF_RANGE,
            format!("must name 1 to {ORDER_LINES_MAX} lines, or be left out for all"),
        ))
    }
}

impl TravelCardRequest {
    /// Whether its texts are within their limits; `place` is what stands before its fields in the body.
    fn check(&self, place: &str) -> Result<(), Problem> {
        let number = Some(self.media_serial_number_id.as_str());
        let kind = self.payment_means_type.as_deref();
        all_of([
            check_text(&format!("{place}mediaSerialNumberId"), number),
            check_text(&format!("{place}paymentMeansType"), kind),
        ])
    }
}

impl From<TravelCardRequest> for TravelCard {
    fn from(card: TravelCardRequest) -> Self {
        Self {
            activate: card.activate.unwrap_or_default(),
            payment_means_type: card.payment_means_type,
            media_serial_number_id: card.media_serial_number_id,
        }
    }
}
