//! A log in memory that can be held up, and that can have a twin.

use std::sync::{Arc, Condvar, Mutex};

use farelog_events::event::About;
use farelog_events::log::memory::MemoryLog;
use farelog_events::log::{Batch, EventLog, Head, LogError, LogStats, Position, Record};
use tokio::sync::watch;
use uuid::Uuid;

/// The log.
pub struct HeldLog {
    log: MemoryLog,
    is_held: Mutex<bool>,
    released: Condvar,
}

impl HeldLog {
    /// An empty log, which nobody holds.
    pub fn new() -> Arc<Self> {
        Self::of(MemoryLog::new())
    }

    /// Another empty log that calls itself the same, as a copy of its files would.
    pub fn twin(&self) -> Arc<Self> {
        Self::of(MemoryLog::with_id(self.log.id()))
    }

    fn of(log: MemoryLog) -> Arc<Self> {
        Arc::new(Self {
            log,
            is_held: Mutex::new(false),
            released: Condvar::new(),
        })
    }

    /// Has appends that begin from now on wait.
    pub fn hold(&self) {
        *self.is_held.lock().unwrap() = true;
    }

    /// Has those that wait, and all others, go on.
    pub fn release(&self) {
        *self.is_held.lock().unwrap() = false;
        self.released.notify_all();
    }
}

impl EventLog for HeldLog {
    fn id(&self) -> Uuid {
        self.log.id()
    }

    fn append(&self, batch: Batch) -> Result<Vec<Record>, LogError> {
        let is_held = self.is_held.lock().unwrap();
        drop(
            self.released
                .wait_while(is_held, |is_held| *is_held)
                .unwrap(),
        );
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
