//! The feed: records on their way from the writer to who follows the log, bounded by what they take in memory.
//!
//! A bound by the number of batches says little: behind a backlog a batch has thousands of records, and otherwise one or two.

use super::Record;
use crate::queue::{QueueClosed, QueueReceiver, QueueSender, queue};

/// Makes a feed of which so many bytes may be unread, as its records take them in memory. A batch that is larger finds room
/// when nothing else is unread.
pub fn feed(bytes_max: usize) -> (FeedSender, Feed) {
    let (sender, batches) = queue(bytes_max);
    (FeedSender(sender), batches)
}

/// The writer's end. Dropped, it ends the feed.
#[derive(Debug)]
pub struct FeedSender(QueueSender<Vec<Record>>);

/// The reader's end, of batches. Dropped, it lets the writer go on without.
pub type Feed = QueueReceiver<Vec<Record>>;

impl FeedSender {
    /// Hands a batch on, once there is room for it.
    ///
    /// # Errors
    /// The reader's end is gone.
    pub fn send(&self, records: Vec<Record>) -> Result<(), QueueClosed> {
        let bytes = records.iter().map(Record::memory_bytes).sum();
        self.0.send(records, bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

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
                assert!(feed.bytes() <= 100_000);
            }
            assert_eq!(seen, (1..=103).collect::<Vec<_>>());
            sending.join().unwrap();
        });
    }
}
