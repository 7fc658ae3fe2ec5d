//! Messages of the stream: what is appended, what is a repeat, what a dead letter.

use std::ops::Range;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

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
    let fed = scene.fed();
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
    let batches = [(); 3].map(|()| scene.fed().len());
    assert_eq!(batches, [2, 1, 1]);
    assert_eq!(scene.ids(), ["a", "b", "c", "d"]);
}

/// Only payloads counted once, so that a commit of messages with large headers had no bound but their number.
#[tokio::test]
async fn what_waits_is_committed_in_parts_where_it_is_large() {
    let scene = Scene::new();
    let (release, held) = channel::<()>();
    let holding = scene.writer.decide(move |_| {
        held.recv().unwrap();
        record(vec![], ())
    });
    let large = |sequence: u64, id: &str| {
        let mut arrival = arrival(sequence, event("o", id));
        let header = ("Trace".to_owned(), "x".repeat(20 * 1024 * 1024));
        arrival.message.headers.push(header);
        scene.writer.ingest(vec![arrival], behind(sequence))
    };
    let (one, two, three) = (large(1, "a"), large(2, "b"), large(3, "c"));
    let release = async {
        // The others are polled before this, in order, so that their requests are in the queue.
        release.send(()).unwrap();
    };
    let (_, one, two, three, ()) = tokio::join!(biased; holding, one, two, three, release);
    let heads = [one, two, three].map(|receipt| receipt.unwrap().head);
    assert_eq!(heads, [2, 2, 3]);
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

/// Numbers were compared as doubles or as machine integers, by how they were written. So a changed event was dropped for
/// a repeat where a double stands for both numbers, and a repeat was a conflict where its publisher wrote `1` for `1.0`.
#[tokio::test]
async fn numbers_in_data_are_compared_by_their_exact_value() {
    let scene = Scene::new();
    let with_number = |id: &str, number: &str| with_data("o", id, &format!(r#"{{"n":{number}}}"#));
    scene
        .ingest(vec![
            arrival(1, with_number("large", "18446744073709551616")),
            arrival(2, with_number("small", "0.1")),
            arrival(3, with_number("one", "1.0")),
            arrival(4, with_number("hundred", "100")),
        ])
        .await;
    let receipt = scene
        .ingest(vec![
            arrival(5, with_number("one", "1")),
            arrival(6, with_number("hundred", "1e2")),
            arrival(7, with_number("large", "18446744073709551617")),
            arrival(8, with_number("small", "0.10000000000000000001")),
        ])
        .await;
    assert_eq!((receipt.repeats, receipt.dead_letters), (2, 2));
    for position in [5, 6] {
        let reason = scene.dead_letter(position).reason;
        assert_eq!(reason, DeadLetterReason::ConflictingDuplicate);
    }
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

/// A message of a made-up stream: few ids, so that there are repeats and conflicts, and some that can't be read.
#[derive(Debug, Clone)]
enum Sent {
    Event { order: u8, id: u8, content: u8 },
    Unreadable,
}

fn any_sent() -> impl Strategy<Value = Sent> {
    prop_oneof![
        8 => (0..2_u8, 0..8_u8, 0..2_u8)
            .prop_map(|(order, id, content)| Sent::Event { order, id, content }),
        1 => Just(Sent::Unreadable),
    ]
}

impl Sent {
    fn arrival(&self, sequence: u64) -> Arrival {
        match self {
            Self::Unreadable => unreadable(sequence),
            Self::Event { order, id, content } => {
                let data = format!(r#"{{"content":{content}}}"#);
                arrival(
                    sequence,
                    with_data(&format!("o{order}"), &id.to_string(), &data),
                )
            }
        }
    }
}

/// What the log has, apart from when it was recorded.
fn history(log: &dyn EventLog) -> Vec<String> {
    let records = log.read(1, usize::MAX).unwrap();
    records
        .iter()
        .map(|record| {
            format!(
                "{:?} {} {} {}",
                record.about, record.id, record.event_type, record.data
            )
        })
        .collect()
}

proptest! {
    /// However a stream is cut into batches, and however often its messages come again, by a broker that missed an
    /// acknowledgement or a writer that was started anew: the log is the same.
    #[test]
    fn redelivery_never_changes_the_log(
        stream in vec(any_sent(), 1..40),
        deliveries in vec((any::<Index>(), 1..12_usize, any::<bool>()), 0..12),
    ) {
        let sequences = |range: Range<usize>| -> Vec<Arrival> {
            range.map(|place| stream[place].arrival(place as u64 + 1)).collect()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let once = Scene::new();
            once.ingest(sequences(0..stream.len())).await;

            let mut often = Scene::new();
            let mut delivered = 0;
            for (start, len, restart) in deliveries {
                // From anywhere up to the next message that was not delivered: never past it.
                let start = start.index(delivered + 1).min(stream.len() - 1);
                let end = (start + len).min(stream.len());
                often.ingest(sequences(start..end)).await;
                delivered = delivered.max(end);
                if restart {
                    let log = Arc::clone(&often.log);
                    drop(often.writer);
                    often.thread.join().unwrap().unwrap();
                    often = Scene::over(log, Gate::default());
                }
            }
            if delivered < stream.len() {
                often.ingest(sequences(delivered..stream.len())).await;
            }
            assert_eq!(history(&*often.log), history(&*once.log));
            assert_eq!(often.log.head().checkpoint, once.log.head().checkpoint);
        });
    }
}
