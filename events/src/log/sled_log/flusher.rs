//! Flushing sled, without waiting for ever.
//!
//! In sled 0.34.7 a write that fails on a thread of its own, when the last writer leaves a full buffer
//! (`Log::exit_reservation`), notes the error and wakes nobody. Who waits in a flush by then sleeps for good, and a log on a
//! broken or full disk would stand still instead of stopping. But a second flush finds the noted error, wakes all who
//! wait, and they fail as they should. So a flush that takes long is followed by another from a thread beside it; where
//! the disk is merely slow, that does nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::log::LogError;

/// How often the flusher is looked after. Commits take some milliseconds, on a slow disk some hundred.
const TICK: Duration = Duration::from_millis(250);

/// Flushes a store; one thread does so at a time.
pub struct Flusher {
    db: sled::Db,
    watched: Arc<Watched>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Watched {
    /// Flushes begun and ended: an odd number while one is under way.
    turns: AtomicU64,
    has_ended: AtomicBool,
}

impl Flusher {
    /// Starts the thread that looks after the flushes.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(db: &sled::Db) -> Result<Self, LogError> {
        let watched = Arc::<Watched>::default();
        let started = {
            let (db, watched) = (db.clone(), Arc::clone(&watched));
            thread::Builder::new()
                .name("log-flush-watch".to_owned())
                .spawn(move || watch(&db, &watched))
        };
        let thread = started.map_err(LogError::no_thread)?;
        Ok(Self {
            db: db.clone(),
            watched,
            thread: Some(thread),
        })
    }

    /// Writes what sled has in memory. Ends, with an error where a write failed.
    ///
    /// # Errors
    /// What sled wrote last, or before, could not be written.
    pub fn flush(&self) -> Result<(), sled::Error> {
        self.watched.turns.fetch_add(1, Ordering::Relaxed);
        let flushed = self.db.flush();
        self.watched.turns.fetch_add(1, Ordering::Relaxed);
        flushed.map(|_| ())
    }
}

impl Drop for Flusher {
    /// Waits for the thread, which has the store open too.
    fn drop(&mut self) {
        self.watched.has_ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It does not panic; if it did, there would be nothing left to do here.
            let _ = thread.join();
        }
    }
}

fn watch(db: &sled::Db, watched: &Watched) {
    let mut seen = 0;
    // In ticks. The wait doubles, so that there are few helpers however long the disk takes: thirteen for an hour.
    let (mut waited, mut wait) = (0_u32, 1_u32);
    while !watched.has_ended.load(Ordering::Relaxed) {
        thread::park_timeout(TICK);
        let turns = watched.turns.load(Ordering::Relaxed);
        let is_under_way = !turns.is_multiple_of(2);
        if !is_under_way || turns != seen {
            (waited, wait) = (0, 1);
            seen = turns;
            continue;
        }
        waited += 1;
        if waited == wait {
            (waited, wait) = (0, wait.saturating_mul(2));
            let db = db.clone();
            // On a thread of its own: where no write has failed, it waits like the first.
            let helper = thread::Builder::new().name("log-flush-again".to_owned());
            // Its error is the first one's too; without a thread there is a next time.
            let _ = helper.spawn(move || db.flush());
        }
    }
}
