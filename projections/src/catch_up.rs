//! Catching up with the log: reading, folding and writing go on at the same time, each on a thread of its own.
//!
//! The order of effects is that of the log all the same: there is one fold, on the caller's thread. While a batch is
//! written the next one is folded, which sees the first as if it was written ([`Store::for_writer`]); the checkpoint is
//! in the batch of what it covers, so that a crash between any two steps only makes less of the log folded.
//!
//! [`Store::for_writer`]: crate::store::Store::for_writer

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, ScopedJoinHandle};

use farelog_events::log::{EventLog, Position, Record};

use crate::batch::WriteBatch;
use crate::order::OrderEvent;
use crate::program::ProgramCatalog;
use crate::projector::{Changes, Projector, decode};
use crate::store::{Counters, ProjectionError};

/// Records that are read from the log at a time: few, so that their memory is used again while it is warm.
const READ_RECORDS_MAX: usize = 1_024;

/// Reads that may wait to be folded.
const READS_WAITING_MAX: usize = 2;

/// Records that are folded into one batch: many, so that an order is written once for all its events that come close
/// together.
const BATCH_RECORDS_MAX: usize = 16_384;

/// Bytes of data that are folded into one batch, but for what the last read brought beyond them.
const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What was folded, ready to be written.
#[derive(Debug, Clone)]
pub struct Folded {
    /// What changes in the store, the checkpoint with it.
    pub batch: Arc<WriteBatch>,
    /// The last record that was folded.
    pub position: Position,
    /// The programs as they stand there.
    pub catalog: Arc<ProgramCatalog>,
    /// What the folds have counted until there.
    pub counters: Counters,
}

/// Folds all that the log has behind the projector. `write` writes each batch, on another thread, in order; `progress`
/// is told of each that is on its way. Where one of them breaks, that is given back, and the projector is not to be
/// used again; so it is after an error.
///
/// # Errors
/// The log or the store failed.
pub fn catch_up(
    projector: &mut Projector<'_>,
    log: &dyn EventLog,
    write: impl FnMut(&Folded) -> Result<ControlFlow<()>, ProjectionError> + Send,
    progress: impl FnMut(Position) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, ProjectionError> {
    let first = projector.position() + 1;
    thread::scope(|scope| {
        let (reads, to_fold) = sync_channel(READS_WAITING_MAX);
        // Without room: a batch is taken when the one before it is written, so that at most one is in flight.
        let (batches, to_write) = sync_channel(0);
        let reader = scope.spawn(move || read(log, first, &reads));
        let writer = scope.spawn(move || write_all(&to_write, write));
        let folded = fold(projector, to_fold, &batches, progress);
        drop(batches);
        let read = join(reader);
        let written = join(writer);
        projector.set_in_flight(None);
        // A step ends without an error of its own when the one behind it has ended.
        let (written, folded, ()) = (written?, folded?, read?);
        Ok(if written.is_break() { written } else { folded })
    })
}

fn join<T>(step: ScopedJoinHandle<'_, T>) -> T {
    step.join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Records, and the events in them.
struct Read {
    records: Vec<(Record, Option<OrderEvent>)>,
    /// There were no more when it was read.
    is_last: bool,
}

fn read(
    log: &dyn EventLog,
    first: Position,
    reads: &SyncSender<Read>,
) -> Result<(), ProjectionError> {
    let mut next = first;
    loop {
        let records = log.read(next, READ_RECORDS_MAX)?;
        let Some(last) = records.last() else {
            return Ok(());
        };
        next = last.position + 1;
        let decoded = records.into_iter().map(|record| {
            let event = decode(&record);
            (record, event)
        });
        let read = Read {
            records: decoded.collect(),
            is_last: next > log.head().position,
        };
        if reads.send(read).is_err() {
            return Ok(());
        }
    }
}

fn fold(
    projector: &mut Projector<'_>,
    reads: Receiver<Read>,
    batches: &SyncSender<Folded>,
    mut progress: impl FnMut(Position) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, ProjectionError> {
    let mut send = |projector: &mut Projector<'_>, changes| -> Result<_, ProjectionError> {
        let folded = projector.finish(changes)?;
        let batch = Arc::clone(&folded.batch);
        if batches.send(folded).is_err() {
            return Ok(ControlFlow::Break(()));
        }
        projector.set_in_flight(Some(batch));
        Ok(progress(projector.position()))
    };
    let mut changes = Changes::default();
    for read in reads {
        for (record, event) in read.records {
            projector.fold(&record, event, &mut changes)?;
            // What comes behind a publication may look for all that came before it, in the store: so its batch ends
            // here, and is written when an empty one is taken.
            if changes.has_publication
                && (send(projector, std::mem::take(&mut changes))?.is_break()
                    || send(projector, Changes::default())?.is_break())
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        let is_full = changes.records >= BATCH_RECORDS_MAX || changes.bytes >= BATCH_BYTES_MAX;
        if (read.is_last || is_full) && send(projector, std::mem::take(&mut changes))?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn write_all(
    batches: &Receiver<Folded>,
    mut write: impl FnMut(&Folded) -> Result<ControlFlow<()>, ProjectionError>,
) -> Result<ControlFlow<()>, ProjectionError> {
    while let Ok(folded) = batches.recv() {
        if write(&folded)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}
