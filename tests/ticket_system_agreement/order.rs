//! An order's story: what is sold, changed, exchanged, refunded and cancelled, and what should stand in the end.

use serde_json::{Value, json};

use crate::chance::Chance;

const PRODUCTS: [&str; 5] = ["Single", "Day", "Zone", "Train", "Ferry"];
const METHODS: [&str; 4] = ["NOD", "ACCOUNT_BASED_TICKETING", "INTERNATIONAL", "BIFROST"];

/// An order as the shop knows it.
#[derive(Debug, Clone)]
pub struct Order {
    pub id: String,
    pub lines: Vec<Line>,
    version: u32,
    is_cancelled: bool,
    /// Seconds of its own clock: each event happens after the one before.
    clock: u32,
}

/// A line as it was last confirmed.
#[derive(Debug, Clone)]
pub struct Line {
    pub id: String,
    pub products: Vec<&'static str>,
    version: u32,
    method: &'static str,
    /// Whole kroner.
    price: u64,
    refunded: u64,
    has_ended: bool,
}

impl Line {
    /// Whether it should have tickets.
    pub fn stands(&self) -> bool {
        !self.has_ended && (self.refunded == 0 || self.refunded < self.price)
    }
}

/// What the shop does next: it publishes these, and then asks farelog for these.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Step {
    pub events: Vec<Value>,
    pub calls: Vec<Call>,
}

/// A request to farelog.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    Generate,
    /// With this body; all that is to be sent where it is null.
    Distribute(Value),
    DistributeAsQrCode,
    DistributeOnTravelCard,
}

impl Order {
    pub fn new(id: String) -> Self {
        Self {
            id,
            lines: Vec::new(),
            version: 0,
            is_cancelled: false,
            clock: 0,
        }
    }

    /// What happens next. The first step sells the order.
    pub fn next_step(&mut self, chance: &mut Chance) -> Step {
        let mut events = if self.version == 0 {
            self.sell(chance)
        } else if self.is_cancelled {
            Vec::new()
        } else {
            match chance.below(100) {
                0..25 => Vec::new(),
                25..47 => self.change(chance),
                47..57 => self.add(chance),
                57..66 => self.cancel_line(chance),
                66..80 => self.refund(chance),
                80..91 => self.exchange(chance),
                91..96 => self.think_better_of_it(chance),
                _ => self.cancel(),
            }
        };
        // Versions and times decide, never arrival.
        if chance.once_in(3) {
            chance.shuffle(&mut events);
        }
        if !events.is_empty() && chance.once_in(8) {
            events.push(chance.pick(&events).clone());
        }
        Step {
            events,
            calls: self.calls(chance),
        }
    }

    fn calls(&self, chance: &mut Chance) -> Vec<Call> {
        let mut calls = vec![Call::Generate];
        if chance.once_in(6) {
            calls.push(Call::Generate);
        }
        match chance.below(10) {
            0 => calls.push(Call::DistributeAsQrCode),
            1 => calls.push(Call::DistributeOnTravelCard),
            2 => {
                let line = &chance.pick(&self.lines).id;
                calls.push(Call::Distribute(json!({ "orderLineIds": [line] })));
            }
            // Not this time.
            3 => return calls,
            _ => {}
        }
        calls.push(Call::Distribute(Value::Null));
        if chance.once_in(6) {
            calls.push(Call::Distribute(Value::Null));
        }
        calls
    }

    fn sell(&mut self, chance: &mut Chance) -> Vec<Value> {
        let mut events = vec![self.open()];
        let mut sold = Vec::new();
        for _ in 0..chance.up_to(3) {
            let line = self.new_line(chance);
            events.push(self.line_event("OrderLineAdded", &line));
            sold.push(line.id.clone());
            self.lines.push(line);
        }
        if chance.once_in(5) {
            let confirmed = json!({ "orderVersion": self.version, "orderLineIds": [sold[0]] });
            events.push(self.event("OrderPartiallyConfirmed", confirmed));
        }
        events.push(self.confirm());
        events
    }

    fn change(&mut self, chance: &mut Chance) -> Vec<Value> {
        let Some(mut line) = self.pick_unended(chance) else {
            return Vec::new();
        };
        let mut events = vec![self.open()];
        line.version += 1;
        match chance.below(3) {
            0 => line.price += 20,
            1 => line.products = products(chance),
            _ => line.method = chance.pick::<&str>(&METHODS),
        }
        events.push(self.line_event("OrderLineChanged", &line));
        events.push(self.confirm());
        self.put(line);
        events
    }

    fn add(&mut self, chance: &mut Chance) -> Vec<Value> {
        let mut events = vec![self.open()];
        let line = self.new_line(chance);
        events.push(self.line_event("OrderLineAdded", &line));
        events.push(self.confirm());
        self.lines.push(line);
        events
    }

    fn cancel_line(&mut self, chance: &mut Chance) -> Vec<Value> {
        let Some(mut line) = self.pick_unended(chance) else {
            return Vec::new();
        };
        line.has_ended = true;
        let data = self.about_line(&line);
        self.put(line);
        vec![self.event("OrderLineCancelled", data)]
    }

    /// Half of the price, or all of it. Two halves are all of it.
    fn refund(&mut self, chance: &mut Chance) -> Vec<Value> {
        let Some(mut line) = self.pick_unended(chance) else {
            return Vec::new();
        };
        let amount = if chance.once_in(2) {
            line.price
        } else {
            line.price.div_ceil(2)
        };
        line.refunded += amount;
        let mut data = self.about_line(&line);
        data["refund"] = json!({ "amount": format!("{amount}.00"), "currency": "NOK" });
        self.put(line);
        vec![self.event("OrderLineRefunded", data)]
    }

    /// Some lines for some others.
    fn exchange(&mut self, chance: &mut Chance) -> Vec<Value> {
        let originals: Vec<String> = self
            .lines
            .iter()
            .filter(|line| !line.has_ended)
            .take(usize::try_from(chance.up_to(2)).unwrap())
            .map(|line| line.id.clone())
            .collect();
        if originals.is_empty() {
            return Vec::new();
        }
        let mut events = vec![self.open()];
        let mut others = Vec::new();
        for _ in 0..chance.up_to(2) {
            let line = self.new_line(chance);
            events.push(self.line_event("OrderLineAdded", &line));
            others.push(line.id.clone());
            self.lines.push(line);
        }
        events.push(self.replacement(&originals, &others));
        events.push(self.confirm());
        for line in &mut self.lines {
            line.has_ended |= originals.contains(&line.id);
        }
        events
    }

    /// A change and an exchange that are dropped before they are confirmed.
    fn think_better_of_it(&mut self, chance: &mut Chance) -> Vec<Value> {
        let Some(mut line) = self.pick_unended(chance) else {
            return Vec::new();
        };
        let mut events = vec![self.open()];
        line.version += 1;
        line.products = products(chance);
        events.push(self.line_event("OrderLineChanged", &line));
        events.push(self.replacement(&[line.id], &[format!("{}-never", self.id)]));
        let round = json!({ "orderVersion": self.version });
        events.push(self.event("OrderReset", round));
        events
    }

    fn cancel(&mut self) -> Vec<Value> {
        self.is_cancelled = true;
        for line in &mut self.lines {
            line.has_ended = true;
        }
        let round = json!({ "orderVersion": self.version });
        vec![self.event("OrderCancelled", round)]
    }

    fn pick_unended(&self, chance: &mut Chance) -> Option<Line> {
        let unended: Vec<&Line> = self.lines.iter().filter(|line| !line.has_ended).collect();
        (!unended.is_empty()).then(|| (*chance.pick(&unended)).clone())
    }

    fn put(&mut self, line: Line) {
        for known in &mut self.lines {
            if known.id == line.id {
                *known = line;
                return;
            }
        }
    }

    fn new_line(&self, chance: &mut Chance) -> Line {
        Line {
            id: format!("{}-{}", self.id, self.lines.len() + 1),
            products: products(chance),
            version: 1,
            method: chance.pick::<&str>(&METHODS),
            price: 10 * chance.up_to(40),
            refunded: 0,
            has_ended: false,
        }
    }

    fn open(&mut self) -> Value {
        self.version += 1;
        let data = json!({ "orderVersion": self.version, "organisationId": 1, "currency": "NOK",
            "customerId": "owner" });
        self.event("OrderCreated", data)
    }

    fn confirm(&mut self) -> Value {
        let round = json!({ "orderVersion": self.version });
        self.event("OrderConfirmed", round)
    }

    fn replacement(&mut self, originals: &[String], others: &[String]) -> Value {
        let data = json!({ "orderVersion": self.version, "replacements": [
            { "originalOrderLineIds": originals, "replacedByOrderLineIds": others }] });
        self.event("OrderLinesReplaced", data)
    }

    fn line_event(&mut self, kind: &str, line: &Line) -> Value {
        let mut products: Vec<Value> = line
            .products
            .iter()
            .map(|product| json!({ "id": product, "type": "SINGLE" }))
            .collect();
        products.push(json!({ "id": "Bicycle", "type": "SUPPLEMENT", "main": false }));
        let mut data = self.about_line(line);
        data["fareProducts"] = json!(products);
        data["price"] = json!({ "amount": format!("{}.00", line.price), "currency": "NOK" });
        data["distributionDetails"] = json!({ "fulfillmentMethod": line.method,
            "distributionHolderCustomerId": "holder", "customerAccountRef": format!("{}:account", self.id) });
        self.event(kind, data)
    }

    fn about_line(&self, line: &Line) -> Value {
        json!({ "orderVersion": self.version, "orderLineId": line.id, "orderLineVersion": line.version })
    }

    fn event(&mut self, kind: &str, mut data: Value) -> Value {
        self.clock += 1;
        data["orderId"] = json!(self.id);
        json!({
            "specversion": "1.0",
            "id": format!("{}-{}", self.id, self.clock),
            "source": "/shop",
            "type": kind,
            "time": format!("2026-01-15T08:{:02}:{:02}Z", self.clock / 60, self.clock % 60),
            "data": data,
        })
    }
}

fn products(chance: &mut Chance) -> Vec<&'static str> {
    (0..chance.up_to(3))
        .map(|_| *chance.pick(&PRODUCTS))
        .collect()
}
