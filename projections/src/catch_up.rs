//! Catching up with the log: reading, folding and writing go on at the same time, each on a thread of its own.
//!
//! The order of effects is that of the log all the same: there is one fold, on the caller's thread. While a batch is
//! written the next one is folded, which sees the first as if it was written ([`Store::for_writer`]); the checkpoint is
//! in the batch of what it covers, so that a crash between any two steps only makes less of the log folded.
//!
//! [`Store::for_writer`]: crate::store::Store::for_writer

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use farelog_events::log::{EventLog, Position, Record};
use farelog_events::queue::{QueueReceiver, QueueSender, queue};

use crate::order::OrderEvent;
use crate::order_cache::LetGo;
use crate::projector::{Changes, Projector, decode};
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
    /// Reads that were folded, and handfuls of orders, that may wait to be let go by the reader; what comes beyond them
    /// the fold lets go itself.
    let_go_waiting: usize,
}

impl Limits {
    /// Reads are small, so that their memory is used again while it is warm; batches are large, so that an order is
    /// written once for all its events that come close together.
    const USUAL: Self = Self {
        records_read: 256,
        records_batched: 16_384,
        bytes_batched: 16 * 1024 * 1024,
        // More than come at once where the orders of a whole batch are forgotten: 80, with those that are kept.
        let_go_waiting: 128,
    };
}

/// What may wait to be folded, in bytes as records count: as much as a batch has, as a rule. The fold takes longer for a
/// record than the reader, so that with little waiting the reader would stand still where the writer has nothing to do, and
/// a processor with it. With more it is ahead by then, and gives its processor up to the writer.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What the reader lets go for each read: what it read before, and some orders. More does not come for each read in the
/// long run, and the fold need not wait.
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
        let (reads, to_fold) = queue(WAITING_BYTES_MAX);
        let (let_go, to_let_go) = sync_channel(limits.let_go_waiting);
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
    records: Vec<Record>,
    events: Vec<Option<OrderEvent>>,
    /// There were no more when it was read.
    is_last: bool,
}

fn read(
    limits: Limits,
    log: &dyn EventLog,
    first: Position,
    reads: &QueueSender<Read>,
    to_let_go: &Receiver<LetGo>,
) -> Result<(), ProjectionError> {
    let mut next = first;
    loop {
        let records = log.read(next, limits.records_read)?;
        let Some(last) = records.last() else {
            return Ok(());
        };
        next = last.position + 1;
        let bytes = records.iter().map(Record::memory_bytes).sum();
        let read = Read {
            events: records.iter().map(decode).collect(),
            records,
            is_last: next > log.head().position,
        };
        if reads.send(read, bytes).is_err() {
            return Ok(());
        }
        to_let_go.try_iter().take(LET_GO_MAX).for_each(drop);
    }
}

fn fold(
    limits: Limits,
    projector: &mut Projector<'_>,
    reads: QueueReceiver<Read>,
    let_go: &SyncSender<LetGo>,
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
    for read in reads {
        for (record, event) in read.records.iter().zip(read.events) {
            projector.fold(record, event, &mut changes)?;
            if changes.has_publication && send(projector, std::mem::take(&mut changes))?.is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        // Where there is no room, or nobody takes them, they are let go here.
        let _ = let_go.try_send(Box::new(read.records));
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
    use std::path::Path;
    use std::sync::Arc;

    use chrono::{DateTime, Utc};
    use farelog_events::event::{EventKind, NewEvent, decode as decode_data};
    use farelog_events::json::JsonText;
    use farelog_events::log::memory::MemoryLog;
    use farelog_events::log::{Batch, Entry};
    use farelog_events::tree::Slice;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use xxhash_rust::xxh3::Xxh3Default;

    use super::*;
    use crate::outbox::FactPlace;
    use crate::projector::Kept;
    use crate::store::{CHECKPOINT, Checkpoint, FOLD_VERSION, Store, StoreMemory};

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

    type Contents = (Vec<(Slice, Slice)>, String);

    /// All that the store holds, facts apart from how they are paged.
    fn contents(store: &Store) -> Contents {
        let facts: Result<Vec<_>, _> = store.facts_after(FactPlace::START).collect();
        let facts = serde_json::to_string(&facts.unwrap()).unwrap();
        (store.all_but_facts(), facts)
    }

    fn start_of(log: &MemoryLog) -> Checkpoint {
        Checkpoint {
            log_id: log.id(),
            fold_version: FOLD_VERSION,
            position: 0,
        }
    }

    /// A store that has all of the log, folded at once.
    fn folded_at_once(log: &MemoryLog, directory: &Path) -> Store {
        let store = Store::make(directory, StoreMemory::USUAL).unwrap();
        let mut projector = Projector::new(&store, start_of(log), Arc::default()).unwrap();
        let records = log.read(1, usize::MAX).unwrap();
        projector.project(&records).unwrap();
        drop(projector);
        store
    }

    /// What a store has of all of the log where another projector has folded the records up to `gone_on_at` before.
    fn folded_within(limits: Limits, kept: Kept, gone_on_at: usize, log: &MemoryLog) -> Contents {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::make(&directory.path().join("store"), StoreMemory::USUAL).unwrap();
        let writing = store.for_writer();
        let mut checkpoint = start_of(log);
        let mut catalog = Arc::default();
        if gone_on_at > 0 {
            let mut projector = Projector::new(&store, checkpoint, catalog).unwrap();
            let records = log.read(1, gone_on_at).unwrap();
            projector.project(&records).unwrap();
            checkpoint.position = projector.position();
            catalog = Arc::clone(projector.catalog());
        }
        let mut projector = Projector::new_that_keeps(kept, &writing, checkpoint, catalog).unwrap();
        let write = |folded: &Folded| store.apply(&folded.batch).map(ControlFlow::Continue);
        let go_on = |_| ControlFlow::Continue(());
        let flow = catch_up_within(limits, &mut projector, log, write, go_on).unwrap();
        assert!(flow.is_continue());
        contents(&store)
    }

    /// Orders, customers and accounts that are forgotten as soon as they can be.
    fn kept(max: usize) -> Kept {
        Kept {
            orders: max,
            customers: max,
            accounts: max,
        }
    }

    #[test]
    fn however_batches_are_cut_and_overlap_the_store_has_the_same_bytes() {
        let log = a_log();
        let directory = tempfile::tempdir().unwrap();
        let expected = contents(&folded_at_once(&log, directory.path()));
        for (records_read, records_batched) in [(1, 1), (3, 2), (2, 5), (7, 20)] {
            let limits = Limits {
                records_read,
                records_batched,
                ..Limits::USUAL
            };
            let stored = folded_within(limits, kept(usize::MAX), 0, &log);
            assert_eq!(stored, expected, "{limits:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Nothing had ever left memory in a test while it was known what is new, as orders and members do all the time in
        /// a log of more than some thousand orders: one that is taken for new then would replace the one that is stored.
        #[test]
        fn whatever_leaves_memory_and_wherever_it_goes_on_the_store_has_the_same_bytes(
            (records_read, records_batched) in (1..8_usize, 1..24_usize),
            let_go_waiting in 0..4_usize,
            kept_max in 1..5_usize,
            gone_on_at in prop_oneof![Just(0), 1..161_usize],
        ) {
            let log = a_log();
            let directory = tempfile::tempdir().unwrap();
            let expected = contents(&folded_at_once(&log, directory.path()));
            let limits = Limits { records_read, records_batched, let_go_waiting, ..Limits::USUAL };
            let stored = folded_within(limits, kept(kept_max), gone_on_at, &log);
            prop_assert_eq!(stored, expected);
        }
    }

    /// Transactions were stored in another form once while the version stayed, so that a store from before it could be
    /// neither read nor gone on with.
    #[test]
    fn what_is_stored_is_what_this_version_of_the_folds_stores() {
        let log = a_log();
        let directory = tempfile::tempdir().unwrap();
        let (values, facts) = contents(&folded_at_once(&log, directory.path()));
        let mut digest = Xxh3Default::new();
        // The checkpoint has the log's id, which is another each time.
        for (key, value) in values.iter().filter(|(key, _)| **key != *CHECKPOINT) {
            for bytes in [key, value] {
                digest.update(&bytes.len().to_le_bytes());
                digest.update(bytes);
            }
        }
        digest.update(facts.as_bytes());
        assert_eq!(
            (FOLD_VERSION, format!("{:016x}", digest.digest())),
            (18, "668ea21639cb5db8".to_owned()),
            "the same log gives other stored bytes: raise FOLD_VERSION, and put it here with the new digest"
        );
    }

    #[test]
    fn where_writing_fails_catching_up_fails_with_its_error() {
        let log = a_log();
        let directory = tempfile::tempdir().unwrap();
        let store = Store::make(&directory.path().join("store"), StoreMemory::USUAL).unwrap();
        let mut projector = Projector::new(&store, start_of(&log), Arc::default()).unwrap();
        let write = |_: &Folded| Err(ProjectionError::Ended("the disk is full".to_owned()));
        let go_on = |_| ControlFlow::Continue(());
        let error = catch_up(&mut projector, &log, write, go_on).unwrap_err();
        assert!(error.to_string().contains("the disk is full"), "{error}");
    }
}
