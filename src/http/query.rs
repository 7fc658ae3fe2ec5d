//! Query parameters: read one by one, so that an error can name every parameter that is wrong, and the ones that the
//! operation does not know.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use farelog_events::json::wording;
use farelog_events::number::WholeNumber;
use farelog_projections::answer::Page;
use smol_str::SmolStr;

use super::problem::{FieldProblem, Problem};
use crate::errors;

/// Items on a page when the request does not say.
pub const PER_PAGE_DEFAULT: u64 = 20;
/// Most items on a page.
pub const PER_PAGE_MAX: u64 = 100;
/// Last page that can be asked for; beyond it nobody reads on by page.
pub const PAGE_MAX: u64 = 1_000_000;

/// Most parameters that a query may have.
pub const QUERY_PARAMETERS_MAX: usize = 100;

/// The parameters of a request that were not read yet, and what was wrong with those that were.
///
/// An operation reads the ones that it knows and ends with [`finish`](Self::finish), which refuses the rest.
#[derive(Debug)]
pub struct QueryParameters {
    unread: Vec<(SmolStr, SmolStr)>,
    problems: Vec<FieldProblem>,
}

impl QueryParameters {
    /// The parameters of a query in its percent-encoded form.
    pub fn parse(query: &str) -> Self {
        let unread: Vec<_> = form_urlencoded::parse(query.as_bytes())
            .take(QUERY_PARAMETERS_MAX + 1)
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let mut problems = Vec::new();
        if unread.len() > QUERY_PARAMETERS_MAX {
            problems.push(FieldProblem::new(
                "query",
                &errors::FIELD_OUT_OF_RANGE,
                format!("must have at most {QUERY_PARAMETERS_MAX} parameters"),
            ));
        }
        Self { unread, problems }
    }

    /// The values of a parameter that may stand several times, in the order in which they stand.
    pub fn values(&mut self, name: &str) -> Vec<SmolStr> {
        self.unread
            .extract_if(.., |(key, _)| key == name)
            .map(|(_, value)| value)
            .collect()
    }

    /// Whether a parameter is there and was not read yet.
    pub fn has(&self, name: &str) -> bool {
        self.unread.iter().any(|(key, _)| key == name)
    }

    /// The value of a parameter that may be absent.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.value(name).map(String::from)
    }

    fn value(&mut self, name: &str) -> Option<SmolStr> {
        let mut values = self.values(name);
        if values.len() > 1 {
            self.refuse(name, &errors::FIELD_REPEATED, "must be given once");
        }
        values.pop()
    }

    /// The value of a parameter that may be absent, read as `T`.
    pub fn optional<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let text = self.value(name)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                let message = wording::sentence(&error.to_string());
                self.refuse(name, &errors::FIELD_MALFORMED, message);
                None
            }
        }
    }

    /// The value of a parameter that must be there, read as `T`. `None` when it is missing or malformed, which
    /// [`finish`](Self::finish) then reports.
    pub fn required<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        if !self.has(name) {
            self.problems.push(FieldProblem::missing(name));
            return None;
        }
        self.optional(name)
    }

    /// A whole number, if there is one.
    pub fn whole_number(&mut self, name: &str) -> Option<u64> {
        self.optional(name).map(|WholeNumber(number)| number)
    }

    /// A whole number within limits, or `default` when the parameter is absent.
    pub fn number(
        &mut self,
        name: &str,
        limits: std::ops::RangeInclusive<u64>,
        default: u64,
    ) -> u64 {
        let Some(text) = self.value(name) else {
            return default;
        };
        match text.parse().map(|WholeNumber(number)| number) {
            Ok(number) if limits.contains(&number) => return number,
            Ok(_) => {
                let message = format!("must be from {} to {}", limits.start(), limits.end());
                self.refuse(name, &errors::FIELD_OUT_OF_RANGE, message);
            }
            Err(problem) => self.refuse(name, &errors::FIELD_MALFORMED, problem.to_string()),
        }
        default
    }

    /// The page that `page` and `perPage` name.
    pub fn page(&mut self) -> Page {
        let fit = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Page {
            page: fit(self.number("page", 1..=PAGE_MAX, 1)),
            per_page: fit(self.number("perPage", 1..=PER_PAGE_MAX, PER_PAGE_DEFAULT)),
        }
    }

    /// A switch: `true` or `false`, off when absent.
    pub fn switch(&mut self, name: &str) -> bool {
        match self.value(name).as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                self.refuse(name, &errors::FIELD_MALFORMED, "must be true or false");
                false
            }
        }
    }

    /// Notes that a parameter is wrong.
    pub fn refuse(
        &mut self,
        name: &str,
        code: &'static errors::ErrorCode,
        message: impl Into<String>,
    ) {
        self.problems.push(FieldProblem::new(name, code, message));
    }

    /// Says whether everything was right and everything was read.
    ///
    /// # Errors
    /// A validation error that names every parameter that is missing, malformed or unknown.
    pub fn finish(mut self) -> Result<(), Problem> {
        for (name, _) in &self.unread {
            if !self.problems.iter().any(|problem| problem.field == *name) {
                self.problems.push(FieldProblem::new(
                    name.as_str(),
                    &errors::FIELD_UNKNOWN,
                    "is no parameter of this operation",
                ));
            }
        }
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(Problem::validation(self.problems))
        }
    }
}

impl<S: Sync> FromRequestParts<S> for QueryParameters {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use farelog_events::id::OrderId;

    use super::*;

    fn codes(query: QueryParameters) -> Vec<(String, &'static str)> {
        let Err(problem) = query.finish() else {
            return Vec::new();
        };
        problem
            .errors()
            .iter()
            .map(|error| (error.field.clone(), error.code.code))
            .collect()
    }

    #[test]
    fn what_is_read_and_right_is_accepted() {
        let mut query = QueryParameters::parse("orderId=ENT%3AOrder%3A1&page=2&dryRun=true");
        assert_eq!(
            query.required::<OrderId>("orderId").unwrap().as_str(),
            "ENT:Order:1"
        );
        assert_eq!(query.number("page", 1..=100, 1), 2);
        assert_eq!(query.number("perPage", 1..=100, 20), 20);
        assert!(query.switch("dryRun"));
        assert!(query.finish().is_ok());
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let mut query = QueryParameters::parse("page=0&orderid=1&dryRun=yes&perPage=x&at=1&at=2");
        assert_eq!(query.required::<OrderId>("orderId"), None);
        query.number("page", 1..=100, 1);
        query.number("perPage", 1..=100, 20);
        query.switch("dryRun");
        query.text("at");
        let expected = [
            ("orderId", "missing"),
            ("page", "out-of-range"),
            ("perPage", "malformed"),
            ("dryRun", "malformed"),
            ("at", "repeated"),
            ("orderid", "unknown-field"),
        ];
        let expected = expected.map(|(field, code)| (field.to_owned(), code));
        assert_eq!(codes(query), expected);
    }

    #[test]
    fn a_query_has_a_limited_number_of_parameters() {
        let mut query = QueryParameters::parse(&"a=1&".repeat(QUERY_PARAMETERS_MAX + 1));
        assert_eq!(query.values("a").len(), QUERY_PARAMETERS_MAX + 1);
        assert_eq!(codes(query), [("query".to_owned(), "out-of-range")]);
    }
}
