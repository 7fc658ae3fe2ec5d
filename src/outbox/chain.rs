//! Facts on their way: many at a time, each only behind the one before it.

use std::collections::VecDeque;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use farelog_projections::outbox::{Fact, FactPlace};
use uuid::Uuid;

use super::broker::SendError;
use super::message::{StreamEnd, message};
use super::position::StreamMark;

/// Facts that may be on their way at a time.
const IN_FLIGHT_MAX: usize = 128;

/// Facts that are sent to one stream, in order.
///
/// Each expects the stream to end with the one before it, by its sequence and by its id: by sequence alone, a message of
/// someone else's could stand where the one before should. So when one is not taken, none behind it is, and none is taken
/// twice: of all copies that are on the way only the first finds the stream as it expects it.
pub(super) struct Chain<'a> {
    jetstream: &'a Context,
    log_id: Uuid,
    stream: String,
    bytes_max: usize,
    to_send: std::slice::Iter<'a, Fact>,
    in_flight: VecDeque<(&'a Fact, PublishAckFuture)>,
    /// The stream's last sequence once everything in flight is taken.
    expected: u64,
    /// The fact that was sent last.
    last: Option<FactPlace>,
    /// The stream's last sequence as it is known.
    sequence: u64,
}

/// A fact that the stream has.
pub(super) struct Sent<'a> {
    pub(super) fact: &'a Fact,
    /// The stream's last sequence with it.
    pub(super) sequence: u64,
}

impl<'a> Chain<'a> {
    /// Facts to be sent behind a mark.
    pub(super) fn new(
        jetstream: &'a Context,
        log_id: Uuid,
        mark: &StreamMark,
        facts: &'a [Fact],
    ) -> Self {
        Self {
            jetstream,
            log_id,
            stream: mark.name.clone(),
            bytes_max: jetstream.client().server_info().max_payload,
            to_send: facts.iter(),
            in_flight: VecDeque::new(),
            expected: mark.sequence,
            last: None,
            sequence: mark.sequence,
        }
    }

    /// The next fact that the stream has; `None` when it has all.
    ///
    /// # Errors
    /// The stream did not take it, or it is not known whether it did. Then nothing of what is behind it is known either.
    pub(super) async fn next(&mut self) -> Result<Option<Sent<'a>>, SendError> {
        while self.in_flight.len() < IN_FLIGHT_MAX
            && let Some(fact) = self.to_send.next()
        {
            self.send(fact).await?;
        }
        let Some((fact, acknowledgement)) = self.in_flight.pop_front() else {
            return Ok(None);
        };
        let taken = acknowledgement.await.map_err(refused)?;
        // The broker knows its id from less than its duplicate window ago: the stream has it already.
        if taken.duplicate && taken.sequence <= self.sequence {
            self.expected -= 1;
        } else if taken.duplicate || taken.sequence != self.sequence + 1 {
            return Err(SendError::StreamMoved);
        } else {
            self.sequence = taken.sequence;
        }
        Ok(Some(Sent {
            fact,
            sequence: self.sequence,
        }))
    }

    async fn send(&mut self, fact: &'a Fact) -> Result<(), SendError> {
        let behind = StreamEnd {
            stream: &self.stream,
            sequence: self.expected,
            fact: self.last.replace(fact.place),
        };
        let message =
            message(self.log_id, fact, &behind, self.bytes_max).map_err(SendError::NoJson)?;
        let acknowledgement = self
            .jetstream
            .send_publish(String::from(&*fact.subject), message)
            .await
            .map_err(SendError::Publish)?;
        self.in_flight.push_back((fact, acknowledgement));
        self.expected += 1;
        Ok(())
    }
}

fn refused(error: PublishError) -> SendError {
    match error.kind() {
        PublishErrorKind::WrongLastSequence | PublishErrorKind::WrongLastMessageId => {
            SendError::StreamMoved
        }
        // What the server answered that has no kind of its own: its limits, above all.
        PublishErrorKind::Other => SendError::Refused(error),
        _ => SendError::Publish(error),
    }
}
