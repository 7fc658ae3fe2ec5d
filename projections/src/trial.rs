//! Two throw-away projections of one stretch of the log: by programs as they were published, and with candidates in
//! their place.

mod points;

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::{Arc, PoisonError};
use std::thread;

use farelog_events::id::{CustomerId, MemberId, ProgramId};
use farelog_events::log::{EventLog, Position, Record};

pub use self::points::{MemberPoints, Points, PointsByDefinition};
use crate::place::ThrowAway;
use crate::program::{CompiledProgram, ProgramCatalog};
use crate::projections::{BATCH_RECORDS_MAX, Projections};
use crate::projector::Projector;
use crate::store::{self, Checkpoint, Counters, ProjectionError, Store, StoreMemory};

/// What is tried out.
#[derive(Debug, Clone)]
pub struct Candidates {
    /// The programs, each with another id.
    pub programs: Vec<Arc<CompiledProgram>>,
    /// They stand from this record on, and what is published of the same programs from there on does not.
    pub from: Position,
    /// The last record that is folded.
    pub to: Position,
}

/// The projections of a trial. Their files go when it is dropped.
#[derive(Debug)]
pub struct Trial {
    published: Side,
    candidates: Side,
    /// Last, so that the stores are closed before it.
    _directory: ThrowAway,
}

/// One of the two.
#[derive(Debug)]
struct Side {
    store: Store,
    checkpoint: Checkpoint,
    catalog: Arc<ProgramCatalog>,
}

impl Projections {
    /// Folds the log twice, into stores of its own beside the one in use, which stays as it is. Nothing is recorded and
    /// no fact is made. Only the candidates' programs and their members are looked at.
    ///
    /// `progress` is told after each batch how far it is; where it breaks, the trial ends with `None`. It takes twice the
    /// disk that projections of these programs do, and the memory of two stores. There can be one at a time.
    ///
    /// # Errors
    /// The log or a store failed, or there is another trial.
    pub fn try_out(
        &self,
        log: &dyn EventLog,
        candidates: &Candidates,
        mut progress: impl FnMut(Position) -> ControlFlow<()>,
    ) -> Result<Option<Trial>, ProjectionError> {
        let Candidates { programs, from, to } = candidates;
        let mut trial = Trial::new(self, programs)?;
        let before = from.saturating_sub(1).min(*to);
        if trial.fold(log, before, &mut progress)?.is_break() {
            return Ok(None);
        }
        let first = log.read(*from, 1)?.into_iter().next();
        let from_time = first.map(|record| record.recorded_at).unwrap_or_default();
        let catalog = Arc::make_mut(&mut trial.candidates.catalog);
        for program in programs {
            catalog.replace(Arc::clone(program), *from, from_time);
        }
        let folded = trial.fold(log, *to, &mut progress)?;
        Ok(folded.is_continue().then_some(trial))
    }
}

impl Trial {
    fn new(
        projections: &Projections,
        programs: &[Arc<CompiledProgram>],
    ) -> Result<Self, ProjectionError> {
        let directory = projections
            .inner
            .place
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .trial()?;
        let ids = programs.iter().map(|compiled| compiled.program.id);
        let catalog = Arc::new(ProgramCatalog::of_programs(ids));
        let side = |name| {
            let store = Store::make(&directory.join(name), StoreMemory::THROWN_AWAY)?;
            Ok::<_, ProjectionError>(Side {
                store: store.without_facts(),
                checkpoint: Checkpoint {
                    position: 0,
                    ..projections.inner.checkpoint
                },
                catalog: Arc::clone(&catalog),
            })
        };
        Ok(Self {
            published: side("published")?,
            candidates: side("candidates")?,
            _directory: directory,
        })
    }

    /// Brings both sides to a position, or as far as the log is.
    fn fold(
        &mut self,
        log: &dyn EventLog,
        to: Position,
        progress: &mut impl FnMut(Position) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, ProjectionError> {
        let mut published = self.published.projector()?;
        let mut candidates = self.candidates.projector()?;
        while published.position() < to {
            let position = published.position();
            let left = usize::try_from(to - position).unwrap_or(usize::MAX);
            let records = log.read(position + 1, left.min(BATCH_RECORDS_MAX))?;
            if records.is_empty() {
                break;
            }
            project_both(&mut published, &mut candidates, &records)?;
            if progress(published.position()).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let position = published.position();
        let programs = Arc::clone(published.catalog());
        let programs_with_candidates = Arc::clone(candidates.catalog());
        drop((published, candidates));
        self.published.advance(position, programs);
        self.candidates.advance(position, programs_with_candidates);
        Ok(ControlFlow::Continue(()))
    }

    /// The last record that is in.
    pub fn position(&self) -> Position {
        self.published.checkpoint.position
    }

    /// The candidates' programs as they were published.
    pub fn programs(&self) -> &ProgramCatalog {
        &self.published.catalog
    }

    /// What was counted: by the programs as they were published, and with the candidates.
    ///
    /// # Errors
    /// A store can't be read.
    pub fn counters(&self) -> Result<(Counters, Counters), ProjectionError> {
        let of = |side: &Side| side.store.read(store::COUNTERS, "counters");
        Ok((
            of(&self.published)?.unwrap_or_default(),
            of(&self.candidates)?.unwrap_or_default(),
        ))
    }

    /// How many members a program has, also those who left.
    ///
    /// # Errors
    /// A store can't be read.
    pub fn members_of(&self, program: ProgramId) -> Result<u64, ProjectionError> {
        let key = store::member_count_key(program);
        let count = self.published.store.read(&key, "member count")?;
        Ok(count.unwrap_or_default())
    }

    /// The customer of a member.
    ///
    /// # Errors
    /// A store can't be read.
    pub fn customer_of(
        &self,
        program: ProgramId,
        member: MemberId,
    ) -> Result<Option<CustomerId>, ProjectionError> {
        let key = store::member_id_key(program, member);
        self.published.store.read(&key, "member id")
    }

    /// Goes through what members have who have transactions on either side, one after the other by id. Read from disk
    /// as it goes.
    ///
    /// # Errors
    /// A store can't be read, or what `each` fails with.
    pub fn member_points(
        &self,
        each: impl FnMut(MemberPoints) -> Result<(), ProjectionError>,
    ) -> Result<(), ProjectionError> {
        points::compare(&self.published.store, &self.candidates.store, each)
    }
}

impl Side {
    fn projector(&self) -> Result<Projector<'_>, ProjectionError> {
        Projector::new(&self.store, self.checkpoint, Arc::clone(&self.catalog))
    }

    fn advance(&mut self, position: Position, catalog: Arc<ProgramCatalog>) {
        self.checkpoint.position = position;
        self.catalog = catalog;
    }
}

/// Folds the same records into both, one on a thread of its own.
fn project_both(
    first: &mut Projector<'_>,
    second: &mut Projector<'_>,
    records: &[Record],
) -> Result<(), ProjectionError> {
    thread::scope(|scope| {
        let first = scope.spawn(|| first.project(records));
        let second = second.project(records);
        first
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic))
            .and(second)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catch_up::tests::a_log;
    use crate::outbox::FactPlace;

    /// What stood for "no facts" was a time later than any that can be told, which was taken for "all": a simulation kept
    /// each fact of the log, and each twice.
    #[test]
    fn a_trial_keeps_no_facts() {
        let log = a_log();
        let home = tempfile::tempdir().unwrap();
        let projections = Projections::open(&home.path().join("projections"), &log).unwrap();
        projections.catch_up(&log).unwrap();
        let kept = projections.facts_after(FactPlace::START, 1).unwrap();
        assert!(!kept.value.is_empty());
        let programs = projections.programs();
        let program = programs.current(ProgramId::new(1).unwrap()).unwrap();
        let candidates = Candidates {
            programs: vec![Arc::clone(&program.compiled)],
            from: 1,
            to: log.head().position,
        };
        let trial = projections
            .try_out(&log, &candidates, |_| ControlFlow::Continue(()))
            .unwrap()
            .unwrap();
        let (published, with_candidates) = trial.counters().unwrap();
        assert!(published.transactions_given > 0 && with_candidates.transactions_given > 0);
        for side in [&trial.published, &trial.candidates] {
            assert_eq!(side.store.facts_after(FactPlace::START).count(), 0);
        }
    }
}
