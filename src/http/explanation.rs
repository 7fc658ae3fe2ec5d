//! Explanations: why points are what they are, or why there are none (operation 14).

mod schema;

use axum::extract::State;
use axum::response::Response;
use farelog_events::id::{OrderId, TransactionId};
use farelog_projections::answer::Answer;
use farelog_replay::explanation::{
    ExplanationError, OrderQuestion, explain_order, explain_transaction,
};

use super::orders::unknown_order;
use super::path::PathParameters;
use super::position::{AtLeast, answered};
use super::problem::Problem;
use super::programs::unknown_program;
use super::query::QueryParameters;
use super::state::Server;
use crate::engine::EngineError;
use crate::errors;
use schema::{OrderExplanationView, TransactionExplanationView};

/// Why a transaction is what it is
///
/// How its line and definition stood when it was given: the events that counted, the version of the program, each
/// expression with what it gave and the values that it saw, rounding, refunds, period and cap, and all of it in a sentence.
/// Behind that the same as it stands now, whose chain of transactions shows what gave and what cancelled each.
#[utoipa::path(
    get,
    path = "/personalisation/v1/transactions/{id}/explanation",
    operation_id = "explainTransaction",
    tag = "transactions",
    params(("id" = i64, Path, description = "The transaction")),
    responses(
        (status = 200, description = "The explanation", body = TransactionExplanationView),
        (status = 400, description = "`validation-failed`"),
        (status = 404, description = "`transaction-unknown`"),
        (status = 504, description = "`position-not-reached`"),
    )
)]
pub async fn of_transaction(
    State(server): State<Server>,
    path: PathParameters,
    mut query: QueryParameters,
) -> Result<Response, Problem> {
    let id: TransactionId = path.get("id")?;
    let at_least = AtLeast::read(&mut query);
    query.finish()?;
    at_least.wait(&server).await?;
    let Answer { position, value } = server
        .engine()
        .read_log(move |log, projections| {
            explain_transaction(projections, log, id).map_err(EngineError::from)
        })
        .await?;
    let value = value.ok_or_else(|| {
        Problem::new(
            &errors::TRANSACTION_UNKNOWN,
            format!("There is no transaction {id}."),
        )
        .reflecting(position)
    })?;
    Ok(answered(Answer { position, value }))
}

/// Why an order's points are what they are, or why there are none
///
/// Its lines as they stand, and what every definition of every program gives for each: with its reasons, also for what gives
/// nothing. A line that is not known has no entry.
#[utoipa::path(
    get,
    path = "/v1/operate/orders/{orderId}/explanation",
    operation_id = "explainOrder",
    tag = "operate",
    params(
        ("orderId" = String, Path, description = "The order"),
        ("orderLineId" = Option<String>, Query, description = "This line only"),
        ("programId" = Option<i64>, Query, description = "This program only"),
    ),
    responses(
        (status = 200, description = "The explanation", body = OrderExplanationView),
        (status = 400, description = "`validation-failed`"),
        (status = 404, description = "`order-unknown`, `program-unknown`"),
        (status = 504, description = "`position-not-reached`"),
    )
)]
pub async fn of_order(
    State(server): State<Server>,
    path: PathParameters,
    mut query: QueryParameters,
) -> Result<Response, Problem> {
    let order_id: OrderId = path.get("orderId")?;
    let order_line_id = query.optional("orderLineId");
    let program_id = query.optional("programId");
    let question = OrderQuestion {
        order_id: order_id.clone(),
        order_line_id,
        program_id,
    };
    let at_least = AtLeast::read(&mut query);
    query.finish()?;
    at_least.wait(&server).await?;
    let Answer { position, value } = server
        .engine()
        .read_log(move |log, projections| {
            explain_order(projections, log, &question).map_err(EngineError::from)
        })
        .await?;
    let value = value.ok_or_else(|| unknown_order(&order_id, position))?;
    if let Some(program) = program_id
        && server.projections().programs().current(program).is_none()
    {
        return Err(unknown_program(program, position));
    }
    Ok(answered(Answer { position, value }))
}

impl From<ExplanationError> for EngineError {
    fn from(error: ExplanationError) -> Self {
        match error {
            ExplanationError::Log(error) => Self::Log(error),
            ExplanationError::Projections(error) => Self::Projections(error),
        }
    }
}
