//! Word on stderr of how far a long step is.

use std::time::{Duration, Instant};

/// How often it is said.
const INTERVAL: Duration = Duration::from_secs(5);

/// Progress of one step: a line now and then, none for a step that is done soon.
pub struct Progress {
    what: String,
    total: u64,
    done: u64,
    said: Instant,
}

impl Progress {
    /// A step of so many events begins.
    pub fn new(what: impl Into<String>, total: u64) -> Self {
        Self {
            what: what.into(),
            total,
            done: 0,
            said: Instant::now(),
        }
    }

    /// One more is done. Cheap enough to be told of each event.
    pub fn step(&mut self) {
        self.done += 1;
        // Asking the clock for each would be felt.
        if self.done.is_multiple_of(1_024) {
            self.say();
        }
    }

    /// So many are done in all.
    pub fn reach(&mut self, events: u64) {
        self.done = events;
        self.say();
    }

    fn say(&mut self) {
        if self.said.elapsed() < INTERVAL {
            return;
        }
        self.said = Instant::now();
        let Self {
            what, total, done, ..
        } = self;
        eprintln!("  … {what}: {done} of {total}");
    }
}
