//! The feed: records on their way from the writer to who follows the log, bounded by what they take in memory.
//!
//! A bound by the number of batches says little: behind a backlog a batch has thousands of records, and otherwise one or two.

use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Record;

/// Makes a feed of which so many bytes may be unread, as its records take them in memory. A batch that is larger finds room
/// when nothing else is unread.
pub fn feed(bytes_max: usize) -> (FeedSender, Feed) {
    let (sender, batches) = mpsc::channel();
    let room = Arc::new(Room {
        bytes_max,
        state: Mutex::default(),
        changed: Condvar::new(),
    });
    let sender = FeedSender {
        batches: sender,
        room: Arc::clone(&room),
    };
    (sender, Feed { batches, room })
}

/// Nobody reads the feed any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedClosed;

/// The writer's end. Dropped, it ends the feed.
#[derive(Debug)]
pub struct FeedSender {
    batches: mpsc::Sender<Batch>,
    room: Arc<Room>,
}

/// The reader's end. Dropped, it lets the writer go on without.
#[derive(Debug)]
pub struct Feed {
    batches: mpsc::Receiver<Batch>,
    room: Arc<Room>,
}

#[derive(Debug)]
struct Batch {
    records: Vec<Record>,
    bytes: usize,
}

#[derive(Debug)]
struct Room {
    bytes_max: usize,
    state: Mutex<Unread>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Unread {
    bytes: usize,
    /// Nobody will make room.
    is_closed: bool,
}

impl FeedSender {
    /// Hands a batch on, once there is room for it.
    ///
    /// # Errors
    /// The reader's end is gone.
    pub fn send(&self, records: Vec<Record>) -> Result<(), FeedClosed> {
        let bytes = records.iter().map(Record::memory_bytes).sum();
        self.room.take(bytes);
        let sent = self.batches.send(Batch { records, bytes });
        sent.map_err(|_| FeedClosed)
    }
}

impl Feed {
    /// The next batch, if there is one.
    ///
    /// # Errors
    /// There is none, or none will come.
    pub fn try_next(&self) -> Result<Vec<Record>, TryRecvError> {
        self.batches.try_recv().map(|batch| self.read(batch))
    }

    /// The next batch, once there is one, within a time.
    ///
    /// # Errors
    /// None came, or none will come.
    pub fn next_within(&self, wait: Duration) -> Result<Vec<Record>, RecvTimeoutError> {
        self.batches
            .recv_timeout(wait)
            .map(|batch| self.read(batch))
    }

    fn read(&self, batch: Batch) -> Vec<Record> {
        self.room.give_back(batch.bytes);
        batch.records
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.room.state().is_closed = true;
        self.room.changed.notify_all();
    }
}

impl Room {
    /// Waits for so much room, or until nobody will make any.
    fn take(&self, bytes: usize) {
        let has_no_room = |unread: &mut Unread| {
            !unread.is_closed && unread.bytes > 0 && unread.bytes + bytes > self.bytes_max
        };
        let waited = self.changed.wait_while(self.state(), has_no_room);
        waited.unwrap_or_else(PoisonError::into_inner).bytes += bytes;
    }

    fn give_back(&self, bytes: usize) {
        self.state().bytes -= bytes;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, Unread> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use chrono::DateTime;

    use super::*;
    use crate::event::About;
    use crate::json::JsonText;
    use crate::log::Position;

    /// A batch of one record, whose data is a text of so many characters.
    fn batch(position: Position, characters: usize) -> Vec<Record> {
        vec![Record {
            position,
            recorded_at: DateTime::UNIX_EPOCH,
            origin: None,
            source: "test".into(),
            id: position.to_string().into(),
            event_type: "Any".into(),
            time: DateTime::UNIX_EPOCH,
            correlation_id: None,
            about: About::Nothing,
            data: JsonText::of(&"x".repeat(characters)).unwrap(),
        }]
    }

    fn positions(feed: &Feed) -> Vec<Position> {
        let batches = std::iter::from_fn(|| feed.try_next().ok());
        batches.flatten().map(|record| record.position).collect()
    }

    /// It was bounded by batches once: after a pause of a moment eight batches of one record held the writer up, and
    /// behind a backlog there were twenty megabytes in as many.
    #[test]
    fn many_small_batches_have_room_and_a_few_large_ones_do_not() {
        let (sender, feed) = feed(100_000);
        for position in 1..=100 {
            sender.send(batch(position, 10)).unwrap();
        }
        thread::scope(|scope| {
            let sending = scope.spawn(|| {
                for position in 101..=103 {
                    sender.send(batch(position, 90_000)).unwrap();
                }
            });
            // None of the large ones has room beside another, so each comes behind the one before.
            let mut seen = Vec::new();
            while seen.len() < 103 {
                let batch = feed.next_within(Duration::from_mins(1)).unwrap();
                seen.extend(batch.iter().map(|record| record.position));
                assert!(feed.room.state().bytes <= 100_000);
            }
            assert_eq!(seen, (1..=103).collect::<Vec<_>>());
            sending.join().unwrap();
        });
    }

    #[test]
    fn a_batch_beyond_the_bound_has_room_when_nothing_else_is_unread() {
        let (sender, feed) = feed(10);
        sender.send(batch(1, 1_000)).unwrap();
        assert_eq!(positions(&feed), [1]);
        sender.send(batch(2, 1_000)).unwrap();
        assert_eq!(positions(&feed), [2]);
        assert_eq!(feed.room.state().bytes, 0);
    }

    #[test]
    fn who_waits_for_room_is_told_that_nobody_reads_any_more() {
        let (sender, feed) = feed(10);
        sender.send(batch(1, 1_000)).unwrap();
        thread::scope(|scope| {
            let sending = scope.spawn(|| sender.send(batch(2, 1_000)));
            drop(feed);
            assert_eq!(sending.join().unwrap(), Err(FeedClosed));
        });
    }

    #[test]
    fn what_was_sent_is_read_before_the_feed_has_ended() {
        let (sender, feed) = feed(10);
        sender.send(batch(1, 1)).unwrap();
        drop(sender);
        assert_eq!(positions(&feed), [1]);
        assert_eq!(feed.try_next().err(), Some(TryRecvError::Disconnected));
    }
}
