//! What both sides say of every ticket, held against each other.

use std::collections::{BTreeMap, BTreeSet};

use farelog_nod_simulator::books::Statement;
use farelog_nod_simulator::ticket::{Ticket, TicketState};
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};

use crate::market::Market;
use crate::order::Order;

/// Both sides in the end.
pub struct Sides {
    orders: Vec<Order>,
    /// farelog's groups, by order.
    groups: BTreeMap<String, Vec<Value>>,
    /// farelog's summaries, by order.
    summaries: BTreeMap<String, Value>,
    books: Statement,
    told: Told,
    figures: Value,
}

/// What farelog has told the ticket system, by ticket, in the order in which it told it.
#[derive(Debug, Default)]
struct Told {
    requests: BTreeMap<u64, BTreeSet<String>>,
    cancellations: BTreeMap<u64, BTreeSet<String>>,
    /// Tickets that were asked for after they were said to be void.
    asked_for_when_void: BTreeSet<u64>,
    repeated: usize,
}

impl Told {
    fn note(&mut self, fact: &Value) {
        let ticket = fact["data"]["ticketDistributionId"].as_u64().unwrap();
        let is_request = match fact["type"].as_str().unwrap() {
            "TicketRequested" => true,
            "TicketCancelled" => false,
            other => panic!("{other}"),
        };
        let by_ticket = if is_request {
            &mut self.requests
        } else {
            &mut self.cancellations
        };
        let is_new = by_ticket
            .entry(ticket)
            .or_default()
            .insert(fact["id"].as_str().unwrap().to_owned());
        self.repeated += usize::from(!is_new);
        if is_request && is_new && self.cancellations.contains_key(&ticket) {
            self.asked_for_when_void.insert(ticket);
        }
    }
}

impl Sides {
    /// Asks both.
    pub async fn of(market: &mut Market) -> Self {
        let server = &market.server;
        let (groups, summaries) = stream::iter(market.orders.clone())
            .map(|order| async move {
                let of = format!("/sales/v1/ticket-distributions/{}", order.id);
                // There is nothing to generate, and the answer is the groups.
                let groups = server.act(&format!("{of}/generate")).await;
                let groups = groups.json.as_array().expect("groups").clone();
                let summary = server.get(&format!("{of}/summary")).await;
                ((order.id.clone(), groups), (order.id, summary.json))
            })
            .buffer_unordered(8)
            .unzip()
            .await;
        let figures = server.get("/v1/operate/log/stats").await.json;
        Self {
            orders: market.orders.clone(),
            groups,
            summaries,
            books: market.ticket_system.statement().unwrap(),
            told: told(market).await,
            figures,
        }
    }

    /// All that the two do not agree on, a sentence each.
    pub fn disagreements(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut known = BTreeSet::new();
        for order in &self.orders {
            for group in &self.groups[&order.id] {
                for distribution in group["ticketDistributions"].as_array().unwrap() {
                    let id = distribution["id"].as_u64().unwrap();
                    known.insert(id);
                    self.compare(&order.id, id, distribution, &mut found);
                }
            }
            self.check_lines(order, &mut found);
            self.check_summary(order, &mut found);
        }
        for (id, ticket) in &self.books.tickets {
            if !known.contains(id) {
                found.push(format!(
                    "ticket {id} of order {} is in the books and not known to farelog",
                    ticket.order_id
                ));
            }
        }
        if self.figures["projections"]["deadLetters"] != 0 {
            found.push(format!("dead letters: {}", self.figures["projections"]));
        }
        found
    }

    fn compare(&self, order: &str, id: u64, distribution: &Value, found: &mut Vec<String>) {
        let status = distribution["status"].as_str().unwrap();
        let there = self.books.tickets.get(&id);
        let mut say = |text: String| found.push(format!("ticket {id} of order {order} {text}"));
        let state = there.map(|ticket| ticket.state);
        if !agree(status, state) {
            say(format!("is {status} for farelog and {} there", name(state)));
        }
        let asked = self.told.requests.get(&id).map_or(0, BTreeSet::len);
        let heard = there.map_or(0, |ticket| ticket.requests as usize);
        if asked != heard {
            say(format!(
                "was asked for {asked} times and heard of {heard} times"
            ));
        }
        let voided = self.told.cancellations.get(&id).map_or(0, BTreeSet::len);
        let heard_void = usize::from(there.is_some_and(|ticket| ticket.cancellation_asked));
        if voided != heard_void {
            say(format!(
                "was told to be void {voided} times and heard of as void {heard_void} times"
            ));
        }
        if self.told.asked_for_when_void.contains(&id) {
            say("was asked for after it was said to be void".to_owned());
        }
        let Some(ticket) = there else {
            return;
        };
        if ticket.requests_in_vain > 0 || ticket.requests > 1 + ticket.failures {
            say(format!("was asked for too often: {ticket:?}"));
        }
        if let Some(contract) = &ticket.fare_contract_ref
            && distribution["fareContractRef"] != **contract
        {
            say(format!(
                "has contract {} for farelog and {contract} there",
                distribution["fareContractRef"]
            ));
        }
    }

    /// Lines that stand have a ticket for each main product, and others none that one could travel on.
    fn check_lines(&self, order: &Order, found: &mut Vec<String>) {
        for line in &order.lines {
            let of_line = |ticket: &&Ticket| ticket.order_line_id == line.id;
            let live = self.books.tickets.values().filter(of_line);
            let live = live.filter(|ticket| ticket.is_live()).count();
            if !line.stands() {
                if live > 0 {
                    found.push(format!(
                        "line {} does not stand and has {live} tickets",
                        line.id
                    ));
                }
                continue;
            }
            let group = self.groups[&order.id]
                .iter()
                .find(|group| group["orderLineId"] == *line.id);
            let Some(group) = group else {
                found.push(format!("line {} stands and has no group", line.id));
                continue;
            };
            let tickets = group["ticketDistributions"].as_array().unwrap();
            let with_status = |statuses: &[&str]| {
                let mut products: Vec<&str> = tickets
                    .iter()
                    .filter(|ticket| statuses.contains(&ticket["status"].as_str().unwrap()))
                    .map(|ticket| ticket["fareProductId"].as_str().unwrap())
                    .collect();
                products.sort_unstable();
                products
            };
            let mut bought = line.products.clone();
            bought.sort_unstable();
            let made = with_status(&["DISTRIBUTED", "FAILED"]);
            // A ticket in use stays what it is, and one that the ticket system made void is not replaced.
            let is_as_bought = if with_status(&["ACTIVATED", "CANCELLED_EXTERNALLY"]).is_empty() {
                made == bought
            } else {
                made.len() <= bought.len()
            };
            if !is_as_bought {
                found.push(format!(
                    "line {} is for {bought:?} and has tickets for {made:?}",
                    line.id
                ));
            }
        }
    }

    /// The summary has the contracts of the books, each once.
    fn check_summary(&self, order: &Order, found: &mut Vec<String>) {
        let mut there: Vec<&str> = self
            .books
            .tickets
            .values()
            .filter(|ticket| ticket.order_id == order.id)
            .filter_map(|ticket| ticket.fare_contract_ref.as_deref())
            .collect();
        let rows = self.summaries[&order.id]["distributions"].as_array();
        let mut here: Vec<&str> = rows
            .into_iter()
            .flatten()
            .filter_map(|row| row["fareContractRef"].as_str())
            .collect();
        there.sort_unstable();
        here.sort_unstable();
        if here != there {
            found.push(format!(
                "order {} has contracts {here:?} in the summary and {there:?} there",
                order.id
            ));
        }
    }

    pub fn counts(&self) -> String {
        let mut statuses: BTreeMap<&str, usize> = BTreeMap::new();
        let groups = self.groups.values().flatten();
        for ticket in groups.flat_map(|group| group["ticketDistributions"].as_array().unwrap()) {
            *statuses
                .entry(ticket["status"].as_str().unwrap())
                .or_default() += 1;
        }
        let requests: usize = self.told.requests.values().map(BTreeSet::len).sum();
        format!(
            "tickets by status {statuses:?}; {requests} requests, of which {} after a failure, {} cancellations, \
             {} facts told twice; {} events of the ticket system did not fit",
            requests - self.told.requests.len(),
            self.told.cancellations.len(),
            self.told.repeated,
            self.figures["projections"]["ticketEventsIgnored"]
        )
    }
}

/// Whether a status and what the books say are the same. A ticket that is void for farelog may be so there for the
/// ticket system's own reason: it failed, or was cancelled by itself, before it could hear of it.
fn agree(status: &str, state: Option<TicketState>) -> bool {
    use TicketState as S;
    match status {
        "GENERATED" => state.is_none(),
        "DISTRIBUTED" => state == Some(S::Made),
        "ACTIVATED" => state == Some(S::Activated),
        "FAILED" => state == Some(S::Failed),
        "CANCELLED" => !matches!(state, Some(S::Made | S::Activated)),
        "CANCELLED_EXTERNALLY" => state == Some(S::CancelledExternally),
        // In the end every request is answered.
        _ => false,
    }
}

fn name(state: Option<TicketState>) -> String {
    state.map_or_else(
        || "unknown".to_owned(),
        |state| {
            serde_json::to_value(state)
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned()
        },
    )
}

/// Reads the stream FARELOG from its beginning.
async fn told(market: &Market) -> Told {
    let jetstream = market.server.nats.jetstream().await;
    let mut stream = jetstream.get_stream("FARELOG").await.unwrap();
    let last = stream.info().await.unwrap().state.last_sequence;
    let mut told = Told::default();
    for sequence in 1..=last {
        let message = stream.get_raw_message(sequence).await.unwrap();
        let fact: Value = serde_json::from_slice(&message.payload).unwrap();
        told.note(&fact);
    }
    told
}

/// The ticket system can't tell: the broker may deliver a request behind the cancellation that came after it.
#[test]
fn a_ticket_that_is_asked_for_when_it_is_void_is_noticed() {
    let asked_for_when_void = |facts: &[(&str, &str)]| {
        let mut told = Told::default();
        for (id, kind) in facts {
            let data = json!({ "ticketDistributionId": 7 });
            told.note(&json!({ "id": id, "type": kind, "data": data }));
        }
        !told.asked_for_when_void.is_empty()
    };
    let request = ("f1", "TicketRequested");
    let void = ("f2", "TicketCancelled");
    // Facts that a broker lost are told again.
    assert!(!asked_for_when_void(&[request, void, request, void]));
    assert!(asked_for_when_void(&[
        request,
        void,
        ("f3", "TicketRequested")
    ]));
}
