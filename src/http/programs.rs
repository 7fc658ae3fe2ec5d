//! Programs: list, show, publish (operation 11; domain, section 2).

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use chrono::{DateTime, Utc};
use farelog_events::event::{About, EventKind};
use farelog_events::id::ProgramId;
use farelog_events::log::Position;
use farelog_events::log::writer::Decision;
use farelog_projections::answer::Answer;
use farelog_projections::program::{
    CompiledProgram, Program, ProgramProblem, ProgramRefused, ProgramSource, PublishedProgram,
    check_publication,
};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use super::body::{self, is_json, media_type};
use super::correlation::CorrelationId;
use super::event::own_event;
use super::path::PathParameters;
use super::position::{AtLeast, answered};
use super::precondition::{Preconditions, VersionTag};
use super::problem::{FieldProblem, Problem};
use super::query::QueryParameters;
use super::schema::ProgramSchema;
use super::state::Server;
use crate::errors;

/// The media types of a program in TOML: that of the contract, and the one that some clients send.
const TOML_TYPES: [&str; 2] = ["application/toml", "text/toml"];

/// A program's document with its version.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProgramView<'p> {
    #[serde(flatten)]
    document: &'p Program,
    version: u32,
    published_at: DateTime<Utc>,
    /// Of a version that this farelog would not take any more, and that gives nothing: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<&'p [ProgramProblem]>,
}

impl<'p> From<&'p PublishedProgram> for ProgramView<'p> {
    fn from(published: &'p PublishedProgram) -> Self {
        Self {
            document: &published.compiled.program,
            version: published.version,
            published_at: published.recorded_at,
            problems: published
                .inert
                .as_ref()
                .map(|refused| refused.problems.as_slice()),
        }
    }
}

impl ProgramView<'_> {
    /// What stands for what is shown.
    fn tag(&self) -> Result<VersionTag, Problem> {
        let digest = self.problems.map(|_| {
            let shown = serde_json::to_vec(self).map_err(|error| Problem::internal(&error))?;
            Ok::<_, Problem>(xxh3_64(&shown))
        });
        Ok(VersionTag {
            version: self.version,
            digest: digest.transpose()?,
        })
    }
}

/// All programs, each in its current version, by id
#[utoipa::path(
    get,
    path = "/personalisation/v1/programs",
    operation_id = "getPrograms",
    tag = "programs",
    responses(
        (status = 200, description = "The programs", body = [ProgramSchema]),
        (status = 400, description = "`validation-failed`"),
        (status = 504, description = "`position-not-reached`"),
    )
)]
pub async fn list(
    State(server): State<Server>,
    mut query: QueryParameters,
) -> Result<Response, Problem> {
    let at_least = AtLeast::read(&mut query);
    query.finish()?;
    at_least.wait(&server).await?;
    let position = server.projections().position();
    let catalog = server.projections().programs();
    let value: Vec<ProgramView<'_>> = catalog.programs().map(ProgramView::from).collect();
    Ok(answered(Answer { position, value }))
}

/// A program in its current version
///
/// `ETag` is the version, for `If-Match` of the next publication, and for `If-None-Match` of the next reading. Of a version
/// that gives nothing it has a digest of what is shown behind it, since another farelog may see other `problems`.
#[utoipa::path(
    get,
    path = "/personalisation/v1/programs/{programId}",
    operation_id = "getProgram",
    tag = "programs",
    params(
        ("programId" = i64, Path, description = "The program"),
        ("If-None-Match" = Option<String>, Header, description = "The tag of what the reader has, which is not sent again"),
        ("If-Match" = Option<String>, Header, description = "Read only if this version is the current one"),
    ),
    responses(
        (status = 200, description = "The program", body = ProgramSchema,
         headers(("ETag" = String, description = "The version, in quotation marks"))),
        (status = 304, description = "The reader has the current version",
         headers(("ETag" = String, description = "The version, in quotation marks"))),
        (status = 400, description = "`validation-failed`"),
        (status = 404, description = "`program-unknown`"),
        (status = 412, description = "`version-mismatch`"),
        (status = 504, description = "`position-not-reached`"),
    )
)]
pub async fn show(
    State(server): State<Server>,
    path: PathParameters,
    mut query: QueryParameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let program: ProgramId = path.get("programId")?;
    let at_least = AtLeast::read(&mut query);
    query.finish()?;
    let known = Preconditions::of_reading(&headers)?;
    at_least.wait(&server).await?;
    shown(&server, program, &known)
}

/// Publishes a new version of a program
///
/// The document as JSON or TOML; the id in it is the one in the path. The same document again makes no version, however
/// it is laid out. Expressions are checked, and `errors` names every place that is wrong.
///
/// What was answered as JSON may be sent back with a change: `version`, `publishedAt` and `problems` say nothing in a
/// document. A publication that must not undo another's names the version that it was made of in `If-Match`.
#[utoipa::path(
    put,
    path = "/personalisation/v1/programs/{programId}",
    operation_id = "publishProgram",
    tag = "programs",
    params(
        ("programId" = i64, Path, description = "The program"),
        ("If-Match" = Option<String>, Header, description = "Publish only if this version is the current one"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: publish only a new program"),
    ),
    request_body(
        description = "The document (domain, section 2)",
        content((ProgramSchema = "application/json"), (String = "application/toml"))
    ),
    responses(
        (status = 200, description = "A new version, or the same document again", body = ProgramSchema,
         headers(("ETag" = String, description = "The version, in quotation marks"))),
        (status = 201, description = "A new program", body = ProgramSchema,
         headers(("ETag" = String, description = "The version, in quotation marks"))),
        (status = 400, description = "`validation-failed`, `program-refused`"),
        (status = 412, description = "`version-mismatch`"),
        (status = 415, description = "`media-type-unsupported`"),
    )
)]
pub async fn publish(
    State(server): State<Server>,
    Extension(correlation_id): Extension<CorrelationId>,
    path: PathParameters,
    query: QueryParameters,
    request: Request,
) -> Result<Response, Problem> {
    let id: ProgramId = path.get("programId")?;
    query.finish()?;
    let expected = Preconditions::of_change(request.headers())?;
    let media_type = media_type(request.headers());
    let bytes = body::read(request, &server).await?;
    let compiled = compile(&media_type, &bytes, "")?;
    if compiled.program.id != id {
        return Err(Problem::field(
            "id",
            &errors::INVALID_VALUE,
            format!(
                "is {} in the document and {id} in the path",
                compiled.program.id
            ),
        ));
    }
    let decided = server
        .engine()
        .decide(move |projections, moment| {
            let catalog = projections.programs();
            let current = catalog.current(id);
            expected
                .check(id, current.map(|current| current.version))
                .map_err(|problem| problem.reflecting(moment.head.position))?;
            let is_new = current.is_none();
            if current.is_some_and(|current| is_same(current, &compiled)) {
                return Ok(Decision {
                    events: Vec::new(),
                    answer: is_new,
                });
            }
            check_publication(&catalog, &compiled).map_err(|refused| not_valid(&refused, ""))?;
            let kind = EventKind::ProgramPublished;
            let about = About::Program(id);
            let event = own_event(kind, about, &compiled.program, moment, &correlation_id)?;
            Ok::<_, Problem>(Decision {
                events: vec![event],
                answer: is_new,
            })
        })
        .await?;
    let mut response = shown(&server, id, &Preconditions::default())?;
    if decided.answer {
        *response.status_mut() = StatusCode::CREATED;
    }
    Ok(response)
}

/// Whether publishing this would change nothing. A version that gives nothing is worth another try.
fn is_same(current: &PublishedProgram, compiled: &CompiledProgram) -> bool {
    current.inert.is_none() && current.compiled.program == compiled.program
}

/// Compiles a document. `place` is where in the request it stands: before the fields that a refusal names; empty for the
/// whole body.
pub fn compile(media_type: &str, bytes: &[u8], place: &str) -> Result<CompiledProgram, Problem> {
    let is_toml = TOML_TYPES.contains(&media_type);
    if !is_toml && !is_json(media_type) {
        return Err(Problem::new(
            &errors::MEDIA_TYPE_UNSUPPORTED,
            "A program is application/json or application/toml.",
        ));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Problem::field("body", &errors::FIELD_MALFORMED, "must be UTF-8"))?;
    let source = if is_toml {
        ProgramSource::toml(text)
    } else {
        ProgramSource::json(text)
    };
    source
        .and_then(|source| source.compile())
        .map_err(|refused| not_valid(&refused, place))
}

/// The problem of a document that stands at a place in the request.
pub fn not_valid(refused: &ProgramRefused, place: &str) -> Problem {
    let errors: Vec<FieldProblem> = refused
        .problems
        .iter()
        .map(|problem| {
            let field = match (place, problem.field.as_str()) {
                ("", "") => "body".to_owned(),
                ("", field) => field.to_owned(),
                (place, "") => place.to_owned(),
                (place, field) => format!("{place}.{field}"),
            };
            let code = errors::find(problem.code.as_str()).unwrap_or(&errors::INVALID_VALUE);
            FieldProblem::new(field, code, problem.message())
        })
        .collect();
    let detail = match errors.as_slice() {
        [only] => format!(
            "The program is not valid: {}: {}.",
            only.field, only.message
        ),
        several => format!(
            "The program is not valid in {} places; see errors.",
            several.len()
        ),
    };
    Problem::new(&errors::PROGRAM_REFUSED, detail).with_errors(errors)
}

/// The problem of a program that was not published up to a log position.
pub fn unknown_program(program: ProgramId, position: Position) -> Problem {
    Problem::new(
        &errors::PROGRAM_UNKNOWN,
        format!("There is no program {program}."),
    )
    .reflecting(position)
}

fn shown(server: &Server, program: ProgramId, known: &Preconditions) -> Result<Response, Problem> {
    let position = server.projections().position();
    let catalog = server.projections().programs();
    let published = catalog
        .current(program)
        .ok_or_else(|| unknown_program(program, position))?;
    let view = ProgramView::from(published);
    let tag = view.tag()?;
    let is_known = known
        .check_reader(program, tag)
        .map_err(|problem| problem.reflecting(position))?;
    let mut response = answered(Answer {
        position,
        value: view,
    });
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{tag}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use farelog_projections::program::ProblemCode as Code;

    use super::*;

    #[test]
    fn every_kind_of_mistake_in_a_program_has_a_page() {
        for code in [
            Code::Syntax,
            Code::MissingField,
            Code::UnknownField,
            Code::InvalidValue,
            Code::Duplicate,
            Code::TooLarge,
            Code::ExpressionSyntax,
            Code::UnknownName,
            Code::WrongType,
            Code::MapComprehension,
        ] {
            assert!(errors::find(code.as_str()).is_some(), "{code}");
        }
    }

    #[test]
    fn a_program_is_refused_with_every_place_that_is_wrong() {
        let problem = compile("application/toml", b"id = 7\nreference =", "").unwrap_err();
        assert_eq!(problem.code(), &errors::PROGRAM_REFUSED);
        assert_eq!(problem.errors()[0].code, &errors::SYNTAX);
        let problem = compile("text/plain", b"", "").unwrap_err();
        assert_eq!(problem.code(), &errors::MEDIA_TYPE_UNSUPPORTED);
    }
}
