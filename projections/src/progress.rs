//! How far the projections are, for those who wait.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use farelog_events::log::Position;
use tokio::sync::watch;

use crate::store::ProjectionError;

/// The position that the projections have reached, and word of each new one.
#[derive(Debug)]
pub struct Progress {
    /// Changed with the state locked; read without, since every answer looks at it.
    position: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
    watch: watch::Receiver<Position>,
}

#[derive(Debug)]
struct State {
    /// Tells of it in async code, until the end.
    teller: Option<watch::Sender<Position>>,
    /// Why nothing will come any more.
    ended: Option<String>,
}

impl Progress {
    /// Starts at a position.
    pub fn new(position: Position) -> Self {
        let (teller, watch) = watch::channel(position);
        Self {
            position: AtomicU64::new(position),
            state: Mutex::new(State {
                teller: Some(teller),
                ended: None,
            }),
            changed: Condvar::new(),
            watch,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The position now.
    pub fn position(&self) -> Position {
        self.position.load(Ordering::Acquire)
    }

    /// For waiting in async code. Closed at the end.
    pub fn subscribe(&self) -> watch::Receiver<Position> {
        self.watch.clone()
    }

    /// A new position was reached.
    pub fn advance(&self, position: Position) {
        let state = self.state();
        self.position.store(position, Ordering::Release);
        if let Some(teller) = &state.teller {
            teller.send_replace(position);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Nothing will come any more: who waits is told.
    pub fn end(&self, why: String) {
        let mut state = self.state();
        state.ended.get_or_insert(why);
        state.teller = None;
        drop(state);
        self.changed.notify_all();
    }

    /// Blocks until `position` is reached.
    ///
    /// # Errors
    /// [`ProjectionError::Ended`] when it never will be.
    pub fn wait_until(&self, position: Position) -> Result<(), ProjectionError> {
        let mut state = self.state();
        while self.position() < position {
            if let Some(why) = &state.ended {
                return Err(ProjectionError::Ended(why.clone()));
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }
}

/// Ends a progress when it is dropped, so that a panic ends it too.
#[derive(Debug)]
pub struct EndOfProgress<'a>(pub &'a Progress);

impl Drop for EndOfProgress<'_> {
    fn drop(&mut self) {
        self.0
            .end("the thread that does so has panicked".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Whoever waited for a position went on waiting when the thread that would have reached it had panicked, the log's
    /// writer among them: the server could not end.
    #[test]
    fn a_panic_ends_the_waiting() {
        let progress = Progress::new(1);
        let subscribed = progress.subscribe();
        let advanced = thread::scope(|scope| {
            let advancing = scope.spawn(|| {
                let _end = EndOfProgress(&progress);
                progress.advance(2);
                panic!("as a test");
            });
            advancing.join()
        });
        assert!(advanced.is_err());
        progress.wait_until(2).unwrap();
        let error = progress.wait_until(3).unwrap_err();
        assert!(matches!(error, ProjectionError::Ended(_)), "{error}");
        assert_eq!(*subscribed.borrow(), 2);
        assert!(subscribed.has_changed().is_err());
        assert!(progress.subscribe().has_changed().is_err());
    }

    #[test]
    fn the_first_end_says_why() {
        let progress = Progress::new(1);
        {
            let _end = EndOfProgress(&progress);
            progress.end("the disk is full".to_owned());
        }
        let error = progress.wait_until(2).unwrap_err();
        assert!(error.to_string().ends_with("the disk is full"), "{error}");
    }
}
