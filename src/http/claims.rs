//! Many deferred registrations at once: planned, then applied (operation 17).

mod schema;

use axum::extract::{Extension, State};
use axum::response::Response;
use farelog_events::log::Position;
use farelog_events::log::writer::Decision;
use farelog_projections::answer::Answer;
use farelog_replay::claims::{self, AppliedClaim, CLAIMS_AT_ONCE_MAX, Claim, PlannedClaim};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use self::schema::{AppliedClaimView, ClaimView, PlannedClaimView};
use super::body::JsonBody;
use super::correlation::CorrelationId;
use super::position::answered;
use super::problem::Problem;
use super::query::QueryParameters;
use super::registration::context;
use super::state::Server;
use crate::engine::EngineError;
use crate::errors;

/// Claims to plan.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanRequest {
    /// Up to 100.
    #[schema(value_type = Vec<ClaimView>, min_items = 1, max_items = 100)]
    claims: Vec<Claim>,
}

/// Claims that were planned.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanAnswer {
    /// The log that they were decided on.
    #[schema(value_type = String)]
    log_id: Uuid,
    /// In the order of the request.
    #[schema(value_type = Vec<PlannedClaimView>)]
    claims: Vec<PlannedClaim>,
}

/// Planned claims to apply.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplyRequest {
    /// The log that they were planned on.
    #[schema(value_type = String, format = "uuid")]
    log_id: Uuid,
    /// Up to 100, as they were planned.
    #[schema(value_type = Vec<PlannedClaimView>, min_items = 1, max_items = 100)]
    claims: Vec<PlannedClaim>,
}

/// What became of them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplyAnswer {
    /// In the order of the request.
    #[schema(value_type = Vec<AppliedClaimView>)]
    claims: Vec<AppliedClaim>,
}

/// Plans claims: what deferred registration would give for each, or why nothing
///
/// All are decided at one position of the log, each as if it were the only one, and nothing is recorded. A claim that is
/// refused is no error of the request.
#[utoipa::path(
    post,
    path = "/v1/operate/claims/plan",
    operation_id = "planClaims",
    tag = "operate",
    request_body = PlanRequest,
    responses(
        (status = 200, description = "What each would come to", body = PlanAnswer),
        (status = 400, description = "`validation-failed`"),
    )
)]
pub async fn plan(
    State(server): State<Server>,
    Extension(correlation_id): Extension<CorrelationId>,
    query: QueryParameters,
    body: JsonBody<PlanRequest>,
) -> Result<Response, Problem> {
    let request = body
        .checked(|request| check_number(request.claims.len()))
        .finish(query)?;
    let decided = server
        .engine()
        .decide(move |projections, moment| {
            let context = context(moment, &correlation_id);
            let planned: Result<Vec<_>, _> = request
                .claims
                .into_iter()
                .map(|claim| claims::plan(projections, &context, claim))
                .collect();
            Ok::<_, Problem>(Decision {
                events: Vec::new(),
                answer: planned.map_err(EngineError::from)?,
            })
        })
        .await?;
    Ok(answered(Answer {
        position: decided.head,
        value: PlanAnswer {
            log_id: server.log().id(),
            claims: decided.answer,
        },
    }))
}

/// Applies planned claims: registers each that is as it was planned
///
/// Each is decided again, one after the other, and recorded only if it gives what was planned and nothing has changed its
/// order, or the line's registration, since; otherwise it is refused with the reason `log-moved`, and the others go on.
/// One that was applied before is answered as `DONE_BEFORE` and recorded no second time, so a request may be repeated.
#[utoipa::path(
    post,
    path = "/v1/operate/claims/apply",
    operation_id = "applyClaims",
    tag = "operate",
    request_body = ApplyRequest,
    responses(
        (status = 200, description = "What became of each", body = ApplyAnswer),
        (status = 400, description = "`validation-failed`"),
        (status = 409, description = "`plan-of-another-log`"),
    )
)]
pub async fn apply(
    State(server): State<Server>,
    Extension(correlation_id): Extension<CorrelationId>,
    query: QueryParameters,
    body: JsonBody<ApplyRequest>,
) -> Result<Response, Problem> {
    let request = body
        .checked(|request| check_number(request.claims.len()))
        .finish(query)?;
    let log_id = server.log().id();
    if request.log_id != log_id {
        return Err(Problem::new(
            &errors::PLAN_OF_ANOTHER_LOG,
            format!(
                "The claims were planned on the log {}, and this server has the log {log_id}; plan them here.",
                request.log_id
            ),
        ));
    }
    let mut position: Position = 0;
    let mut applied = Vec::with_capacity(request.claims.len());
    for planned in request.claims {
        let correlation_id = correlation_id.clone();
        let decided = server
            .engine()
            .decide(move |projections, moment| {
                let context = context(moment, &correlation_id);
                let (event, applied) =
                    claims::apply(projections, &context, planned).map_err(EngineError::from)?;
                Ok::<_, Problem>(Decision {
                    events: event.into_iter().collect(),
                    answer: applied,
                })
            })
            .await?;
        position = decided.head;
        applied.push(decided.answer);
    }
    Ok(answered(Answer {
        position,
        value: ApplyAnswer { claims: applied },
    }))
}

fn check_number(claims: usize) -> Result<(), Problem> {
    if (1..=CLAIMS_AT_ONCE_MAX).contains(&claims) {
        return Ok(());
    }
    Err(Problem::field(
        "claims",
        &errors::FIELD_OUT_OF_RANGE,
        format!("must be from 1 to {CLAIMS_AT_ONCE_MAX}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_page() {
        for code in [
            claims::LOG_MOVED,
            claims::CLAIMED_BY_SEVERAL,
            claims::PROGRAM_UNKNOWN,
        ] {
            assert!(errors::find(code).is_some(), "{code}");
        }
    }
}
