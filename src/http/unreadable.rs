//! What could not be read as a request: the server's HTTP library answers it by itself, with a status and no more, since
//! there is nothing that an operation could be asked with. Here that answer gets what every error has.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use chrono::Utc;
use futures::FutureExt as _;

use super::correlation::{CorrelationId, X_CORRELATION_ID};
use super::figures;
use super::problem::{self, Occurrence, PROBLEM_JSON, Problem};
use crate::errors;

/// Longest body of such an answer, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// How the library says that there is no body.
const NO_BODY: &str = "content-length: 0\r\n";

/// Completes the answers to what could not be read. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Unreadable {
    public_url: Arc<str>,
}

impl Unreadable {
    /// For a server whose addresses begin like this.
    pub fn new(public_url: &str) -> Self {
        Self {
            public_url: public_url.into(),
        }
    }

    /// The whole answer in place of what the library is about to write, if that is a refusal of its own: nothing but the head
    /// of an error, without a correlation id, which every answer of an operation has.
    pub fn completed(&self, written: &[u8]) -> Option<Vec<u8>> {
        let is_error = written.starts_with(b"HTTP/1.") && written.get(8..10) == Some(b" 4");
        let is_head_alone = is_error && written.ends_with(b"\r\n\r\n");
        let head = std::str::from_utf8(written)
            .ok()
            .filter(|_| is_head_alone)?;
        let (status_line, fields) = head.split_once("\r\n")?;
        let is_own = fields.contains(NO_BODY) && !fields.contains(X_CORRELATION_ID.as_str());
        let status = status_line.split(' ').nth(1)?.parse().ok()?;
        let problem = problem_of(status).filter(|_| is_own)?;

        let correlation_id = CorrelationId::made();
        figures::count_unreadable(status);
        tracing::info!(
            %correlation_id,
            status = status.as_u16(),
            code = problem.code().code,
            "refused what is no request"
        );
        let response = problem::complete(problem.into_response(), || Occurrence {
            path: "",
            correlation_id: &correlation_id,
            public_url: &self.public_url,
            now: Utc::now(),
        });
        // It is in memory, whole.
        let body = to_bytes(response.into_body(), BODY_BYTES_MAX);
        let body = body.now_or_never()?.ok()?;
        let length = body.len();
        let described = format!(
            "content-type: {PROBLEM_JSON}\r\ncontent-length: {length}\r\n{X_CORRELATION_ID}: {correlation_id}\r\n"
        );
        let head = format!(
            "{status_line}\r\n{}",
            fields.replacen(NO_BODY, &described, 1)
        );
        Some([head.as_bytes(), &body].concat())
    }
}

fn problem_of(status: StatusCode) -> Option<Problem> {
    let (code, detail) = match status {
        StatusCode::BAD_REQUEST => (
            &errors::REQUEST_UNREADABLE,
            "What was sent is no request of HTTP/1.1.",
        ),
        StatusCode::URI_TOO_LONG => (
            &errors::ADDRESS_TOO_LONG,
            "The address, with its query, is longer than the server takes.",
        ),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => (
            &errors::HEADERS_TOO_LARGE,
            "The headers are more, or larger, than the server takes.",
        ),
        _ => return None,
    };
    Some(Problem::new(code, detail))
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;
    use serde_json::Value;

    use super::*;

    const REFUSAL: &str = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";

    #[test]
    fn a_refusal_of_the_library_gets_what_every_error_has() {
        let unreadable = Unreadable::new("https://farelog.example");
        let answer = unreadable.completed(REFUSAL.as_bytes()).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let json: Value = serde_json::from_str(body).unwrap();
        assert_eq!(json["code"], "headers-too-large");
        assert_eq!(
            json["type"],
            "https://farelog.example/docs/errors/headers-too-large"
        );
        let lines: Vec<&str> = head.split("\r\n").collect();
        let id = format!(
            "x-correlation-id: {}",
            json["correlationId"].as_str().unwrap()
        );
        let length = format!("content-length: {}", body.len());
        for line in ["connection: close", "date: x", &id, &length] {
            assert_eq!(
                lines.iter().filter(|known| **known == line).count(),
                1,
                "{head}"
            );
        }
        assert!(lines.contains(&"content-type: application/problem+json"));
        assert_eq!(lines[0], "HTTP/1.1 431 Request Header Fields Too Large");
    }

    /// What speaks HTTP/1.0 was once refused without a word.
    #[test]
    fn a_refusal_of_the_older_version_gets_it_too_and_each_is_counted() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let unreadable = Unreadable::new("");
        metrics::with_local_recorder(&recorder, || {
            for refusal in [REFUSAL, &REFUSAL.replace("HTTP/1.1", "HTTP/1.0")] {
                let answer = unreadable.completed(refusal.as_bytes()).unwrap();
                let answer = String::from_utf8(answer).unwrap();
                assert!(answer.starts_with(&refusal[..50]), "{answer}");
                assert!(
                    answer.contains("\"code\":\"headers-too-large\""),
                    "{answer}"
                );
            }
        });
        let rendered = recorder.handle().render();
        let line = "farelog_http_unreadable_total{status=\"431\"} 2";
        assert!(rendered.contains(line), "{rendered}");
    }

    #[test]
    fn whatever_else_is_written_stays_as_it_is() {
        let unreadable = Unreadable::new("");
        for written in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\nx-correlation-id: a\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 7\r\n\r\n",
            "HTTP/1.1 418 I'm a teapot\r\ncontent-length: 0\r\n\r\n",
            &REFUSAL[..30],
            &format!("{{}}{REFUSAL}"),
            &format!("{REFUSAL}{{}}"),
            "",
        ] {
            assert_eq!(unreadable.completed(written.as_bytes()), None, "{written}");
        }
    }
}
