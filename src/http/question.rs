//! What is asked another way than by HTTP: an operation by its name, with a JSON object of all that it takes.
//!
//! It becomes the request of HTTP that asks the same and goes the way of every request. So it is refused, counted, logged and
//! answered as that is.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::ready;
use std::str::FromStr;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, header};
use axum::response::{IntoResponse as _, Response};
use farelog_events::id::{OrderId, ProgramId};
use farelog_events::json::wording;
use serde_json::{Map, Value};
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::body;
use super::correlation::CorrelationLayer;
use super::problem::{FieldProblem, Problem};
use super::state::Server;
use crate::errors;

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// All transactions of an order (operation 1): `{"orderId": …}`.
    Transactions,
    /// Deferred registration (operation 2): its body, with `programId` and, if wanted, `dryRun`.
    Register,
    /// Summary of distribution data for an order (operation 3): `{"orderId": …}`.
    Summary,
}

/// Fields of a question that are parameters of the query, of operations that take a body.
const QUERY_PARAMETERS: [&str; 4] = ["dryRun", "minStreamSequence", "minPosition", "timeoutMs"];

impl Question {
    /// All that can be asked.
    pub const ALL: [Self; 3] = [Self::Transactions, Self::Register, Self::Summary];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transactions => "transactions",
            Self::Register => "register",
            Self::Summary => "summary",
        }
    }

    /// The request that asks it, with what `asked` says.
    fn request(self, asked: &[u8]) -> Result<Request<Body>, Problem> {
        let mut asked = fields(asked)?;
        match self {
            Self::Transactions => get("/personalisation/v1/transactions", &asked),
            Self::Summary => {
                let order: OrderId = take(&mut asked, "orderId")?;
                let path = format!("/sales/v1/ticket-distributions/{order}/summary");
                get(&path, &asked)
            }
            Self::Register => {
                let program: ProgramId = take(&mut asked, "programId")?;
                let named = QUERY_PARAMETERS.into_iter();
                let parameters: Map<String, Value> =
                    named.filter_map(|name| asked.remove_entry(name)).collect();
                let path = format!("/personalisation/v1/programs/{program}/deferred-registration");
                let mut request = get(&path, &parameters)?;
                *request.method_mut() = Method::POST;
                *request.body_mut() = Body::from(Value::Object(asked).to_string());
                let json = HeaderValue::from_static("application/json");
                request.headers_mut().insert(header::CONTENT_TYPE, json);
                Ok(request)
            }
        }
    }
}

/// Answers questions.
#[derive(Clone)]
pub struct Questions {
    router: Router,
    server: Server,
}

impl Questions {
    /// To be answered by a server, whose router this is.
    pub fn new(router: Router, server: Server) -> Self {
        Self { router, server }
    }

    /// The answer to a question, as over HTTP. Of headers those count that every request may have.
    pub async fn answer(&self, question: Question, headers: HeaderMap, asked: &[u8]) -> Response {
        let (mut request, problem) = match question.request(asked) {
            Ok(request) => (request, None),
            Err(problem) => (Request::new(Body::empty()), Some(problem)),
        };
        request.headers_mut().extend(headers);
        let answered = match problem {
            None => self.router.clone().oneshot(request).await,
            // What every answer has, it gets where every answer does.
            Some(problem) => {
                let refused = service_fn(move |_: Request<Body>| {
                    ready(Ok::<_, Infallible>(problem.clone().into_response()))
                });
                let layer = CorrelationLayer::new(self.server.clone());
                layer.layer(refused).oneshot(request).await
            }
        };
        match answered {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// The fields of what is asked; none where nothing is said.
fn fields(asked: &[u8]) -> Result<Map<String, Value>, Problem> {
    if asked.is_empty() {
        return Ok(Map::new());
    }
    let Value::Object(mut fields) = body::parse(asked)? else {
        let problem = "must be an object";
        return Err(Problem::field("body", &errors::FIELD_MALFORMED, problem));
    };
    // Null says what an absent field says.
    fields.retain(|_, value| !value.is_null());
    Ok(fields)
}

/// Takes out what stands in the path of an operation.
fn take<T: FromStr<Err: Display>>(
    asked: &mut Map<String, Value>,
    name: &str,
) -> Result<T, Problem> {
    let value = asked
        .remove(name)
        .ok_or_else(|| Problem::validation(vec![FieldProblem::missing(name)]))?;
    text(name, &value)?.parse().map_err(|error: T::Err| {
        let message = wording::sentence(&error.to_string());
        Problem::field(name, &errors::FIELD_MALFORMED, message)
    })
}

fn get(path: &str, parameters: &Map<String, Value>) -> Result<Request<Body>, Problem> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        query.append_pair(name, &text(name, value)?);
    }
    let address = format!("{path}?{}", query.finish());
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = address.parse().map_err(|_| {
        Problem::new(
            &errors::ADDRESS_TOO_LONG,
            "The fields together are longer than the server takes.",
        )
    })?;
    Ok(request)
}

/// A value as an address has it.
fn text(name: &str, value: &Value) -> Result<String, Problem> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        _ => {
            let problem = "must be a string, a number, true or false";
            Err(Problem::field(name, &errors::FIELD_MALFORMED, problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(question: Question, asked: &str) -> String {
        let request = question.request(asked.as_bytes()).unwrap();
        format!("{} {}", request.method(), request.uri())
    }

    fn wrong(question: Question, asked: &str) -> (String, &'static str) {
        let problem = question.request(asked.as_bytes()).unwrap_err();
        let error = &problem.errors()[0];
        (error.field.clone(), error.code.code)
    }

    #[test]
    fn a_question_is_the_request_that_asks_the_same() {
        use Question::{Register, Summary, Transactions};
        for (question, asked, expected) in [
            (
                Transactions,
                r#"{"orderId":"O 1","minPosition":7,"timeoutMs":null}"#,
                "GET /personalisation/v1/transactions?minPosition=7&orderId=O+1",
            ),
            (Transactions, "", "GET /personalisation/v1/transactions?"),
            (
                Summary,
                r#"{"orderId":"ENT:Order:1","page":1}"#,
                "GET /sales/v1/ticket-distributions/ENT:Order:1/summary?page=1",
            ),
            (
                Register,
                r#"{"programId":7,"orderId":"O1","dryRun":true}"#,
                "POST /personalisation/v1/programs/7/deferred-registration?dryRun=true",
            ),
        ] {
            assert_eq!(address(question, asked), expected, "{asked}");
        }
    }

    #[test]
    fn what_is_no_question_is_refused_by_its_field() {
        use Question::{Register, Summary, Transactions};
        for (question, asked, field, code) in [
            (Transactions, "[]", "body", "malformed"),
            (Transactions, "{", "body", "malformed"),
            (
                Transactions,
                r#"{"orderId":["O1"]}"#,
                "orderId",
                "malformed",
            ),
            (Summary, "{}", "orderId", "missing"),
            (Summary, r#"{"orderId":"../O1"}"#, "orderId", "malformed"),
            (Register, r#"{"programId":"x"}"#, "programId", "malformed"),
            (
                Register,
                r#"{"programId":7,"dryRun":{}}"#,
                "dryRun",
                "malformed",
            ),
        ] {
            let expected = (field.to_owned(), code);
            assert_eq!(wrong(question, asked), expected, "{asked}");
        }
    }
}
