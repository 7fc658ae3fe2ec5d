//! The sample day: what is explained is what stands.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use farelog_events::event::{About, EventKind, NewEvent, decode, short_type};
use farelog_events::json::JsonText;
use farelog_events::log::{Batch, Entry, EventLog};
use farelog_replay::explanation::{OrderQuestion, explain_order, explain_transaction};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::common::{self, Desk, order_id};

/// The sample day under the sample programs: what is explained is what stands, for every order and every transaction.
#[test]
fn what_is_explained_of_the_sample_day_is_what_stands() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
    let mut desk = Desk::default();
    for entry in fs::read_dir(samples.join("programs")).unwrap() {
        desk.program(&fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    let orders = sells_the_day(
        &mut desk,
        &fs::read_to_string(samples.join("day.ndjson")).unwrap(),
    );
    let (mut live, mut cancelled) = (0, 0);
    for order in &orders {
        let question = OrderQuestion {
            order_id: order_id(order),
            order_line_id: None,
            program_id: None,
        };
        let explained = explain_order(&desk.projections, &*desk.log, &question).unwrap();
        let lines = explained.value.unwrap().lines;
        let definitions = lines.iter().flat_map(|line| &line.definitions);
        let mut told = Vec::new();
        for definition in definitions {
            let standing: Decimal = definition
                .transactions
                .iter()
                .filter(|given| given.transaction.is_live())
                .map(|given| given.transaction.amount)
                .sum();
            assert_eq!(
                definition.points, standing,
                "{order}: {}",
                definition.summary
            );
            assert_eq!(definition.why_nothing.is_none(), !standing.is_zero());
            for given in &definition.transactions {
                assert!(given.given_by.is_some());
                assert_eq!(given.cancelled_by.is_none(), given.transaction.is_live());
                told.push(given.transaction.clone());
            }
        }
        told.sort_by_key(|transaction| transaction.id);
        let transactions = desk.transactions(order);
        assert_eq!(told, transactions, "{order}");
        for transaction in transactions {
            let id = transaction.id.unwrap();
            let explained = explain_transaction(&desk.projections, &*desk.log, id).unwrap();
            let given = &explained.value.unwrap().given.definitions[0];
            assert_eq!(
                given.points, transaction.amount,
                "{order}: {}",
                given.summary
            );
            if transaction.is_live() {
                live += 1;
            } else {
                cancelled += 1;
            }
        }
    }
    assert!(
        live > 100 && cancelled > 10,
        "{live} live, {cancelled} cancelled"
    );
}

/// Appends the day's events, each once, but for those that can't be read. Gives its orders.
fn sells_the_day(desk: &mut Desk, day: &str) -> BTreeSet<String> {
    let mut orders = BTreeSet::new();
    let mut known = BTreeSet::new();
    let mut entries = Vec::new();
    for line in day.lines() {
        let Ok(event) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let text = |field: &str| event[field].as_str().unwrap_or_default();
        let data = event["data"].to_string();
        let kind = EventKind::from_name(short_type(text("type")));
        let Some(Ok(decoded)) = kind.map(|kind| decode(kind, &data)) else {
            continue;
        };
        if !known.insert((text("source").to_owned(), text("id").to_owned())) {
            continue;
        }
        let about = decoded.about();
        if let About::Order(order) = &about {
            orders.insert(order.to_string());
        }
        entries.push(Entry {
            event: NewEvent {
                source: text("source").into(),
                id: text("id").into(),
                event_type: text("type").into(),
                time: common::time(text("time")),
                correlation_id: None,
                about,
                data: JsonText::new(&data).unwrap(),
            },
            origin: None,
        });
    }
    let recorded_at = common::time("2026-01-16T00:00:00Z");
    for entries in entries.chunks(50) {
        let batch = Batch {
            entries: entries.to_vec(),
            checkpoint: None,
            recorded_at,
        };
        desk.log.append(batch).unwrap();
    }
    desk.projections.catch_up(&*desk.log).unwrap();
    orders
}
