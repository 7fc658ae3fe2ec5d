//! The sales of a while: orders that are made, paid, used and now and then taken back, many under way at a time. The
//! same events come out on every machine.

use std::error::Error;

use chrono::{DateTime, TimeDelta, Utc};
use farelog_events::event::{EventKind, decode};
use farelog_events::id::OrderId;
use farelog_events::json::JsonText;
use farelog_events::log::Position;
use farelog_projections::order::{DecodedRecord, OrderEvent};
use serde_json::{Value, json};

/// How many orders are under way at a time.
const ORDERS_UNDER_WAY: usize = 64;
/// How many customers buy; each comes back every so many orders.
pub const CUSTOMERS: u64 = 2_000;
/// The time of the first event.
const FIRST_TIME: DateTime<Utc> = DateTime::UNIX_EPOCH;
/// From one event to the next.
const EVENT_INTERVAL_SECONDS: i64 = 20;

/// The name of a customer.
pub fn customer(number: u64) -> String {
    format!("ENT:Customer:{number:08}")
}

/// The first events of the sales, so many, each with its order, decoded, at positions from `first` on.
pub fn events(count: usize, first: Position) -> Result<Vec<(OrderId, OrderEvent)>, Box<dyn Error>> {
    let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
    let mut orders = 0;
    let mut under_way: Vec<std::vec::IntoIter<(EventKind, Value)>> = Vec::new();
    let mut events = Vec::with_capacity(count);
    let mut position = first;
    let mut time = FIRST_TIME;
    while events.len() < count {
        while under_way.len() < ORDERS_UNDER_WAY {
            under_way.push(order(orders, &mut chance).into_iter());
            orders += 1;
        }
        let next = usize::try_from(chance.below(ORDERS_UNDER_WAY as u64))?;
        let Some((kind, mut data)) = under_way[next].next() else {
            under_way.swap_remove(next);
            continue;
        };
        if kind == EventKind::TicketActivated {
            data["activatedAt"] = json!(time);
        }
        let order_id = data["orderId"].as_str().unwrap_or_default().parse()?;
        events.push((order_id, event(position, time, kind, &data)?));
        position += 1;
        time += TimeDelta::seconds(EVENT_INTERVAL_SECONDS);
    }
    Ok(events)
}

fn event(
    position: Position,
    time: DateTime<Utc>,
    kind: EventKind,
    data: &Value,
) -> Result<OrderEvent, Box<dyn Error>> {
    let json = data.to_string();
    Ok(OrderEvent::from(DecodedRecord {
        position,
        recorded_at: time,
        source: "urn:entur:sales".into(),
        id: format!("5f0c6f0a-2c1e-4d7a-9c65-{position:012x}").into(),
        time,
        kind,
        data: decode(kind, &json)?,
        json: JsonText::new(&json)?,
    }))
}

/// What happens to an order, from its beginning to its end.
fn order(number: u64, chance: &mut Chance) -> Vec<(EventKind, Value)> {
    use EventKind as K;
    let id = format!("ENT:Order:{number:010}");
    let round = || json!({"orderId": id, "orderVersion": 1});
    let mut story = vec![(K::OrderCreated, created(&id, chance))];
    let lines: Vec<String> = (1..=1 + chance.below(3))
        .map(|line| format!("{id}-{line}"))
        .collect();
    let sold: Vec<Value> = lines.iter().map(|line| sold(&id, line, chance)).collect();
    story.extend(sold.iter().map(|line| (K::OrderLineAdded, line.clone())));
    if chance.percent(15) {
        let mut changed = sold[0].clone();
        changed["orderLineVersion"] = json!(2);
        story.push((K::OrderLineChanged, changed));
    }
    let payment = json!({"orderId": id, "paymentTransactionId": format!("{number}")});
    if chance.percent(8) {
        story.push((K::PaymentTransactionRejected, payment.clone()));
    }
    if chance.percent(7) {
        // Left in the basket.
        return story;
    }
    story.push((K::OrderConfirmed, round()));
    story.push((K::PaymentTransactionCaptured, payment));
    for (ticket, line) in (number * 10 + 1..).zip(&lines) {
        let ticket = json!({
            "orderId": id, "orderLineId": line, "ticketDistributionId": ticket,
            "fareContractRef": format!("ENT:FareContract:{line}"), "status": "DISTRIBUTED"
        });
        story.push((K::TicketDistributionAdded, ticket));
    }
    if chance.percent(4) {
        story.push((K::OrderCancelled, round()));
        return story;
    }
    for (line, sold) in lines.iter().zip(&sold) {
        let of_line = json!({
            "orderId": id, "orderVersion": 1, "orderLineId": line, "orderLineVersion": 1
        });
        if chance.percent(70) {
            story.push((
                K::TicketActivated,
                json!({"orderId": id, "orderLineId": line}),
            ));
        } else if chance.percent(15) {
            story.push((K::OrderLineCancelled, of_line));
        } else if chance.percent(20) {
            let mut refunded = of_line;
            refunded["refund"] = if chance.percent(50) {
                sold["price"].clone()
            } else {
                json!({"amount": "10.00", "currency": "NOK"})
            };
            story.push((K::OrderLineRefunded, refunded));
        }
    }
    story
}

fn created(id: &str, chance: &mut Chance) -> Value {
    let channel = if chance.percent(60) { "App" } else { "Web" };
    let mut created = json!({
        "orderId": id, "orderVersion": 1, "organisationId": 1, "currency": "NOK",
        "distributionChannelId": format!("ENT:DistributionChannel:{channel}"), "pos": "ENT:Pos:1"
    });
    // Some buy without saying who they are.
    if chance.percent(80) {
        created["customerId"] = json!(customer(chance.below(CUSTOMERS)));
    }
    created
}

fn sold(order: &str, line: &str, chance: &mut Chance) -> Value {
    let (product, product_type, user, price) = match chance.below(10) {
        0 => ("AdultPeriod30Days", "PERIOD", "ADULT", "853.00"),
        1 => ("NightTrainSleeper", "SINGLE", "ADULT", "1249.00"),
        2 | 3 => ("ChildSingle", "SINGLE", "CHILD", "20.00"),
        4 => ("YouthSingle", "SINGLE", "YOUTH", "31.50"),
        _ => ("AdultSingle", "SINGLE", "ADULT", "42.00"),
    };
    let mut line = json!({
        "orderId": order, "orderVersion": 1, "orderLineId": line, "orderLineVersion": 1,
        "fareProducts": [{"id": format!("ENT:PreassignedFareProduct:{product}"), "type": product_type, "name": product}],
        "price": {"amount": price, "currency": "NOK"},
        "userType": user,
        "distributionDetails": {"fulfillmentMethod": "NOD"},
        "priceBreakdown": {"base": price, "discount": "0.00"}
    });
    if chance.percent(50) {
        line["travel"] = json!({
            "fromStopPlace": "NSR:StopPlace:337", "toStopPlace": "NSR:StopPlace:548",
            "departureTime": "1970-02-01T08:15:00Z"
        });
    }
    line
}

/// Numbers without an order that are the same every time (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}
