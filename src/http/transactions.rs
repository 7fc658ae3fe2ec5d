//! Points transactions: of an order, of a member (operations 1 and 10).

use axum::extract::State;
use axum::response::Response;
use farelog_events::id::{MemberId, OrderId, ProgramId};
use farelog_projections::TransactionFilter;

use super::members::existing;
use super::path::PathParameters;
use super::position::{AtLeast, answered, answered_as_json};
use super::problem::Problem;
use super::query::QueryParameters;
use super::schema::{PagedTransactions, TransactionView};
use super::state::Server;

/// All transactions for an order, in all programs, oldest first
///
/// A bare array; empty for an order with none, and for one that is not known. Cancelled transactions stay in it.
#[utoipa::path(
    get,
    path = "/personalisation/v1/transactions",
    operation_id = "getTransactionsOfOrder",
    tag = "transactions",
    params(("orderId" = String, Query, description = "The order")),
    responses(
        (status = 200, description = "The transactions", body = [TransactionView]),
        (status = 400, description = "`validation-failed`"),
        (status = 504, description = "`position-not-reached`"),
    )
)]
pub async fn of_order(
    State(server): State<Server>,
    mut query: QueryParameters,
) -> Result<Response, Problem> {
    let order: Option<OrderId> = query.required("orderId");
    let at_least = AtLeast::read(&mut query);
    query.finish()?;
    // `finish` refuses a query without the required parameter.
    let Some(order) = order else {
        return Err(Problem::validation(Vec::new()));
    };
    at_least.wait(&server).await?;
    let answer = server
        .engine()
        .look_up(move |projections| projections.transactions_of_order_as_json(&order))
        .await?;
    Ok(answered_as_json(answer))
}

/// All transactions of a member, newest `validFrom` first
#[utoipa::path(
    get,
    path = "/personalisation/v1/programs/{programId}/members/{memberId}/transactions",
    operation_id = "getTransactionsOfMember",
    tag = "transactions",
    params(
        ("programId" = i64, Path, description = "The program"),
        ("memberId" = i64, Path, description = "The member"),
        ("orderId" = Option<String>, Query, description = "Of this order only"),
        ("pointDefinitionReference" = Option<String>, Query, description = "By this definition only"),
        ("page" = Option<u32>, Query, description = "Which page, from 1"),
        ("perPage" = Option<u32>, Query, description = "Items on a page, 20 when absent, at most 100"),
    ),
    responses(
        (status = 200, description = "A page of transactions", body = PagedTransactions),
        (status = 400, description = "`validation-failed`"),
        (status = 404, description = "`program-unknown`, `member-unknown`"),
        (status = 504, description = "`position-not-reached`"),
    )
)]
pub async fn of_member(
    State(server): State<Server>,
    path: PathParameters,
    mut query: QueryParameters,
) -> Result<Response, Problem> {
    let program: ProgramId = path.get("programId")?;
    let member: MemberId = path.get("memberId")?;
    let filter = TransactionFilter {
        order_id: query.optional("orderId"),
        point_definition_reference: query.text("pointDefinitionReference"),
    };
    let page = query.page();
    let at_least = AtLeast::read(&mut query);
    query.finish()?;
    at_least.wait(&server).await?;
    existing(&server, program, member).await?;
    let answer = server
        .engine()
        .read(move |projections| projections.transactions_of_member(member, &filter, page))
        .await?;
    Ok(answered(answer))
}
