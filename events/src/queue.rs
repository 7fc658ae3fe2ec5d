//! A queue between two threads, bounded by the bytes that what is in it takes.
//!
//! A bound by how much is in it says little where one thing may take a thousand times what another does.

use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Makes a queue that so many bytes may be in. What takes more finds room when nothing else is in it.
pub fn queue<T>(bytes_max: usize) -> (QueueSender<T>, QueueReceiver<T>) {
    let (sender, sent) = mpsc::channel();
    let room = Arc::new(Room {
        bytes_max,
        state: Mutex::default(),
        changed: Condvar::new(),
    });
    let sender = QueueSender {
        sender,
        room: Arc::clone(&room),
    };
    (sender, QueueReceiver { sent, room })
}

/// Nobody takes anything out any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueClosed;

/// The end that puts things in. Dropped, it ends the queue.
#[derive(Debug)]
pub struct QueueSender<T> {
    sender: mpsc::Sender<(T, usize)>,
    room: Arc<Room>,
}

/// The end that takes things out. Dropped, it lets the other end go on without.
#[derive(Debug)]
pub struct QueueReceiver<T> {
    sent: mpsc::Receiver<(T, usize)>,
    room: Arc<Room>,
}

#[derive(Debug)]
struct Room {
    bytes_max: usize,
    state: Mutex<Taken>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Taken {
    bytes: usize,
    /// Nobody will make room.
    is_closed: bool,
}

impl<T> QueueSender<T> {
    /// Puts something in that takes so many bytes, once there is room for it.
    ///
    /// # Errors
    /// The other end is gone.
    pub fn send(&self, value: T, bytes: usize) -> Result<(), QueueClosed> {
        self.room.take(bytes)?;
        self.sender.send((value, bytes)).map_err(|_| QueueClosed)
    }
}

impl<T> QueueReceiver<T> {
    /// What comes next, if it is there.
    ///
    /// # Errors
    /// Nothing is there, or nothing will come.
    pub fn try_next(&self) -> Result<T, TryRecvError> {
        self.sent.try_recv().map(|sent| self.taken_out(sent))
    }

    /// What comes next, once it is there, within a time.
    ///
    /// # Errors
    /// Nothing came, or nothing will come.
    pub fn next_within(&self, wait: Duration) -> Result<T, RecvTimeoutError> {
        self.sent
            .recv_timeout(wait)
            .map(|sent| self.taken_out(sent))
    }

    fn taken_out(&self, (value, bytes): (T, usize)) -> T {
        self.room.give_back(bytes);
        value
    }

    /// How many bytes are in it.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.room.state().bytes
    }
}

/// What comes, until the other end is gone.
impl<T> Iterator for QueueReceiver<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let sent = self.sent.recv().ok()?;
        Some(self.taken_out(sent))
    }
}

impl<T> Drop for QueueReceiver<T> {
    fn drop(&mut self) {
        self.room.state().is_closed = true;
        self.room.changed.notify_all();
    }
}

impl Room {
    /// Waits for so much room, and takes it.
    ///
    /// # Errors
    /// Nobody will make any.
    fn take(&self, bytes: usize) -> Result<(), QueueClosed> {
        let has_no_room = |taken: &mut Taken| {
            !taken.is_closed && taken.bytes > 0 && taken.bytes + bytes > self.bytes_max
        };
        let waited = self.changed.wait_while(self.state(), has_no_room);
        let mut taken = waited.unwrap_or_else(PoisonError::into_inner);
        if taken.is_closed {
            return Err(QueueClosed);
        }
        taken.bytes += bytes;
        Ok(())
    }

    fn give_back(&self, bytes: usize) {
        self.state().bytes -= bytes;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, Taken> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn what_takes_more_than_there_may_be_has_room_when_nothing_else_is_in_it() {
        let (sender, receiver) = queue(10);
        for _ in 0..2 {
            sender.send('a', 1_000).unwrap();
            assert_eq!(receiver.try_next(), Ok('a'));
        }
        assert_eq!(receiver.bytes(), 0);
    }

    #[test]
    fn who_waits_for_room_is_told_that_nobody_takes_anything_out_any_more() {
        let (sender, receiver) = queue(10);
        sender.send('a', 1_000).unwrap();
        thread::scope(|scope| {
            let sending = scope.spawn(|| sender.send('b', 1_000));
            drop(receiver);
            assert_eq!(sending.join().unwrap(), Err(QueueClosed));
        });
    }

    #[test]
    fn what_was_put_in_is_taken_out_before_the_queue_has_ended() {
        let (sender, receiver) = queue(10);
        sender.send('a', 1).unwrap();
        drop(sender);
        assert_eq!(receiver.collect::<String>(), "a");
    }
}
