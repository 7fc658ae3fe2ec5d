//! The HTTP interface (contract, section 1). Each operation stands in the module named after what it is about; what all
//! have in common stands in one module each:
//!
//! - [`problem`]: errors as they are answered; [`crate::errors`] is the catalogue of their codes.
//! - [`correlation`]: the correlation id, the log line and the figures of each request.
//! - [`position`]: how far an answer is, and waiting for more.
//! - [`query`], [`path`], [`body`]: what is read of a request, and how it is refused.
//! - [`openapi`]: the description of it all.
//!
//! There are no rules here: handlers read a request, have the engine ask or decide, and answer.

mod body;
mod broker;
mod caller;
mod claims;
mod client_name;
mod correlation;
mod customer_view;
mod customers;
mod dead_letters;
mod deadline;
mod deprecation;
mod distributions;
mod docs;
mod event;
mod explanation;
mod export;
mod health;
mod if_match;
mod language;
mod member_view;
mod members;
mod openapi;
mod operate;
mod orders;
mod origin;
mod path;
mod position;
mod problem;
mod programs;
mod query;
mod rebuild;
mod registration;
mod schema;
mod search;
mod simulations;
mod source;
mod state;
#[cfg(test)]
mod tests;
mod timeline;
mod transactions;
mod work;

use std::any::Any;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;
use utoipa::{Modify as _, OpenApi as _};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use health::Health;
pub use source::Source;
pub use state::Server;

use crate::errors;
use problem::Problem;

/// The router with all operations and layers.
pub fn router(server: Server) -> Router {
    correlation::describe_metrics();
    let (router, description) = described(operations());
    // A description that is built from constants; it can't fail to become JSON, and a test reads it.
    let json = description.to_json().unwrap_or_default();
    layered(router, server).layer(Extension(docs::OpenApiJson(Arc::from(json))))
}

/// The operations, and their description with what they have in common.
fn described(operations: OpenApiRouter<Server>) -> (Router<Server>, OpenApi) {
    let (router, mut description) = OpenApiRouter::with_openapi(openapi::Description::openapi())
        .merge(operations)
        .split_for_parts();
    openapi::CommonParts.modify(&mut description);
    (router, description)
}

/// Operations with all that stands before them, from the outside in: correlation, with host and time;
/// origin, panics, limits.
fn layered(operations: Router<Server>, server: Server) -> Router {
    operations
        .fallback(|| async { Problem::new(&errors::PATH_UNKNOWN, "No operation has this path.") })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                &errors::METHOD_NOT_ALLOWED,
                "The path does not take this method; see the header Allow.",
            )
        })
        .layer(DefaultBodyLimit::max(body::BODY_BYTES_MAX))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(origin::same_origin(server.public_url()))
        .layer(from_fn_with_state(server.clone(), correlation::correlate))
        .with_state(server)
}

/// All operations.
fn operations() -> OpenApiRouter<Server> {
    #[expect(
        deprecated,
        reason = "operations 5 and 6 are served for as long as they have callers"
    )]
    let deprecated = OpenApiRouter::new()
        .routes(routes!(distributions::distribute_as_qr_code))
        .routes(routes!(distributions::distribute_on_travel_card))
        .layer(from_fn(deprecation::deprecated));
    OpenApiRouter::new()
        .routes(routes!(transactions::of_order))
        .routes(routes!(transactions::of_member))
        .routes(routes!(explanation::of_transaction))
        .routes(routes!(registration::register))
        .routes(routes!(members::list, members::enrol))
        .routes(routes!(members::show, members::change, members::withdraw))
        .routes(routes!(customers::memberships))
        .routes(routes!(customers::status))
        .routes(routes!(programs::list))
        .routes(routes!(programs::show, programs::publish))
        .routes(routes!(distributions::summarise))
        .routes(routes!(distributions::generate))
        .routes(routes!(distributions::distribute_groups))
        .routes(routes!(search::groups))
        .merge(deprecated)
        .routes(routes!(orders::timeline))
        .routes(routes!(explanation::of_order))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::retry_all))
        .routes(routes!(dead_letters::show))
        .routes(routes!(dead_letters::retry))
        .routes(routes!(dead_letters::discard))
        .routes(routes!(operate::log_stats))
        .routes(routes!(export::export))
        .routes(routes!(simulations::run))
        .routes(routes!(rebuild::run))
        .routes(routes!(claims::plan))
        .routes(routes!(claims::apply))
        .routes(routes!(registration::revoke))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .routes(routes!(docs::openapi))
        .routes(routes!(docs::error_index))
        .routes(routes!(docs::error_page))
}

#[expect(clippy::needless_pass_by_value, reason = "the layer hands panics over")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message");
    Problem::internal(&said).into_response()
}
