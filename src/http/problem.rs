//! Errors as they are answered: `application/problem+json` (RFC 9457) with the members that clients of the sales API
//! read (contract, section 1).
//!
//! A handler answers a [`Problem`]; it does not know the request's path and correlation id. They are written into the
//! body where every response passes, in [`crate::http::correlation`]. So an error that no handler made, like
//! a 405 of the router, gets the same shape.

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use super::correlation::CorrelationId;
use crate::errors::{self, ErrorCode};

/// The media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Most fields that one validation error names; a body with more mistakes is not worth more words.
pub const FIELD_PROBLEMS_MAX: usize = 100;

/// Most of a path that a problem repeats, in bytes; what is cut off is shown as an ellipsis.
const PATH_BYTES_MAX: usize = 512;

/// When to ask again after a 503 or 504, in seconds: what these wait for takes moments, or an operator.
const RETRY_AFTER_S: u16 = 1;

/// What is wrong with one field, parameter or header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldProblem {
    /// The field by its path, the parameter or the header by its name.
    pub field: String,
    /// A sentence without a full stop.
    pub message: String,
    /// The kind of mistake.
    #[serde(serialize_with = "code_alone")]
    pub code: &'static ErrorCode,
}

// The signature is serde's.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn code_alone<S: serde::Serializer>(
    code: &&'static ErrorCode,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code.code)
}

impl FieldProblem {
    /// What is wrong with a field.
    pub fn new(
        field: impl Into<String>,
        code: &'static ErrorCode,
        message: impl Into<String>,
    ) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
            code,
        }
    }

    /// The field is required and absent.
    pub fn missing(field: impl Into<String>) -> Self {
        Self::new(field, &errors::FIELD_MISSING, "is missing")
    }
}

/// An error on its way to the client. Nothing in it may name an inner cause: that goes to the log.
#[derive(Debug, Clone)]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    code: &'static ErrorCode,
    detail: String,
    errors: Vec<FieldProblem>,
    members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem of this kind; `detail` is a sentence about this occurrence, for the client's eyes.
    pub fn new(code: &'static ErrorCode, detail: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            members: Map::new(),
            headers: Vec::new(),
        }))
    }

    /// The request is not valid, for these reasons.
    pub fn validation(errors: Vec<FieldProblem>) -> Self {
        let detail = match errors.as_slice() {
            [only] => format!("{}: {}.", only.field, only.message),
            several => format!("{} fields are not valid; see errors.", several.len()),
        };
        Self::new(&errors::VALIDATION_FAILED, detail).with_errors(errors)
    }

    /// The request is not valid for one reason.
    pub fn field(
        field: impl Into<String>,
        code: &'static ErrorCode,
        message: impl Into<String>,
    ) -> Self {
        Self::validation(vec![FieldProblem::new(field, code, message)])
    }

    /// Both problems as one, where both are about the validity of the request. Else what can't be told beside anything
    /// else stands alone.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let is_validation = |problem: &Self| problem.code() == &errors::VALIDATION_FAILED;
        if !is_validation(&self) {
            return self;
        }
        if !is_validation(&other) {
            return other;
        }
        let mut errors = self.0.errors;
        errors.extend(other.0.errors);
        Self::validation(errors)
    }

    /// A problem whose detail is what an error says: one sentence without capital and full stop.
    pub fn saying(code: &'static ErrorCode, error: &dyn std::fmt::Display) -> Self {
        let said = error.to_string();
        let mut characters = said.chars();
        let first = characters.next().map(char::to_uppercase);
        let sentence: String = first.into_iter().flatten().chain(characters).collect();
        Self::new(code, format!("{sentence}."))
    }

    /// The server failed. The cause goes to the log, with the request's correlation id, and nowhere else.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed");
        Self::new(
            &errors::INTERNAL_ERROR,
            "The server failed; its log says why, under this correlation id.",
        )
    }

    /// Names the fields that are wrong, up to [`FIELD_PROBLEMS_MAX`].
    #[must_use]
    pub fn with_errors(mut self, mut errors: Vec<FieldProblem>) -> Self {
        errors.truncate(FIELD_PROBLEMS_MAX);
        self.0.errors = errors;
        self
    }

    /// Adds a member to the body.
    #[must_use]
    pub fn with_member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.members.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a header to the response.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The code.
    pub fn code(&self) -> &'static ErrorCode {
        self.0.code
    }

    /// The fields that are wrong.
    #[cfg(test)]
    pub fn errors(&self) -> &[FieldProblem] {
        &self.0.errors
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0
            .code
            .status
            .and_then(|status| StatusCode::from_u16(status).ok())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The problem that stands for a bare error status, of the router or a layer below the handlers.
    fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => {
                Self::new(&errors::PATH_UNKNOWN, "No operation has this path.")
            }
            StatusCode::METHOD_NOT_ALLOWED => Self::new(
                &errors::METHOD_NOT_ALLOWED,
                "The path does not take this method; see the header Allow.",
            ),
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(
                &errors::BODY_TOO_LARGE,
                "The body is larger than this operation takes.",
            ),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::new(
                &errors::MEDIA_TYPE_UNSUPPORTED,
                "The operation does not read a body of this form.",
            ),
            StatusCode::REQUEST_TIMEOUT => Self::new(
                &errors::REQUEST_TIMEOUT,
                "The request was not complete within the time limit.",
            ),
            status if status.is_client_error() => Self::new(
                &errors::REQUEST_UNREADABLE,
                "The request could not be read as HTTP for this operation.",
            ),
            status => Self::internal(&format_args!("a layer answered {status} without a problem")),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// What a problem's body says about the request.
#[derive(Debug)]
pub struct Occurrence<'a> {
    /// The path that was asked for, without the query: that may hold a customer's id.
    pub path: &'a str,
    /// The request's correlation id.
    pub correlation_id: &'a CorrelationId,
    /// What stands before `/docs/errors/…` in `type`; empty for a reference relative to the server.
    pub public_url: &'a str,
    /// The time of the answer.
    pub now: DateTime<Utc>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    path: &'a str,
    error: &'a str,
    message: &'a str,
    timestamp: String,
    code: &'static str,
    correlation_id: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldProblem],
    #[serde(flatten)]
    members: &'a Map<String, Value>,
}

/// Gives an error response its body; leaves any other response alone.
pub fn complete<'o>(response: Response, occurrence: impl FnOnce() -> Occurrence<'o>) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let occurrence = occurrence();
    let (mut parts, _) = response.into_parts();
    let problem = parts
        .extensions
        .remove::<Problem>()
        .unwrap_or_else(|| Problem::of_status(status));
    let status = problem.status();
    let Parts {
        code,
        detail,
        errors,
        members,
        headers,
    } = *problem.0;
    let path = shortened(occurrence.path);
    let body = Json(Body {
        r#type: format!("{}/docs/errors/{}", occurrence.public_url, code.code),
        title: code.title,
        status: status.as_u16(),
        detail: &detail,
        instance: &path,
        path: &path,
        error: status.canonical_reason().unwrap_or("Error"),
        message: &detail,
        timestamp: occurrence.now.to_rfc3339_opts(SecondsFormat::Millis, true),
        code: code.code,
        correlation_id: occurrence.correlation_id.as_str(),
        errors: &errors,
        members: &members,
    });
    let mut response = (status, body).into_response();
    // What a layer said of its refusal, like Allow, stays; what it said of its own body does not.
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::TRANSFER_ENCODING);
    parts
        .headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    response.headers_mut().extend(parts.headers);
    if asks_to_wait(status) {
        let seconds = HeaderValue::from(RETRY_AFTER_S);
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response.headers_mut().extend(headers);
    response
}

/// Whether the same request may well be answered a moment later.
pub fn asks_to_wait(status: StatusCode) -> bool {
    [StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT].contains(&status)
}

/// A path, up to [`PATH_BYTES_MAX`].
fn shortened(path: &str) -> Cow<'_, str> {
    if path.len() <= PATH_BYTES_MAX {
        return path.into();
    }
    let starts = path.char_indices().map(|(start, _)| start);
    let end = starts.take_while(|&start| start <= PATH_BYTES_MAX).last();
    format!("{}…", &path[..end.unwrap_or(0)]).into()
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    async fn completed(response: Response) -> (Response<()>, Value) {
        let correlation_id = CorrelationId::made();
        let response = complete(response, || Occurrence {
            path: "/v1/orders/o",
            correlation_id: &correlation_id,
            public_url: "",
            now: "2026-02-01T10:00:00Z".parse().unwrap(),
        });
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 20).await.unwrap();
        let json: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(json["correlationId"], correlation_id.as_str());
        (Response::from_parts(parts, ()), json)
    }

    #[tokio::test]
    async fn a_problem_has_the_members_of_both_apis() {
        let problem = Problem::new(&errors::ORDER_UNKNOWN, "There is no order o.")
            .with_member("reasons", vec!["x"]);
        let (response, json) = completed(problem.into_response()).await;
        assert_eq!(response.status(), 404);
        assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
        assert_eq!(json["type"], "/docs/errors/order-unknown");
        assert_eq!(json["title"], "The order is not known");
        assert_eq!(json["status"], 404);
        assert_eq!(json["detail"], "There is no order o.");
        assert_eq!(json["instance"], "/v1/orders/o");
        assert_eq!(json["path"], "/v1/orders/o");
        assert_eq!(json["error"], "Not Found");
        assert_eq!(json["message"], "There is no order o.");
        assert_eq!(json["timestamp"], "2026-02-01T10:00:00.000Z");
        assert_eq!(json["code"], "order-unknown");
        assert_eq!(json["reasons"][0], "x");
        assert!(json.get("errors").is_none());
    }

    #[tokio::test]
    async fn a_bare_error_becomes_a_problem_and_keeps_what_its_headers_say() {
        let bare = (
            StatusCode::METHOD_NOT_ALLOWED,
            [(header::ALLOW, "GET")],
            "plain text",
        );
        let (response, json) = completed(bare.into_response()).await;
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()[header::ALLOW], "GET");
        assert_eq!(json["code"], "method-not-allowed");
    }

    #[tokio::test]
    async fn what_may_be_asked_again_says_when() {
        for code in [&errors::SERVICE_UNAVAILABLE, &errors::POSITION_NOT_REACHED] {
            let (response, _) = completed(Problem::new(code, "Not now.").into_response()).await;
            assert_eq!(response.headers()[header::RETRY_AFTER], "1", "{code:?}");
        }
        let (response, _) = completed(Problem::internal(&"broken").into_response()).await;
        assert!(!response.headers().contains_key(header::RETRY_AFTER));
    }

    // A path of tens of kilobytes once came back twice in the body of its 404.
    #[test]
    fn a_long_path_is_not_repeated_in_full() {
        assert_eq!(shortened("/v1/orders/o"), "/v1/orders/o");
        let long = format!("/{}", "å".repeat(10_000));
        let short = shortened(&long);
        assert!(short.len() <= PATH_BYTES_MAX + "…".len(), "{}", short.len());
        assert!(short.ends_with("å…"), "{short}");
    }

    // The field and its message once ran together: "orderId an id must not be empty."
    #[test]
    fn the_only_field_that_is_wrong_stands_apart_from_its_message() {
        let problem = Problem::field(
            "orderId",
            &errors::FIELD_MALFORMED,
            "an id must not be empty",
        );
        assert_eq!(problem.0.detail, "orderId: an id must not be empty.");
    }

    #[tokio::test]
    async fn an_inner_cause_does_not_reach_the_client() {
        let problem = Problem::internal(&"/var/lib/farelog/log/db: permission denied");
        let (response, json) = completed(problem.into_response()).await;
        assert_eq!(response.status(), 500);
        assert!(!json.to_string().contains("permission"));
    }

    #[tokio::test]
    async fn a_validation_error_names_each_field() {
        let problem = Problem::validation(vec![
            FieldProblem::missing("orderId"),
            FieldProblem::new("page", &errors::FIELD_OUT_OF_RANGE, "must be at least 1"),
        ]);
        let (response, json) = completed(problem.into_response()).await;
        assert_eq!(response.status(), 400);
        assert_eq!(json["errors"][0]["field"], "orderId");
        assert_eq!(json["errors"][0]["code"], "missing");
        assert_eq!(json["errors"][1]["message"], "must be at least 1");
        assert_eq!(json["detail"], "2 fields are not valid; see errors.");
    }
}
