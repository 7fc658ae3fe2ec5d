//! What the targets have in common: a sale, as expressions see it, and its tickets, as a search does.

use std::sync::OnceLock;

use chrono::DateTime;
use farelog_events::event::{EventKind, NewEvent, decode};
use farelog_events::id::OrderId;
use farelog_events::json::JsonText;
use farelog_events::log::memory::MemoryLog;
use farelog_events::log::{Batch, Entry, EventLog};
use farelog_projections::distribution::TicketDistributionGroup;
use farelog_projections::order::{OrderEvent, OrderState, TriggerKind};
use farelog_projections::program::{CompiledProgram, LineScope, TriggerScope};
use farelog_projections::search::GroupFilters;
use serde_json::json;

const SALE: [(EventKind, &str); 3] = [
    (
        EventKind::OrderCreated,
        r#"{"orderId":"O1","orderVersion":1,"organisationId":1,"customerId":"7","currency":"NOK","campaign":"spring"}"#,
    ),
    (
        EventKind::OrderLineAdded,
        r#"{"orderId":"O1","orderVersion":1,"orderLineId":"L1","orderLineVersion":1,
            "fareProducts":[{"id":"ENT:PreassignedFareProduct:AdultSingle","type":"SINGLE"},{"id":"S","type":"SEAT","main":false}],
            "price":{"amount":"399.00","currency":"NOK"},"userType":"ADULT","travellers":[{"age":30},{"age":8}],
            "validity":{"start":"2026-01-15T08:00:00Z","end":"2026-01-15T10:00:00Z"},
            "travel":{"fromStopPlace":"A","toStopPlace":"B","departureTime":"2026-01-15T08:10:00Z","km":[1,2.5,"3"]}}"#,
    ),
    (
        EventKind::OrderConfirmed,
        r#"{"orderId":"O1","orderVersion":1}"#,
    ),
];

fn events() -> &'static [OrderEvent] {
    static EVENTS: OnceLock<Vec<OrderEvent>> = OnceLock::new();
    EVENTS.get_or_init(|| {
        let log = MemoryLog::new();
        let entries = SALE.iter().map(|(kind, data)| Entry {
            event: NewEvent {
                source: "/fuzz".into(),
                id: kind.name().into(),
                event_type: kind.name().into(),
                time: DateTime::UNIX_EPOCH,
                correlation_id: None,
                about: decode(*kind, data).expect("the sale is right").about(),
                data: JsonText::new(data).expect("the sale is JSON"),
            },
            origin: None,
        });
        let records = log.append(Batch {
            entries: entries.collect(),
            ..Batch::default()
        });
        records
            .expect("memory takes all")
            .iter()
            .map(|record| {
                OrderEvent::from_record(record)
                    .expect("it is an order's")
                    .expect("it is readable")
            })
            .collect()
    })
}

/// Runs everything that a program may say about a line, twice: it ends, nothing panics, and both times it gives the same.
pub fn run(program: &CompiledProgram) {
    let order = OrderState::fold(events());
    let order_id: OrderId = "O1".parse().expect("an id");
    let line = order.lines.values().next().expect("the sale has a line");
    let confirmation = line.confirmation.as_ref().expect("it is confirmed");
    for kind in [
        TriggerKind::LineConfirmed,
        TriggerKind::LineActivated,
        TriggerKind::PaymentCaptured,
    ] {
        let trigger = TriggerScope {
            kind,
            time: Some(DateTime::UNIX_EPOCH),
        };
        for definition in program.definitions(kind) {
            let results = || {
                let line = LineScope::new(&order, &order_id, confirmation, None);
                let valid_from = definition.valid_from(&line, &trigger, None);
                let expire_at = valid_from.as_ref().ok().map(|at| definition.expire_at(*at));
                format!(
                    "{:?} {:?} {:?} {valid_from:?} {expire_at:?}",
                    definition.customer(&line, &trigger),
                    definition.applies(&line, &trigger, None),
                    definition.amount(&line, &trigger, None),
                )
            };
            assert_eq!(
                results(),
                results(),
                "an expression gives now this, now that"
            );
        }
    }
}

/// The group of the sale, with a ticket.
fn group() -> &'static TicketDistributionGroup {
    static GROUP: OnceLock<TicketDistributionGroup> = OnceLock::new();
    GROUP.get_or_init(|| {
        serde_json::from_value(json!({
            "id": 4096, "orderId": "O1", "orderLineId": "L1", "orderVersion": 1, "updatedForOrderLineVersion": 1,
            "organisationId": 1, "fulfillmentMethod": "NOD", "orderOwnerCustomerId": "7",
            "createdAt": "2026-01-15T08:00:00Z", "updatedAt": "2026-01-15T08:00:00Z",
            "ticketDistributions": [{
                "id": 4096, "status": "GENERATED", "fareProductId": "S", "language": "nob",
                "mediaSerialNumberId": "gt:1", "startOfValidity": "2026-01-15T08:00:00Z",
                "createdAt": "2026-01-15T08:00:00Z", "updatedAt": "2026-01-15T08:00:00Z"
            }]
        }))
        .expect("the group is right")
    })
}

/// Holds filters against a group: nothing panics, and both times they say the same.
pub fn search(filters: &GroupFilters) {
    assert_eq!(filters.admit(group()), filters.admit(group()));
    if filters.is_empty() {
        assert!(filters.admit(group()), "nothing asked for, and not found");
    }
}
