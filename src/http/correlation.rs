//! The correlation id: taken over from the request or made, and returned on every response, written into every log
//! line and into every event that the request causes (contract, section 1).

use std::convert::Infallible;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use axum::response::{IntoResponse as _, Response};
use chrono::Utc;
use farelog_events::envelope::CORRELATION_ID_BYTES_MAX;
use futures::future::{BoxFuture, Either, ready};
use tokio::time::Instant;
use tower::{Layer, Service};
use tracing::Instrument as _;
use uuid::fmt::Hyphenated;
use uuid::{NoContext, Timestamp, Uuid};

use super::client_name::client_name;
use super::figures::Figures;
use super::problem::{self, Occurrence, Problem};
use super::state::Server;
use super::{deadline, origin, panic};

/// The header that carries it, in requests and responses.
pub static X_CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// What connects a request with everything that it causes: 1 to [`CORRELATION_ID_BYTES_MAX`] visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrelationId(Arc<str>);

impl CorrelationId {
    /// A new one. Of two that are made within a millisecond, either may sort first: a count to tell would be kept under one
    /// lock for all threads.
    pub fn made() -> Self {
        let mut text = [0; Hyphenated::LENGTH];
        let id = Uuid::new_v7(Timestamp::now(NoContext));
        let id: &str = id.hyphenated().encode_lower(&mut text);
        Self(id.into())
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

/// The outermost layer: gives the request its correlation id and span, the error its body, and counts both.
///
/// The host is looked at, the time is limited and panics are caught here too: what stands on its own puts the request, or
/// the body of its answer, into one more box.
#[derive(Clone)]
pub struct CorrelationLayer {
    server: Server,
}

impl CorrelationLayer {
    /// The layer of a server.
    pub fn new(server: Server) -> Self {
        Self { server }
    }
}

impl<S> Layer<S> for CorrelationLayer {
    type Service = Correlation<S>;

    /// Called for each operation, so that each has figures of its own.
    fn layer(&self, inner: S) -> Correlation<S> {
        let operation = Operation {
            server: self.server.clone(),
            figures: Figures::default(),
        };
        Correlation {
            inner,
            operation: Arc::new(operation),
        }
    }
}

/// What the layer makes of an operation.
#[derive(Clone)]
pub struct Correlation<S> {
    inner: S,
    operation: Arc<Operation>,
}

/// What all requests to an operation have in common.
struct Operation {
    server: Server,
    figures: Figures,
}

impl<S> Service<Request> for Correlation<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let exchange = Exchange {
            started: Instant::now(),
            correlation_id: CorrelationId::of(request.headers()),
            method: request.method().clone(),
            uri: request.uri().clone(),
            // Taken, since nobody behind this asks for it: its place is then the id's.
            route: request.extensions_mut().remove(),
            operation: Arc::clone(&self.operation),
        };
        request
            .extensions_mut()
            .insert(exchange.correlation_id.clone());
        // No query and no body: they may hold a customer's id.
        let span = tracing::info_span!(
            "request",
            correlation_id = %exchange.correlation_id,
            client = client_name(request.headers()),
            method = %exchange.method,
            path = exchange.uri.path()
        );
        // What is done before there is a future to wait for may panic too.
        let answer = catch_unwind(AssertUnwindSafe(|| {
            match origin::known_host(&request, &self.operation.server) {
                Ok(()) => Either::Left(self.inner.call(request)),
                Err(refusal) => Either::Right(ready(Ok(refusal.into_response()))),
            }
        }));
        Box::pin(exchange.complete(answer).instrument(span))
    }
}

/// A request that is being answered.
struct Exchange {
    started: Instant,
    correlation_id: CorrelationId,
    method: Method,
    uri: Uri,
    route: Option<MatchedPath>,
    operation: Arc<Operation>,
}

impl Exchange {
    /// Waits for the answer; completes, counts and logs it.
    async fn complete(
        self,
        answer: thread::Result<impl Future<Output = Result<Response, Infallible>>>,
    ) -> Result<Response, Infallible> {
        let Operation { server, figures } = &*self.operation;
        let in_time = answer.map(|answer| deadline::within_time(self.started, answer));
        let response = panic::caught(in_time).await;
        let code = response
            .extensions()
            .get::<Problem>()
            .map(|problem| problem.code().code);
        let mut response = problem::complete(response, || Occurrence {
            path: self.uri.path(),
            correlation_id: &self.correlation_id,
            public_url: server.public_url(),
            now: Utc::now(),
        });
        if let Ok(value) = HeaderValue::from_str(self.correlation_id.as_str()) {
            response.headers_mut().insert(&X_CORRELATION_ID, value);
        }
        let took = self.started.elapsed();
        let status = response.status();
        figures.count(&self.method, self.route.as_ref(), status, took);
        let status = status.as_u16();
        let elapsed_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if is_probe(self.uri.path()) {
            tracing::debug!(status, code, elapsed_us, "answered");
        } else {
            tracing::info!(status, code, elapsed_us, "answered");
        }
        Ok(response)
    }
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
