//! Whether a stream is the one that the log was fed from, and whether it still has what comes next.
//!
//! A broker can lose what it acknowledged (by default it syncs to disk every two minutes), a stream can be deleted and
//! made anew, and its limits can remove messages that were not read. Each leaves the log and the stream apart, and
//! going on regardless would lose events, or take a new event under an old sequence for a repeat.

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::log::StreamCheckpoint;

/// What a stream tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamFacts {
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// The sequence of its first message; of the next one, or 0, while it has none.
    pub first_sequence: u64,
    /// The sequence of its last message, also if that was removed.
    pub last_sequence: u64,
    /// When it took the message whose sequence is the checkpoint's; `None` where it has none (any more).
    pub published_at_checkpoint: Option<DateTime<Utc>>,
}

/// Why a stream can't be read on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StreamBreak {
    /// The log was fed from a stream of another name.
    #[error(
        "the log was fed from the stream {log} up to sequence {sequence}, not from {given}; start with --stream {log}, \
         or with --adopt-stream to go on with {given} from its first message"
    )]
    OtherStream {
        /// The stream that the log knows.
        log: String,
        /// The stream that was given.
        given: String,
        /// How far the log's was read.
        sequence: u64,
    },
    /// The stream was deleted and made anew.
    #[error(
        "the stream {name} is not the one that the log was fed from: it was created at {created_at}, the log's at \
         {log_created_at}; start with --adopt-stream to go on with it from its first message"
    )]
    Recreated {
        /// The stream.
        name: String,
        /// When it was created.
        created_at: DateTime<Utc>,
        /// When the one that the log knows was.
        log_created_at: DateTime<Utc>,
    },
    /// The stream ends before the place that the log has read up to: the broker lost messages.
    #[error(
        "the stream {name} ends at sequence {last_sequence}, the log has read up to {sequence}: NATS lost messages that \
         it had; start with --adopt-stream to go on with what is published from now on"
    )]
    LostTail {
        /// The stream.
        name: String,
        /// Where it ends.
        last_sequence: u64,
        /// How far the log has read.
        sequence: u64,
    },
    /// The message at the checkpoint is another one: the broker lost messages and gave their sequences anew.
    #[error(
        "the stream {name} has another message at sequence {sequence} than the log read there: NATS lost messages and \
         used their sequences again; start with --adopt-stream to read those too"
    )]
    SequenceReused {
        /// The stream.
        name: String,
        /// The checkpoint.
        sequence: u64,
    },
    /// Messages were removed before they were read.
    #[error(
        "the stream {name} begins at sequence {first_sequence}, the log has read up to {sequence}: the messages in \
         between were removed before they were read; publish them again and start with --adopt-stream to go on"
    )]
    Trimmed {
        /// The stream.
        name: String,
        /// Where it begins.
        first_sequence: u64,
        /// How far the log has read.
        sequence: u64,
    },
    /// The stream forgets what was acknowledged, so that a log that lost its end could not read it again.
    #[error(
        "the stream {name} has {retention} retention and forgets what was acknowledged; give farelog a stream with \
         limits retention"
    )]
    Forgetful {
        /// The stream.
        name: String,
        /// Its retention.
        retention: &'static str,
    },
}

/// Says whether the stream goes on where the log ends. A log without a checkpoint goes on with any.
///
/// # Errors
/// What stands between them.
pub fn check(
    checkpoint: Option<&StreamCheckpoint>,
    stream: &StreamFacts,
) -> Result<(), StreamBreak> {
    let Some(checkpoint) = checkpoint else {
        return Ok(());
    };
    let name = || stream.name.clone();
    let sequence = checkpoint.sequence;
    if checkpoint.stream != stream.name {
        return Err(StreamBreak::OtherStream {
            log: checkpoint.stream.clone(),
            given: name(),
            sequence,
        });
    }
    if checkpoint.stream_created_at != stream.created_at {
        return Err(StreamBreak::Recreated {
            name: name(),
            created_at: stream.created_at,
            log_created_at: checkpoint.stream_created_at,
        });
    }
    if stream.last_sequence < sequence {
        return Err(StreamBreak::LostTail {
            name: name(),
            last_sequence: stream.last_sequence,
            sequence,
        });
    }
    // One that was removed says nothing.
    if stream
        .published_at_checkpoint
        .is_some_and(|published_at| published_at != checkpoint.published_at)
    {
        return Err(StreamBreak::SequenceReused {
            name: name(),
            sequence,
        });
    }
    if stream.first_sequence > sequence + 1 {
        return Err(StreamBreak::Trimmed {
            name: name(),
            first_sequence: stream.first_sequence,
            sequence,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u32) -> DateTime<Utc> {
        format!("2026-01-10T08:{minute:02}:00Z").parse().unwrap()
    }

    fn checkpoint() -> StreamCheckpoint {
        StreamCheckpoint {
            stream: "ORDERS".into(),
            stream_created_at: at(0),
            sequence: 100,
            published_at: at(30),
        }
    }

    fn stream() -> StreamFacts {
        StreamFacts {
            name: "ORDERS".into(),
            created_at: at(0),
            first_sequence: 1,
            last_sequence: 120,
            published_at_checkpoint: Some(at(30)),
        }
    }

    #[test]
    fn a_stream_that_still_has_the_checkpoint_is_read_on() {
        assert_eq!(check(Some(&checkpoint()), &stream()), Ok(()));
    }

    #[test]
    fn a_new_log_takes_any_stream() {
        let trimmed = StreamFacts {
            first_sequence: 50,
            ..stream()
        };
        assert_eq!(check(None, &trimmed), Ok(()));
    }

    #[test]
    fn messages_removed_after_they_were_read_are_no_gap() {
        for (first_sequence, last_sequence) in [(101, 120), (101, 100), (60, 100)] {
            let stream = StreamFacts {
                first_sequence,
                last_sequence,
                published_at_checkpoint: None,
                ..stream()
            };
            assert_eq!(check(Some(&checkpoint()), &stream), Ok(()));
        }
    }

    #[test]
    fn each_break_is_told_apart_with_a_way_on() {
        let cases = [
            (
                StreamFacts {
                    name: "OTHER".into(),
                    ..stream()
                },
                "the log was fed from the stream ORDERS up to sequence 100, not from OTHER; start with --stream ORDERS, \
                 or with --adopt-stream to go on with OTHER from its first message",
            ),
            (
                StreamFacts {
                    created_at: at(5),
                    ..stream()
                },
                "the stream ORDERS is not the one that the log was fed from: it was created at 2026-01-10 08:05:00 UTC, \
                 the log's at 2026-01-10 08:00:00 UTC; start with --adopt-stream to go on with it from its first message",
            ),
            (
                StreamFacts {
                    last_sequence: 99,
                    published_at_checkpoint: None,
                    ..stream()
                },
                "the stream ORDERS ends at sequence 99, the log has read up to 100: NATS lost messages that it had; \
                 start with --adopt-stream to go on with what is published from now on",
            ),
            (
                StreamFacts {
                    published_at_checkpoint: Some(at(31)),
                    ..stream()
                },
                "the stream ORDERS has another message at sequence 100 than the log read there: NATS lost messages and \
                 used their sequences again; start with --adopt-stream to read those too",
            ),
            (
                StreamFacts {
                    first_sequence: 102,
                    published_at_checkpoint: None,
                    ..stream()
                },
                "the stream ORDERS begins at sequence 102, the log has read up to 100: the messages in between were \
                 removed before they were read; publish them again and start with --adopt-stream to go on",
            ),
        ];
        for (stream, sentence) in cases {
            let stream_break = check(Some(&checkpoint()), &stream).unwrap_err();
            assert_eq!(stream_break.to_string(), sentence);
        }
    }
}
