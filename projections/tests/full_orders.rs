//! Orders that are as large as an order may be, over a restart.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up is to fail")]

use chrono::Utc;
use farelog_events::event::{About, EventKind, NewEvent};
use farelog_events::json::JsonText;
use farelog_events::log::memory::MemoryLog;
use farelog_events::log::{Batch, Entry, EventLog};
use farelog_projections::{ORDER_BYTES_MAX, Projections};
use serde_json::json;

/// A line of an order in some version, with a comment of so many bytes.
fn line(order: &str, version: u32, comment_bytes: usize) -> NewEvent {
    let data = json!({
        "orderId": order, "orderVersion": 1, "orderLineId": "l1", "orderLineVersion": version,
        "fareProducts": [{"id": "p", "type": "SINGLE"}], "price": {"amount": "40.00", "currency": "NOK"},
        "comment": "x".repeat(comment_bytes),
    });
    NewEvent {
        source: "test".into(),
        id: format!("{order}-{version}").into(),
        event_type: EventKind::OrderLineChanged.name().into(),
        time: "2026-01-01T00:00:00Z".parse().unwrap(),
        correlation_id: None,
        about: About::Order(order.parse().unwrap()),
        data: JsonText::new(&data.to_string()).unwrap(),
    }
}

/// Which orders are full was once known from when one was stored until the server ended. After each start another event of it
/// was taken in, and with a backlog of it all that the backlog had.
#[test]
fn a_full_order_is_full_after_a_start() {
    let directory = tempfile::tempdir().unwrap();
    let log = MemoryLog::new();
    let half = ORDER_BYTES_MAX / 2;
    let events = [
        line("o1", 1, half),
        line("o1", 2, half),
        line("o2", 1, half),
    ];
    let entries = events.map(|event| Entry {
        event,
        origin: None,
    });
    let batch = Batch {
        entries: entries.into(),
        checkpoint: None,
        recorded_at: Utc::now(),
    };
    log.append(batch).unwrap();
    for start in 0..2 {
        let projections = Projections::open(directory.path(), &log).unwrap();
        let full = projections.full_orders();
        assert_eq!(full.refuse(&line("o1", 3, 0)), start > 0);
        projections.catch_up(&log).unwrap();
        assert!(full.refuse(&line("o1", 3, 0)), "start {start}");
        assert!(!full.refuse(&line("o2", 2, 0)), "start {start}");
    }
}
