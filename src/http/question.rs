//! What is asked another way than by HTTP: an operation by its name, with a JSON object of all that it takes.
//!
//! It becomes the request of HTTP that asks the same and goes the way of every request. So it is refused, counted, logged and
//! answered as that is.

use std::fmt::{self, Display, Formatter};
use std::future::ready;
use std::str::FromStr;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use axum::response::Response;
use axum::routing::any;
use farelog_events::id::{OrderId, ProgramId};
use farelog_events::json::wording;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};
use tower::ServiceExt as _;

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

/// Largest question, in bytes. It is a few ids.
const QUESTION_BYTES_MAX: usize = 64 * 1024;

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

    /// The path of the operation, as the router has it.
    fn route(self) -> &'static str {
        match self {
            Self::Transactions => "/personalisation/v1/transactions",
            Self::Register => "/personalisation/v1/programs/{programId}/deferred-registration",
            Self::Summary => "/sales/v1/ticket-distributions/{orderId}/summary",
        }
    }

    fn method(self) -> Method {
        match self {
            Self::Transactions | Self::Summary => Method::GET,
            Self::Register => Method::POST,
        }
    }

    /// The request that asks it, with what `asked` says.
    fn request(self, asked: &[u8]) -> Result<Request<Body>, Problem> {
        let mut asked = fields(asked)?;
        match self {
            Self::Transactions => self.with(self.route(), &asked),
            Self::Summary => {
                let order: OrderId = take(&mut asked, "orderId")?;
                let path = self.route().replace("{orderId}", order.as_str());
                self.with(&path, &asked)
            }
            Self::Register => {
                let program: ProgramId = take(&mut asked, "programId")?;
                let named = QUERY_PARAMETERS.into_iter();
                let parameters: Map<String, Value> =
                    named.filter_map(|name| asked.remove_entry(name)).collect();
                let path = self.route().replace("{programId}", &program.to_string());
                let mut request = self.with(&path, &parameters)?;
                *request.body_mut() = Body::from(Value::Object(asked).to_string());
                let json = HeaderValue::from_static("application/json");
                request.headers_mut().insert(header::CONTENT_TYPE, json);
                Ok(request)
            }
        }
    }

    fn with(self, path: &str, parameters: &Map<String, Value>) -> Result<Request<Body>, Problem> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in parameters {
            query.append_pair(name, &text(name, value)?);
        }
        let address = format!("{path}?{}", query.finish());
        let mut request = Request::new(Body::empty());
        *request.method_mut() = self.method();
        *request.uri_mut() = address.parse().map_err(|_| {
            Problem::new(
                &errors::ADDRESS_TOO_LONG,
                "The fields together are longer than the server takes.",
            )
        })?;
        Ok(request)
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
        match question.request(asked) {
            Ok(mut request) => {
                request.headers_mut().extend(headers);
                answered(self.router.clone(), request).await
            }
            Err(problem) => self.refuse(question, headers, problem).await,
        }
    }

    /// The answer to a question that there is no place for.
    pub async fn turn_away(&self, question: Question, headers: HeaderMap) -> Response {
        let problem = Problem::new(
            &errors::SERVICE_UNAVAILABLE,
            "As many questions of this kind as the server takes at once are being answered.",
        );
        self.refuse(question, headers, problem).await
    }

    /// A refusal has what every answer has: it is counted, logged and completed as one of the operation.
    async fn refuse(&self, question: Question, headers: HeaderMap, problem: Problem) -> Response {
        let refused = move || ready(problem.clone());
        let router = Router::new()
            .route(question.route(), any(refused))
            .layer(CorrelationLayer::new(self.server.clone()));
        let mut request = Request::new(Body::empty());
        *request.method_mut() = question.method();
        *request.uri_mut() = Uri::from_static(question.route());
        *request.headers_mut() = headers;
        answered(router, request).await
    }
}

async fn answered(router: Router, request: Request<Body>) -> Response {
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// The fields of what is asked; none where nothing is said.
fn fields(asked: &[u8]) -> Result<Map<String, Value>, Problem> {
    if asked.len() > QUESTION_BYTES_MAX {
        return Err(Problem::new(
            &errors::BODY_TOO_LARGE,
            format!("The question is larger than {QUESTION_BYTES_MAX} bytes."),
        ));
    }
    if asked.is_empty() {
        return Ok(Map::new());
    }
    let Fields(mut fields) = body::parse(asked)?;
    // Null says what an absent field says.
    fields.retain(|_, value| !value.is_null());
    Ok(fields)
}

/// An object whose fields stand once each: which of two were meant nobody can tell.
struct Fields(Map<String, Value>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OncePerName).map(Self)
    }
}

struct OncePerName;

impl<'de> Visitor<'de> for OncePerName {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut read = Map::new();
        while let Some((name, value)) = fields.next_entry::<String, Value>()? {
            if read.contains_key(&name) {
                return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
            }
            read.insert(name, value);
        }
        Ok(read)
    }
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

    #[test]
    fn what_is_no_object_is_told_to_be_one() {
        let problem = Question::Summary.request(b"[]").unwrap_err();
        assert_eq!(problem.errors()[0].message, "must be an object");
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
            (
                Register,
                r#"{"programId":7,"customerId":"C1","customerId":"C2"}"#,
                "customerId",
                "malformed",
            ),
            (
                Register,
                r#"{"programId":7,"dryRun":true,"dryRun":null}"#,
                "dryRun",
                "malformed",
            ),
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
