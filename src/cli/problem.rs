//! Errors that the server answers, and what they mean for a command.

use std::fmt::Write as _;

use reqwest::StatusCode;
use serde::Deserialize;

use super::exit::Failure;

/// An error that the server answered (RFC 9457).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The kind of error.
    pub title: String,
    /// What was wrong this time.
    pub detail: Option<String>,
    /// What was wrong with which field (400).
    pub errors: Vec<FieldProblem>,
    /// Why no points could be given (422).
    pub reasons: Vec<Reason>,
    /// Where to look in the server's log.
    pub correlation_id: Option<String>,
    /// The body, as it came.
    #[serde(skip)]
    pub body: String,
}

/// What is wrong with a field.
#[derive(Debug, Deserialize)]
pub struct FieldProblem {
    /// The field, by its path.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

/// Why a deferred registration gives no points.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// The code of domain.md, section 4.
    pub code: String,
    /// The reason in a sentence.
    pub detail: String,
    /// The point definition that it is about; absent where it is about the whole line.
    pub point_definition_reference: Option<String>,
}

/// Why a request has no good answer.
#[derive(Debug)]
pub enum CallError {
    /// The server said no.
    Problem(Box<Problem>),
    /// There is no answer to go by.
    Failure(Failure),
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Problem(problem) => problem.into_failure(),
            CallError::Failure(failure) => failure,
        }
    }
}

impl Problem {
    /// Whether it is the refusal of a well-formed request.
    pub fn is_refusal(&self) -> bool {
        self.status == StatusCode::UNPROCESSABLE_ENTITY
    }

    /// Reads the body of an answer with a status of failure.
    pub fn of(status: StatusCode, body: String) -> Self {
        // Something between here and the server may answer with a page of its own.
        let mut problem: Self = serde_json::from_str(&body).unwrap_or_default();
        problem.status = status.as_u16();
        if problem.title.is_empty() {
            problem.title = format!("the server answered {status}");
        }
        problem.body = body;
        problem
    }

    fn into_failure(self) -> Failure {
        let is_refusal = self.is_refusal();
        let mut sentence = self.detail.unwrap_or(self.title);
        // The detail names the only one itself.
        if self.errors.len() > 1 {
            for FieldProblem { field, message } in &self.errors {
                let _ = write!(sentence, "\n  {field}: {message}");
            }
        }
        if self.status >= 500
            && let Some(correlation_id) = self.correlation_id
        {
            let _ = write!(sentence, " (correlation id {correlation_id})");
        }
        if is_refusal {
            Failure::Refused(sentence)
        } else {
            Failure::Failed(sentence)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_ends_the_command_otherwise_than_a_failure() {
        let body =
            r#"{"title":"Refused","status":422,"detail":"No points can be given","reasons":[]}"#;
        let refused = Problem::of(StatusCode::UNPROCESSABLE_ENTITY, body.to_owned());
        assert!(
            matches!(refused.into_failure(), Failure::Refused(sentence) if sentence == "No points can be given")
        );

        let body = r#"{"title":"Bad request","detail":"The request is not valid","errors":[
            {"field":"orderId","message":"is missing","code":"field-missing"},
            {"field":"page","message":"must be at least 1","code":"field-out-of-range"}]}"#;
        let invalid = Problem::of(StatusCode::BAD_REQUEST, body.to_owned());
        assert!(matches!(invalid.into_failure(),
            Failure::Failed(sentence) if sentence == "The request is not valid\n  orderId: is missing\n  page: must be at least 1"));
    }

    #[test]
    fn a_page_of_something_between_is_told_by_its_status() {
        let strange = Problem::of(StatusCode::BAD_GATEWAY, "<html>".to_owned());
        assert!(matches!(strange.into_failure(),
            Failure::Failed(sentence) if sentence == "the server answered 502 Bad Gateway"));
    }
}
