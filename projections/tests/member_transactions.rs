//! Pages of a member's transactions: whatever is asked for, they are parts of one list.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up is to fail")]

use std::cmp::Reverse;

use chrono::{DateTime, TimeDelta, Utc};
use farelog_events::event::EventKind::{self, *};
use farelog_events::event::{NewEvent, decode};
use farelog_events::id::{CustomerId, OrderId, ProgramId};
use farelog_events::json::JsonText;
use farelog_events::log::memory::MemoryLog;
use farelog_events::log::{Batch, Entry, EventLog};
use farelog_projections::answer::Page;
use farelog_projections::points::Transaction;
use farelog_projections::{Projections, TransactionFilter};
use proptest::prelude::*;
use serde_json::{Value, json};

const ORDERS: [&str; 3] = ["o1", "o2", "o3"];
const DEFINITIONS: [&str; 2] = ["now", "later"];

/// A purchase or a refund of a line on some day, for one of two members.
#[derive(Debug, Clone)]
struct Change {
    order: &'static str,
    line: u32,
    day: i64,
    is_refund: bool,
    customer: &'static str,
}

fn change() -> impl Strategy<Value = Change> {
    let order = prop::sample::select(&ORDERS[..]);
    let customer = prop::sample::select(vec!["kari", "kari", "ola"]);
    (
        order,
        1..4_u32,
        0..20_i64,
        prop::bool::weighted(0.3),
        customer,
    )
        .prop_map(|(order, line, day, is_refund, customer)| Change {
            order,
            line,
            day,
            is_refund,
            customer,
        })
}

fn start() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn append(log: &MemoryLog, kind: EventKind, day: i64, data: &Value) {
    let number = log.head().position + 1;
    let json = data.to_string();
    let event = NewEvent {
        source: "test".into(),
        id: format!("e{number}").into(),
        event_type: kind.name().into(),
        time: start() + TimeDelta::days(day),
        correlation_id: None,
        about: decode(kind, &json).unwrap().about(),
        data: JsonText::new(&json).unwrap(),
    };
    log.append(Batch {
        entries: vec![Entry {
            event,
            origin: None,
        }],
        checkpoint: None,
        recorded_at: start() + TimeDelta::hours(number.cast_signed()),
    })
    .unwrap();
}

fn log_of(changes: &[Change]) -> MemoryLog {
    let log = MemoryLog::new();
    let definition = |id, reference, valid_from| {
        json!({"id": id, "reference": reference, "name": {"eng": reference}, "trigger": "LineConfirmed",
            "amount": "double(line.price.amount)", "validFrom": valid_from})
    };
    let program = json!({"id": 1, "reference": "p", "name": "P", "pointDefinitions": [
        definition(11, DEFINITIONS[0], "trigger.time"),
        definition(12, DEFINITIONS[1], "trigger.time + duration('50h')"),
    ]});
    append(&log, ProgramPublished, 0, &program);
    for customer in ["kari", "ola"] {
        append(
            &log,
            MemberEnrolled,
            0,
            &json!({"programId": 1, "customerId": customer}),
        );
    }
    for change in changes {
        let mut data = json!({"orderId": change.order, "orderVersion": 1, "orderLineId": format!("l{}", change.line),
            "orderLineVersion": 1});
        if change.is_refund {
            data["refund"] = json!({"amount": "1.00", "currency": "NOK"});
            append(&log, OrderLineRefunded, change.day, &data);
            continue;
        }
        data["fareProducts"] = json!([{"id": "p", "type": "SINGLE"}]);
        data["price"] = json!({"amount": "40.00", "currency": "NOK"});
        data["customerId"] = change.customer.into();
        append(&log, OrderLineAdded, change.day, &data);
        let confirmed = json!({"orderId": change.order, "orderVersion": 1, "orderLineIds": [data["orderLineId"]]});
        append(&log, OrderPartiallyConfirmed, change.day, &confirmed);
    }
    log
}

fn admits(filter: &TransactionFilter, transaction: &Transaction) -> bool {
    let reference = filter.point_definition_reference.as_ref();
    filter
        .order_id
        .as_ref()
        .is_none_or(|order| transaction.metadata.order_id == *order)
        && reference.is_none_or(|it| transaction.point_definition_reference.as_ref() == Some(it))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pages_make_up_the_list_newest_valid_from_first(
        changes in prop::collection::vec(change(), 1..20),
        order in prop::option::of(prop::sample::select(&ORDERS[..])),
        definition in prop::option::of(prop::sample::select(&DEFINITIONS[..])),
        per_page in 1..7_usize,
    ) {
        let log = log_of(&changes);
        let directory = tempfile::tempdir().unwrap();
        let projections = Projections::open(directory.path(), &log).unwrap();
        projections.catch_up(&log).unwrap();
        let kari: CustomerId = "kari".parse().unwrap();
        let member = projections.member_of(ProgramId::new(1).unwrap(), &kari).unwrap().value.unwrap().id;
        let filter = TransactionFilter {
            order_id: order.map(|order| order.parse().unwrap()),
            point_definition_reference: definition.map(str::to_owned),
        };

        let mut expected: Vec<Transaction> = ORDERS
            .iter()
            .flat_map(|order| {
                let order: OrderId = order.parse().unwrap();
                let document = projections.order(&order).unwrap().value;
                let ledger = document.map(|document| document.ledger).unwrap_or_default();
                let of_order = projections.transactions_of_order(&order).unwrap().value;
                assert!(ledger.transactions().into_iter().eq(&of_order));
                of_order
            })
            .filter(|transaction| transaction.member_id == member && admits(&filter, transaction))
            .collect();
        expected.sort_by_key(|transaction| Reverse((transaction.valid_from, transaction.id)));

        let mut paged = Vec::new();
        for page in 1.. {
            let page = Page { page, per_page };
            let part = projections.transactions_of_member(member, &filter, page).unwrap().value;
            prop_assert_eq!(part.total_items, expected.len());
            prop_assert_eq!(part.total_pages, expected.len().div_ceil(per_page));
            if part.items.is_empty() {
                break;
            }
            prop_assert!(part.items.len() <= per_page);
            paged.extend(part.items);
        }
        prop_assert_eq!(paged, expected);
    }
}
