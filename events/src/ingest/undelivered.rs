//! Messages that the consumer may not be able to deliver.
//!
//! The broker takes headers and subjects that the NATS client can't take in, and each session that comes to such a message
//! fails: the client closes its connection, or takes the message for the broker's own word. So after a session that failed
//! the next messages are asked for one by one ([`super::stored`]), where nothing of them is parsed on the way. What can be
//! read is taken in like any other; what can't be is a dead letter with its bytes. Each session so comes at least one
//! message further, whatever the messages hold.
//!
//! Where one was found there are likely more, and each would cost a session. So reading goes on like this until many in a
//! row could have been delivered, or there is no more.

use futures::{StreamExt, stream};

use super::broker::BrokerError;
use super::stored::StoredMessage;
use super::stream::{SourceStream, begin};
use super::{BACKOFF_MIN, Ingestion, SessionEnd, consumer, note_removed};
use crate::dead_letter::RawMessage;
use crate::envelope;
use crate::log::StreamCheckpoint;
use crate::log::writer::Arrival;

/// How the first messages are asked for, whatever failed.
const FIRST_LOOK: Pace = Pace {
    messages_max: 16,
    // On a slow way each has its time to arrive.
    at_once: 1,
};
/// How messages are asked for behind one that could not be delivered.
const FURTHER_LOOKS: Pace = Pace {
    messages_max: 256,
    at_once: 16,
};
/// Bytes after which a portion takes no further message.
const PORTION_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Messages in a row that could have been delivered, after which the consumer is relied on again.
const DELIVERABLE_IN_A_ROW: usize = 4096;

/// How messages are asked for.
struct Pace {
    /// Messages that are recorded together, at most.
    messages_max: u64,
    /// Requests that are under way at the same time.
    at_once: usize,
}

/// Messages that were asked for, in sequence.
struct Portion {
    arrivals: Vec<Arrival>,
    /// The place behind the last one; where there is none, the place from which they were asked for.
    checkpoint: Option<StreamCheckpoint>,
    /// Messages that were removed from among them.
    removed: u64,
    /// Whether the stream has no more.
    is_last: bool,
    /// What kept it from being longer.
    failed: Option<BrokerError>,
}

impl Ingestion {
    /// Reads the next messages behind a checkpoint without the consumer, and all that may be like them. Gives the
    /// checkpoint behind what was read, which is in the log.
    pub(super) async fn read_undelivered(
        &mut self,
        source: &SourceStream,
        connects: u64,
        mut checkpoint: Option<StreamCheckpoint>,
    ) -> Result<Option<StreamCheckpoint>, SessionEnd> {
        let mut deliverable_in_a_row = None;
        loop {
            let is_first_look = deliverable_in_a_row.is_none();
            let pace = if is_first_look {
                FIRST_LOOK
            } else {
                FURTHER_LOOKS
            };
            let mut portion = portion(source, checkpoint, &pace).await;
            let (is_last, failed) = (portion.is_last, portion.failed.take());
            let count = portion.arrivals.len();
            deliverable_in_a_row = match portion.arrivals.iter().rposition(is_undeliverable) {
                Some(last) => Some(count - 1 - last),
                None => deliverable_in_a_row.map(|so_far| so_far + count),
            };
            if deliverable_in_a_row.is_some() {
                if is_first_look {
                    say_kept(&source.name, &portion.arrivals);
                }
                // It is known what ended the session before: nothing to wait for.
                self.wait = BACKOFF_MIN;
            }
            checkpoint = self.record(source, connects, portion).await?;
            if let Some(error) = failed {
                return Err(error.into());
            }
            if is_last || deliverable_in_a_row.is_none_or(|count| count >= DELIVERABLE_IN_A_ROW) {
                return Ok(checkpoint);
            }
        }
    }

    /// Has the log take a portion in. Gives the checkpoint behind it.
    async fn record(
        &self,
        source: &SourceStream,
        connects: u64,
        portion: Portion,
    ) -> Result<Option<StreamCheckpoint>, SessionEnd> {
        let (count, checkpoint) = (portion.arrivals.len(), portion.checkpoint);
        let (Some(behind), 1..) = (&checkpoint, count) else {
            return Ok(checkpoint);
        };
        let sequence = behind.sequence;
        // What was read from another stream meanwhile is not to be trusted.
        if self.connects() != connects {
            return Err(BrokerError::Disconnected.into());
        }
        let info = source.handle.get_info().await;
        let info = info.map_err(BrokerError::StreamLook)?;
        if source.has_changed(&info, sequence) {
            return Err(BrokerError::StreamChanged.into());
        }
        if portion.removed > 0 {
            note_removed(&source.name, portion.removed, sequence, true);
        }
        if portion.arrivals.iter().any(is_undeliverable) {
            consumer::give_up(&source.handle, &consumer::name(self.log.id())).await?;
        }
        self.writer.ingest(portion.arrivals, behind.clone()).await?;
        self.reads();
        self.has_dealt_with(count, sequence);
        Ok(checkpoint)
    }
}

/// Asks for the messages behind a checkpoint. What fails ends the portion, and what was read before it stands.
async fn portion(
    source: &SourceStream,
    checkpoint: Option<StreamCheckpoint>,
    pace: &Pace,
) -> Portion {
    let next = checkpoint.as_ref().map_or(1, |it| it.sequence + 1);
    let mut portion = Portion {
        arrivals: Vec::new(),
        checkpoint,
        removed: 0,
        is_last: false,
        failed: None,
    };
    // Where one was removed its number is answered with the next that there is.
    let mut answers = stream::iter(next..next + pace.messages_max)
        .map(|sequence| source.stored.first_from(sequence))
        .buffered(pace.at_once);
    let mut bytes = 0;
    while bytes < PORTION_BYTES_MAX
        && let Some(answer) = answers.next().await
    {
        let message = match answer {
            Ok(Some(message)) => message,
            Ok(None) => {
                portion.is_last = true;
                break;
            }
            Err(error) => {
                portion.failed = Some(BrokerError::MessageBehindCheckpoint(error));
                break;
            }
        };
        bytes += message.payload.len();
        if let Err(error) = portion.take(message, source).await {
            portion.failed = Some(error);
            break;
        }
    }
    portion
}

impl Portion {
    /// Takes the next message in, unless it is the last one, asked for again. It may be the first of a log, whose stream may
    /// begin anywhere; behind another one it has to be its next, or those between are to have been removed from among
    /// others.
    async fn take(
        &mut self,
        message: StoredMessage,
        source: &SourceStream,
    ) -> Result<(), BrokerError> {
        if let Some(checkpoint) = &self.checkpoint {
            let last = checkpoint.sequence;
            if message.sequence <= last {
                return Ok(());
            }
            let missing = message.sequence - last - 1;
            if missing > 0 && begin(&source.handle).await? > last + 1 {
                // The next session finds what the stream no longer has.
                return Err(BrokerError::StreamChanged);
            }
            self.removed += missing;
        }
        self.checkpoint = Some(StreamCheckpoint {
            stream: source.name.clone(),
            stream_created_at: source.created_at,
            sequence: message.sequence,
            published_at: message.published_at,
        });
        self.arrivals.push(envelope::read(RawMessage {
            subject: message.subject,
            headers: Vec::new(),
            header_bytes: message.header_bytes,
            payload: message.payload,
            stream: source.name.clone(),
            stream_sequence: message.sequence,
            published_at: message.published_at,
        }));
        Ok(())
    }
}

/// Whether a message could surely not have been delivered.
fn is_undeliverable(arrival: &Arrival) -> bool {
    arrival.message.header_bytes.is_some() || arrival.message.has_garbled_subject()
}

/// Says so of the first; how many there are tells the count of dead letters.
fn say_kept(stream: &str, arrivals: &[Arrival]) {
    let first = arrivals.iter().find(|arrival| is_undeliverable(arrival));
    let Some(Arrival {
        message,
        content: Err(letter),
    }) = first
    else {
        return;
    };
    tracing::warn!(
        stream,
        sequence = message.stream_sequence,
        "a message that the NATS client can't take in is kept as a dead letter, and reading goes on behind it: {}",
        letter.detail
    );
}
