//! Descriptions: of the interface as OpenAPI, of error codes as pages (operation 16).

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse, Response};

use super::path::PathParameters;
use super::problem::Problem;
use super::query::QueryParameters;
use super::state::Server;
use super::{described, operations};
use crate::errors;

/// The description of this interface
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "getOpenApi",
    tag = "health",
    responses((status = 200, description = "An OpenAPI document", body = Object, content_type = "application/json"))
)]
pub async fn openapi(
    State(server): State<Server>,
    query: QueryParameters,
) -> Result<Response, Problem> {
    query.finish()?;
    let description = server.description();
    Ok(([(CONTENT_TYPE, "application/json")], description).into_response())
}

/// The description of the interface as it is at an address, as JSON.
pub fn description(public_url: &str) -> Bytes {
    let mut description = described(operations("")).1;
    // Without a word of it the paths are those of the host that the description came from.
    if !public_url.is_empty() {
        description.servers = Some(vec![utoipa::openapi::Server::new(public_url)]);
    }
    // It is built from constants; it can't fail to become JSON, and a test reads it.
    description.to_json().unwrap_or_default().into()
}

/// All error codes
#[utoipa::path(
    get,
    path = "/docs/errors",
    operation_id = "getErrorPages",
    tag = "health",
    responses((status = 200, description = "A page with a link for each code", body = String, content_type = "text/html"))
)]
pub async fn error_index(query: QueryParameters) -> Result<Html<String>, Problem> {
    query.finish()?;
    Ok(Html(errors::index_html()))
}

/// What an error code means, and what to do
#[utoipa::path(
    get,
    path = "/docs/errors/{code}",
    operation_id = "getErrorPage",
    tag = "health",
    params(("code" = String, Path, description = "The `code` of an error, a field or a reason")),
    responses(
        (status = 200, description = "A page for a person", body = String, content_type = "text/html"),
        (status = 404, description = "`error-code-unknown`"),
    )
)]
pub async fn error_page(
    path: PathParameters,
    query: QueryParameters,
) -> Result<Html<String>, Problem> {
    query.finish()?;
    let code: String = path.get("code")?;
    errors::find(&code)
        .map(|code| Html(errors::html(code)))
        .ok_or_else(|| {
            Problem::new(
                &errors::ERROR_CODE_UNKNOWN,
                "No page explains this code; /docs/errors lists all there are.",
            )
        })
}
