//! The timeline of an order (operation 15).

use axum::extract::State;
use axum::response::Response;
use farelog_events::id::OrderId;
use farelog_events::log::Position;
use farelog_projections::answer::Answer;
use farelog_projections::member::MemberCustomers;

use super::path::PathParameters;
use super::position::{AtLeast, answered};
use super::problem::Problem;
use super::query::QueryParameters;
use super::state::Server;
use super::timeline::{History, Sources, Timeline};
use crate::engine::EngineError;
use crate::errors;

/// Timeline of an order: its events, transactions and groups in log order
///
/// Each entry has a sentence for a person. What a record brought about stands behind it, with its position. Messages
/// about the order that could not be read are among the entries, so an order of which nothing else arrived has a
/// timeline too. So are the facts that go out to other systems, of tickets and of points, each with whether it is known
/// to be sent. An answer tells of at most 1,000 records; where there are more, `nextPosition` is the `fromPosition` to go
/// on with.
#[utoipa::path(
    get,
    path = "/v1/orders/{orderId}/timeline",
    operation_id = "getTimeline",
    tag = "orders",
    params(
        ("orderId" = String, Path, description = "The order"),
        ("fromPosition" = Option<u64>, Query, description = "What happened from this log position on"),
    ),
    responses(
        (status = 200, description = "The timeline", body = Timeline),
        (status = 400, description = "`validation-failed`"),
        (status = 404, description = "`order-unknown`"),
        (status = 504, description = "`position-not-reached`"),
    )
)]
pub async fn timeline(
    State(server): State<Server>,
    path: PathParameters,
    mut query: QueryParameters,
) -> Result<Response, Problem> {
    let order: OrderId = path.get("orderId")?;
    let from = query.whole_number("fromPosition");
    let at_least = AtLeast::read(&mut query);
    query.finish()?;
    at_least.wait(&server).await?;
    let asked = order.clone();
    let sent_to = server.health().facts_sent_to();
    let answer = server
        .engine()
        .read_log(move |log, projections| {
            let document = projections.order(&asked)?;
            // The log may be ahead; the answer is of one position.
            let from = from.unwrap_or_default();
            let history = History::read(log, &asked, from, document.position)?;
            let customers = match &document.value {
                Some(document) => projections.customers_of(&document.ledger)?,
                None => MemberCustomers::new(),
            };
            let timeline = history.map(|history| {
                let sources = Sources {
                    history: &history,
                    document: document.value.as_ref(),
                    customers: &customers,
                    sent_to,
                };
                Timeline::new(asked, &sources)
            });
            Ok::<_, EngineError>(Answer {
                position: document.position,
                value: timeline.transpose()?,
            })
        })
        .await?;
    let Answer { position, value } = answer;
    let value = value.ok_or_else(|| unknown_order(&order, position))?;
    Ok(answered(Answer { position, value }))
}

/// The problem of an order of which nothing has arrived up to a log position.
pub fn unknown_order(order: &OrderId, position: Position) -> Problem {
    Problem::new(
        &errors::ORDER_UNKNOWN,
        format!("There is no order {order}."),
    )
    .reflecting(position)
}
