//! Room for the next batch: what was gathered is handed on to be brought to its place, by the thread that applies batches.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fjall::{AbstractTree, PersistMode};

use super::{ProjectionError, Store};

/// Parts of what was gathered that may wait to be brought to their place. The library's own limit is four.
const GATHERED_WAITING_MAX: usize = 2;

/// Runs of tables that may wait to be sorted in: some more than are sorted in together. The library slows down at twenty and
/// stops at thirty.
const RUNS_UNSORTED_MAX: usize = 19;

const WORK_LOOKED_AT_EVERY: Duration = Duration::from_millis(2);

/// How long a batch waits while nothing at all gets done. The longest single piece of work is to merge some gigabytes of
/// tables, which a disk of ten megabytes a second does within this.
pub const STANDSTILL_MAX: Duration = Duration::from_secs(600);

/// Somebody who waits for work in the background.
struct Waiting {
    /// Which version the tables have: each piece of work makes another.
    version: u64,
    /// Since when they have it.
    since: Instant,
}

impl Store {
    /// Waits while work in the background is behind, and hands on what was gathered once it is enough. So what is gathered
    /// is [`gathered_bytes`](super::StoreMemory::gathered_bytes) and a batch at most, three times.
    ///
    /// The library would do both by itself, but it waits for ever where that work has failed, with the batch half done;
    /// and it hands on what was gathered by a queue in which small batches can bring its only thread to wait for itself.
    ///
    /// # Errors
    /// Work in the background has failed, or stands still.
    pub(super) fn make_room(&self) -> Result<(), ProjectionError> {
        let mut waiting = self.waiting();
        while self.values.tree.l0_run_count() >= RUNS_UNSORTED_MAX {
            self.wait(&mut waiting)?;
            self.sort_in()?;
        }
        let is_enough = self.values.tree.active_memtable().size() >= self.gathered_bytes;
        while self.values.sealed_memtable_count() + usize::from(is_enough) > GATHERED_WAITING_MAX {
            self.wait(&mut waiting)?;
        }
        if is_enough {
            self.values.rotate_memtable()?;
        }
        Ok(())
    }

    /// Sorts some tables in, on this thread. In the background that is done once for each part that was gathered, with
    /// those tables that are most in need of it, which may be others than the newest; so nobody may be about to.
    fn sort_in(&self) -> Result<(), ProjectionError> {
        let strategy = Arc::clone(&self.values.config.compaction_strategy);
        let seen_by_nobody = self
            .database
            .supervisor
            .snapshot_tracker
            .get_seqno_safe_to_gc();
        let sorted = self.values.tree.compact(strategy, seen_by_nobody);
        Ok(sorted.map_err(fjall::Error::from)?)
    }

    fn waiting(&self) -> Waiting {
        Waiting {
            version: self.values.tree.current_version().id(),
            since: Instant::now(),
        }
    }

    fn wait(&self, waiting: &mut Waiting) -> Result<(), ProjectionError> {
        // Fails where the work did.
        self.database.persist(PersistMode::Buffer)?;
        let now = self.waiting();
        if waiting.version != now.version {
            *waiting = now;
        } else if waiting.since.elapsed() > self.standstill_max {
            return Err(ProjectionError::StandsStill(self.standstill_max));
        }
        thread::sleep(WORK_LOOKED_AT_EVERY);
        Ok(())
    }
}
