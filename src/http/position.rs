//! How far an answer is: `Farelog-Position` on every response that reads a projection, and waiting for a position
//! that the caller knows of (contract, section 1).

use std::time::Duration;

use axum::Json;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use farelog_events::log::{Head, Position};
use farelog_projections::answer::Answer;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::problem::Problem;
use super::query::QueryParameters;
use super::state::Server;
use crate::errors;

/// The log position that an answer reflects.
pub static FARELOG_POSITION: HeaderName = HeaderName::from_static("farelog-position");

/// How long a request waits for a position when it does not say, in milliseconds.
pub const WAIT_DEFAULT_MS: u64 = 2_000;
/// How long a request can wait for a position at most, in milliseconds.
pub const WAIT_MAX_MS: u64 = 30_000;

/// How far an answer must be at least, and how long it may take to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtLeast {
    stream_sequence: Option<u64>,
    position: Option<Position>,
    timeout: Duration,
}

impl AtLeast {
    /// Reads `minStreamSequence`, `minPosition` and `timeoutMs`.
    pub fn read(query: &mut QueryParameters) -> Self {
        Self {
            // The last sequence of a stream that has had no message is 0: there is nothing to wait for.
            stream_sequence: query
                .whole_number("minStreamSequence")
                .filter(|&last| last > 0),
            position: query.whole_number("minPosition"),
            timeout: Duration::from_millis(query.number(
                "timeoutMs",
                0..=WAIT_MAX_MS,
                WAIT_DEFAULT_MS,
            )),
        }
    }

    /// Waits until the projections are that far.
    ///
    /// # Errors
    /// 504 when they are not in time, with how far they are; at once for a stream sequence while ingestion has stopped,
    /// since the stream may have given the sequence to another message than the log read there.
    pub async fn wait(&self, server: &Server) -> Result<(), Problem> {
        if self.stream_sequence.is_none() && self.position.is_none() {
            return Ok(());
        }
        self.reach(server, Instant::now() + self.timeout)
            .await
            .map_err(|why| self.not_reached(why, server))
    }

    async fn reach(&self, server: &Server, deadline: Instant) -> Result<(), Unreached> {
        if self.stream_sequence.is_none() {
            return self.reach_whatever_the_stream(server, deadline).await;
        }
        tokio::select! {
            // Looked at first: a checkpoint beyond the sequence says nothing of another stream.
            biased;
            () = server.health().ingestion_stopped() => Err(Unreached::IngestionStopped),
            reached = self.reach_whatever_the_stream(server, deadline) => reached,
        }
    }

    async fn reach_whatever_the_stream(
        &self,
        server: &Server,
        deadline: Instant,
    ) -> Result<(), Unreached> {
        let mut position = self.position.unwrap_or_default();
        if let Some(sequence) = self.stream_sequence {
            // The log's position with the checkpoint is the record of that sequence or one behind it.
            let mut heads = server.log().watch();
            loop {
                let known = heads.borrow_and_update().checkpoint.clone();
                let Some(checkpoint) = known.filter(|known| known.sequence >= sequence) else {
                    break;
                };
                // This look has a limit of its own: it is no waiting for a position.
                if !server.health().source_has_left(&checkpoint).await {
                    break;
                }
                // Until ingestion has seen it too and stops, or has adopted the stream.
                in_time(deadline, heads.changed()).await?;
            }
            let is_there = |head: &Head| {
                let checkpoint = head.checkpoint.as_ref();
                checkpoint.is_some_and(|checkpoint| checkpoint.sequence >= sequence)
            };
            let head = in_time(deadline, heads.wait_for(is_there)).await?;
            position = position.max(head.position);
        }
        let mut progress = server.projections().progress();
        in_time(deadline, progress.wait_for(|reached| *reached >= position)).await?;
        Ok(())
    }

    fn not_reached(&self, why: Unreached, server: &Server) -> Problem {
        let asked = match (self.stream_sequence, self.position) {
            (Some(sequence), None) => format!("stream sequence {sequence}"),
            (None, Some(position)) => format!("position {position}"),
            (sequence, position) => format!(
                "stream sequence {} and position {}",
                sequence.unwrap_or_default(),
                position.unwrap_or_default()
            ),
        };
        let head = server.log().head();
        let position = server.projections().position();
        let detail = match why {
            Unreached::NotInTime => format!(
                "The answer does not reflect {asked} within {} ms.",
                self.timeout.as_millis()
            ),
            Unreached::IngestionStopped => format!(
                "Ingestion has stopped, so no answer can be said to reflect {asked}; /health/ready says why and what \
                 to do."
            ),
        };
        Problem::new(&errors::POSITION_NOT_REACHED, detail)
            .with_member("position", position)
            .with_member(
                "streamSequence",
                head.checkpoint.map(|checkpoint| checkpoint.sequence),
            )
            .reflecting(position)
    }
}

impl Problem {
    /// Says the log position that the problem was found at: what is not there may come behind it.
    #[must_use]
    pub fn reflecting(self, position: Position) -> Self {
        self.with_header(FARELOG_POSITION.clone(), HeaderValue::from(position))
    }
}

/// What comes by the deadline, or was there already.
async fn in_time<T, E>(
    deadline: Instant,
    coming: impl Future<Output = Result<T, E>>,
) -> Result<T, Unreached> {
    match timeout_at(deadline, coming).await {
        Ok(Ok(come)) => Ok(come),
        _ => Err(Unreached::NotInTime),
    }
}

/// Why a wait has ended without what was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unreached {
    /// The time is over, or the server ends.
    NotInTime,
    /// What the log knows of the stream is of no use any more, and nothing new comes in.
    IngestionStopped,
}

/// A 200 with what a projection answered, and how far that is.
pub fn answered<T: Serialize>(answer: Answer<T>) -> Response {
    let Answer { position, value } = answer;
    (
        [(FARELOG_POSITION.clone(), HeaderValue::from(position))],
        Json(value),
    )
        .into_response()
}

/// The same with what is JSON already.
pub fn answered_as_json(answer: Answer<Vec<u8>>) -> Response {
    let Answer { position, value } = answer;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (FARELOG_POSITION.clone(), HeaderValue::from(position)),
    ];
    (headers, value).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_has_a_default_and_a_limit() {
        let read = |text: &str| {
            let mut query = QueryParameters::parse(text);
            let at_least = AtLeast::read(&mut query);
            query.finish().map(|()| at_least)
        };
        assert_eq!(
            read("minStreamSequence=7").unwrap(),
            AtLeast {
                stream_sequence: Some(7),
                position: None,
                timeout: Duration::from_secs(2)
            }
        );
        assert_eq!(read("minStreamSequence=0").unwrap().stream_sequence, None);
        assert_eq!(
            read("timeoutMs=30000").unwrap().timeout,
            Duration::from_secs(30)
        );
        assert!(read("timeoutMs=30001").is_err());
        assert!(read("minPosition=-1").is_err());
        assert!(read("minPosition=%2B1").is_err());
    }
}
