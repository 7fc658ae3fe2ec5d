//! Members of programs (operation 9; domain, section 3, rule 12).

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use farelog_events::event::{About, EventKind, NewEvent};
use farelog_events::id::{CustomerId, MemberId, ProgramId};
use farelog_events::log::Position;
use farelog_events::log::writer::{Decision, Moment};
use farelog_events::member::Membership;
use farelog_projections::Projections;
use farelog_projections::answer::{Answer, Paged};
use farelog_projections::member::Member;

use super::body::JsonBody;
use super::correlation::CorrelationId;
use super::event::own_event;
use super::member_view::{EnrolmentRequest, MemberChangeRequest, MemberView};
use super::path::PathParameters;
use super::position::{AtLeast, FARELOG_POSITION, answered};
use super::problem::Problem;
use super::programs::unknown_program;
use super::query::QueryParameters;
use super::schema::PagedMembers;
use super::state::Server;
use crate::engine::EngineError;
use crate::errors;

/// The members of a program, in the order in which they first enrolled
#[utoipa::path(
    get,
    path = "/personalisation/v1/programs/{programId}/members",
    operation_id = "getMembers",
    tag = "members",
    params(
        ("programId" = i64, Path, description = "The program"),
        ("customerId" = Option<String>, Query, description = "Only the membership that counts for this customer, if there is one; of merged customers it may be another's"),
        ("page" = Option<u32>, Query, description = "Which page, from 1"),
        ("perPage" = Option<u32>, Query, description = "Items on a page, 20 when absent, at most 100"),
    ),
    responses(
        (status = 200, description = "A page of members", body = PagedMembers),
        (status = 400, description = "`validation-failed`"),
        (status = 404, description = "`program-unknown`"),
        (status = 504, description = "`position-not-reached`"),
    )
)]
pub async fn list(
    State(server): State<Server>,
    path: PathParameters,
    mut query: QueryParameters,
) -> Result<Response, Problem> {
    let program: ProgramId = path.get("programId")?;
    let customer: Option<CustomerId> = query.optional("customerId");
    let page = query.page();
    let at_least = AtLeast::read(&mut query);
    query.finish()?;
    at_least.wait(&server).await?;
    expect_program(server.projections(), program)?;
    let Answer { position, value } = server
        .engine()
        .read(move |projections| match customer {
            None => projections.members(program, page),
            Some(customer) => {
                let Answer { position, value } = projections.member_of(program, &customer)?;
                let total = usize::from(value.is_some());
                let items = value.into_iter().skip(page.offset()).collect();
                let value = Paged::new(items, total, page);
                Ok(Answer { position, value })
            }
        })
        .await?;
    Ok(answered(Answer {
        position,
        value: value.map(MemberView::from),
    }))
}

/// Makes a customer a member
///
/// A customer whose membership is in force stays as they are: 200 with the member, nothing is recorded, and whatever
/// else the body says is not taken over (that is what PATCH is for). One who left becomes the same member again. A customer
/// that was merged into another enrols as that one, so the member's `customerId` may differ from the body's.
#[utoipa::path(
    post,
    path = "/personalisation/v1/programs/{programId}/members",
    operation_id = "enrolMember",
    tag = "members",
    params(("programId" = i64, Path, description = "The program")),
    request_body = EnrolmentRequest,
    responses(
        (status = 201, description = "The customer is a member now", body = MemberView),
        (status = 200, description = "The customer was a member already", body = MemberView),
        (status = 400, description = "`validation-failed`"),
        (status = 404, description = "`program-unknown`"),
    )
)]
pub async fn enrol(
    State(server): State<Server>,
    Extension(correlation_id): Extension<CorrelationId>,
    path: PathParameters,
    query: QueryParameters,
    body: JsonBody<EnrolmentRequest>,
) -> Result<Response, Problem> {
    let program: ProgramId = path.get("programId")?;
    let request = body.checked(EnrolmentRequest::check).finish(query)?;
    let customer = request.customer_id.clone();
    let decided = server
        .engine()
        .decide(move |projections, moment| {
            expect_program(projections, program)?;
            let member = projections
                .member_of(program, &request.customer_id)
                .map_err(EngineError::from)?
                .value;
            if member.is_some_and(|member| member.is_active()) {
                return Ok(unchanged());
            }
            let membership = Membership {
                program_id: Some(program),
                program_reference: None,
                customer_id: request.customer_id,
                external_reference: request.external_reference,
                organisation_id: request.organisation_id,
                metadata: request.metadata,
            };
            changed(
                EventKind::MemberEnrolled,
                &membership,
                moment,
                &correlation_id,
            )
        })
        .await?;
    let status = if decided.records.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let answer = server
        .engine()
        .read(move |projections| projections.member_of(program, &customer))
        .await?;
    shown(status, answer)
}

/// A member
#[utoipa::path(
    get,
    path = "/personalisation/v1/programs/{programId}/members/{memberId}",
    operation_id = "getMember",
    tag = "members",
    params(
        ("programId" = i64, Path, description = "The program"),
        ("memberId" = i64, Path, description = "The member"),
    ),
    responses(
        (status = 200, description = "The member, in force or not", body = MemberView),
        (status = 400, description = "`validation-failed`"),
        (status = 404, description = "`program-unknown`, `member-unknown`"),
        (status = 504, description = "`position-not-reached`"),
    )
)]
pub async fn show(
    State(server): State<Server>,
    path: PathParameters,
    mut query: QueryParameters,
) -> Result<Response, Problem> {
    let at_least = AtLeast::read(&mut query);
    query.finish()?;
    at_least.wait(&server).await?;
    let member = existing(&server, path.get("programId")?, path.get("memberId")?).await?;
    Ok(answered(Answer {
        position: member.position,
        value: MemberView::from(member.value),
    }))
}

/// Changes what is kept about a member
///
/// Fields that are left out stay as they are, and none can be cleared with null. A change that changes nothing records nothing.
/// Of merged customers' memberships only the one that counts can be changed.
#[utoipa::path(
    patch,
    path = "/personalisation/v1/programs/{programId}/members/{memberId}",
    operation_id = "changeMember",
    tag = "members",
    params(
        ("programId" = i64, Path, description = "The program"),
        ("memberId" = i64, Path, description = "The member"),
    ),
    request_body = MemberChangeRequest,
    responses(
        (status = 200, description = "The member as it is now", body = MemberView),
        (status = 400, description = "`validation-failed`"),
        (status = 404, description = "`program-unknown`, `member-unknown`"),
        (status = 409, description = "`member-merged`"),
    )
)]
pub async fn change(
    State(server): State<Server>,
    Extension(correlation_id): Extension<CorrelationId>,
    path: PathParameters,
    query: QueryParameters,
    body: JsonBody<MemberChangeRequest>,
) -> Result<Response, Problem> {
    let program: ProgramId = path.get("programId")?;
    let id: MemberId = path.get("memberId")?;
    let request = body.checked(MemberChangeRequest::check).finish(query)?;
    server
        .engine()
        .decide(move |projections, moment| {
            let member = expect_member(projections, program, id)?;
            expect_to_count(projections, &member)?;
            let membership = Membership {
                program_id: Some(program),
                program_reference: None,
                customer_id: member.customer_id.clone(),
                external_reference: request.external_reference,
                organisation_id: request.organisation_id,
                metadata: request.metadata,
            };
            if !changes(&member, &membership) {
                return Ok(unchanged());
            }
            changed(
                EventKind::MemberUpdated,
                &membership,
                moment,
                &correlation_id,
            )
        })
        .await?;
    let answer = server
        .engine()
        .read(move |projections| projections.member(program, id))
        .await?;
    shown(StatusCode::OK, answer)
}

/// Ends a membership
///
/// The member's transactions stay as they are. Ending it again records nothing and answers the same. Of merged customers'
/// memberships the one that counts is ended, and the others with it.
#[utoipa::path(
    delete,
    path = "/personalisation/v1/programs/{programId}/members/{memberId}",
    operation_id = "withdrawMember",
    tag = "members",
    params(
        ("programId" = i64, Path, description = "The program"),
        ("memberId" = i64, Path, description = "The member"),
    ),
    responses(
        (status = 204, description = "The membership is not in force any more"),
        (status = 400, description = "`validation-failed`"),
        (status = 404, description = "`program-unknown`, `member-unknown`"),
        (status = 409, description = "`member-merged`"),
    )
)]
pub async fn withdraw(
    State(server): State<Server>,
    Extension(correlation_id): Extension<CorrelationId>,
    path: PathParameters,
    query: QueryParameters,
) -> Result<Response, Problem> {
    query.finish()?;
    let program: ProgramId = path.get("programId")?;
    let id: MemberId = path.get("memberId")?;
    let decided = server
        .engine()
        .decide(move |projections, moment| {
            let member = expect_member(projections, program, id)?;
            if !member.is_active() {
                return Ok(unchanged());
            }
            expect_to_count(projections, &member)?;
            let membership = Membership {
                program_id: Some(program),
                program_reference: None,
                customer_id: member.customer_id,
                external_reference: None,
                organisation_id: None,
                metadata: None,
            };
            changed(
                EventKind::MemberWithdrawn,
                &membership,
                moment,
                &correlation_id,
            )
        })
        .await?;
    Ok((
        StatusCode::NO_CONTENT,
        [(FARELOG_POSITION.clone(), HeaderValue::from(decided.head))],
    )
        .into_response())
}

/// The member of a program by id, for an operation on something of theirs.
///
/// # Errors
/// 404 for a program or a member that is not known.
pub async fn existing(
    server: &Server,
    program: ProgramId,
    member: MemberId,
) -> Result<Answer<Member>, Problem> {
    expect_program(server.projections(), program)?;
    let Answer { position, value } = server
        .engine()
        .read(move |projections| projections.member(program, member))
        .await?;
    let value = value.ok_or_else(|| unknown_member(program, member, position))?;
    Ok(Answer { position, value })
}

/// Looks whether there is a program.
///
/// # Errors
/// 404 where there is none.
pub fn expect_program(projections: &Projections, program: ProgramId) -> Result<(), Problem> {
    // Read first: what is not there may have come since.
    let position = projections.position();
    match projections.programs().current(program) {
        Some(_) => Ok(()),
        None => Err(unknown_program(program, position)),
    }
}

fn expect_member(
    projections: &Projections,
    program: ProgramId,
    member: MemberId,
) -> Result<Member, Problem> {
    expect_program(projections, program)?;
    let Answer { position, value } = projections
        .member(program, member)
        .map_err(EngineError::from)?;
    value.ok_or_else(|| unknown_member(program, member, position))
}

/// Looks whether the membership is the one that counts for its customer: an event about the customer changes that one.
fn expect_to_count(projections: &Projections, member: &Member) -> Result<(), Problem> {
    let Answer { position, value } = projections
        .member_of(member.program_id, &member.customer_id)
        .map_err(EngineError::from)?;
    match value {
        Some(counting) if counting.id != member.id => Err(Problem::new(
            &errors::MEMBER_MERGED,
            format!(
                "Customer {} was merged with {}, whose member {} counts for both; change that one.",
                member.customer_id, counting.customer_id, counting.id
            ),
        )
        .with_member("memberId", counting.id.get())
        .reflecting(position)),
        _ => Ok(()),
    }
}

fn unknown_member(program: ProgramId, member: MemberId, position: Position) -> Problem {
    Problem::new(
        &errors::MEMBER_UNKNOWN,
        format!("Program {program} has no member {member}."),
    )
    .reflecting(position)
}

/// Whether an update would leave the member other than it is.
fn changes(member: &Member, update: &Membership) -> bool {
    member.history.last().is_none_or(|last| {
        let reference = update.external_reference.as_ref();
        let organisation = update.organisation_id.as_ref();
        let metadata = update.metadata.as_ref();
        reference.is_some_and(|to| last.external_reference.as_ref() != Some(to))
            || organisation.is_some_and(|to| last.organisation_id.as_ref() != Some(to))
            || metadata.is_some_and(|to| last.metadata != *to)
    })
}

fn unchanged() -> Decision<()> {
    Decision {
        events: Vec::new(),
        answer: (),
    }
}

fn changed(
    kind: EventKind,
    membership: &Membership,
    moment: &Moment,
    correlation_id: &CorrelationId,
) -> Result<Decision<()>, Problem> {
    let about = About::Customer(membership.customer_id.clone());
    let event: NewEvent = own_event(kind, about, membership, moment, correlation_id)?;
    Ok(Decision {
        events: vec![event],
        answer: (),
    })
}

fn shown(status: StatusCode, answer: Answer<Option<Member>>) -> Result<Response, Problem> {
    let member = answer
        .value
        .ok_or_else(|| Problem::internal(&"a member that was just recorded is not projected"))?;
    let position = HeaderValue::from(answer.position);
    Ok((
        status,
        [(FARELOG_POSITION.clone(), position)],
        Json(MemberView::from(member)),
    )
        .into_response())
}
