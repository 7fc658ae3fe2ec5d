//! The queue of decoded batches before the writer. What comes while the writer is busy is committed together, by
//! one sync, however small the batches are that it came in.
//!
//! The queue is limited by what is in it and not by the number of batches: after a pause messages come one by one, and a
//! few batches of one message each would hold up all behind them for a commit each.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::log::StreamCheckpoint;
use crate::log::writer::Arrival;

/// What may wait in the queue, as a weight: as much as is taken at once, and a batch as the reader makes them.
const QUEUE_WEIGHT_MAX: u32 = 4096 + 512;
/// Weight from which on a batch takes no other in.
const BATCH_WEIGHT_MAX: usize = 4096;
/// A message weighs one, and one more for each of these bytes that it takes in memory.
const WEIGHT_BYTES: usize = 2048;

/// A batch, decoded.
#[derive(Debug)]
pub(super) struct Decoded<A> {
    pub(super) arrivals: Vec<Arrival>,
    /// The place behind its last message.
    pub(super) checkpoint: StreamCheckpoint,
    /// What acknowledges its last message, and with it all before.
    pub(super) last: A,
}

impl<A> Decoded<A> {
    fn weight(&self) -> u32 {
        let weights = self
            .arrivals
            .iter()
            .map(|arrival| 1 + arrival.message.memory_bytes() / WEIGHT_BYTES);
        // More than the queue holds would never find room in it.
        u32::try_from(weights.sum::<usize>())
            .map_or(QUEUE_WEIGHT_MAX, |weight| weight.min(QUEUE_WEIGHT_MAX))
    }

    /// Takes in the batch that follows.
    fn append(&mut self, mut next: Self) {
        self.arrivals.append(&mut next.arrivals);
        self.checkpoint = next.checkpoint;
        self.last = next.last;
    }
}

/// The reader's end.
#[derive(Debug)]
pub(super) struct Sender<A> {
    batches: mpsc::UnboundedSender<(Decoded<A>, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
}

/// The writer's end.
#[derive(Debug)]
pub(super) struct Receiver<A> {
    batches: mpsc::UnboundedReceiver<(Decoded<A>, OwnedSemaphorePermit)>,
}

/// An empty queue.
pub(super) fn queue<A>() -> (Sender<A>, Receiver<A>) {
    // Each batch in it has a part of the room, which is what bounds it.
    let (sender, receiver) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(QUEUE_WEIGHT_MAX as usize));
    (
        Sender {
            batches: sender,
            room,
        },
        Receiver { batches: receiver },
    )
}

impl<A> Sender<A> {
    /// Puts a batch into the queue, once there is room for it. False: nobody takes batches any more.
    pub(super) async fn send(&self, batch: Decoded<A>) -> bool {
        let weight = batch.weight();
        match Arc::clone(&self.room).acquire_many_owned(weight).await {
            Ok(place) => self.batches.send((batch, place)).is_ok(),
            Err(_) => false,
        }
    }
}

impl<A> Receiver<A> {
    /// All that waits, as one batch, up to a limit; `None` once the reader has ended and nothing is left.
    pub(super) async fn next(&mut self) -> Option<Decoded<A>> {
        let (mut batch, place) = self.batches.recv().await?;
        let mut weight = place.num_permits();
        drop(place);
        while weight < BATCH_WEIGHT_MAX
            && let Ok((more, place)) = self.batches.try_recv()
        {
            weight += place.num_permits();
            batch.append(more);
        }
        Some(batch)
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use bytes::Bytes;
    use chrono::{DateTime, Utc};
    use futures::FutureExt as _;

    use super::*;
    use crate::dead_letter::RawMessage;
    use crate::envelope;

    /// A message of so many bytes.
    fn message(payload_bytes: usize) -> RawMessage {
        RawMessage {
            subject: "orders.o".to_owned(),
            headers: Vec::new(),
            header_bytes: None,
            payload: Bytes::from(vec![b'x'; payload_bytes]),
            stream: "ORDERS".to_owned(),
            stream_sequence: 0,
            published_at: DateTime::UNIX_EPOCH,
        }
    }

    /// Messages of so many bytes under these sequences.
    fn batch(sequences: RangeInclusive<u64>, payload_bytes: usize) -> Decoded<u64> {
        batch_like(&message(payload_bytes), sequences)
    }

    /// Messages like this one under these sequences; what acknowledges the last one is its sequence.
    fn batch_like(like: &RawMessage, sequences: RangeInclusive<u64>) -> Decoded<u64> {
        let last = *sequences.end();
        let message = |stream_sequence| RawMessage {
            stream_sequence,
            ..like.clone()
        };
        Decoded {
            arrivals: sequences.map(message).map(envelope::read).collect(),
            checkpoint: StreamCheckpoint {
                stream: "ORDERS".to_owned(),
                stream_created_at: DateTime::<Utc>::UNIX_EPOCH,
                sequence: last,
                published_at: DateTime::UNIX_EPOCH,
            },
            last,
        }
    }

    fn sequences(batch: &Decoded<u64>) -> Vec<u64> {
        assert_eq!(batch.checkpoint.sequence, batch.last);
        let arrivals = batch.arrivals.iter();
        arrivals
            .map(|arrival| arrival.message.stream_sequence)
            .collect()
    }

    /// At 10,000 events a second one waited up to three commits for its own: those before it were of a single message
    /// each, since the queue had room for one batch, which was taken as soon as its first message was there.
    #[tokio::test]
    async fn what_came_while_the_writer_was_busy_is_one_batch() {
        let (sender, mut receiver) = queue();
        for sequence in 1..=100 {
            assert!(sender.send(batch(sequence..=sequence, 10)).await);
        }
        let joined = receiver.next().await.unwrap();
        assert_eq!(sequences(&joined), (1..=100).collect::<Vec<_>>());
        assert!(receiver.next().now_or_never().is_none());
        drop(sender);
        assert!(receiver.next().await.is_none());
    }

    #[tokio::test]
    async fn a_batch_that_is_large_is_left_as_it_is() {
        let (sender, mut receiver) = queue();
        assert!(sender.send(batch(1..=4096, 10)).await);
        assert!(sender.send(batch(4097..=4097, 10)).await);
        assert_eq!(receiver.next().await.unwrap().arrivals.len(), 4096);
        assert_eq!(sequences(&receiver.next().await.unwrap()), [4097]);
    }

    /// Only payloads had a weight once: with empty ones, and what a message may have in its headers, gigabytes waited.
    #[tokio::test]
    async fn a_full_queue_holds_the_reader_up_until_a_batch_is_taken() {
        let bytes = 1024 * 1024;
        let in_payload = message(bytes);
        let in_header = RawMessage {
            headers: vec![("Trace".to_owned(), "x".repeat(bytes))],
            ..message(0)
        };
        let in_header_bytes = RawMessage {
            header_bytes: Some(vec![b'x'; bytes].into()),
            ..message(0)
        };
        // Short ones take more than their texts.
        let in_headers = RawMessage {
            headers: vec![("T".to_owned(), "x".to_owned()); bytes / size_of::<(String, String)>()],
            ..message(0)
        };
        let in_subject = RawMessage {
            subject: "x".repeat(bytes),
            ..message(0)
        };
        for large in [
            in_payload,
            in_header,
            in_header_bytes,
            in_headers,
            in_subject,
        ] {
            let (sender, mut receiver) = queue();
            // However large one is, it finds room in an empty queue.
            assert!(sender.send(batch_like(&large, 1..=20)).await);
            let mut waiting = std::pin::pin!(sender.send(batch(21..=21, 10)));
            assert!(waiting.as_mut().now_or_never().is_none());
            assert_eq!(receiver.next().await.unwrap().arrivals.len(), 20);
            assert!(waiting.await);
            assert_eq!(sequences(&receiver.next().await.unwrap()), [21]);
        }
    }

    #[tokio::test]
    async fn a_reader_is_told_that_nobody_takes_batches() {
        let (sender, receiver) = queue();
        drop(receiver);
        assert!(!sender.send(batch(1..=1, 10)).await);
    }
}
