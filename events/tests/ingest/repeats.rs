//! What comes twice.

use std::sync::Arc;

use farelog_events::event::EventKind;
use farelog_events::ingest::{IngestState, STREAM_DEFAULT};
use farelog_events::log::Record;

use crate::given::{Given, eventually, impatient, orders, publish, publish_body};
use crate::held_log::HeldLog;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_delivered_again_is_dropped() {
    let log = HeldLog::new();
    let given = Given::with_log(Arc::<HeldLog>::clone(&log));
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    publish(&jetstream, 1..=1).await;
    let stream = jetstream.get_stream(STREAM_DEFAULT).await.unwrap();
    let name = given.consumer_name();
    let delivered = async || {
        let info = stream.consumer_info(&name).await.unwrap();
        (info.delivered, info.ack_floor)
    };
    eventually(async || delivered().await.1.stream_sequence == 1).await;
    drop(running);

    // JetStream loses patience while the log takes none.
    impatient(&jetstream, &name).await;
    let mut running = given.ingestion().await;
    // Before it reads it may find a consumer that delivered more to nobody, and make a patient one.
    running.is_running().await;
    log.hold();
    publish(&jetstream, 2..=4).await;
    eventually(async || {
        let (delivered, _) = delivered().await;
        delivered.stream_sequence == 4 && delivered.consumer_sequence > 4
    })
    .await;
    log.release();
    publish(&jetstream, 5..=6).await;
    given.has_records(6).await;

    assert_eq!(given.events(), orders(1..=6));
    assert_eq!(running.status.borrow().state, IngestState::Running);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_again_is_dropped() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    // Neither says when it happened, so the second only seems to have happened later.
    let without_time = |id: &str, version: u32| {
        format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"sales","type":"OrderConfirmed",
                "data":{{"orderId":"o1","orderVersion":{version}}}}}"#
        )
    };
    publish_body(&jetstream, "orders.o1", without_time("a", 1)).await;
    publish_body(&jetstream, "orders.o1", without_time("a", 1)).await;
    // Nor does a domain event, which has no id either.
    let domain =
        r#"{"type":"OrderConfirmed","event":{"OrderConfirmed":{"orderId":"o1","orderVersion":3}}}"#;
    publish_body(&jetstream, "orders.o1", domain).await;
    publish_body(&jetstream, "orders.o1", domain).await;
    // The same identity with other content is no repeat.
    publish_body(&jetstream, "orders.o1", without_time("a", 2)).await;
    running.is(|status| status.last_sequence == 5).await;

    let records = given.log.read(1, 10).unwrap();
    let kinds: Vec<_> = records.iter().filter_map(Record::kind).collect();
    assert_eq!(
        kinds,
        [
            EventKind::OrderConfirmed,
            EventKind::OrderConfirmed,
            EventKind::DeadLetterRecorded
        ]
    );
}
