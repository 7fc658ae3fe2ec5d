//! What is asked about a customer, over all programs: memberships (operation 12) and status (operation 13).

use axum::extract::State;
use axum::response::Response;
use chrono::Utc;
use farelog_events::id::ProgramId;
use farelog_projections::answer::Answer;

use super::body::JsonBody;
use super::customer_view::{
    CustomerMembership, CustomerMembershipsRequest, CustomerStatusRequest, CustomerStatusView,
};
use super::members::expect_program;
use super::position::{AtLeast, answered};
use super::problem::Problem;
use super::query::QueryParameters;
use super::state::Server;

/// The memberships of a customer
///
/// A bare array, by program; empty for a customer that is not known. Memberships that have ended are in it, and so are
/// those of customers that this one is merged with.
#[utoipa::path(
    post,
    path = "/personalisation/v1/customer-memberships",
    operation_id = "getCustomerMemberships",
    tag = "customers",
    request_body = CustomerMembershipsRequest,
    responses(
        (status = 200, description = "The memberships", body = [CustomerMembership], example = json!([{
            "memberId": 12_288, "programId": 7, "programReference": "reis", "programName": "Reis",
            "customerId": "2000001", "status": "ACTIVE", "receivesPoints": true, "externalReference": null,
            "organisationId": null, "metadata": {}, "enrolledAt": "2025-12-01T08:00:00Z", "withdrawnAt": null,
            "updatedAt": "2025-12-01T08:00:00Z"
        }])),
        (status = 400, description = "`validation-failed`"),
        (status = 404, description = "`program-unknown`"),
        (status = 504, description = "`position-not-reached`"),
    )
)]
pub async fn memberships(
    State(server): State<Server>,
    mut query: QueryParameters,
    body: JsonBody<CustomerMembershipsRequest>,
) -> Result<Response, Problem> {
    let at_least = AtLeast::read(&mut query);
    let request = body.finish(query)?;
    at_least.wait(&server).await?;
    expect_program_of(&server, request.program_id)?;
    let Answer { position, value } = server
        .engine()
        .read(move |projections| {
            projections.memberships_of(&request.customer_id, request.program_id)
        })
        .await?;
    let programs = server.projections().programs();
    let value = CustomerMembership::of(value.memberships, &programs);
    Ok(answered(Answer { position, value }))
}

/// What a customer has at a time
///
/// By program and definition: what counts at `statusAt`, what is pending then, and what is the next to expire. `statusAt`
/// may lie in the past or in the future. It is answered by all that is known now: a line that was refunded yesterday for a
/// cancellation of last week has had no points since last week. Points of merged customers are added up; their
/// transactions stay with the member that was given them. Takes time with the number of the customer's transactions.
#[utoipa::path(
    post,
    path = "/personalisation/v1/customers/status",
    operation_id = "getCustomerStatus",
    tag = "customers",
    request_body = CustomerStatusRequest,
    responses(
        (status = 200, description = "The status", body = CustomerStatusView, example = json!({
            "customerId": "2000001", "customerIds": ["2000001"], "statusAt": "2026-01-20T00:00:00Z",
            "programs": [{
                "programId": 7, "programReference": "reis", "programName": "Reis",
                "memberships": [{
                    "memberId": 12_288, "programId": 7, "programReference": "reis", "programName": "Reis",
                    "customerId": "2000001", "status": "ACTIVE", "receivesPoints": true, "externalReference": null,
                    "organisationId": null, "metadata": {}, "enrolledAt": "2025-12-01T08:00:00Z",
                    "withdrawnAt": null, "updatedAt": "2025-12-01T08:00:00Z"
                }],
                "counting": 2, "pending": 0,
                "pointDefinitions": [{
                    "pointDefinitionId": 71, "pointDefinitionReference": "reis-ticket", "counting": 2, "pending": 0,
                    "nextExpiry": { "expireAt": "2026-01-31T08:00:00Z", "amount": 2 }
                }]
            }]
        })),
        (status = 400, description = "`validation-failed`"),
        (status = 404, description = "`program-unknown`"),
        (status = 504, description = "`position-not-reached`"),
    )
)]
pub async fn status(
    State(server): State<Server>,
    mut query: QueryParameters,
    body: JsonBody<CustomerStatusRequest>,
) -> Result<Response, Problem> {
    let at_least = AtLeast::read(&mut query);
    let request = body.finish(query)?;
    at_least.wait(&server).await?;
    expect_program_of(&server, request.program_id)?;
    let status_at = request.status_at.unwrap_or_else(Utc::now);
    let customer = request.customer_id.clone();
    let Answer { position, value } = server
        .engine()
        .read(move |projections| projections.status_of(&customer, request.program_id, status_at))
        .await?;
    let programs = server.projections().programs();
    let value = CustomerStatusView::new(request.customer_id, status_at, value, &programs);
    Ok(answered(Answer { position, value }))
}

/// Looks whether there is the program that a request names, if it names one.
fn expect_program_of(server: &Server, program: Option<ProgramId>) -> Result<(), Problem> {
    match program {
        Some(program) => expect_program(server.projections(), program),
        None => Ok(()),
    }
}
