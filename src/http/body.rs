//! Request bodies: their size, their form, and JSON whose errors name the field.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;

use super::problem::{FieldProblem, Problem};
use crate::errors;

/// Largest body of a request, in bytes. Programs are the largest bodies there are, and have a limit of their own below
/// this one.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// A body that must be JSON of this type.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

/// A body that may be left out; then it is the type's default.
#[derive(Debug)]
pub struct OptionalJsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        expect_json(request.headers())?;
        parse(&read(request, state).await?).map(Self)
    }
}

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalJsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = expect_json(request.headers());
        let bytes = read(request, state).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        is_json?;
        parse(&bytes).map(Self)
    }
}

/// The bytes of a body, up to [`BODY_BYTES_MAX`].
pub async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
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

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| field_problem(&error.path().to_string(), &error.into_inner()))
        .and_then(|value| {
            deserializer
                .end()
                .map_err(|error| field_problem(".", &error))
                .map(|()| value)
        });
    value.map_err(|problem| Problem::validation(vec![problem]))
}

fn field_problem(path: &str, error: &serde_json::Error) -> FieldProblem {
    let said = error.to_string();
    if error.is_syntax() || error.is_eof() {
        return FieldProblem::new(
            "body",
            &errors::FIELD_MALFORMED,
            format!("is no JSON: {said}"),
        );
    }
    let within = |name: &str| match path {
        "." => name.to_owned(),
        path if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        path => format!("{path}.{name}"),
    };
    let named = |prefix: &str| said.strip_prefix(prefix)?.split('`').next();
    if let Some(name) = named("missing field `") {
        return FieldProblem::missing(within(name));
    }
    if let Some(name) = named("unknown field `") {
        return FieldProblem::new(
            within(name),
            &errors::FIELD_UNKNOWN,
            "is no field of this body",
        );
    }
    // Line and column say nothing that the field's path does not say better.
    let said = said.rfind(" at line ").map_or(&*said, |at| &said[..at]);
    let field = if path == "." { "body" } else { path };
    FieldProblem::new(field, &errors::FIELD_MALFORMED, said)
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

    fn problem(json: &str) -> (String, &'static str) {
        let problem = parse::<Outer>(json.as_bytes()).unwrap_err();
        let error = &problem.errors()[0];
        (error.field.clone(), error.code.code)
    }

    #[test]
    fn a_mistake_in_a_body_is_named_by_its_field() {
        let at = |field: &str, code| (field.to_owned(), code);
        assert_eq!(problem("{"), at("body", "malformed"));
        assert_eq!(problem("[]"), at("body", "malformed"));
        assert_eq!(
            problem(r#"{"inner":{"activate":true}}"#),
            at("orderLineIds", "missing")
        );
        assert_eq!(
            problem(r#"{"orderLineIds":[7]}"#),
            at("orderLineIds[0]", "malformed")
        );
        assert_eq!(
            problem(r#"{"orderLinesIds":[]}"#),
            at("orderLinesIds", "unknown-field")
        );
        assert_eq!(
            problem(r#"{"orderLineIds":[],"inner":{}}"#),
            at("inner.activate", "missing")
        );
        assert_eq!(
            problem(r#"{"orderLineIds":[],"inner":{"activate":true}} x"#),
            at("body", "malformed")
        );
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
