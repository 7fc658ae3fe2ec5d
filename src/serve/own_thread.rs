//! A thread with a runtime of its own, for a part that is not to share one with others.

use std::io;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A thread on which the tasks of one part run, one at a time, and nothing else.
///
/// Between tasks of one thread nothing has to be woken, and a task that holds the thread up holds up no other part.
pub struct OwnThread {
    runtime: Handle,
    /// Ends the runtime when it is dropped.
    end: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl OwnThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(name: &str) -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .thread_name(name)
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // An error is the drop that it waits for.
                let _ = runtime.block_on(ended);
                // Work that can't be interrupted is left to itself.
                runtime.shutdown_background();
            })?;
        Ok(Self {
            runtime: handle,
            end,
            thread,
        })
    }

    /// Where its tasks are started.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Ends it; tasks that still run are dropped.
    pub async fn end(self) {
        let Self { end, thread, .. } = self;
        drop(end);
        // It ends with the task that runs now, and has nothing to tell.
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}
