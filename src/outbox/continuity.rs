//! Behind which fact the outbox goes on, given what it remembers and what stands in the stream.
//!
//! Both are needed. The file beside the log can be behind the stream (a crash between sending and saving), and the
//! stream can be behind the file (a broker that loses power loses what it acknowledged last; a stream is deleted and
//! made anew). Of a stream that is still the one that was sent to, its last message counts; of another one, what is
//! remembered. Where neither tells what was sent, someone has to: to guess would send tickets twice, or never.

use chrono::{DateTime, Utc};
use farelog_events::log::Position;
use farelog_projections::outbox::FactPlace;
use thiserror::Error;
use uuid::Uuid;

use super::position::{OutboxPosition, StreamMark};

/// What a stream tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamFacts {
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// The sequence of its last message, also if that was removed.
    pub last_sequence: u64,
    /// When it took its last message; `None` where that was removed.
    pub last_published_at: Option<DateTime<Utc>>,
    /// What it has under the remembered sequence.
    pub marked: MarkedMessage,
    /// What was sent to it last. Looked for behind the remembered sequence of this stream; where that is not below
    /// `last_sequence`, has another message now, or there is none, in all of it.
    pub last_sent: LastSent,
}

/// The message under the sequence that a stream ended with when the position was saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkedMessage {
    /// It is the one that it was.
    AsLeft,
    /// It is another one: the broker lost messages and used their sequences again.
    Other,
    /// There is none, or none is remembered. That says nothing.
    Gone,
}

/// The last message of an outbox in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastSent {
    /// It carries this fact of this log.
    Ours(FactPlace),
    /// It carries a fact of another log.
    OtherLog(Uuid),
    /// There is none: every message was looked at.
    Nothing,
    /// None was found, but some messages were removed or are too many to look at.
    Unknown,
}

/// Behind which fact to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resumption {
    /// The last fact that was sent.
    pub place: FactPlace,
    /// How that is known.
    pub by: ResumedBy,
}

/// How it is known what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumedBy {
    /// The position that was saved.
    Position,
    /// The last message in the stream, which was sent after the position was saved.
    Stream,
    /// The last message in the stream: the broker lost what came behind it.
    StreamThatLostItsTail,
    /// The position that was saved for another stream.
    PositionOfOtherStream,
}

/// Why it can't be told what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OutboxBreak {
    /// Another log's outbox sends to the stream.
    #[error(
        "the stream {stream} has facts of another log ({other}) where this log's outbox would go on; name another stream \
         with --outbox-stream, or start with --outbox-after POSITION to send to this one the facts behind that log position"
    )]
    OtherLog {
        /// The stream.
        stream: String,
        /// The other log's id.
        other: Uuid,
    },
    /// The log has records, the position was lost, and the stream has nothing of the log.
    #[error(
        "it is not known which facts of this log were sent: there is no outbox.json in the data directory, and the \
         last messages of the stream {stream} are none of them; start with --outbox-after POSITION to send the facts \
         behind that log position (the log ends at {head}; 0 sends all)"
    )]
    NothingKnown {
        /// The stream.
        stream: String,
        /// Where the log ends.
        head: Position,
    },
    /// The stream is not where it was left, and does not tell why.
    #[error(
        "the stream {stream} ends at sequence {last_sequence} and is not as the outbox left it at {sequence}, and no message \
         that was looked at tells what was sent; start with --outbox-after POSITION to send the facts behind that log \
         position (those up to {position} had been sent)"
    )]
    Unclear {
        /// The stream.
        stream: String,
        /// Where it ends.
        last_sequence: u64,
        /// Where it ended when the position was saved.
        sequence: u64,
        /// The position that was saved.
        position: Position,
    },
    /// More was sent than the log has.
    #[error(
        "facts up to log position {sent} were sent, and the log ends at {head}: it is an older copy of itself; put the \
         newer one back, or start with --outbox-after {head} to send the facts of what is recorded from now on"
    )]
    LogBehind {
        /// The last position of which a fact was sent.
        sent: Position,
        /// Where the log ends.
        head: Position,
    },
    /// Facts are to be sent again that are no longer kept.
    #[error("{0}")]
    Forgotten(String),
}

/// Says behind which fact to go on. `known` is what is remembered of this log's outbox.
///
/// # Errors
/// Why that can't be told.
pub fn resume(
    known: Option<&OutboxPosition>,
    stream: &StreamFacts,
    head: Position,
) -> Result<Resumption, OutboxBreak> {
    if let LastSent::OtherLog(other) = stream.last_sent
        && !known.is_some_and(|known| ends_as_left(known, stream))
    {
        let stream = stream.name.clone();
        return Err(OutboxBreak::OtherLog { stream, other });
    }
    let resumption = match known {
        Some(known) => resume_known(known, stream)?,
        None => match stream.last_sent {
            LastSent::Ours(place) => Resumption {
                place,
                by: ResumedBy::Stream,
            },
            _ => {
                return Err(OutboxBreak::NothingKnown {
                    stream: stream.name.clone(),
                    head,
                });
            }
        },
    };
    let sent = resumption.place.position;
    if sent > head {
        return Err(OutboxBreak::LogBehind { sent, head });
    }
    Ok(resumption)
}

fn resume_known(known: &OutboxPosition, stream: &StreamFacts) -> Result<Resumption, OutboxBreak> {
    let resumption = |place, by| Ok(Resumption { place, by });
    let mark = match &known.stream {
        Some(mark) if is_same(mark, stream) => mark,
        other => {
            let by = match other {
                Some(_) => ResumedBy::PositionOfOtherStream,
                None => ResumedBy::Position,
            };
            return match stream.last_sent {
                LastSent::Ours(place) if place > known.place => {
                    resumption(place, ResumedBy::Stream)
                }
                _ => resumption(known.place, by),
            };
        }
    };
    // The sequences that were lost were used again: where the stream ends tells nothing then.
    let end = match stream.marked {
        MarkedMessage::Other => std::cmp::Ordering::Less,
        MarkedMessage::AsLeft | MarkedMessage::Gone => stream.last_sequence.cmp(&mark.sequence),
    };
    match (end, stream.last_sent) {
        (std::cmp::Ordering::Equal, _) => resumption(known.place, ResumedBy::Position),
        (std::cmp::Ordering::Greater, LastSent::Ours(place)) => {
            resumption(place.max(known.place), ResumedBy::Stream)
        }
        // Others wrote to the stream.
        (std::cmp::Ordering::Greater, LastSent::Nothing) => {
            resumption(known.place, ResumedBy::Position)
        }
        (std::cmp::Ordering::Less, LastSent::Ours(place)) => {
            resumption(place, ResumedBy::StreamThatLostItsTail)
        }
        _ => Err(OutboxBreak::Unclear {
            stream: stream.name.clone(),
            last_sequence: stream.last_sequence,
            sequence: mark.sequence,
            position: known.place.position,
        }),
    }
}

/// Whether the mark was made in this stream.
pub fn is_same(mark: &StreamMark, stream: &StreamFacts) -> bool {
    mark.name == stream.name && mark.created_at == stream.created_at
}

/// Whether the stream is the one that was sent to, and nothing came since.
fn ends_as_left(known: &OutboxPosition, stream: &StreamFacts) -> bool {
    known
        .stream
        .as_ref()
        .is_some_and(|mark| is_same(mark, stream) && mark.sequence == stream.last_sequence)
        && stream.marked != MarkedMessage::Other
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: Uuid = Uuid::from_u128(2);

    fn place(position: Position, number: u32) -> FactPlace {
        FactPlace { position, number }
    }

    fn created(minute: u32) -> DateTime<Utc> {
        format!("2026-01-10T08:{minute:02}:00Z").parse().unwrap()
    }

    /// Fact 50:1 was sent as sequence 20.
    fn known() -> OutboxPosition {
        OutboxPosition {
            stream: Some(StreamMark {
                name: "FARELOG".into(),
                created_at: created(0),
                sequence: 20,
                published_at: None,
            }),
            ..OutboxPosition::at(Uuid::from_u128(1), place(50, 1))
        }
    }

    fn stream(last_sequence: u64, last_sent: LastSent) -> StreamFacts {
        StreamFacts {
            name: "FARELOG".into(),
            created_at: created(0),
            last_sequence,
            last_published_at: None,
            marked: match last_sequence {
                20.. => MarkedMessage::AsLeft,
                _ => MarkedMessage::Gone,
            },
            last_sent,
        }
    }

    /// Its broker lost its tail, and others' messages took the sequences.
    fn refilled(last_sequence: u64, last_sent: LastSent) -> StreamFacts {
        StreamFacts {
            marked: MarkedMessage::Other,
            ..stream(last_sequence, last_sent)
        }
    }

    fn recreated(last_sequence: u64, last_sent: LastSent) -> StreamFacts {
        StreamFacts {
            created_at: created(5),
            ..stream(last_sequence, last_sent)
        }
    }

    #[test]
    fn the_stream_that_was_sent_to_tells_what_it_has() {
        use LastSent as L;
        use ResumedBy as By;
        let cases = [
            (
                stream(20, L::Ours(place(50, 1))),
                place(50, 1),
                By::Position,
            ),
            // Removed by the stream's limits since.
            (stream(20, L::Unknown), place(50, 1), By::Position),
            // Adopted, with another log's facts in it.
            (stream(20, L::OtherLog(OTHER)), place(50, 1), By::Position),
            // Sent and not saved.
            (stream(23, L::Ours(place(51, 0))), place(51, 0), By::Stream),
            // Written by others.
            (stream(23, L::Nothing), place(50, 1), By::Position),
            // Lost by the broker.
            (
                stream(18, L::Ours(place(49, 0))),
                place(49, 0),
                By::StreamThatLostItsTail,
            ),
        ];
        for (stream, place, by) in cases {
            let resumed = resume(Some(&known()), &stream, 100);
            assert_eq!(resumed, Ok(Resumption { place, by }), "{stream:?}");
        }
    }

    /// Where it ended was compared alone once: as many messages of others as facts were lost, or more, and the facts were
    /// taken for sent.
    #[test]
    fn a_tail_that_was_lost_is_noticed_also_where_others_took_its_sequences() {
        for last_sequence in [20, 21, 30] {
            let stream = refilled(last_sequence, LastSent::Ours(place(49, 0)));
            let resumed = resume(Some(&known()), &stream, 100).unwrap();
            assert_eq!(resumed.place, place(49, 0));
            assert_eq!(resumed.by, ResumedBy::StreamThatLostItsTail);
            for last_sent in [LastSent::Nothing, LastSent::Unknown] {
                let refusal = resume(Some(&known()), &refilled(last_sequence, last_sent), 100);
                let refusal = refusal.unwrap_err();
                assert!(matches!(refusal, OutboxBreak::Unclear { .. }), "{refusal}");
            }
            let other = refilled(last_sequence, LastSent::OtherLog(OTHER));
            let refusal = resume(Some(&known()), &other, 100).unwrap_err();
            assert!(matches!(refusal, OutboxBreak::OtherLog { .. }), "{refusal}");
        }
    }

    #[test]
    fn in_another_stream_what_was_saved_counts_unless_that_stream_is_ahead() {
        use ResumedBy as By;
        let cases = [
            (LastSent::Nothing, place(50, 1), By::PositionOfOtherStream),
            (LastSent::Unknown, place(50, 1), By::PositionOfOtherStream),
            (
                LastSent::Ours(place(40, 0)),
                place(50, 1),
                By::PositionOfOtherStream,
            ),
            (LastSent::Ours(place(60, 0)), place(60, 0), By::Stream),
        ];
        for (last_sent, place, by) in cases {
            let resumed = resume(Some(&known()), &recreated(3, last_sent), 100);
            assert_eq!(resumed, Ok(Resumption { place, by }), "{last_sent:?}");
        }
        let new = OutboxPosition::at(Uuid::from_u128(1), FactPlace::START);
        let resumed = resume(Some(&new), &stream(0, LastSent::Nothing), 0).unwrap();
        assert_eq!(resumed.place, FactPlace::START);
        assert_eq!(resumed.by, By::Position);
    }

    #[test]
    fn without_a_position_the_stream_tells() {
        let resumed = resume(None, &stream(23, LastSent::Ours(place(51, 0))), 100);
        assert_eq!(resumed.unwrap().place, place(51, 0));
    }

    #[test]
    fn what_can_t_be_told_is_not_guessed() {
        let refused = |known: Option<&OutboxPosition>, stream| {
            let refusal = resume(known, &stream, 100).unwrap_err().to_string();
            assert!(refusal.contains("--outbox-after"), "{refusal}");
            refusal
        };
        for last_sent in [LastSent::Nothing, LastSent::Unknown] {
            let said = refused(None, stream(0, last_sent));
            assert!(said.contains("not known which facts"), "{said}");
            let said = refused(Some(&known()), stream(18, last_sent));
            assert!(said.contains("ends at sequence 18"), "{said}");
        }
        let said = refused(Some(&known()), stream(23, LastSent::Unknown));
        assert!(said.contains("up to 50"), "{said}");
        for (known, stream) in [
            (None, stream(20, LastSent::OtherLog(OTHER))),
            (Some(&known()), stream(21, LastSent::OtherLog(OTHER))),
            (Some(&known()), recreated(20, LastSent::OtherLog(OTHER))),
        ] {
            let said = refused(known, stream);
            assert!(said.contains(&OTHER.to_string()), "{said}");
        }
    }

    #[test]
    fn a_log_that_ends_before_what_was_sent_is_an_older_copy() {
        let as_left = stream(20, LastSent::Ours(place(50, 1)));
        let refusal = resume(Some(&known()), &as_left, 49).unwrap_err();
        assert_eq!(refusal, OutboxBreak::LogBehind { sent: 50, head: 49 });
    }
}
