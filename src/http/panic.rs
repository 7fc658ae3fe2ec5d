//! A panic of a handler: the request fails, the server goes on.

use std::panic::AssertUnwindSafe;
use std::thread;

use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;

use super::problem::Problem;

/// The answer, or a refusal that says nothing of the panic, on the way to what was to be waited for or behind it; the log
/// has what it said.
///
/// What a request changes, it changes through the writer, whole or not at all, so nothing half done is left behind.
pub async fn caught(answer: thread::Result<impl Future<Output = Response>>) -> Response {
    let answer = match answer {
        Ok(answer) => AssertUnwindSafe(answer).catch_unwind().await,
        Err(panic) => Err(panic),
    };
    answer.unwrap_or_else(|panic| {
        let said = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("a panic without a message");
        Problem::internal(&said).into_response()
    })
}
