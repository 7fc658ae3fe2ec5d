//! How far the projections are, for those who wait.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use farelog_events::log::Position;
use tokio::sync::watch;

use crate::store::ProjectionError;

/// The position that the projections have reached, and word of each new one.
#[derive(Debug)]
pub struct Progress {
    state: Mutex<State>,
    changed: Condvar,
    watch: watch::Sender<Position>,
}

#[derive(Debug)]
struct State {
    position: Position,
    /// Why nothing will come any more.
    ended: Option<String>,
}

impl Progress {
    /// Starts at a position.
    pub fn new(position: Position) -> Self {
        Self {
            state: Mutex::new(State {
                position,
                ended: None,
            }),
            changed: Condvar::new(),
            watch: watch::Sender::new(position),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The position now.
    pub fn position(&self) -> Position {
        self.state().position
    }

    /// For waiting in async code.
    pub fn subscribe(&self) -> watch::Receiver<Position> {
        self.watch.subscribe()
    }

    /// A new position was reached.
    pub fn advance(&self, position: Position) {
        self.state().position = position;
        self.watch.send_replace(position);
        self.changed.notify_all();
    }

    /// Nothing will come any more: who waits is told.
    pub fn end(&self, why: String) {
        self.state().ended.get_or_insert(why);
        self.changed.notify_all();
    }

    /// Blocks until `position` is reached.
    ///
    /// # Errors
    /// [`ProjectionError::Ended`] when it never will be.
    pub fn wait_until(&self, position: Position) -> Result<(), ProjectionError> {
        let mut state = self.state();
        while state.position < position {
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
