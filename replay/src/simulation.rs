//! Simulation: what candidates for programs would have given, had they stood since some time.
//!
//! The log is folded twice by the projections' own step: by the programs as they were published, and with the
//! candidates in their place ([`Projections::try_out`]). The report is the difference. So what it says of the programs as
//! they were published is what stands, and what it says of a candidate is what a log would give in which it had been
//! published then. Nothing is recorded or told to anyone.

mod ranking;
mod report;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use farelog_events::id::ProgramId;
use farelog_events::log::{EventLog, LogError, Position};
use farelog_projections::program::{CompiledProgram, ProgramCatalog, check_publication};
use farelog_projections::trial::Candidates;
use farelog_projections::{ProjectionError, Projections};
use thiserror::Error;

pub use report::{
    DefinitionDifference, Figures, MemberDifference, ProgramDifference, SimulationReport, Totals,
};

/// Most candidates in one simulation.
pub const CANDIDATES_MAX: usize = 16;

/// Most members that a report names as winners, and as losers.
pub const NAMED_MEMBERS_MAX: usize = 1_000;

/// What to simulate.
#[derive(Debug, Clone)]
pub struct SimulationCommand {
    /// The candidates, at least one and at most [`CANDIDATES_MAX`], each with the id of the program in whose place it is to
    /// stand.
    pub candidates: Vec<Arc<CompiledProgram>>,
    /// A candidate stands for triggers whose place in the log was recorded at this time or later; before, what was
    /// published stands. `None`: from the first record on, also where the program was published later.
    pub from: Option<DateTime<Utc>>,
    /// How many winners and how many losers to name, at most [`NAMED_MEMBERS_MAX`].
    pub named_members: usize,
}

/// How far a simulation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimulationProgress {
    /// The last record that is folded.
    pub position: Position,
    /// The last one that will be.
    pub last_position: Position,
}

/// Why there is no report.
#[derive(Debug, Error)]
pub enum SimulationError {
    /// The log can't be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The projections can't be read, or a throw-away one failed.
    #[error(transparent)]
    Projections(#[from] ProjectionError),
}

/// Why candidates are refused together, each of which compiles.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CandidatesRefused {
    /// There is nothing to simulate.
    #[error("there must be at least one candidate")]
    None,
    /// There are too many.
    #[error("there may be at most {CANDIDATES_MAX} candidates, here are {0}")]
    TooMany(usize),
    /// Two would stand in the same place.
    #[error("the id {0} is another candidate's; one candidate can stand in a program's place")]
    SameProgram(ProgramId),
    /// Publication would refuse it.
    #[error("{0}")]
    NotPublishable(farelog_projections::program::ProgramRefused),
}

/// Checks candidates beyond what compiling each does: as publication would, and against each other. Gives the index of the
/// one that is wrong.
///
/// # Errors
/// [`CandidatesRefused`], for the first that is wrong.
pub fn check_candidates<'c>(
    published: &ProgramCatalog,
    candidates: impl IntoIterator<Item = &'c CompiledProgram>,
) -> Result<(), (usize, CandidatesRefused)> {
    let candidates: Vec<_> = candidates.into_iter().collect();
    check_count(candidates.len()).map_err(|refused| (0, refused))?;
    let mut ids = BTreeSet::new();
    for (index, candidate) in candidates.into_iter().enumerate() {
        let id = candidate.program.id;
        if !ids.insert(id) {
            return Err((index, CandidatesRefused::SameProgram(id)));
        }
        check_publication(published, candidate)
            .map_err(|refused| (index, CandidatesRefused::NotPublishable(refused)))?;
    }
    Ok(())
}

/// Checks how many candidates there are, for who has not compiled them yet.
///
/// # Errors
/// [`CandidatesRefused::None`] and [`CandidatesRefused::TooMany`].
pub fn check_count(candidates: usize) -> Result<(), CandidatesRefused> {
    match candidates {
        0 => Err(CandidatesRefused::None),
        1..=CANDIDATES_MAX => Ok(()),
        _ => Err(CandidatesRefused::TooMany(candidates)),
    }
}

/// Runs a simulation over the log as it is now.
///
/// `progress` is told as it goes; where it breaks, the simulation ends with `None`. It takes time and disk with the
/// length of the log, and memory with neither. There can be one at a time.
///
/// # Errors
/// [`SimulationError`]: the log or a store failed, or there is another simulation.
pub fn simulate(
    projections: &Projections,
    log: &dyn EventLog,
    command: &SimulationCommand,
    mut progress: impl FnMut(SimulationProgress) -> ControlFlow<()>,
) -> Result<Option<SimulationReport>, SimulationError> {
    let last_position = log.head().position;
    let candidates = Candidates {
        programs: command.candidates.clone(),
        from: match command.from {
            Some(from) => first_recorded_since(log, from, last_position)?,
            None => 1,
        },
        to: last_position,
    };
    let trial = projections.try_out(log, &candidates, |position| {
        progress(SimulationProgress {
            position,
            last_position,
        })
    })?;
    trial
        .map(|trial| report::of_trial(&trial, &candidates, command.named_members))
        .transpose()
        .map_err(SimulationError::from)
}

/// The first record that was recorded at `time` or later; the place behind the last one where there is none. Records
/// never go back in time.
fn first_recorded_since(
    log: &dyn EventLog,
    time: DateTime<Utc>,
    last: Position,
) -> Result<Position, LogError> {
    let (mut low, mut high) = (1, last + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let record = log.read(middle, 1)?.into_iter().next();
        if record.is_some_and(|record| record.recorded_at < time) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
