//! Simulation of programs over the log (operation 17).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use farelog_events::time;
use farelog_projections::program::CompiledProgram;
use farelog_replay::simulation::{
    CandidatesRefused, NAMED_MEMBERS_MAX, SimulationCommand, SimulationError, check_candidates,
    check_count, simulate,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::JsonBody;
use super::problem::Problem;
use super::programs::{compile, not_valid};
use super::query::QueryParameters;
use super::state::Server;
use super::work::{Progress, streamed};
use crate::engine::EngineError;
use crate::errors;

/// How many winners and losers a report names when the request does not say.
const NAMED_MEMBERS_DEFAULT: usize = 10;

/// Which programs to simulate.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SimulationRequest {
    /// The candidates, up to 16; each stands in the place of the program with its id.
    #[schema(min_items = 1, max_items = 16)]
    programs: Vec<CandidateDocument>,
    /// A candidate stands for what was recorded at this time or later; from the first record on when absent
    #[serde(default, deserialize_with = "time::optional")]
    from: Option<DateTime<Utc>>,
    /// How many winners and losers to name, up to 1,000; 10 when absent
    #[schema(maximum = 1_000, default = 10)]
    named_members: Option<usize>,
}

impl SimulationRequest {
    fn named_members(&self) -> usize {
        self.named_members.unwrap_or(NAMED_MEMBERS_DEFAULT)
    }

    fn check(&self) -> Result<(), Problem> {
        if self.named_members() <= NAMED_MEMBERS_MAX {
            return Ok(());
        }
        Err(Problem::field(
            "namedMembers",
            &errors::FIELD_OUT_OF_RANGE,
            format!("must be at most {NAMED_MEMBERS_MAX}"),
        ))
    }
}

/// A candidate's document.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CandidateDocument {
    /// `application/toml` or `application/json`
    media_type: String,
    /// The document as text (domain, section 2)
    document: String,
}

/// Simulates programs: what they would have given, against what stands
///
/// The log as it is now is folded by the candidates and by what was published, and the difference is the result: points and
/// members by definition, totals, and the members who would have most more and most less. Nothing is recorded and no
/// other system is told anything. The answer is lines of JSON: `{"progress": {"position", "lastPosition"}}` while it goes on,
/// empty ones, and `{"result": …}` as the last. An answer without it broke off. It ends when the client goes. A program
/// that would not be published is refused before anything runs.
#[utoipa::path(
    post,
    path = "/v1/operate/simulations",
    operation_id = "simulatePrograms",
    tag = "operate",
    request_body = SimulationRequest,
    responses(
        (status = 200, description = "Progress, and the report as the last line", body = String,
            content_type = "application/x-ndjson"),
        (status = 400, description = "`validation-failed`, `program-refused`"),
        (status = 409, description = "`work-under-way`"),
    )
)]
pub async fn run(
    State(server): State<Server>,
    query: QueryParameters,
    body: JsonBody<SimulationRequest>,
) -> Result<Response, Problem> {
    let request = body.checked(SimulationRequest::check).finish(query)?;
    // A program that was just published is to be known here.
    server.engine().caught_up().await?;
    let command = SimulationCommand {
        candidates: candidates(&server, &request.programs)?,
        from: request.from,
        named_members: request.named_members(),
    };
    streamed(&server, move |log, projections, listener| {
        simulate(projections, log, &command, |progress| {
            listener.tell(Progress {
                position: progress.position,
                last_position: progress.last_position,
            })
        })
        .map_err(EngineError::from)
    })
}

/// Compiles the candidates as publication would.
fn candidates(
    server: &Server,
    documents: &[CandidateDocument],
) -> Result<Vec<Arc<CompiledProgram>>, Problem> {
    check_count(documents.len()).map_err(|refused| not_simulated(0, refused))?;
    let mut candidates = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        let place = format!("programs[{index}]");
        let compiled = compile(&document.media_type, document.document.as_bytes(), &place)?;
        candidates.push(Arc::new(compiled));
    }
    let published = server.projections().programs();
    check_candidates(&published, candidates.iter().map(AsRef::as_ref))
        .map_err(|(index, refused)| not_simulated(index, refused))?;
    Ok(candidates)
}

fn not_simulated(index: usize, refused: CandidatesRefused) -> Problem {
    let place = format!("programs[{index}]");
    match refused {
        CandidatesRefused::NotPublishable(refused) => not_valid(&refused, &place),
        CandidatesRefused::SameProgram(_) => Problem::field(
            format!("{place}.id"),
            &errors::DUPLICATE,
            refused.to_string(),
        ),
        CandidatesRefused::None | CandidatesRefused::TooMany(_) => {
            Problem::field("programs", &errors::FIELD_OUT_OF_RANGE, refused.to_string())
        }
    }
}

impl From<SimulationError> for EngineError {
    fn from(error: SimulationError) -> Self {
        match error {
            SimulationError::Log(error) => Self::Log(error),
            SimulationError::Projections(error) => Self::Projections(error),
        }
    }
}
