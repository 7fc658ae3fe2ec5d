//! What the writer does with what it is asked, and how it ends.

mod decide;
mod ingest;

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Admission, Arrival, Decision, LogWriter, Receipt, Refused, RunningWriter, TakenIn, WriterError,
    WriterLimits,
};
use crate::dead_letter::{DeadLetter, DeadLetterReason, DeadLetterSettled, RawMessage};
use crate::event::{About, EventData, EventKind, NewEvent, OWN_SOURCE};
use crate::json::JsonText;
use crate::log::feed::Feed;
use crate::log::memory::MemoryLog;
use crate::log::samples::{checkpoint, event};
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
    feed: Feed,
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

    /// The next batch of the feed, which comes behind the answer to who asked for it.
    fn fed(&self) -> Vec<Record> {
        self.feed.next_within(Duration::from_mins(1)).unwrap()
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
        header_bytes: None,
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
        data: JsonText::new(data).unwrap(),
        ..event(order, id)
    }
}

fn settled(kind: EventKind, number: u64) -> NewEvent {
    let settled = DeadLetterSettled {
        number,
        order_id: None,
    };
    NewEvent {
        source: OWN_SOURCE.into(),
        id: settled.event_id(),
        event_type: kind.name().into(),
        time: Utc::now(),
        about: About::Nothing,
        ..with_data("o", "", &format!(r#"{{"number":{number}}}"#))
    }
}

fn record<T>(events: Vec<NewEvent>, answer: T) -> Decision<T> {
    Decision { events, answer }
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
