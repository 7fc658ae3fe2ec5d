//! How long a request may take.

use std::time::Duration;

use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use crate::errors;

/// How long a request may take from its head to its answer. Longer than the longest wait for a position.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);

/// The answer, or a refusal once the time is over.
pub async fn within_time(answer: impl Future<Output = Response>) -> Response {
    tokio::time::timeout(REQUEST_TIME_MAX, answer)
        .await
        .unwrap_or_else(|_| {
            Problem::new(
                &errors::REQUEST_TIMEOUT,
                format!(
                    "The request was not complete within {} s.",
                    REQUEST_TIME_MAX.as_secs()
                ),
            )
            .into_response()
        })
}
