//! The description of the interface: `/openapi.json`.
//!
//! Operations describe themselves where they are written. What all of them have in common (headers, the shape of
//! errors, the parameters for waiting) is added here, to each that has it by what it says of itself.

use std::collections::BTreeMap;

use farelog_projections::search::FILTERS;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required};
use utoipa::{Modify, OpenApi};

use super::bounds;
use super::position::{WAIT_DEFAULT_MS, WAIT_MAX_MS};
use super::problem::PROBLEM_JSON;
use super::schema::{FieldProblemView, ProblemView, ReasonView};

const DESCRIPTION: &str = "\
Points and ticket distribution groups from order events. The operations follow two public APIs of Entur: \
*personalisation client, orders* and *ticket distribution partner, ticket distributions*.

**How far an answer is.** Every answer that reads a projection carries `Farelog-Position`. With `minStreamSequence` \
(the sequence that JetStream acknowledged a publication with) or `minPosition` a request waits until the answer \
reflects it, at most `timeoutMs`, else it is answered with 504. A command is answered when what it recorded is durable \
and every later answer reflects it.

**What is not understood is refused.** Unknown query parameters and unknown fields of a body are a 400 that names \
them: a misspelt filter that is ignored gives wrong answers. Unknown headers are ignored.

**Errors** are `application/problem+json`; `type` is the address of a page that explains the code, and `/docs/errors` \
lists all codes. What is no request of HTTP at all is answered the same way (400 `request-unreadable`).

**Repeating a request** that changes something never does it twice, so after a timeout it may simply be sent again.

**Callers** may name themselves with `ET-Client-Name: <company>-<application>`; the name goes into the server's log.

**Over NATS** the service `farelog` answers the same on `farelog.query.transactions`, `farelog.query.summary` and \
`farelog.query.register`: a question is one JSON object of all parameters and of the fields of the body, an error has the \
headers `Nats-Service-Error` (the code) and `Nats-Service-Error-Code` (the status).";

/// The description without its paths, which the router adds.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "farelog",
        license(name = "Apache-2.0 OR MIT"),
        description = DESCRIPTION
    ),
    components(schemas(ProblemView, FieldProblemView, ReasonView)),
    tags(
        (name = "transactions", description = "Points transactions"),
        (name = "deferred registration", description = "Points after the fact"),
        (name = "members", description = "Members of programs"),
        (name = "customers", description = "Customers over all programs, and those that were merged"),
        (name = "programs", description = "Programs and their point definitions"),
        (name = "ticket distributions", description = "Tickets on their way to the ticket systems"),
        (name = "orders", description = "What happened to an order"),
        (name = "operate", description = "For operators and the command line"),
        (name = "health", description = "Health, figures and this description"),
    )
)]
pub struct Description;

/// Adds to every operation what it has in common with others.
pub struct CommonParts;

impl Modify for CommonParts {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let schemas = openapi
            .components
            .iter_mut()
            .flat_map(|all| all.schemas.values_mut());
        for schema in schemas {
            bound_fields(schema);
        }
        for (path, item) in &mut openapi.paths.paths {
            let reads_projections = reads_projections(path);
            let operations = [
                &mut item.get,
                &mut item.put,
                &mut item.post,
                &mut item.delete,
                &mut item.patch,
            ];
            for operation in operations.into_iter().flatten() {
                complete(operation, reads_projections);
            }
        }
    }
}

/// Whether the answer tells of events: health, figures and descriptions are about the server itself.
fn reads_projections(path: &str) -> bool {
    !["/health/", "/metrics", "/openapi.json", "/docs/"]
        .iter()
        .any(|own| path.starts_with(own))
}

fn complete(operation: &mut Operation, reads_projections: bool) {
    let is_search = operation.operation_id.as_deref() == Some("searchTicketDistributionGroups");
    let waits = operation.responses.responses.contains_key("504");
    let parameters = operation.parameters.get_or_insert_default();
    parameters.push(header_parameter(
        "X-Correlation-Id",
        "Connects the request with all that it causes; made when absent or unfit (more than 256 characters, or others \
         than visible ASCII)",
    ));
    parameters.push(header_parameter(
        "ET-Client-Name",
        "Who calls, `<company>-<application>`; a name of another form is taken for none",
    ));
    if operation
        .tags
        .iter()
        .flatten()
        .any(|tag| tag == "ticket distributions")
        && operation.responses.responses.contains_key("409")
    {
        parameters.push(header_parameter("Entur-Pos", "The point of sale"));
        parameters.push(header_parameter(
            "Entur-Distribution-Channel",
            "The distribution channel, for example `ENT:DistributionChannel:App`",
        ));
        parameters.push(header_parameter(
            "Accepts-Language",
            "The language of the tickets: `nob`, which is the default, `nno` or `eng`; `Accept-Language` serves too",
        ));
    }
    if waits {
        parameters.extend(wait_parameters().map(RefOr::T));
    }
    for parameter in parameters {
        if let RefOr::T(parameter) = parameter
            && let Some(RefOr::T(schema)) = &mut parameter.schema
        {
            // The filters of a search are texts that may begin with an operator.
            let is_filter = parameter.parameter_in == ParameterIn::Query
                && FILTERS.contains(&parameter.name.as_str())
                && is_search;
            if !is_filter {
                bounds::describe_parameter(&parameter.name, schema);
            }
        }
    }
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        for content in body.content.values_mut() {
            if let RefOr::T(content) = content
                && let Some(schema) = &mut content.schema
            {
                absent_rather_than_null(schema);
            }
        }
    }
    let has_body = operation.request_body.is_some();
    let responses = &mut operation.responses.responses;
    for (status, description) in COMMON_ERRORS {
        if *status != "415" || has_body {
            responses
                .entry((*status).to_owned())
                .or_insert_with(|| RefOr::T(Response::new(*description)));
        }
    }
    if let Some(RefOr::T(refused)) = responses.get_mut("400") {
        refused.description.push_str(", `request-unreadable`");
    }
    let is_deprecated = operation.deprecated.is_some();
    for (status, response) in responses.iter_mut() {
        if let RefOr::T(response) = response {
            let taken = std::mem::take(response);
            *response = with_common_parts(taken, status, reads_projections, is_deprecated);
        }
    }
}

/// Bounds the fields of an object, and of the objects within it.
fn bound_fields(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::Object(object)) = schema else {
        return;
    };
    for (name, field) in &mut object.properties {
        bound_fields(field);
        if let RefOr::T(field) = field {
            bounds::describe(name, field);
        }
    }
}

/// Errors that every operation can answer with.
const COMMON_ERRORS: &[(&str, &str)] = &[
    ("400", "`validation-failed`"),
    ("403", "`cross-origin`"),
    ("408", "`request-timeout`"),
    ("413", "`body-too-large`"),
    ("414", "`address-too-long`"),
    ("415", "`media-type-unsupported`"),
    ("421", "`host-unknown`"),
    ("431", "`headers-too-large`"),
    ("500", "`internal-error`"),
    ("503", "`service-unavailable`"),
];

fn with_common_parts(
    response: Response,
    status: &str,
    reads_projections: bool,
    is_deprecated: bool,
) -> Response {
    let is_error = status.starts_with(['4', '5']);
    let mut headers: BTreeMap<&str, &str> = BTreeMap::new();
    headers.insert("X-Correlation-Id", "The request's correlation id");
    // Of what is found in the projections. A conflict may be of other work that runs.
    let is_found = ["404", "412", "422", "504"].contains(&status);
    if reads_projections && (is_found || !is_error) {
        headers.insert(
            "Farelog-Position",
            "The log position that the answer reflects",
        );
    }
    if is_deprecated {
        headers.insert("Deprecation", "Since when it is deprecated (RFC 9745)");
        headers.insert("Link", "The operation that replaces it");
    }
    if ["503", "504"].contains(&status) {
        headers.insert("Retry-After", "When to ask again, in seconds");
    }
    let mut builder = ResponseBuilder::from(response);
    for (name, description) in headers {
        builder = builder.header(
            name,
            HeaderBuilder::new().description(Some(description)).build(),
        );
    }
    if is_error {
        let problem = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name("Problem")))
            .build();
        builder = builder.content(PROBLEM_JSON, problem);
    }
    builder.build()
}

/// A body that may be left out is described as one that may be null; but null is a body, and none that is taken.
fn absent_rather_than_null(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::OneOf(choices)) = schema else {
        return;
    };
    let mut named = choices
        .items
        .iter()
        .filter(|choice| matches!(choice, RefOr::Ref(_)));
    if let (Some(only), None) = (named.next(), named.next()) {
        *schema = only.clone();
    }
}

fn header_parameter(name: &str, description: &str) -> RefOr<Parameter> {
    parameter(name, ParameterIn::Header, description, text()).into()
}

fn wait_parameters() -> [Parameter; 3] {
    let in_query =
        |name, description: &str| parameter(name, ParameterIn::Query, description, whole_number());
    [
        in_query(
            "minStreamSequence",
            "Wait until the answer reflects this sequence of the stream",
        ),
        in_query(
            "minPosition",
            "Wait until the answer reflects this log position",
        ),
        in_query(
            "timeoutMs",
            &format!(
                "How long to wait, in milliseconds: {WAIT_DEFAULT_MS} when absent, at most {WAIT_MAX_MS}"
            ),
        ),
    ]
}

fn parameter(name: &str, place: ParameterIn, description: &str, schema: Schema) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

fn text() -> Schema {
    of_type(Type::String)
}

fn whole_number() -> Schema {
    of_type(Type::Integer)
}

fn of_type(schema_type: Type) -> Schema {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(schema_type))
        .into()
}
