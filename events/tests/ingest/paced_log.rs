//! A log in memory whose appends take their time, and that can have a twin.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use farelog_events::event::About;
use farelog_events::log::memory::MemoryLog;
use farelog_events::log::{Batch, EventLog, Head, LogError, LogStats, Position, Record};
use tokio::sync::watch;
use uuid::Uuid;

/// The log.
pub struct PacedLog {
    log: MemoryLog,
    append_ms: AtomicU64,
}

impl PacedLog {
    /// An empty log, as fast as can be.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            log: MemoryLog::new(),
            append_ms: AtomicU64::new(0),
        })
    }

    /// Another empty log that calls itself the same, as a copy of its files would.
    pub fn twin(&self) -> Arc<Self> {
        Arc::new(Self {
            log: MemoryLog::with_id(self.log.id()),
            append_ms: AtomicU64::new(0),
        })
    }

    /// How long each append takes from now on.
    pub fn pace(&self, append_ms: u64) {
        self.append_ms.store(append_ms, Ordering::Relaxed);
    }
}

impl EventLog for PacedLog {
    fn id(&self) -> Uuid {
        self.log.id()
    }

    fn append(&self, batch: Batch) -> Result<Vec<Record>, LogError> {
        let append_ms = self.append_ms.load(Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(append_ms));
        self.log.append(batch)
    }

    fn watch(&self) -> watch::Receiver<Head> {
        self.log.watch()
    }

    fn read(&self, from: Position, records_max: usize) -> Result<Vec<Record>, LogError> {
        self.log.read(from, records_max)
    }

    fn read_about(&self, about: &About) -> Result<Vec<Record>, LogError> {
        self.log.read_about(about)
    }

    fn find(&self, about: &About, source: &str, id: &str) -> Result<Option<Record>, LogError> {
        self.log.find(about, source, id)
    }

    fn stats(&self) -> Result<LogStats, LogError> {
        self.log.stats()
    }
}
