//! The event log in memory: the contract without the disk, for tests and trials.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use tokio::sync::watch;
use uuid::Uuid;

use super::codec::put_record;
use super::record::RECORD_BYTES_MAX;
use super::{Batch, EventLog, Head, LogError, LogStats, Position, Record, meta};
use crate::event::About;

/// An event log that ends with the process.
pub struct MemoryLog {
    id: Uuid,
    kept: RwLock<Kept>,
    head: watch::Sender<Head>,
    fails: AtomicBool,
}

#[derive(Default)]
struct Kept {
    records: Vec<Record>,
    /// Indexes into `records`, by what they are about.
    about: HashMap<About, Vec<usize>>,
}

impl MemoryLog {
    /// An empty log.
    pub fn new() -> Self {
        Self::with_id(Uuid::new_v4())
    }

    /// An empty log with this id: the same log to whoever looks at that only.
    pub fn with_id(id: Uuid) -> Self {
        Self {
            id,
            kept: RwLock::default(),
            head: watch::Sender::new(Head::default()),
            fails: AtomicBool::new(false),
        }
    }

    /// From here on every append fails, as on a log whose disk is full: to try what stands above a log.
    pub fn fail(&self) {
        self.fails.store(true, Ordering::Relaxed);
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl EventLog for MemoryLog {
    fn id(&self) -> Uuid {
        self.id
    }

    fn append(&self, batch: Batch) -> Result<Vec<Record>, LogError> {
        let mut kept = self.kept.write().map_err(|_| LogError::Poisoned)?;
        if self.fails.load(Ordering::Relaxed) {
            return Err(LogError::Poisoned);
        }
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let last = kept.records.last();
        let (records, checkpoint) = batch.into_records(
            kept.records.len() as Position,
            last.map(|last| last.recorded_at),
        );
        let mut encoded = Vec::new();
        for record in &records {
            encoded.clear();
            put_record(&mut encoded, record);
            if encoded.len() > RECORD_BYTES_MAX {
                return Err(LogError::RecordTooLarge {
                    bytes: encoded.len(),
                    max: RECORD_BYTES_MAX,
                });
            }
        }
        for record in &records {
            let place = kept.records.len();
            kept.about
                .entry(record.about.clone())
                .or_default()
                .push(place);
            kept.records.push(record.clone());
        }
        let position = kept.records.len() as Position;
        // Still under the lock: who reads these records sees a head that has them.
        self.head.send_modify(|head| {
            head.position = position;
            if checkpoint.is_some() {
                head.checkpoint = checkpoint;
            }
        });
        Ok(records)
    }

    fn watch(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    fn read(&self, from: Position, records_max: usize) -> Result<Vec<Record>, LogError> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let skipped = usize::try_from(from.saturating_sub(1)).unwrap_or(usize::MAX);
        Ok(kept
            .records
            .iter()
            .skip(skipped)
            .take(records_max)
            .cloned()
            .collect())
    }

    fn read_about(&self, about: &About) -> Result<Vec<Record>, LogError> {
        if *about == About::Nothing {
            return Ok(Vec::new());
        }
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        Ok(kept.of(about).cloned().collect())
    }

    fn find(&self, about: &About, source: &str, id: &str) -> Result<Option<Record>, LogError> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        Ok(kept
            .of(about)
            .find(|record| record.has_identity(about, source, id))
            .cloned())
    }

    fn stats(&self) -> Result<LogStats, LogError> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let head = self.head();
        Ok(LogStats {
            log_id: self.id,
            format_version: meta::FORMAT_VERSION,
            last_position: head.position,
            last_recorded_at: kept.records.last().map(|last| last.recorded_at),
            disk_bytes: 0,
            checkpoint: head.checkpoint,
        })
    }
}

impl Kept {
    fn of(&self, about: &About) -> impl Iterator<Item = &Record> {
        let places = self.about.get(about).map_or(&[][..], Vec::as_slice);
        places.iter().map(|&place| &self.records[place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::samples;
    use crate::log::suite::{self, Subject};

    struct InMemory(MemoryLog);

    impl Subject for InMemory {
        fn new() -> Self {
            Self(MemoryLog::new())
        }

        fn log(&self) -> &dyn EventLog {
            &self.0
        }

        fn reopen(&mut self) {}
    }

    suite::contract!(InMemory);

    #[test]
    fn a_log_that_fails_stays_failed() {
        let log = MemoryLog::new();
        log.append(samples::batch(vec![samples::entry("o", "1")]))
            .unwrap();
        log.fail();
        for _ in 0..2 {
            let refused = log.append(samples::batch(vec![samples::entry("o", "2")]));
            assert!(matches!(refused, Err(LogError::Poisoned)));
        }
        assert_eq!(log.head().position, 1);
    }
}
