//! The HTTP interface (contract, section 1). Each operation stands in the module named after what it is about; what all
//! have in common stands in one module each:
//!
//! - [`problem`]: errors as they are answered; [`crate::errors`] is the catalogue of their codes.
//! - [`correlation`]: the correlation id and the log line of each request; [`figures`]: how many, and how long.
//! - [`position`]: how far an answer is, and waiting for more.
//! - [`query`], [`path`], [`body`]: what is read of a request, and how it is refused.
//! - [`question`]: what is asked another way than by HTTP.
//! - [`openapi`]: the description of it all.
//!
//! There are no rules here: handlers read a request, have the engine ask or decide, and answer.

mod body;
mod bounds;
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
mod figures;
mod health;
mod language;
mod member_view;
mod members;
mod mistakes;
mod openapi;
mod operate;
mod orders;
mod origin;
mod panic;
mod path;
mod position;
mod precondition;
mod problem;
mod programs;
mod query;
mod question;
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
mod unreadable;
mod work;

use axum::Router;
use axum::middleware::from_fn_with_state;
use tower::ServiceBuilder;
use utoipa::openapi::OpenApi;
use utoipa::{Modify as _, OpenApi as _};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use health::Health;
pub use query::{PAGE_MAX, PER_PAGE_DEFAULT, PER_PAGE_MAX};
pub use question::{Question, Questions};
pub use source::Source;
pub use state::Server;
pub use unreadable::Unreadable;

use crate::errors;
use correlation::CorrelationLayer;
use problem::Problem;

/// The router with all operations and layers.
pub fn router(server: Server) -> Router {
    figures::describe();
    let operations = operations(server.public_url());
    layered(described(operations).0, server)
}

/// The operations, and their description with what they have in common.
fn described(operations: OpenApiRouter<Server>) -> (Router<Server>, OpenApi) {
    let (router, mut description) = OpenApiRouter::with_openapi(openapi::Description::openapi())
        .merge(operations)
        .split_for_parts();
    openapi::CommonParts.modify(&mut description);
    (router, description)
}

/// Operations with all that stands before them, from the outside in: correlation, with host, time and panics; origin.
///
/// One layer of the router's: it keeps each apart in a box, and copies and fills all the boxes for each request.
fn layered(operations: Router<Server>, server: Server) -> Router {
    operations
        .fallback(|| async { Problem::new(&errors::PATH_UNKNOWN, "No operation has this path.") })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                &errors::METHOD_NOT_ALLOWED,
                "The path does not take this method; see the header Allow.",
            )
        })
        .layer(
            ServiceBuilder::new()
                .layer(CorrelationLayer::new(server.clone()))
                .layer(origin::same_origin(server.public_url())),
        )
        .with_state(server)
}

/// All operations, with what stands before the addresses that answers name.
fn operations(public_url: &str) -> OpenApiRouter<Server> {
    #[expect(
        deprecated,
        reason = "operations 5 and 6 are served for as long as they have callers"
    )]
    let deprecated = OpenApiRouter::new()
        .routes(routes!(distributions::distribute_as_qr_code))
        .routes(routes!(distributions::distribute_on_travel_card))
        .layer(from_fn_with_state(
            public_url.into(),
            deprecation::deprecated,
        ));
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
