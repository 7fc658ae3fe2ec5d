//! The reader of a session: takes messages in sequence, in batches, and decodes them.

use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::jetstream::consumer::Consumer;
use async_nats::jetstream::consumer::pull::{self, Config};
use async_nats::jetstream::message::{Acker, Info, Message};
use async_nats::jetstream::stream::Stream;
use async_nats::{Client, HeaderMap};
use chrono::{DateTime, Utc};
use futures::{FutureExt, StreamExt};
use metrics::counter;
use tokio::task::{unconstrained, yield_now};
use tokio::time::sleep;

use super::broker::BrokerError;
use super::queue::{Decoded, Sender};
use super::stream::{self, SourceStream};
use super::{SessionEnd, note_removed, sequence_of};
use crate::dead_letter::RawMessage;
use crate::envelope;
use crate::log::{EventLog, StreamCheckpoint};

/// Messages of a batch at most. Few, so that what they take in memory is used again for the next while it is warm; the
/// queue behind makes commits of them.
const BATCH_MESSAGES_MAX: usize = 512;
/// Bytes after which a batch takes no further message.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Messages that are asked for at a time.
const PULL_MESSAGES_MAX: usize = 4096;
/// Bytes that are asked for at a time; more where the broker takes larger messages, since one that is larger than
/// what is asked for would never come.
const PULL_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long a request for messages stands.
const PULL_EXPIRES: Duration = Duration::from_secs(30);
/// How often the broker says that it is there while it has nothing to send; twice as long without is taken for its
/// silence.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long nothing may come before the consumer is asked whether it delivered something after all.
const IDLE_LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// The reader of a session.
pub(super) struct Reader {
    messages: pull::Stream,
    consumer: Consumer<Config>,
    client: Client,
    /// How often the client had connected when the session began.
    connects: u64,
    source: Stream,
    stream: String,
    stream_created_at: DateTime<Utc>,
    /// Whether the next message is to follow on `last_sequence`; the first of a new log may be any.
    follows: bool,
    /// Sequence of the last message that was read.
    last_sequence: u64,
    /// How many messages the consumer had delivered by then, repeated deliveries included.
    deliveries: u64,
    /// Whether it was said that messages were removed unread.
    said_removed: bool,
    /// What ended the messages, while those before it are dealt with.
    failed: Option<BrokerError>,
}

impl Reader {
    /// A reader of what comes behind a checkpoint.
    pub(super) async fn new(
        consumer: Consumer<Config>,
        stream: &SourceStream,
        client: &Client,
        connects: u64,
        checkpoint: Option<&StreamCheckpoint>,
    ) -> Result<Self, BrokerError> {
        let message_bytes_max = client.try_server_info().map_or(0, |info| info.max_payload);
        let messages = consumer
            .stream()
            .max_messages_per_batch(PULL_MESSAGES_MAX)
            .max_bytes_per_batch(PULL_BYTES_MAX.max(2 * message_bytes_max))
            .expires(PULL_EXPIRES)
            .heartbeat(HEARTBEAT)
            .messages()
            .await
            .map_err(BrokerError::Subscribe)?;
        Ok(Self {
            messages,
            client: client.clone(),
            connects,
            source: stream.handle.clone(),
            stream: stream.name.clone(),
            stream_created_at: stream.created_at,
            follows: checkpoint.is_some(),
            last_sequence: checkpoint.map_or(0, |checkpoint| checkpoint.sequence),
            deliveries: consumer.cached_info().delivered.consumer_sequence,
            consumer,
            said_removed: false,
            failed: None,
        })
    }

    /// Reads until the broker fails, or nobody takes batches any more.
    pub(super) async fn run(
        mut self,
        log: &dyn EventLog,
        batches: Sender<Acker>,
    ) -> Result<Infallible, SessionEnd> {
        loop {
            let batch = self.next_batch().await?;
            // On a connection that was made anew the stream may be another one, or have lost its tail. What was read
            // from it is not to be trusted before that is known.
            if self.client.statistics().connects.load(Ordering::Acquire) != self.connects {
                return Err(BrokerError::Disconnected.into());
            }
            let Some(decoded) = self.decode(batch, log).await? else {
                continue;
            };
            let is_full = decoded.arrivals.len() >= BATCH_MESSAGES_MAX;
            if !batches.send(decoded).await {
                return Err(BrokerError::Ended.into());
            }
            if is_full {
                // More is there already: the commit that waits for this, and the connection, have their turn first.
                yield_now().await;
            }
        }
    }

    /// The next messages: one as soon as it is there, and with it all that wait behind it, up to the limits.
    async fn next_batch(&mut self) -> Result<Vec<Message>, BrokerError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let first = self.next_message().await?;
        let mut bytes = first.length;
        let mut batch = vec![first];
        while batch.len() < BATCH_MESSAGES_MAX && bytes < BATCH_BYTES_MAX {
            // Without the runtime's budget for a task, which would cut batches to its size.
            match unconstrained(self.messages.next()).now_or_never() {
                Some(Some(Ok(message))) => {
                    bytes += message.length;
                    batch.push(message);
                }
                Some(Some(Err(error))) => {
                    self.failed = Some(BrokerError::Pull(error));
                    break;
                }
                Some(None) => {
                    self.failed = Some(BrokerError::Ended);
                    break;
                }
                None => break,
            }
        }
        Ok(batch)
    }

    /// Waits for a message. While there is none, the consumer is asked now and then how many it has delivered: one
    /// that went elsewhere would be missed only with the next, and there may be none for hours.
    async fn next_message(&mut self) -> Result<Message, BrokerError> {
        let consumer = &self.consumer;
        let mut seen_ahead = false;
        loop {
            let look = async {
                sleep(IDLE_LOOK_INTERVAL).await;
                consumer.get_info().await
            };
            let info = tokio::select! {
                // A message that is there waits for nothing.
                biased;
                message = self.messages.next() => {
                    return message.ok_or(BrokerError::Ended)?.map_err(BrokerError::Pull);
                }
                info = look => info,
            };
            // A request that fails says nothing; the heartbeat tells if the consumer is gone.
            let Ok(info) = info else {
                continue;
            };
            let delivered = info.delivered.consumer_sequence;
            let is_ahead = delivered > self.deliveries;
            // What is just on its way is there at the second look.
            if is_ahead && seen_ahead {
                return Err(BrokerError::DeliveredElsewhere {
                    consumer: info.name,
                    missed: delivered - self.deliveries,
                });
            }
            seen_ahead = is_ahead;
        }
    }

    /// Decodes a batch; `None` where all of it was delivered before.
    ///
    /// Where a sequence is missing the stream is asked where it begins. Behind the last message that was read: then its
    /// limits, or someone, removed what comes next, and the batch ends there, and the session after it. Otherwise messages
    /// were removed from among others; they are gone by now, and that is said.
    async fn decode(
        &mut self,
        batch: Vec<Message>,
        log: &dyn EventLog,
    ) -> Result<Option<Decoded<Acker>>, BrokerError> {
        let mut arrivals = Vec::with_capacity(batch.len());
        let mut last = None;
        let (mut begin, mut removed) = (None, 0);
        for message in batch {
            let info = info(&message)?;
            let missing = self.missing_before(info.stream_sequence);
            if missing > 0 {
                // All of the batch was delivered before this, so one look tells of every gap in it.
                let begin = match begin {
                    Some(begin) => begin,
                    None => *begin.insert(stream::begin(&self.source).await?),
                };
                if begin > self.last_sequence + 1 {
                    // The next session finds what the stream no longer has.
                    self.failed = Some(BrokerError::StreamChanged);
                    break;
                }
                removed += missing;
            }
            match self.place(&info)? {
                Place::Next(published_at) => {
                    arrivals.push(envelope::read(self.raw(&message, published_at)));
                    last = Some((message, published_at));
                }
                Place::Again(sequence) => {
                    counter!("farelog_ingest_redelivered_total").increment(1);
                    // An acknowledgement was lost, or is still to come: then it is not ours to give.
                    if sequence <= sequence_of(log) {
                        let _ = message.ack().await;
                    }
                }
            }
        }
        if removed > 0 {
            note_removed(
                &self.stream,
                removed,
                self.last_sequence,
                !self.said_removed,
            );
            self.said_removed = true;
        }
        let Some((message, published_at)) = last else {
            return Ok(None);
        };
        let checkpoint = StreamCheckpoint {
            stream: self.stream.clone(),
            stream_created_at: self.stream_created_at,
            sequence: self.last_sequence,
            published_at,
        };
        let (_, last) = message.split();
        Ok(Some(Decoded {
            arrivals,
            checkpoint,
            last,
        }))
    }

    /// How many sequences lie between the last message and this one's. Messages had them that were removed unread.
    fn missing_before(&self, sequence: u64) -> u64 {
        if self.follows {
            sequence.saturating_sub(self.last_sequence + 1)
        } else {
            0
        }
    }

    /// Counts a delivery, and says where its message stands.
    fn place(&mut self, info: &Info<'_>) -> Result<Place, BrokerError> {
        let sequence = info.stream_sequence;
        let deliveries = self.deliveries + 1;
        if info.consumer_sequence != deliveries {
            return Err(BrokerError::Missed {
                missed: info.consumer_sequence.saturating_sub(deliveries),
                sequence,
            });
        }
        self.deliveries = deliveries;
        if sequence > self.last_sequence {
            self.last_sequence = sequence;
            self.follows = true;
            return Ok(Place::Next(info.published));
        }
        if info.delivered > 1 {
            return Ok(Place::Again(sequence));
        }
        // A sequence that was given anew, or a consumer that lost its place.
        Err(BrokerError::OutOfOrder {
            sequence,
            last: self.last_sequence,
        })
    }

    fn raw(&self, message: &Message, published_at: DateTime<Utc>) -> RawMessage {
        RawMessage {
            subject: message.subject.to_string(),
            headers: message.headers.as_ref().map_or_else(Vec::new, headers),
            header_bytes: None,
            payload: message.payload.clone(),
            stream: self.stream.clone(),
            stream_sequence: self.last_sequence,
            published_at,
        }
    }
}

/// What JetStream says of a message.
fn info(message: &Message) -> Result<Info<'_>, BrokerError> {
    message
        .info()
        .map_err(|error| BrokerError::NotOfStream(error.to_string()))
}

/// Where a message stands, by what has been read.
enum Place {
    /// It is the next, and was published then.
    Next(DateTime<Utc>),
    /// It was read before, under this sequence.
    Again(u64),
}

/// Headers by name: the client has them in an order that differs each time, and a dead letter keeps them.
fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut headers: Vec<_> = headers
        .iter()
        .flat_map(|(name, values)| {
            values
                .iter()
                .map(move |value| (name.to_string(), value.to_string()))
        })
        .collect();
    // Stable, so that the values of a name keep their order.
    headers.sort_by(|(one, _), (other, _)| one.cmp(other));
    headers
}
