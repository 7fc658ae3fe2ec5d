//! Deferred registration of an order line, and its revocation (operation 2; domain, section 4).

use axum::extract::{Extension, State};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use farelog_events::event::NewEvent;
use farelog_events::id::{CustomerId, OrderId, OrderLineId};
use farelog_events::log::Position;
use farelog_events::log::writer::{Decision, Moment};
use farelog_projections::answer::Answer;
use farelog_replay::registration::{
    self, DecisionContext, RegistrationCommand, RegistrationRefused, RevocationCommand,
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::body::JsonBody;
use super::correlation::CorrelationId;
use super::path::PathParameters;
use super::position::{AtLeast, answered};
use super::problem::Problem;
use super::programs::unknown_program;
use super::query::QueryParameters;
use super::schema::{GrantedDefinitionView, TransactionView};
use super::state::Server;
use crate::engine::EngineError;
use crate::errors;

/// Says that the answer is that of an earlier request, and nothing was recorded now.
pub static IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Who claims the points of which line.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    clippy::struct_field_names,
    reason = "they are the names of the interface"
)]
pub struct RegistrationRequest {
    /// The order.
    #[schema(value_type = String)]
    order_id: OrderId,
    /// The line.
    #[schema(value_type = String)]
    order_line_id: OrderLineId,
    /// The customer who claims its points.
    #[schema(value_type = String)]
    customer_id: CustomerId,
}

/// The registration of which line is to be taken back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevocationRequest {
    /// The order.
    #[schema(value_type = String)]
    order_id: OrderId,
    /// The line.
    #[schema(value_type = String)]
    order_line_id: OrderLineId,
}

/// Deferred registration: gives the points of an order line to a customer after the fact
///
/// Repeating a registration answers its transactions as they stand now, records nothing, and says so with
/// `Idempotent-Replayed: true`. The answer is given once the registration is durable and projected. A dry run goes the
/// same way and records nothing; its transactions have no `id` and no `createdAt`.
#[utoipa::path(
    post,
    path = "/personalisation/v1/programs/{programId}/deferred-registration",
    operation_id = "registerDeferred",
    tag = "deferred registration",
    params(
        ("programId" = i64, Path, description = "The program"),
        ("dryRun" = Option<bool>, Query, description = "Decides and records nothing"),
    ),
    request_body = RegistrationRequest,
    responses(
        (status = 200, description = "What each definition gave", body = [GrantedDefinitionView],
         headers(("Idempotent-Replayed" = String, description = "`true` when this registration was accepted before"))),
        (status = 400, description = "`validation-failed`"),
        (status = 404, description = "`program-unknown`"),
        (status = 422, description = "`registration-refused`, with `reasons`"),
        (status = 504, description = "`position-not-reached`"),
    )
)]
pub async fn register(
    State(server): State<Server>,
    Extension(correlation_id): Extension<CorrelationId>,
    path: PathParameters,
    mut query: QueryParameters,
    body: JsonBody<RegistrationRequest>,
) -> Result<Response, Problem> {
    let dry_run = query.switch("dryRun");
    let at_least = AtLeast::read(&mut query);
    let request = body.finish(query)?;
    let command = RegistrationCommand {
        program_id: path.get("programId")?,
        order_id: request.order_id,
        order_line_id: request.order_line_id,
        customer_id: request.customer_id,
    };
    at_least.wait(&server).await?;
    let asked = command.clone();
    let decided = server
        .engine()
        .decide(move |projections, moment| {
            let registered =
                registration::register(projections, &context(moment, &correlation_id), &asked)
                    .map_err(|refusal| refused(refusal, moment.head.position))?;
            let repeated = registered.event.is_none();
            let events: Vec<NewEvent> = if dry_run {
                Vec::new()
            } else {
                registered.event.into_iter().collect()
            };
            Ok::<_, Problem>(Decision {
                events,
                answer: (repeated, registered.granted),
            })
        })
        .await?;
    let (repeated, granted) = decided.answer;
    let mut response = if dry_run || repeated {
        answered(Answer {
            position: decided.head,
            value: granted,
        })
    } else {
        // As the projection gave them, with their ids.
        answered(
            server
                .engine()
                .read(move |projections| {
                    Ok(Answer {
                        position: projections.position(),
                        value: registration::granted_now(projections, &command)?,
                    })
                })
                .await?,
        )
    };
    if repeated {
        response
            .headers_mut()
            .insert(&IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Takes a deferred registration back: its points are cancelled, and the line is free again
///
/// Answers the registration's transactions as they stand after it. Repeating it records nothing.
#[utoipa::path(
    post,
    path = "/v1/operate/programs/{programId}/revocations",
    operation_id = "revokeRegistration",
    tag = "operate",
    params(("programId" = i64, Path, description = "The program")),
    request_body = RevocationRequest,
    responses(
        (status = 200, description = "The transactions of the registration", body = [TransactionView]),
        (status = 400, description = "`validation-failed`"),
        (status = 404, description = "`program-unknown`"),
        (status = 422, description = "`not-registered`"),
    )
)]
pub async fn revoke(
    State(server): State<Server>,
    Extension(correlation_id): Extension<CorrelationId>,
    path: PathParameters,
    query: QueryParameters,
    body: JsonBody<RevocationRequest>,
) -> Result<Response, Problem> {
    let request = body.finish(query)?;
    let command = RevocationCommand {
        program_id: path.get("programId")?,
        order_id: request.order_id,
        order_line_id: request.order_line_id,
    };
    let asked = command.clone();
    server
        .engine()
        .decide(move |projections, moment| {
            let revoked =
                registration::revoke(projections, &context(moment, &correlation_id), &asked)
                    .map_err(|refusal| refused(refusal, moment.head.position))?;
            Ok::<_, Problem>(Decision {
                events: revoked.event.into_iter().collect(),
                answer: (),
            })
        })
        .await?;
    let transactions = server
        .engine()
        .read(move |projections| {
            Ok(Answer {
                position: projections.position(),
                value: registration::transactions_of_last_registration(projections, &command)?,
            })
        })
        .await?;
    Ok(answered(transactions))
}

/// What a decision of replay is made with.
pub fn context(moment: &Moment, correlation_id: &CorrelationId) -> DecisionContext {
    DecisionContext {
        head: moment.head.position,
        now: moment.now,
        correlation_id: Some(correlation_id.as_str().into()),
    }
}

/// The problem of a refusal that was decided on projections as far as a log position.
fn refused(refusal: RegistrationRefused, position: Position) -> Problem {
    match refusal {
        RegistrationRefused::UnknownProgram(program) => unknown_program(program, position),
        RegistrationRefused::Reasons(reasons) => {
            let detail = match reasons.as_slice() {
                [only] => format!("No points can be given: {}.", only.detail),
                _ => "No points can be given; see reasons.".to_owned(),
            };
            Problem::new(&errors::REGISTRATION_REFUSED, detail)
                .with_member(
                    "reasons",
                    // Plain data with string keys, which can't fail to become JSON.
                    serde_json::to_value(&reasons).unwrap_or(Value::Null),
                )
                .reflecting(position)
        }
        RegistrationRefused::NotRegistered => Problem::new(
            &errors::NOT_REGISTERED,
            "The order line is not registered to anyone in this program.",
        )
        .reflecting(position),
        RegistrationRefused::Projections(error) => EngineError::from(error).into(),
    }
}

#[cfg(test)]
mod tests {
    use farelog_projections::points::registration::ReasonCode;

    use crate::errors;

    #[test]
    fn every_reason_has_a_page() {
        for code in ReasonCode::ALL {
            assert!(errors::find(code.as_str()).is_some(), "{code}");
        }
    }
}
