//! Catching up with the log: reading, folding and writing go on at the same time, each on a thread of its own.
//!
//! The order of effects is that of the log all the same: there is one fold, on the caller's thread. While a batch is
//! written the next one is folded, which sees the first as if it was written ([`Store::for_writer`]); the checkpoint is
//! in the batch of what it covers, so that a crash between any two steps only makes less of the log folded.
//!
//! [`Store::for_writer`]: crate::store::Store::for_writer

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use farelog_events::log::{EventLog, Position, Record};

use crate::order::OrderEvent;
use crate::projector::{Changes, LetGo, Projector, decode};
use crate::store::ProjectionError;
use crate::write_behind::{Folded, WriteBehind};

/// How much is done at a time, at most.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Records that are read from the log at a time.
    records_read: usize,
    /// Records that are folded into one batch.
    records_batched: usize,
    /// Bytes of data that are folded into one batch, but for what the last read brought beyond them.
    bytes_batched: usize,
}

impl Limits {
    /// Reads are small, so that their memory is used again while it is warm; batches are large, so that an order is
    /// written once for all its events that come close together.
    const USUAL: Self = Self {
        records_read: 256,
        records_batched: 16_384,
        bytes_batched: 16 * 1024 * 1024,
    };
}

/// Reads that may wait to be folded.
const READS_WAITING_MAX: usize = 4;

/// What the reader lets go for each read: what it read before, and some orders. More does not come for each read, and the
/// fold need not wait.
const LET_GO_MAX: usize = 2;

/// Folds all that the log has behind the projector. `write` writes each batch, on another thread, in order; `progress`
/// is told of each that is on its way. Where one of them breaks, that is given back, and the projector is not to be
/// used again; so it is after an error.
///
/// # Errors
/// The log or the store failed.
pub fn catch_up(
    projector: &mut Projector<'_>,
    log: &dyn EventLog,
    write: impl Fn(&Folded) -> Result<ControlFlow<()>, ProjectionError> + Sync,
    progress: impl FnMut(Position) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, ProjectionError> {
    catch_up_within(Limits::USUAL, projector, log, write, progress)
}

fn catch_up_within(
    limits: Limits,
    projector: &mut Projector<'_>,
    log: &dyn EventLog,
    write: impl Fn(&Folded) -> Result<ControlFlow<()>, ProjectionError> + Sync,
    progress: impl FnMut(Position) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, ProjectionError> {
    let first = projector.position() + 1;
    thread::scope(|scope| {
        let (reads, to_fold) = sync_channel(READS_WAITING_MAX);
        // Nearly all of it is the reader's, so it does not get ahead of who lets it go.
        let (let_go, to_let_go) = channel();
        let reader = scope.spawn(move || read(limits, log, first, &reads, &to_let_go));
        let mut writer = WriteBehind::start(scope, projector.store(), &write, 0);
        projector.set_let_go(Some(let_go.clone()));
        let folded = fold(limits, projector, to_fold, &let_go, &mut writer, progress);
        projector.set_let_go(None);
        let written = writer.settle();
        let read = reader.join().unwrap_or_else(|panic| resume_unwind(panic));
        // The reader ends without an error of its own when the fold has ended.
        let (folded, written, ()) = (folded?, written?, read?);
        Ok(if written.is_break() { written } else { folded })
    })
}

/// Records, and the events in them.
struct Read {
    records: Vec<(Record, Option<OrderEvent>)>,
    /// There were no more when it was read.
    is_last: bool,
}

fn read(
    limits: Limits,
    log: &dyn EventLog,
    first: Position,
    reads: &SyncSender<Read>,
    to_let_go: &Receiver<LetGo>,
) -> Result<(), ProjectionError> {
    let mut next = first;
    loop {
        let records = log.read(next, limits.records_read)?;
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
        to_let_go.try_iter().take(LET_GO_MAX).for_each(drop);
    }
}

fn fold(
    limits: Limits,
    projector: &mut Projector<'_>,
    reads: Receiver<Read>,
    let_go: &Sender<LetGo>,
    writer: &mut WriteBehind<
        '_,
        impl Fn(&Folded) -> Result<ControlFlow<()>, ProjectionError> + Sync,
    >,
    mut progress: impl FnMut(Position) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, ProjectionError> {
    let mut send = |projector: &mut Projector<'_>, changes| -> Result<_, ProjectionError> {
        if writer.put(projector.finish(changes)?)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        Ok(progress(projector.position()))
    };
    let mut changes = Changes::default();
    for mut read in reads {
        for (record, event) in &mut read.records {
            projector.fold(record, event.take(), &mut changes)?;
            if changes.has_publication && send(projector, std::mem::take(&mut changes))?.is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        // Where nobody takes them they are let go here.
        let _ = let_go.send(Box::new(read.records));
        let is_full =
            changes.records >= limits.records_batched || changes.bytes >= limits.bytes_batched;
        if (read.is_last || is_full) && send(projector, std::mem::take(&mut changes))?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    // Reading ended before the log's end, which it should not: what was folded is to be written all the same.
    if changes.records > 0 {
        return send(projector, changes);
    }
    Ok(ControlFlow::Continue(()))
}

#[cfg(test)]
pub mod tests {
    use std::sync::Arc;

    use chrono::{DateTime, Utc};
    use farelog_events::event::{EventKind, NewEvent, decode as decode_data};
    use farelog_events::json::JsonText;
    use farelog_events::log::memory::MemoryLog;
    use farelog_events::log::{Batch, Entry};
    use farelog_events::tree::Slice;
    use serde_json::{Value, json};

    use super::*;
    use crate::outbox::FactPlace;
    use crate::store::{Checkpoint, FOLD_VERSION, Store, StoreMemory};

    fn append(log: &MemoryLog, kind: EventKind, data: &Value) {
        let time: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
        let event = NewEvent {
            source: "test".into(),
            id: log.head().position.to_string().into(),
            event_type: kind.name().into(),
            time,
            correlation_id: None,
            about: decode_data(kind, &data.to_string()).unwrap().about(),
            data: JsonText::new(&data.to_string()).unwrap(),
        };
        let entries = vec![Entry {
            event,
            origin: None,
        }];
        log.append(Batch {
            entries,
            checkpoint: None,
            recorded_at: time,
        })
        .unwrap();
    }

    /// Members come while orders are sold to them, and each order's events are spread over the log.
    pub fn a_log() -> MemoryLog {
        let log = MemoryLog::new();
        let definition = json!({"id": 11, "reference": "d", "name": {"eng": "D"}, "trigger": "LineConfirmed", "amount": "1"});
        let program =
            json!({"id": 1, "reference": "p", "name": "P", "pointDefinitions": [definition]});
        append(&log, EventKind::ProgramPublished, &program);
        for number in 0..40 {
            let customer = format!("c{number}");
            let member = json!({"programId": 1, "customerId": customer});
            append(&log, EventKind::MemberEnrolled, &member);
            let order = |number: i32| format!("o{number}");
            let line = json!({
                "orderId": order(number), "orderVersion": 1, "orderLineId": "l", "orderLineVersion": 1, "customerId": customer,
                "fareProducts": [{"id": "p", "type": "SINGLE"}], "price": {"amount": "40.00", "currency": "NOK"}
            });
            append(&log, EventKind::OrderLineAdded, &line);
            for (behind, kind) in [
                (3, EventKind::OrderConfirmed),
                (7, EventKind::OrderCancelled),
            ] {
                let round = json!({"orderId": order(number - behind), "orderVersion": 1});
                append(&log, kind, &round);
            }
        }
        log
    }

    /// All that the store holds, facts apart from how they are paged.
    fn contents(store: &Store) -> (Vec<(Slice, Slice)>, String) {
        let facts: Result<Vec<_>, _> = store.facts_after(FactPlace::START).collect();
        let facts = serde_json::to_string(&facts.unwrap()).unwrap();
        (store.all_but_facts(), facts)
    }

    #[test]
    fn however_batches_are_cut_and_overlap_the_store_has_the_same_bytes() {
        let log = a_log();
        let directory = tempfile::tempdir().unwrap();
        let store =
            |name: &str| Store::make(&directory.path().join(name), StoreMemory::USUAL).unwrap();
        let start = Checkpoint {
            log_id: log.id(),
            fold_version: FOLD_VERSION,
            position: 0,
        };

        let expected = store("at-once");
        let mut projector = Projector::new(&expected, start, Arc::default()).unwrap();
        projector
            .project(&log.read(1, usize::MAX).unwrap())
            .unwrap();

        for (records_read, records_batched) in [(1, 1), (3, 2), (2, 5), (7, 20)] {
            let limits = Limits {
                records_read,
                records_batched,
                ..Limits::USUAL
            };
            let store = store(&format!("{records_read}-{records_batched}"));
            let writing = store.for_writer();
            let mut projector = Projector::new(&writing, start, Arc::default()).unwrap();
            let write = |folded: &Folded| store.apply(&folded.batch).map(ControlFlow::Continue);
            let go_on = |_| ControlFlow::Continue(());
            let flow = catch_up_within(limits, &mut projector, &log, write, go_on).unwrap();
            assert!(flow.is_continue());
            assert_eq!(contents(&store), contents(&expected), "{limits:?}");
        }
    }

    #[test]
    fn where_writing_fails_catching_up_fails_with_its_error() {
        let log = a_log();
        let directory = tempfile::tempdir().unwrap();
        let store = Store::make(&directory.path().join("store"), StoreMemory::USUAL).unwrap();
        let start = Checkpoint {
            log_id: log.id(),
            fold_version: FOLD_VERSION,
            position: 0,
        };
        let mut projector = Projector::new(&store, start, Arc::default()).unwrap();
        let write = |_: &Folded| Err(ProjectionError::Ended("the disk is full".to_owned()));
        let go_on = |_| ControlFlow::Continue(());
        let error = catch_up(&mut projector, &log, write, go_on).unwrap_err();
        assert!(error.to_string().contains("the disk is full"), "{error}");
    }
}
