//! What every interface asks and commands: queries of the projections and decisions by the writer.
//!
//! A command is answered when its events are durable and projected, so that whoever reads after the answer sees what
//! the command did (design, rules 1 and 3).

mod look_ups;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use farelog_events::dead_letter::RawMessage;
use farelog_events::envelope;
use farelog_events::event::NewEvent;
use farelog_events::log::writer::{Decided, Decision, LogWriter, Moment, TakenIn, WriterError};
use farelog_events::log::{EventLog, LogError, Position};
use farelog_projections::answer::Answer;
use farelog_projections::{ProjectionError, Projections};
use thiserror::Error;
use tokio::runtime::Handle;
use tracing::Span;

use look_ups::LookUps;

/// Log, projections and writer, as the interfaces use them. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Engine {
    log: Arc<dyn EventLog>,
    projections: Projections,
    writer: LogWriter,
    /// The end of the log when it was opened.
    catch_up_to: Position,
    look_ups: Arc<LookUps>,
    /// Where what takes longer takes place, whoever asks for it.
    runtime: Handle,
}

/// Why a query or a command was not carried out. Not a refusal: that is for the decision's own error to say.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The projections can't answer.
    #[error(transparent)]
    Projections(#[from] ProjectionError),
    /// The log can't be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The writer does not take it.
    #[error(transparent)]
    Writer(#[from] WriterError),
    /// A query or a decision panicked. Nothing was recorded.
    #[error("a query or decision panicked; the panic's message stands before this line")]
    Panicked,
}

impl Engine {
    /// Puts the parts of a log together that was just opened, in the runtime whose threads for work that may block it uses.
    pub fn new(log: Arc<dyn EventLog>, projections: Projections, writer: LogWriter) -> Self {
        Self {
            catch_up_to: log.head().position,
            log,
            projections,
            writer,
            look_ups: Arc::default(),
            runtime: Handle::current(),
        }
    }

    /// The end of the log when it was opened.
    pub fn catch_up_to(&self) -> Position {
        self.catch_up_to
    }

    /// Waits until the projections have caught up with the log as it was when it was opened. Before that nothing may be
    /// recorded: what may enter the log depends on the programs in it.
    ///
    /// # Errors
    /// They have ended before.
    pub async fn caught_up(&self) -> Result<(), EngineError> {
        self.projected(self.catch_up_to).await
    }

    /// The log, for its head and its figures.
    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.log
    }

    /// The projections, for how far they are. Queries go through [`read`](Self::read).
    pub fn projections(&self) -> &Projections {
        &self.projections
    }

    /// Asks the projections. They read files, so this runs apart from the threads that serve connections.
    pub async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Projections) -> Result<Answer<T>, ProjectionError> + Send + 'static,
    ) -> Result<Answer<T>, EngineError> {
        let projections = self.projections.clone();
        self.apart(move || query(&projections))
            .await?
            .map_err(EngineError::from)
    }

    /// Asks for what one key of the projections holds: on the thread that asks, which takes a fraction of the time that
    /// handing it to another takes. Where look-ups have come to wait for the disk they are made as other queries are, so
    /// that many can wait at a time.
    ///
    /// # Errors
    /// The projections can't answer.
    pub async fn look_up<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Projections) -> Result<Answer<T>, ProjectionError> + Send + 'static,
    ) -> Result<Answer<T>, EngineError> {
        if self.look_ups.are_slow() {
            let look_ups = Arc::clone(&self.look_ups);
            self.read(move |projections| look_ups.make(|| query(projections)))
                .await
        } else {
            Ok(self.look_ups.make(|| query(&self.projections))?)
        }
    }

    /// Asks the log and the projections together.
    pub async fn read_log<T: Send + 'static>(
        &self,
        query: impl FnOnce(&dyn EventLog, &Projections) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let Self {
            log, projections, ..
        } = self.clone();
        self.apart(move || query(&*log, &projections)).await?
    }

    /// Does what may block apart from the threads that serve connections.
    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let span = Span::current();
        self.runtime
            .spawn_blocking(move || span.in_scope(work))
            .await
            .map_err(|_| EngineError::Panicked)
    }

    /// Has a decision taken on projections that are as far as the log, and its events recorded.
    ///
    /// Returns when the events are durable and the projections have taken them in.
    ///
    /// # Errors
    /// The decision's own error, with nothing recorded; or what an [`EngineError`] becomes in its type. Where the
    /// projections end meanwhile its events may be recorded.
    pub async fn decide<T, E>(
        &self,
        decision: impl FnOnce(&Projections, &Moment) -> Result<Decision<T>, E> + Send + 'static,
    ) -> Result<Decided<T>, E>
    where
        T: Send + 'static,
        E: From<EngineError> + Send + 'static,
    {
        self.caught_up().await?;
        let projections = self.projections.clone();
        let span = Span::current();
        let Decided {
            answer,
            records,
            head,
        } = self
            .writer
            .decide(move |moment| {
                let _entered = span.enter();
                // A decision is pure: if it panics, the request fails and the writer goes on.
                let decided = catch_unwind(AssertUnwindSafe(|| {
                    projections
                        .wait_until(moment.head.position)
                        .map_err(EngineError::from)?;
                    decision(&projections, moment)
                }))
                .unwrap_or_else(|_| Err(EngineError::Panicked.into()));
                match decided {
                    Ok(Decision { events, answer }) => Decision {
                        events,
                        answer: Ok(answer),
                    },
                    Err(error) => Decision {
                        events: Vec::new(),
                        answer: Err(error),
                    },
                }
            })
            .await
            .map_err(EngineError::from)?;
        let answer = answer?;
        self.projected(head).await?;
        Ok(Decided {
            answer,
            records,
            head,
        })
    }

    /// Tries to take a dead letter's message in again. With its event, in one batch, `settled` is recorded.
    ///
    /// # Errors
    /// [`WriterError::Refused`] within [`EngineError::Writer`] where its cause is still there.
    pub async fn retry(
        &self,
        message: RawMessage,
        settled: NewEvent,
    ) -> Result<TakenIn, EngineError> {
        self.caught_up().await?;
        let taken = self.writer.retry(envelope::read(message), settled).await?;
        self.projected(taken.head).await?;
        Ok(taken.answer)
    }

    /// Waits until the projections have taken in the record at `position`.
    async fn projected(&self, position: Position) -> Result<(), EngineError> {
        let mut progress = self.projections.progress();
        // Closed where they have ended: then there is nothing to wait for below, only why.
        let _ = progress.wait_for(|reached| *reached >= position).await;
        Ok(self.projections.wait_until(position)?)
    }
}
