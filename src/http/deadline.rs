//! How long a request may take.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use tokio::time::{Instant, timeout_at};

use super::problem::Problem;
use crate::errors;

/// How long a request may take from its head to its answer. Longer than the longest wait for a position.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);

/// The answer to a request whose head was read at `started`, or a refusal once the time is over.
pub async fn within_time(
    started: Instant,
    answer: impl Future<Output = Result<Response, Infallible>>,
) -> Response {
    let in_time = timeout_at(started + REQUEST_TIME_MAX, answer).await;
    in_time.map_or_else(|_| too_late(), |Ok(response)| response)
}

fn too_late() -> Response {
    Problem::new(
        &errors::REQUEST_TIMEOUT,
        format!(
            "The request was not complete within {} s.",
            REQUEST_TIME_MAX.as_secs()
        ),
    )
    .into_response()
}
