//! What an address names: ids in the path, read as what they stand for.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use farelog_events::json::wording;

use super::problem::Problem;
use crate::errors;

/// The named segments of the path, percent-decoded.
#[derive(Debug)]
pub struct PathParameters(Vec<(String, String)>);

impl PathParameters {
    /// The segment of this name, read as `T`.
    ///
    /// # Errors
    /// A validation error that names the segment, for what is no `T`.
    pub fn get<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, Problem> {
        let text = self
            .0
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value);
        text.parse().map_err(|error: T::Err| {
            let message = wording::sentence(&error.to_string());
            Problem::field(name, &errors::FIELD_MALFORMED, message)
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathParameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| {
                Problem::field(
                    "path",
                    &errors::FIELD_MALFORMED,
                    "must be UTF-8 once its percent-encoding is taken off",
                )
            })?;
        Ok(Self(
            params
                .iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        ))
    }
}
