//! What the writer does with what it is asked.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::value::RawValue;

use super::{
    Admission, Arrival, Decision, LogWriter, Receipt, Refused, RunningWriter, TakenIn, WriterError,
    WriterLimits,
};
use crate::dead_letter::{DeadLetter, DeadLetterReason, RawMessage};
use crate::event::{About, EventData, EventKind, NewEvent, OWN_SOURCE};
use crate::log::memory::MemoryLog;
use crate::log::suite::{checkpoint, event};
use crate::log::{EventLog, LogError, Record, StreamCheckpoint};

/// Refuses events whose id is listed, and notes what it is asked.
#[derive(Clone, Default)]
struct Gate {
    refused: Vec<&'static str>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Admission for Gate {
    fn admit(&mut self, event: &NewEvent) -> Result<(), Refused> {
        self.asked.lock().unwrap().push(event.id.to_string());
        if self.refused.contains(&&*event.id) {
            return Err(Refused {
                reason: DeadLetterReason::UnknownProgram,
                detail: "no such program".to_owned(),
            });
        }
        Ok(())
    }

    fn withdraw(&mut self, event: &NewEvent) {
        self.asked.lock().unwrap().push(format!("not {}", event.id));
    }
}

struct Scene {
    log: Arc<MemoryLog>,
    gate: Gate,
    writer: LogWriter,
    feed: Receiver<Arc<[Record]>>,
    thread: JoinHandle<Result<(), Arc<LogError>>>,
}

impl Scene {
    fn new() -> Self {
        Self::refusing(&[])
    }

    fn refusing(refused: &[&'static str]) -> Self {
        let log = Arc::new(MemoryLog::new());
        let gate = Gate {
            refused: refused.to_vec(),
            ..Gate::default()
        };
        Self::over(log, gate)
    }

    fn over(log: Arc<MemoryLog>, gate: Gate) -> Self {
        let RunningWriter {
            writer,
            feed,
            thread,
        } = LogWriter::spawn(
            Arc::clone(&log) as Arc<dyn EventLog>,
            Box::new(gate.clone()),
            WriterLimits::default(),
        )
        .unwrap();
        Self {
            log,
            gate,
            writer,
            feed,
            thread,
        }
    }

    async fn ingest(&self, arrivals: Vec<Arrival>) -> Receipt {
        let last = arrivals.last().unwrap().message.stream_sequence;
        self.writer.ingest(arrivals, behind(last)).await.unwrap()
    }

    fn ids(&self) -> Vec<String> {
        let records = self.log.read(1, 1000).unwrap();
        records.iter().map(|record| record.id.to_string()).collect()
    }

    fn dead_letter(&self, position: u64) -> DeadLetter {
        let record = &self.log.read(position, 1).unwrap()[0];
        let Some(Ok(EventData::DeadLetterRecorded(dead_letter))) = record.decode() else {
            panic!("no dead letter at {position}: {record:?}");
        };
        *dead_letter
    }
}

fn published_at(sequence: u64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1000 + i64::try_from(sequence).unwrap())
}

fn behind(sequence: u64) -> StreamCheckpoint {
    StreamCheckpoint {
        published_at: published_at(sequence),
        ..checkpoint(sequence)
    }
}

fn message(sequence: u64) -> RawMessage {
    RawMessage {
        subject: "orders.o".to_owned(),
        headers: vec![("ce-id".to_owned(), "1".to_owned())],
        payload: Bytes::from_static(b"\x00 any bytes \xFF"),
        stream: "ORDERS".to_owned(),
        stream_sequence: sequence,
        published_at: published_at(sequence),
    }
}

fn arrival(sequence: u64, event: NewEvent) -> Arrival {
    Arrival {
        message: message(sequence),
        content: Ok(event),
    }
}

fn unreadable(sequence: u64) -> Arrival {
    let message = message(sequence);
    let dead_letter = DeadLetter {
        reason: DeadLetterReason::NotReadable,
        detail: "not JSON".to_owned(),
        order_id: None,
        message: message.clone(),
    };
    Arrival {
        message,
        content: Err(dead_letter),
    }
}

fn with_data(order: &str, id: &str, data: &str) -> NewEvent {
    NewEvent {
        data: RawValue::from_string(data.to_owned()).unwrap(),
        ..event(order, id)
    }
}

fn settled(number: u64) -> NewEvent {
    NewEvent {
        source: OWN_SOURCE.into(),
        id: format!("dead-letter-retried:{number}").into(),
        event_type: EventKind::DeadLetterRetried.name().into(),
        about: About::Nothing,
        ..with_data("o", "", &format!(r#"{{"number":{number}}}"#))
    }
}

fn record<T>(events: Vec<NewEvent>, answer: T) -> Decision<T> {
    Decision { events, answer }
}

#[tokio::test]
async fn events_are_durable_when_ingest_returns_and_then_fed() {
    let scene = Scene::new();
    let receipt = scene
        .ingest(vec![
            arrival(1, event("o", "a")),
            arrival(2, event("p", "b")),
        ])
        .await;
    assert_eq!(
        receipt,
        Receipt {
            head: 2,
            appended: 2,
            ..Receipt::default()
        }
    );
    assert_eq!(scene.log.head().checkpoint, Some(behind(2)));
    let fed = scene.feed.recv().unwrap();
    assert_eq!(fed.len(), 2);
    let origin = fed[1].origin.as_ref().unwrap();
    assert_eq!((&*origin.stream, origin.sequence), ("ORDERS", 2));
}

#[tokio::test]
async fn what_waits_together_is_committed_together() {
    let scene = Scene::new();
    let (release, held) = channel::<()>();
    let holding = scene.writer.decide(move |_| {
        held.recv().unwrap();
        record(vec![], ())
    });
    let one = scene
        .writer
        .ingest(vec![arrival(1, event("o", "a"))], behind(1));
    let two = scene
        .writer
        .ingest(vec![arrival(2, event("o", "b"))], behind(2));
    let deciding = scene
        .writer
        .decide(|moment| record(vec![event("o", "c")], moment.head.position));
    let three = scene
        .writer
        .ingest(vec![arrival(3, event("o", "d"))], behind(3));
    let release = async {
        // The others are polled before this, in order, so that their requests are in the queue.
        release.send(()).unwrap();
    };
    let (_, one, two, decided, three, ()) =
        tokio::join!(biased; holding, one, two, deciding, three, release);
    assert_eq!(one.unwrap().head, 2);
    assert_eq!(two.unwrap().head, 2);
    let decided = decided.unwrap();
    assert_eq!((decided.answer, decided.head), (2, 3));
    assert_eq!(three.unwrap().head, 4);
    let batches: Vec<usize> = scene.feed.iter().take(3).map(|batch| batch.len()).collect();
    assert_eq!(batches, [2, 1, 1]);
    assert_eq!(scene.ids(), ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn a_repeat_is_dropped_and_counted() {
    let scene = Scene::new();
    scene
        .ingest(vec![arrival(1, with_data("o", "a", r#"{"a":1,"b":[2]}"#))])
        .await;
    let other_text = with_data("o", "a", r#"{ "b": [2], "a": 1 }"#);
    let mut other_prefix = other_text.clone();
    other_prefix.event_type = "OrderConfirmed".into();
    let receipt = scene
        .ingest(vec![
            arrival(2, other_text),
            arrival(3, other_prefix),
            arrival(4, event("o", "b")),
            arrival(5, event("o", "b")),
            arrival(6, event("p", "b")),
        ])
        .await;
    assert_eq!((receipt.appended, receipt.repeats), (2, 3));
    assert_eq!(scene.ids(), ["a", "b", "b"]);
}

#[tokio::test]
async fn another_event_under_the_same_identity_is_a_dead_letter() {
    let scene = Scene::new();
    scene.ingest(vec![arrival(1, event("o", "a"))]).await;
    let later = NewEvent {
        time: DateTime::UNIX_EPOCH,
        ..event("o", "a")
    };
    let other_type = NewEvent {
        event_type: "OrderReset".into(),
        ..event("o", "b")
    };
    let receipt = scene
        .ingest(vec![
            arrival(2, with_data("o", "a", "{}")),
            arrival(3, later),
            arrival(4, event("o", "b")),
            arrival(5, other_type),
        ])
        .await;
    assert_eq!((receipt.appended, receipt.dead_letters), (1, 3));
    for (position, sequence, conflicting) in [(2, 2, 1), (3, 3, 1), (5, 5, 4)] {
        let dead_letter = scene.dead_letter(position);
        assert_eq!(dead_letter.reason, DeadLetterReason::ConflictingDuplicate);
        assert_eq!(dead_letter.message, message(sequence));
        assert_eq!(dead_letter.order_id, Some("o".parse().unwrap()));
        let place = format!("position {conflicting} ");
        assert!(
            dead_letter.detail.contains(&place),
            "{}",
            dead_letter.detail
        );
    }
    let order = About::Order("o".parse().unwrap());
    assert_eq!(scene.log.read_about(&order).unwrap().len(), 5);
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_and_what_is_behind_it_goes_on() {
    let scene = Scene::new();
    let receipt = scene
        .ingest(vec![unreadable(1), arrival(2, event("o", "a"))])
        .await;
    assert_eq!((receipt.appended, receipt.dead_letters), (1, 1));
    let dead_letter = scene.dead_letter(1);
    assert_eq!(dead_letter.reason, DeadLetterReason::NotReadable);
    assert_eq!(dead_letter.message, message(1));
    let record = &scene.log.read(1, 1).unwrap()[0];
    assert_eq!(record.origin.as_ref().unwrap().sequence, 1);
}

#[tokio::test]
async fn what_the_checkpoint_covers_is_dropped_unseen() {
    let scene = Scene::new();
    scene
        .ingest(vec![arrival(1, event("o", "a")), unreadable(2)])
        .await;
    let receipt = scene
        .ingest(vec![
            arrival(1, event("o", "a")),
            unreadable(2),
            arrival(3, event("o", "b")),
        ])
        .await;
    assert_eq!((receipt.appended, receipt.repeats), (1, 2));
    assert_eq!(*scene.gate.asked.lock().unwrap(), ["a", "b"]);
    assert_eq!(scene.log.head().checkpoint, Some(behind(3)));

    // A late redelivery does not take the checkpoint back.
    let receipt = scene.ingest(vec![arrival(1, event("o", "a"))]).await;
    assert_eq!((receipt.head, receipt.repeats), (3, 1));
    assert_eq!(scene.log.head().checkpoint, Some(behind(3)));
}

#[tokio::test]
async fn another_message_under_a_reused_sequence_is_taken_in() {
    let scene = Scene::new();
    scene
        .ingest(vec![arrival(1, event("o", "a")), unreadable(2)])
        .await;
    // The broker lost its tail: sequences 1 and 2 come again, with other messages.
    let mut event_again = arrival(1, event("o", "b"));
    event_again.message.published_at = published_at(50);
    let mut unreadable_again = unreadable(2);
    unreadable_again.message.published_at = published_at(51);
    if let Err(dead_letter) = &mut unreadable_again.content {
        dead_letter.message = unreadable_again.message.clone();
    }
    let behind = StreamCheckpoint {
        published_at: published_at(51),
        ..checkpoint(2)
    };
    let receipt = scene
        .writer
        .ingest(vec![event_again, unreadable_again], behind.clone())
        .await
        .unwrap();
    assert_eq!((receipt.appended, receipt.dead_letters), (1, 1));
    assert_eq!(scene.log.head().checkpoint, Some(behind));

    // And so it is when the stream was made anew.
    let anew = StreamCheckpoint {
        stream_created_at: published_at(60),
        ..checkpoint(1)
    };
    let arrivals = vec![arrival(1, event("o", "c"))];
    let receipt = scene.writer.ingest(arrivals, anew.clone()).await.unwrap();
    assert_eq!(receipt.appended, 1);
    assert_eq!(scene.log.head().checkpoint, Some(anew));
}

#[tokio::test]
async fn admission_is_asked_in_log_order_and_not_about_repeats() {
    let scene = Scene::refusing(&["no"]);
    let receipt = scene
        .ingest(vec![
            arrival(1, event("o", "a")),
            arrival(2, event("o", "no")),
            arrival(3, event("o", "a")),
            unreadable(4),
            arrival(5, event("o", "b")),
        ])
        .await;
    assert_eq!(*scene.gate.asked.lock().unwrap(), ["a", "no", "b"]);
    assert_eq!(
        receipt,
        Receipt {
            head: 4,
            appended: 2,
            repeats: 1,
            dead_letters: 2
        }
    );
    let refused = scene.dead_letter(2);
    assert_eq!(refused.reason, DeadLetterReason::UnknownProgram);
    assert_eq!(refused.detail, "no such program");
}

#[tokio::test]
async fn a_decision_sees_the_head_and_what_it_records_is_durable() {
    let scene = Scene::new();
    scene.ingest(vec![arrival(1, event("o", "a"))]).await;
    let decided = scene
        .writer
        .decide(|moment| record(vec![event("o", "b")], moment.clone()))
        .await
        .unwrap();
    assert_eq!(decided.answer.head.position, 1);
    assert_eq!(decided.head, 2);
    assert_eq!(decided.records[0].recorded_at, decided.answer.now);
    assert!(decided.records[0].origin.is_none());
    assert_eq!(scene.log.head().checkpoint, Some(behind(1)));

    // Nothing to record is an answer too; and an event that is there already is left out.
    let again = scene
        .writer
        .decide(|_| record(vec![event("o", "b")], "again"));
    let again = again.await.unwrap();
    assert_eq!(
        (again.answer, again.records.len(), again.head),
        ("again", 0, 2)
    );
}

#[tokio::test]
async fn a_decision_with_a_refused_event_records_nothing() {
    let scene = Scene::refusing(&["no"]);
    let events = vec![event("o", "a"), event("o", "b"), event("o", "no")];
    let refused = scene.writer.decide(|_| record(events, ())).await;
    assert!(matches!(refused, Err(WriterError::Refused(_))));
    assert_eq!(scene.log.head().position, 0);
    assert_eq!(
        *scene.gate.asked.lock().unwrap(),
        ["a", "b", "no", "not b", "not a"]
    );

    let events = vec![event("o", "a"), with_data("o", "a", "{}")];
    let Err(WriterError::Refused(refused)) = scene.writer.decide(|_| record(events, ())).await
    else {
        panic!("a conflict was taken in");
    };
    assert_eq!(refused.reason, DeadLetterReason::ConflictingDuplicate);
    assert_eq!(scene.log.head().position, 0);
}

#[tokio::test]
async fn a_retried_dead_letter_is_taken_in_with_word_of_it() {
    let scene = Scene::refusing(&["no"]);
    scene.ingest(vec![arrival(1, event("o", "no"))]).await;
    let retry = |event| scene.writer.retry(arrival(1, event), settled(1));
    let refused = retry(event("o", "no")).await;
    assert!(matches!(refused, Err(WriterError::Refused(_))));
    let unread = scene.writer.retry(unreadable(1), settled(1)).await;
    assert!(matches!(unread, Err(WriterError::Refused(_))));
    assert_eq!(scene.log.head().position, 1);

    // Now it may enter: the sequence is behind the checkpoint, which is no matter for a retry.
    let taken_in = retry(event("o", "yes")).await.unwrap();
    assert_eq!((taken_in.answer, taken_in.head), (TakenIn::Appended, 3));
    assert_eq!(taken_in.records[0].origin.as_ref().unwrap().sequence, 1);
    assert_eq!(
        taken_in.records[1].kind(),
        Some(EventKind::DeadLetterRetried)
    );

    let again = retry(event("o", "yes")).await.unwrap();
    assert_eq!((again.answer, again.head), (TakenIn::Repeat, 3));
}

#[tokio::test]
async fn a_failed_log_ends_the_writer_and_everyone_is_told() {
    let scene = Scene::new();
    scene.ingest(vec![arrival(1, event("o", "a"))]).await;
    let log = Arc::clone(&scene.log);
    let (release, held) = channel::<()>();
    let failing = scene.writer.decide(move |_| {
        held.recv().unwrap();
        log.fail();
        record(vec![event("o", "b")], ())
    });
    let waiting = scene
        .writer
        .ingest(vec![arrival(2, event("o", "c"))], behind(2));
    let deciding = scene
        .writer
        .decide(|_| -> Decision<()> { panic!("decided on a failed log") });
    let release = async { release.send(()).unwrap() };
    let (failed, waited, decided, ()) = tokio::join!(biased; failing, waiting, deciding, release);
    assert!(matches!(failed, Err(WriterError::Log(_))));
    assert!(matches!(waited, Err(WriterError::Log(_))));
    assert!(matches!(decided, Err(WriterError::Log(_))));
    scene.writer.ended().await;
    let late = scene.writer.ingest(vec![], behind(3)).await;
    assert!(matches!(late, Err(WriterError::Ended)));
    assert!(scene.thread.join().unwrap().is_err());
    assert_eq!(scene.log.head().position, 1);
}

#[tokio::test]
async fn a_shutdown_serves_what_was_asked_before() {
    let scene = Scene::new();
    let asked = scene
        .writer
        .ingest(vec![arrival(1, event("o", "a"))], behind(1));
    let (asked, ()) = tokio::join!(biased; asked, scene.writer.shutdown());
    assert_eq!(asked.unwrap().head, 1);
    scene.writer.ended().await;
    let late = scene.writer.decide(|_| record(vec![], ())).await;
    assert!(matches!(late, Err(WriterError::Ended)));
    assert!(scene.thread.join().unwrap().is_ok());
}

#[tokio::test]
async fn the_last_handle_ends_the_writer_and_a_dropped_feed_does_not() {
    let scene = Scene::new();
    drop(scene.feed);
    for sequence in 1..100 {
        let arrivals = vec![arrival(sequence, event("o", &sequence.to_string()))];
        scene
            .writer
            .ingest(arrivals, behind(sequence))
            .await
            .unwrap();
    }
    assert_eq!(scene.log.head().position, 99);
    drop(scene.writer);
    assert!(scene.thread.join().unwrap().is_ok());
}

#[tokio::test]
async fn a_writer_goes_on_where_another_left_off() {
    let scene = Scene::new();
    scene.ingest(vec![arrival(1, event("o", "a"))]).await;
    let log = Arc::clone(&scene.log);
    drop(scene.writer);
    scene.thread.join().unwrap().unwrap();
    let scene = Scene::over(log, Gate::default());
    let receipt = scene
        .ingest(vec![
            arrival(1, event("o", "a")),
            arrival(2, event("o", "a")),
            arrival(3, event("o", "b")),
        ])
        .await;
    assert_eq!((receipt.head, receipt.repeats), (2, 2));
}
