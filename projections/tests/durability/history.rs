//! A history whose event at each position is known, and everything that can be asked of its projections.

use chrono::{DateTime, TimeDelta};
use farelog_events::event::{EventKind, NewEvent, decode};
use farelog_events::id::{CustomerId, OrderId, ProgramId};
use farelog_events::json::JsonText;
use farelog_events::log::memory::MemoryLog;
use farelog_events::log::{Batch, Entry, EventLog, LogError, Position};
use farelog_projections::answer::Page;
use farelog_projections::outbox::FactPlace;
use farelog_projections::{Projections, StoreMemory, TransactionFilter, stored_order};
use serde_json::{Value, json};

/// So little that a short history is brought to its place on the disk several times.
pub const SMALL: StoreMemory = StoreMemory {
    cache_bytes: 1024 * 1024,
    gathered_bytes: 16 * 1024,
};

const CUSTOMERS: [&str; 3] = ["kari", "ola", "per"];

/// Events of one order.
const ORDER_EVENTS: u64 = 5;

const EVERYTHING: Page = Page {
    page: 1,
    per_page: 1_000_000,
};

/// What the event at a position is, and its data. The first ones make a program and its members; then come orders that
/// are confirmed, have tickets made, and are refunded in part or cancelled.
fn happening(position: Position) -> (EventKind, Value) {
    use EventKind as K;
    let number = usize::try_from(position).unwrap();
    if position == 1 {
        let definition = json!({
            "id": 11, "reference": "d", "name": {"eng": "D"}, "trigger": "LineConfirmed", "amount": "4",
            "period": {"kind": "CALENDAR_MONTH"}, "cap": {"amount": 500, "per": "PERIOD"}
        });
        let program =
            json!({"id": 1, "reference": "p", "name": "P", "pointDefinitions": [definition]});
        return (K::ProgramPublished, program);
    }
    if number <= 1 + CUSTOMERS.len() {
        let customer = CUSTOMERS[number - 2];
        return (
            K::MemberEnrolled,
            json!({"programId": 1, "customerId": customer}),
        );
    }
    let order = format!("order-{}", position / ORDER_EVENTS);
    let about = |mut data: Value| {
        data["orderId"] = json!(order);
        data["orderVersion"] = json!(1);
        data
    };
    let line = |mut data: Value| {
        data["orderLineId"] = json!("l1");
        data["orderLineVersion"] = json!(1);
        about(data)
    };
    match position % ORDER_EVENTS {
        0 => (
            K::OrderLineAdded,
            line(json!({
                "customerId": CUSTOMERS[number / 7 % 3],
                "fareProducts": [{"id": "p", "type": "SINGLE"}],
                "price": {"amount": "40.00", "currency": "NOK"}
            })),
        ),
        1 => (K::OrderConfirmed, about(json!({}))),
        2 => (
            K::TicketDistributionGroupsGenerated,
            about(json!({"createdByDci": "ENT:DistributionChannel:App", "language": "nob"})),
        ),
        3 => (
            K::OrderLineRefunded,
            line(json!({"refund": {"amount": "10.00", "currency": "NOK"}})),
        ),
        _ if number.is_multiple_of(3) => (K::OrderCancelled, about(json!({}))),
        _ => (
            K::PaymentTransactionRejected,
            about(json!({"paymentTransactionId": "p"})),
        ),
    }
}

/// The event at a position.
pub fn entry(position: Position) -> Entry {
    let (kind, data) = happening(position);
    let data = data.to_string();
    let seconds = TimeDelta::seconds(position.cast_signed());
    Entry {
        event: NewEvent {
            source: "test".into(),
            id: position.to_string().into(),
            event_type: kind.name().into(),
            time: DateTime::UNIX_EPOCH + seconds,
            correlation_id: None,
            about: decode(kind, &data).expect("readable").about(),
            data: JsonText::new(&data).unwrap(),
        },
        origin: None,
    }
}

/// Has a log grow up to a position.
pub fn grow(log: &MemoryLog, last: Position) {
    for position in log.head().position + 1..=last {
        let batch = Batch {
            entries: vec![entry(position)],
            checkpoint: None,
            recorded_at: DateTime::UNIX_EPOCH,
        };
        log.append(batch).unwrap();
    }
}

/// What the projections of a log in memory answer that were made in one go.
pub fn answers_of(log: &MemoryLog) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let whole = Projections::open(directory.path(), log).unwrap();
    whole.catch_up(log).unwrap();
    answers(&whole, log.head().position)
}

/// A log in memory with the records of another, from its end on up to a position.
pub fn copy_records(from: &dyn EventLog, to: &MemoryLog, last: Position) -> Result<(), LogError> {
    while to.head().position < last {
        let next = to.head().position + 1;
        let wanted = usize::try_from(last - next + 1).unwrap();
        for record in from.read(next, wanted)? {
            assert_eq!(&*record.id, record.position.to_string());
            to.append(Batch {
                entries: vec![entry(record.position)],
                checkpoint: None,
                recorded_at: record.recorded_at,
            })?;
        }
    }
    Ok(())
}

/// Everything that can be asked, as text.
pub fn answers(projections: &Projections, last: Position) -> Vec<String> {
    let program = ProgramId::new(1).unwrap();
    let mut all = Vec::new();
    for number in 0..=last / ORDER_EVENTS {
        let order: OrderId = format!("order-{number}").parse().unwrap();
        let document = projections.order(&order).unwrap();
        assert_eq!(document.position, last);
        let stored = document.value.map(|it| stored_order::encode(&it).unwrap());
        all.push(format!("{stored:?}"));
        let transactions = projections.transactions_of_order(&order).unwrap();
        all.push(json!(transactions.value).to_string());
    }
    for customer in CUSTOMERS {
        let customer: CustomerId = customer.parse().unwrap();
        let member = projections.member_of(program, &customer).unwrap().value;
        let transactions = member.as_ref().map(|member| {
            let filter = TransactionFilter::default();
            let found = projections.transactions_of_member(member.id, &filter, EVERYTHING);
            found.unwrap().value
        });
        all.push(json!([member, transactions]).to_string());
    }
    let facts = projections.facts_after(FactPlace::START, usize::MAX);
    all.push(format!("{:?}", facts.unwrap().value));
    all.push(json!(projections.counters().unwrap().value).to_string());
    all
}
