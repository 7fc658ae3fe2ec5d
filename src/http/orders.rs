//! The timeline of an order (operation 15).

use axum::extract::State;
use axum::response::Response;
use farelog_events::event::About;
use farelog_events::id::OrderId;
use farelog_projections::answer::Answer;

use super::path::PathParameters;
use super::position::{AtLeast, answered};
use super::problem::Problem;
use super::query::QueryParameters;
use super::state::Server;
use super::timeline::Timeline;
use crate::engine::EngineError;
use crate::errors;

/// Timeline of an order: its events, transactions and groups in log order
///
/// Each entry has a sentence for a person. What a record brought about stands behind it, with its position. Messages
/// about the order that could not be read are among the entries, so an order of which nothing else arrived has a
/// timeline too.
#[utoipa::path(
    get,
    path = "/v1/orders/{orderId}/timeline",
    operation_id = "getTimeline",
    tag = "orders",
    params(("orderId" = String, Path, description = "The order")),
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
    let at_least = AtLeast::read(&mut query);
    query.finish()?;
    at_least.wait(&server).await?;
    let asked = order.clone();
    let answer = server
        .engine()
        .read_log(move |log, projections| {
            let document = projections.order(&asked)?;
            let mut records = log.read_about(&About::Order(asked.clone()))?;
            // The log may be ahead; the answer is of one position.
            records.retain(|record| record.position <= document.position);
            Ok::<_, EngineError>(Answer {
                position: document.position,
                value: (!records.is_empty())
                    .then(|| Timeline::new(asked, &records, document.value.as_ref())),
            })
        })
        .await?;
    let Answer { position, value } = answer;
    let value = value.ok_or_else(|| unknown_order(&order))?;
    Ok(answered(Answer { position, value }))
}

/// The problem of an order of which nothing has arrived.
pub fn unknown_order(order: &OrderId) -> Problem {
    Problem::new(
        &errors::ORDER_UNKNOWN,
        format!("There is no order {order}."),
    )
}
