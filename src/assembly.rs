//! Log, projections and writer of a data directory, put together and running.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use farelog_events::dead_letter::DeadLetterReason;
use farelog_events::event::NewEvent;
use farelog_events::log::sled_log::SledLog;
use farelog_events::log::writer::{Admission, LogWriter, Refused, RunningWriter, WriterLimits};
use farelog_events::log::{EventLog, LogError, Position};
use farelog_projections::program::ProgramGate;
use farelog_projections::{FullOrders, ORDER_BYTES_MAX, ProjectionError, Projections};
use thiserror::Error;
use tokio::sync::oneshot;

use crate::engine::Engine;

/// The directory of the log within a data directory.
pub const LOG_DIRECTORY: &str = "log";
/// The directory of the projections within a data directory.
pub const PROJECTIONS_DIRECTORY: &str = "projections";

/// How long the projections may take to finish. They never need to: what they miss is made from the log.
const FLUSH_TIME_MAX: Duration = Duration::from_secs(10);

/// Why the parts can't be put together, or why they stopped.
#[derive(Debug, Error)]
pub enum AssemblyError {
    /// The log can't be opened, or has failed.
    #[error(transparent)]
    Log(#[from] Arc<LogError>),
    /// The projections can't be opened, or have failed.
    #[error(transparent)]
    Projections(#[from] ProjectionError),
    /// The system gives no thread.
    #[error("the system refused to {action}: {source}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// A thread panicked.
    #[error("the thread of the {0} panicked; its message stands above")]
    Panicked(&'static str),
}

/// The parts, running: a thread that writes the log, one that brings the projections forward.
pub struct Assembly {
    engine: Engine,
    writer: LogWriter,
    writer_thread: JoinHandle<Result<(), Arc<LogError>>>,
    projector: oneshot::Receiver<Result<(), ProjectionError>>,
}

impl Assembly {
    /// Opens a data directory, which is made if it is not there, and starts the threads. The projections may still be
    /// behind the log; see [`Engine::caught_up`]. Blocks.
    ///
    /// # Errors
    /// Another process has the directory, or something in it can't be read.
    pub fn open(data_dir: &Path) -> Result<Self, AssemblyError> {
        // First, since it makes the way to its directory and brings that to the disk.
        let log: Arc<dyn EventLog> =
            Arc::new(SledLog::open(&data_dir.join(LOG_DIRECTORY)).map_err(Arc::new)?);
        let projections = Projections::open(&data_dir.join(PROJECTIONS_DIRECTORY), &*log)?;
        let catch_up_to = log.head().position;
        let gate = LateGate {
            full_orders: projections.full_orders(),
            projections: projections.clone(),
            catch_up_to,
            gate: None,
        };
        let RunningWriter {
            writer,
            feed,
            thread: writer_thread,
        } = LogWriter::spawn(Arc::clone(&log), Box::new(gate), WriterLimits::default()).map_err(
            |source| AssemblyError::System {
                action: "start the log's writer",
                source,
            },
        )?;
        let (ended, projector) = oneshot::channel();
        let running = (projections.clone(), Arc::clone(&log));
        thread::Builder::new()
            .name("projector".to_owned())
            .spawn(move || {
                let (projections, log) = running;
                // Nobody listens any more once the process ends for another reason.
                let _ = ended.send(projections.run(&*log, &feed));
            })
            .map_err(|source| AssemblyError::System {
                action: "start the projector",
                source,
            })?;
        Ok(Self {
            engine: Engine::new(log, projections, writer.clone()),
            writer,
            writer_thread,
            projector,
        })
    }

    /// What queries and commands go through.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The way to the writer, for ingestion.
    pub fn writer(&self) -> LogWriter {
        self.writer.clone()
    }

    /// Waits until a part has stopped by itself: then the process is to end.
    pub async fn stopped(&mut self) {
        tokio::select! {
            () = self.writer.ended() => {}
            ended = &mut self.projector => {
                // Kept for `close`, which says why.
                let (sender, receiver) = oneshot::channel();
                if let Ok(ended) = ended {
                    let _ = sender.send(ended);
                }
                self.projector = receiver;
            }
        }
    }

    /// Ends both threads: what was asked of the writer before is done, and the projections are flushed.
    ///
    /// # Errors
    /// What a part failed with, now or before.
    pub async fn close(self) -> Result<(), AssemblyError> {
        self.writer.shutdown().await;
        let Self {
            writer_thread,
            projector,
            ..
        } = self;
        let written = tokio::task::spawn_blocking(move || writer_thread.join()).await;
        let projected = tokio::time::timeout(FLUSH_TIME_MAX, projector).await;
        match written {
            Ok(Ok(result)) => result?,
            Ok(Err(_)) | Err(_) => return Err(AssemblyError::Panicked("log's writer")),
        }
        match projected {
            Ok(Ok(result)) => result?,
            Ok(Err(_)) => return Err(AssemblyError::Panicked("projections")),
            Err(_) => tracing::warn!(
                "the projections are not all on the disk yet and are left at their checkpoint, from which the next start goes on"
            ),
        }
        Ok(())
    }
}

/// The gate of programs, made when the first event comes. By then the projections have caught up with the log as it was
/// at the start ([`Engine::caught_up`] is waited for before anything is recorded), so it knows every program in it.
struct LateGate {
    projections: Projections,
    full_orders: Arc<FullOrders>,
    catch_up_to: Position,
    gate: Option<ProgramGate>,
}

impl LateGate {
    fn gate(&mut self) -> &mut ProgramGate {
        debug_assert!(self.projections.position() >= self.catch_up_to);
        self.gate
            .get_or_insert_with(|| ProgramGate::new(&self.projections.programs()))
    }
}

impl Admission for LateGate {
    fn admit(&mut self, event: &NewEvent) -> Result<(), Refused> {
        if self.full_orders.refuse(event) {
            return Err(Refused {
                reason: DeadLetterReason::OrderTooLarge,
                detail: format!(
                    "the order holds more than the {ORDER_BYTES_MAX} bytes of events that one may have"
                ),
            });
        }
        self.gate().admit(event)
    }

    fn withdraw(&mut self, event: &NewEvent) {
        self.gate().withdraw(event);
    }
}
