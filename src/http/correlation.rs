//! The correlation id: taken over from the request or made, and returned on every response, written into every log
//! line and into every event that the request causes (contract, section 1).

use std::fmt;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use chrono::Utc;
use farelog_events::envelope::CORRELATION_ID_BYTES_MAX;
use tracing::Instrument;
use uuid::Uuid;

use super::client_name::client_name;
use super::deadline;
use super::origin;
use super::problem::{self, Occurrence, Problem};
use super::state::Server;

/// The header that carries it, in requests and responses.
pub static X_CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// What connects a request with everything that it causes: 1 to [`CORRELATION_ID_BYTES_MAX`] visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrelationId(Box<str>);

impl CorrelationId {
    /// A new one.
    pub fn made() -> Self {
        Self(Uuid::now_v7().to_string().into())
    }

    /// The one that the request brings; a new one where it brings none, or one that is too long or has characters
    /// that could forge a log line.
    pub fn of(headers: &HeaderMap) -> Self {
        headers
            .get(&X_CORRELATION_ID)
            .and_then(|value| value.to_str().ok())
            .map(str::trim)
            .filter(|text| (1..=CORRELATION_ID_BYTES_MAX).contains(&text.len()))
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()))
            .map_or_else(Self::made, |text| Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Says what the figures of this layer mean.
pub fn describe_metrics() {
    metrics::describe_counter!(
        "farelog_http_requests_total",
        "Requests answered, by method, pattern of the path, and status"
    );
    metrics::describe_histogram!(
        "farelog_http_request_seconds",
        metrics::Unit::Seconds,
        "Time from the head of a request to its answer"
    );
}

/// The outermost layer: gives the request its correlation id and span, the error its body, and counts both.
///
/// The host is looked at and the time is limited here too: a layer of this kind copies all layers within it for each
/// request, so there is one.
pub async fn correlate(State(server): State<Server>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let correlation_id = CorrelationId::of(request.headers());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    // The pattern, not the path: a label for each order would be a series for each order.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |route| route.as_str().to_owned());
    request.extensions_mut().insert(correlation_id.clone());
    // No query and no body: they may hold a customer's id.
    let client = client_name(request.headers());
    let span = tracing::info_span!("request", %correlation_id, client, %method, path);
    async {
        let response = match origin::known_host(&request, server.public_url()) {
            Ok(()) => deadline::within_time(next.run(request)).await,
            Err(refusal) => refusal.into_response(),
        };
        let code = response
            .extensions()
            .get::<Problem>()
            .map(|problem| problem.code().code);
        let mut response = problem::complete(
            response,
            &Occurrence {
                path: &path,
                correlation_id: &correlation_id,
                public_url: server.public_url(),
                now: Utc::now(),
            },
        );
        if let Ok(value) = HeaderValue::from_str(correlation_id.as_str()) {
            response.headers_mut().insert(&X_CORRELATION_ID, value);
        }
        let elapsed = started.elapsed();
        let status = response.status().as_u16();
        let elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        if is_probe(&path) {
            tracing::debug!(status, code, elapsed_us, "answered");
        } else {
            tracing::info!(status, code, elapsed_us, "answered");
        }
        metrics::counter!("farelog_http_requests_total",
            "method" => method.to_string(), "route" => route.clone(), "status" => status.to_string())
        .increment(1);
        metrics::histogram!("farelog_http_request_seconds", "method" => method.to_string(), "route" => route)
            .record(elapsed.as_secs_f64());
        response
    }
    .instrument(span)
    .await
}

/// Whether a machine asks this every few seconds, so that its lines would hide the others.
fn is_probe(path: &str) -> bool {
    path.starts_with("/health/") || path == "/metrics"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &[u8]) -> CorrelationId {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes(value).unwrap();
        headers.insert(&X_CORRELATION_ID, value);
        CorrelationId::of(&headers)
    }

    #[test]
    fn one_that_is_fit_is_taken_over() {
        assert_eq!(of(b"sale-1/retry:2").as_str(), "sale-1/retry:2");
        assert_eq!(of("x".repeat(256).as_bytes()).as_str().len(), 256);
    }

    #[test]
    fn one_that_is_not_fit_is_replaced() {
        for unfit in [&b""[..], b"a b", b"a\tb", "blå".as_bytes(), &[b'x'; 257]] {
            let made = of(unfit);
            assert!(Uuid::parse_str(made.as_str()).is_ok(), "{made}");
        }
        assert_ne!(CorrelationId::made(), CorrelationId::made());
    }
}
