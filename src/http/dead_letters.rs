//! Dead letters: messages that could not be taken in, and what becomes of them (operation 17).

use std::time::{Duration, Instant};

use axum::extract::{Extension, State};
use axum::response::Response;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use chrono::Utc;
use farelog_events::dead_letter::{DeadLetter, DeadLetterSettled};
use farelog_events::event::{About, EventData, EventKind};
use farelog_events::log::Position;
use farelog_events::log::writer::{Decision, Moment, TakenIn, WriterError};
use farelog_events::number::WholeNumber;
use farelog_projections::answer::{Answer, DeadLetterState, DeadLetterSummary, Page};
use serde::Serialize;
use utoipa::ToSchema;

use super::correlation::CorrelationId;
use super::event::own_event;
use super::path::PathParameters;
use super::position::{AtLeast, answered};
use super::problem::Problem;
use super::query::QueryParameters;
use super::schema::{DeadLetterView, PagedDeadLetters};
use super::state::Server;
use crate::engine::EngineError;
use crate::errors;

/// The states in which dead letters can be asked for.
pub const STATES: [&str; 3] = ["open", "settled", "all"];
/// The one that is meant where a request does not say.
pub const STATE_DEFAULT: &str = "open";

/// How long one call retries dead letters before it answers how many are left.
const RETRY_ALL_TIME_MAX: Duration = Duration::from_secs(20);
/// Dead letters that are looked up at a time when all are retried.
const RETRY_ALL_PAGE: usize = 1_000;

/// A dead letter with its message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DeadLetterWithMessage {
    #[serde(flatten)]
    summary: DeadLetterSummary,
    headers: Vec<(String, String)>,
    /// As they came over the wire, where they can't be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    headers_base64: Option<String>,
    payload_base64: String,
    /// Where the payload is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_text: Option<String>,
}

/// What a retry came to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retried {
    /// The dead letter.
    number: Position,
    /// What became of it.
    outcome: RetryOutcome,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// What became of a dead letter that was retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RetryOutcome {
    /// Its event is in the log now.
    TakenIn,
    /// Its event had come by another way; the dead letter is settled.
    Repeat,
    /// Its cause is still there; the dead letter stays open.
    Refused,
}

/// What retrying all dead letters came to.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllRetried {
    /// How many were taken in, or had come by another way.
    taken: u64,
    /// How many stay open.
    refused: u64,
    /// How many were not tried since the call ran out of time; another call goes on with them.
    left: u64,
}

/// Dead letters, oldest first
#[utoipa::path(
    get,
    path = "/v1/operate/dead-letters",
    operation_id = "getDeadLetters",
    tag = "operate",
    params(
        ("state" = Option<String>, Query, description = "`open`, the default; `settled` (retried or discarded); `all`"),
        ("page" = Option<u32>, Query, description = "Which page, from 1"),
        ("perPage" = Option<u32>, Query, description = "Items on a page, 20 when absent, at most 100"),
    ),
    responses(
        (status = 200, description = "A page of dead letters, without their bytes", body = PagedDeadLetters),
        (status = 400, description = "`validation-failed`"),
        (status = 504, description = "`position-not-reached`"),
    )
)]
pub async fn list(
    State(server): State<Server>,
    mut query: QueryParameters,
) -> Result<Response, Problem> {
    let state = query.text("state");
    let state = state.unwrap_or_else(|| STATE_DEFAULT.to_owned());
    if !STATES.contains(&state.as_str()) {
        let message = format!("must be one of {}", STATES.join(", "));
        query.refuse("state", &errors::FIELD_MALFORMED, message);
    }
    let page = query.page();
    let at_least = AtLeast::read(&mut query);
    query.finish()?;
    at_least.wait(&server).await?;
    let answer = server
        .engine()
        .read(move |projections| {
            let admits = |letter: DeadLetterState| match state.as_str() {
                "open" => letter == DeadLetterState::Open,
                "settled" => letter != DeadLetterState::Open,
                _ => true,
            };
            projections.dead_letters(admits, page)
        })
        .await?;
    Ok(answered(answer))
}

/// A dead letter with its message
#[utoipa::path(
    get,
    path = "/v1/operate/dead-letters/{number}",
    operation_id = "getDeadLetter",
    tag = "operate",
    params(("number" = u64, Path, description = "The dead letter: the log position at which it was recorded")),
    responses(
        (status = 200, description = "The dead letter", body = DeadLetterView),
        (status = 400, description = "`validation-failed`"),
        (status = 404, description = "`dead-letter-unknown`"),
        (status = 504, description = "`position-not-reached`"),
    )
)]
pub async fn show(
    State(server): State<Server>,
    path: PathParameters,
    mut query: QueryParameters,
) -> Result<Response, Problem> {
    let WholeNumber(number): WholeNumber<Position> = path.get("number")?;
    let at_least = AtLeast::read(&mut query);
    query.finish()?;
    at_least.wait(&server).await?;
    let (position, summary, letter) = recorded(&server, number).await?;
    let DeadLetter { message, .. } = letter;
    Ok(answered(Answer {
        position,
        value: DeadLetterWithMessage {
            summary,
            headers: message.headers,
            headers_base64: message.header_bytes.map(|it| BASE64_STANDARD.encode(it)),
            payload_base64: BASE64_STANDARD.encode(&message.payload),
            payload_text: String::from_utf8(message.payload.into()).ok(),
        },
    }))
}

/// Tries to take a dead letter in again
///
/// Its message goes the way that it would go if it arrived now. Where its cause is still there, `outcome` is `REFUSED`
/// and nothing is recorded.
#[utoipa::path(
    post,
    path = "/v1/operate/dead-letters/{number}/retry",
    operation_id = "retryDeadLetter",
    tag = "operate",
    params(("number" = u64, Path, description = "The dead letter")),
    responses(
        (status = 200, description = "What became of it", body = Retried),
        (status = 400, description = "`validation-failed`"),
        (status = 404, description = "`dead-letter-unknown`"),
        (status = 409, description = "`dead-letter-settled`"),
    )
)]
pub async fn retry(
    State(server): State<Server>,
    Extension(correlation_id): Extension<CorrelationId>,
    path: PathParameters,
    query: QueryParameters,
) -> Result<Response, Problem> {
    query.finish()?;
    let WholeNumber(number): WholeNumber<Position> = path.get("number")?;
    let (position, summary, letter) = recorded(&server, number).await?;
    expect_open(&summary, position)?;
    if let Some(retried) = try_again(&server, &correlation_id, number, letter).await? {
        return Ok(as_it_stands(&server, retried));
    }
    let (position, settled, _) = recorded(&server, number).await?;
    expect_open(&settled, position)?;
    Err(Problem::internal(&format_args!(
        "the log says that dead letter {number} is settled, the projections that it is open"
    )))
}

/// Tries to take all open dead letters in again, oldest first
#[utoipa::path(
    post,
    path = "/v1/operate/dead-letters/retry-all",
    operation_id = "retryAllDeadLetters",
    tag = "operate",
    responses(
        (status = 200, description = "How many were taken in, and how many stay", body = AllRetried),
        (status = 400, description = "`validation-failed`"),
    )
)]
pub async fn retry_all(
    State(server): State<Server>,
    Extension(correlation_id): Extension<CorrelationId>,
    query: QueryParameters,
) -> Result<Response, Problem> {
    query.finish()?;
    let started = Instant::now();
    let mut all = AllRetried::default();
    loop {
        // Those that were refused stay open and stand before the rest.
        let passed = usize::try_from(all.refused).unwrap_or(usize::MAX);
        let page = Page {
            page: 1,
            per_page: passed.saturating_add(RETRY_ALL_PAGE),
        };
        let open = server
            .engine()
            .read(move |projections| {
                projections.dead_letters(|state| state == DeadLetterState::Open, page)
            })
            .await?
            .value;
        let waiting: Vec<Position> = open
            .items
            .iter()
            .skip(passed)
            .map(|letter| letter.number)
            .collect();
        let mut untried = open.total_items.saturating_sub(passed);
        if waiting.is_empty() {
            return Ok(as_it_stands(&server, all));
        }
        for number in waiting {
            if started.elapsed() > RETRY_ALL_TIME_MAX {
                all.left = untried as u64;
                return Ok(as_it_stands(&server, all));
            }
            untried = untried.saturating_sub(1);
            let (_, _, letter) = recorded(&server, number).await?;
            let retried = try_again(&server, &correlation_id, number, letter).await?;
            match retried.map(|retried| retried.outcome) {
                Some(RetryOutcome::TakenIn | RetryOutcome::Repeat) => all.taken += 1,
                Some(RetryOutcome::Refused) => all.refused += 1,
                // Somebody else settled it meanwhile, and counts it.
                None => {}
            }
        }
    }
}

/// Gives a dead letter up
///
/// Its bytes stay in the log. Discarding it again changes nothing.
#[utoipa::path(
    post,
    path = "/v1/operate/dead-letters/{number}/discard",
    operation_id = "discardDeadLetter",
    tag = "operate",
    params(("number" = u64, Path, description = "The dead letter")),
    responses(
        (status = 200, description = "The dead letter as it is now", body = DeadLetterView),
        (status = 400, description = "`validation-failed`"),
        (status = 404, description = "`dead-letter-unknown`"),
        (status = 409, description = "`dead-letter-settled`: it was retried with success"),
    )
)]
pub async fn discard(
    State(server): State<Server>,
    Extension(correlation_id): Extension<CorrelationId>,
    path: PathParameters,
    query: QueryParameters,
) -> Result<Response, Problem> {
    query.finish()?;
    let WholeNumber(number): WholeNumber<Position> = path.get("number")?;
    server
        .engine()
        .decide(move |projections, moment| {
            let Answer { position, value } =
                projections.dead_letter(number).map_err(EngineError::from)?;
            let letter = value.ok_or_else(|| unknown_dead_letter(number, position))?;
            if letter.state == DeadLetterState::Discarded {
                return Ok(Decision {
                    events: Vec::new(),
                    answer: (),
                });
            }
            expect_open(&letter, position)?;
            let data = DeadLetterSettled {
                number,
                order_id: letter.order_id,
            };
            let event = settlement(
                EventKind::DeadLetterDiscarded,
                &data,
                moment,
                &correlation_id,
            )?;
            Ok::<_, Problem>(Decision {
                events: vec![event],
                answer: (),
            })
        })
        .await?;
    let Answer { position, value } = server
        .engine()
        .read(move |projections| projections.dead_letter(number))
        .await?;
    let value = value.ok_or_else(|| unknown_dead_letter(number, position))?;
    Ok(answered(Answer { position, value }))
}

/// A 200 that reflects all that is projected now, the effects of this request among it.
fn as_it_stands<T: Serialize>(server: &Server, value: T) -> Response {
    answered(Answer {
        position: server.projections().position(),
        value,
    })
}

/// A dead letter as the projections know it and as the log has it.
async fn recorded(
    server: &Server,
    number: Position,
) -> Result<(Position, DeadLetterSummary, DeadLetter), Problem> {
    let (position, found) = server
        .engine()
        .read_log(move |log, projections| {
            let Answer { position, value } = projections.dead_letter(number)?;
            let Some(summary) = value else {
                return Ok((position, None));
            };
            let record = log.read(number, 1)?.into_iter().next();
            let letter = match record.and_then(|record| record.decode()) {
                Some(Ok(EventData::DeadLetterRecorded(letter))) => Some((summary, *letter)),
                _ => None,
            };
            Ok::<_, EngineError>((position, letter))
        })
        .await?;
    let (summary, letter) = found.ok_or_else(|| unknown_dead_letter(number, position))?;
    Ok((position, summary, letter))
}

/// Hands a dead letter to the writer. `None` where it was settled since it was looked at; the projections know how.
async fn try_again(
    server: &Server,
    correlation_id: &CorrelationId,
    number: Position,
    letter: DeadLetter,
) -> Result<Option<Retried>, Problem> {
    let data = DeadLetterSettled {
        number,
        order_id: letter.order_id,
    };
    let moment = Moment {
        head: server.log().head(),
        now: Utc::now(),
    };
    let settled = settlement(EventKind::DeadLetterRetried, &data, &moment, correlation_id)?;
    let (outcome, detail) = match server.engine().retry(letter.message, settled).await {
        Ok(TakenIn::Appended) => (RetryOutcome::TakenIn, None),
        Ok(TakenIn::Repeat) => (RetryOutcome::Repeat, None),
        Ok(TakenIn::Settled) => return Ok(None),
        Err(EngineError::Writer(WriterError::Refused(refused))) => {
            (RetryOutcome::Refused, Some(refused.detail))
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Some(Retried {
        number,
        outcome,
        detail,
    }))
}

/// The event that settles a dead letter. Its identity is the dead letter's, so that one is settled once.
fn settlement(
    kind: EventKind,
    data: &DeadLetterSettled,
    moment: &Moment,
    correlation_id: &CorrelationId,
) -> Result<farelog_events::event::NewEvent, Problem> {
    let about = data.order_id.clone().map_or(About::Nothing, About::Order);
    let mut event = own_event(kind, about, data, moment, correlation_id)?;
    event.id = data.event_id();
    Ok(event)
}

fn expect_open(letter: &DeadLetterSummary, position: Position) -> Result<(), Problem> {
    let what = match letter.state {
        DeadLetterState::Open => return Ok(()),
        DeadLetterState::Retried => "was taken in",
        DeadLetterState::Discarded => "was discarded",
    };
    Err(Problem::new(
        &errors::DEAD_LETTER_SETTLED,
        format!("Dead letter {} {what} before.", letter.number),
    )
    .reflecting(position))
}

fn unknown_dead_letter(number: Position, position: Position) -> Problem {
    Problem::new(
        &errors::DEAD_LETTER_UNKNOWN,
        format!("There is no dead letter {number}."),
    )
    .reflecting(position)
}
