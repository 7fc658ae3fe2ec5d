//! Request bodies: their size, their form, and JSON whose errors name the field.

use std::convert::Infallible;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, header};
use farelog_events::json::{self, JsonError, JsonFault};
use serde::de::DeserializeOwned;

use super::mistakes;
use super::problem::{FieldProblem, Problem};
use super::query::QueryParameters;
use crate::errors;

/// Largest body of a request, in bytes. Programs are the largest bodies there are, and have a limit of their own below
/// this one.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// A body that must be JSON of this type, or what is wrong with it: that is told together with what is wrong with the
/// query.
#[derive(Debug)]
pub struct JsonBody<T>(Result<T, Problem>);

impl<T> JsonBody<T> {
    /// The same, held to more than its form.
    #[must_use]
    pub fn checked(self, check: impl FnOnce(&T) -> Result<(), Problem>) -> Self {
        Self(self.0.and_then(|body| check(&body).map(|()| body)))
    }

    /// The body, if it and the query are right.
    ///
    /// # Errors
    /// All that is wrong with either.
    pub fn finish(self, query: QueryParameters) -> Result<T, Problem> {
        match (query.finish(), self.0) {
            (Ok(()), body) => body,
            (Err(of_query), Ok(_)) => Err(of_query),
            (Err(of_query), Err(of_body)) => Err(of_query.and(of_body)),
        }
    }
}

/// A body that may be left out; then it is the type's default.
#[derive(Debug)]
pub struct OptionalJsonBody<T>(pub JsonBody<T>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        Ok(Self(required(request, state).await))
    }
}

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalJsonBody<T> {
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        Ok(Self(JsonBody(optional(request, state).await)))
    }
}

async fn required<T: DeserializeOwned, S: Send + Sync>(
    request: Request,
    state: &S,
) -> Result<T, Problem> {
    expect_json(request.headers())?;
    parse(&read(request, state).await?)
}

async fn optional<T: DeserializeOwned + Default, S: Send + Sync>(
    request: Request,
    state: &S,
) -> Result<T, Problem> {
    let is_json = expect_json(request.headers());
    let bytes = read(request, state).await?;
    if bytes.is_empty() {
        return Ok(T::default());
    }
    is_json?;
    parse(&bytes)
}

/// The bytes of a body that is not compressed, up to [`BODY_BYTES_MAX`].
pub async fn read<S: Send + Sync>(mut request: Request, state: &S) -> Result<Bytes, Problem> {
    expect_plain(request.headers())?;
    // Here and not as a layer, which would note it in each request, also in those without a body.
    DefaultBodyLimit::max(BODY_BYTES_MAX).apply(&mut request);
    Bytes::from_request(request, state)
        .await
        .map_err(|rejection| {
            if rejection.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
                Problem::new(
                    &errors::BODY_TOO_LARGE,
                    format!("The body is larger than {BODY_BYTES_MAX} bytes."),
                )
            } else {
                Problem::field("body", &errors::FIELD_MALFORMED, "broke off before its end")
            }
        })
}

/// The media type of a body, lower case and without parameters; empty when the request does not say.
pub fn media_type(headers: &HeaderMap) -> String {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// Whether it names JSON.
pub fn is_json(media_type: &str) -> bool {
    media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

/// A JSON body is recognised by its media type alone: a form that a browser sends across origins is none.
fn expect_json(headers: &HeaderMap) -> Result<(), Problem> {
    if is_json(&media_type(headers)) {
        Ok(())
    } else {
        Err(Problem::new(
            &errors::MEDIA_TYPE_UNSUPPORTED,
            "The body must be JSON: send Content-Type: application/json.",
        ))
    }
}

/// What is compressed is not read: it has no size that could be limited before it is unpacked.
fn expect_plain(headers: &HeaderMap) -> Result<(), Problem> {
    let encodings = headers.get_all(header::CONTENT_ENCODING).into_iter();
    if encodings.into_iter().all(names_no_encoding) {
        return Ok(());
    }
    // Which tells a client that it is not the media type (RFC 9110, section 15.5.16).
    let identity = HeaderValue::from_static("identity");
    Err(Problem::new(
        &errors::MEDIA_TYPE_UNSUPPORTED,
        "The body must not be compressed: send it without Content-Encoding.",
    )
    .with_header(header::ACCEPT_ENCODING, identity))
}

/// Whether a header lists nothing, or `identity` alone, which names no encoding in whatever case it stands.
fn names_no_encoding(encodings: &HeaderValue) -> bool {
    encodings.to_str().is_ok_and(|list| {
        let mut encodings = list
            .split(',')
            .map(|encoding| encoding.trim_matches([' ', '\t']));
        encodings.all(|name| name.is_empty() || name.eq_ignore_ascii_case("identity"))
    })
}

/// A body as `T`.
///
/// # Errors
/// All that is wrong with it, by its fields.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(Problem::field(
            "body",
            &errors::FIELD_MALFORMED,
            "must be UTF-8 text",
        ));
    };
    json::read(text).map_err(|first| {
        let mistakes = mistakes::all::<T>(text, first);
        Problem::validation(mistakes.into_iter().map(field_problem).collect())
    })
}

fn field_problem(JsonError { field, fault }: JsonError) -> FieldProblem {
    let field = if field.is_empty() {
        "body".to_owned()
    } else {
        field
    };
    match fault {
        JsonFault::Missing => FieldProblem::missing(field),
        JsonFault::Unknown => {
            FieldProblem::new(field, &errors::FIELD_UNKNOWN, "is no field of this body")
        }
        JsonFault::NotJson(_) | JsonFault::Malformed(_) => {
            FieldProblem::new(field, &errors::FIELD_MALFORMED, fault.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Outer {
        order_line_ids: Vec<String>,
        inner: Inner,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Inner {
        activate: bool,
    }

    fn problem(json: &[u8]) -> (String, &'static str, String) {
        let problem = parse::<Outer>(json).unwrap_err();
        let error = &problem.errors()[0];
        (error.field.clone(), error.code.code, error.message.clone())
    }

    #[test]
    fn a_mistake_in_a_body_is_named_by_its_field() {
        for (json, field, code, message) in [
            ("", "body", "malformed", "is no JSON: it ends too early"),
            ("{", "body", "malformed", "is no JSON: it ends too early"),
            ("{]", "body", "malformed", "is no JSON: line 1, column 2"),
            ("[]", "body", "malformed", "must be an object"),
            (
                r#"[["a"],{"activate":true}]"#,
                "body",
                "malformed",
                "must be an object",
            ),
            (
                r#"{"inner":{"activate":true}}"#,
                "orderLineIds",
                "missing",
                "is missing",
            ),
            (
                r#"{"orderLineIds":[7]}"#,
                "orderLineIds[0]",
                "malformed",
                "must be a string",
            ),
            (
                r#"{"orderLinesIds":[]}"#,
                "orderLinesIds",
                "unknown-field",
                "is no field of this body",
            ),
            (
                r#"{"orderLineIds":[],"inner":{}}"#,
                "inner.activate",
                "missing",
                "is missing",
            ),
            (
                r#"{"orderLineIds":[],"inner":[true]}"#,
                "inner",
                "malformed",
                "must be an object",
            ),
            (
                r#"{"orderLineIds":[],"inner":{"activate":true}} x"#,
                "body",
                "malformed",
                "is no JSON: something follows its end at line 1, column 47",
            ),
        ] {
            let (at, as_code, said) = problem(json.as_bytes());
            assert_eq!((&*at, as_code, &*said), (field, code, message), "{json}");
        }
        assert_eq!(problem(b"\xff").2, "must be UTF-8 text");
    }

    #[test]
    fn json_is_known_by_its_media_type() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
            is_json(&media_type(&headers))
        };
        assert!(of("application/json"));
        assert!(of("Application/JSON; charset=utf-8"));
        assert!(of("application/merge-patch+json"));
        assert!(!of("text/plain"));
        assert!(!of("application/x-www-form-urlencoded"));
    }
}
