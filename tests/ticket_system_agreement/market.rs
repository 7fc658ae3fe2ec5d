//! The shop, farelog, the ticket system and the broker between them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use farelog_nod_simulator::temper::Fault;
use futures::stream::{self, StreamExt};
use reqwest::Method;
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::chance::Chance;
use crate::common::{Reply, Server, reply};
use crate::order::{Call, Order};
use crate::ticket_system::TicketSystem;

/// After so many waves what happens to the processes begins anew.
const WAVES_OF_UNREST: u64 = 6;
/// Requests to farelog at once.
const CALLS_AT_ONCE: usize = 24;
/// How long the two sides may take until there is nothing left to say.
const UNTIL_QUIET: Duration = Duration::from_secs(120);

/// What happens to the processes meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unrest {
    None,
    Kills,
}

/// All parties.
pub struct Market {
    pub server: Server,
    pub ticket_system: TicketSystem,
    pub orders: Vec<Order>,
    chance: Chance,
    events: usize,
    late_events: usize,
    calls: usize,
    calls_repeated: usize,
    farelog_kills: usize,
    ticket_system_kills: usize,
    broker_restarts: usize,
}

impl Market {
    pub async fn open(seed: u64, fault: Option<Fault>) -> Self {
        let server = Server::start().await;
        let ticket_system = TicketSystem::start(&server.data_dir(), server.nats.url(), seed, fault);
        Self {
            server,
            ticket_system,
            orders: Vec::new(),
            chance: Chance::new(seed),
            events: 0,
            late_events: 0,
            calls: 0,
            calls_repeated: 0,
            farelog_kills: 0,
            ticket_system_kills: 0,
            broker_restarts: 0,
        }
    }

    /// Lets so many orders take so many steps each, and waits until everything is said.
    pub async fn trade(&mut self, orders: u64, steps: u64, unrest: Unrest) {
        self.orders = (0..orders)
            .map(|number| Order::new(format!("O{number}")))
            .collect();
        let mut late = Vec::new();
        for wave in 0..steps {
            let mut events = std::mem::take(&mut late);
            let mut calls = BTreeMap::new();
            for order in &mut self.orders {
                let step = order.next_step(&mut self.chance);
                for event in step.events {
                    // Some come when the order has long gone on.
                    let is_late = self.chance.once_in(25);
                    if is_late { &mut late } else { &mut events }.push(event);
                }
                calls.insert(order.id.clone(), step.calls);
            }
            self.late_events += late.len();
            let unrest = match unrest {
                Unrest::Kills => 1 + wave % WAVES_OF_UNREST,
                Unrest::None => 0,
            };
            self.go_through(&events, calls, unrest).await;
        }
        self.bring_to_an_end(late).await;
    }

    /// Publishes, calls, and kills in between as is the turn of `unrest`: 1 to 6, 0 for none.
    async fn go_through(
        &mut self,
        events: &[Value],
        calls: BTreeMap<String, Vec<Call>>,
        unrest: u64,
    ) {
        let ticket_system_dies = unrest % 2 == 1;
        if ticket_system_dies {
            self.ticket_system.kill();
            self.ticket_system_kills += 1;
        }
        let sequence = self.server.nats.publish(events).await;
        self.events += events.len();
        if ticket_system_dies {
            self.ticket_system.restart();
        }

        let mut open = calls;
        let mut farelog_dies = unrest > 0 && unrest != 4;
        while !open.is_empty() {
            // Behind so many answers, so that however fast it is some are still to come.
            let all: usize = open.values().map(Vec::len).sum();
            let blow = farelog_dies.then(|| self.chance.below(all as u64));
            let (server, answers) = (&self.server, Semaphore::new(0));
            let strike = async {
                if let Some(behind) = blow {
                    // Closed, there are no more.
                    let _ = answers.acquire_many(behind.try_into().unwrap()).await;
                    server.strike();
                }
            };
            let tries = stream::iter(std::mem::take(&mut open))
                .map(|(order, calls)| call_in_turn(server, order, calls, sequence, &answers))
                .buffer_unordered(CALLS_AT_ONCE)
                .collect::<Vec<_>>();
            let tries = async {
                let tries = tries.await;
                answers.close();
                tries
            };
            let (tries, ()) = tokio::join!(tries, strike);
            for tried in tries {
                self.calls += tried.answered;
                if !tried.unanswered.is_empty() {
                    self.calls_repeated += 1;
                    open.insert(tried.order, tried.unanswered);
                }
            }
            if blow.is_some() {
                self.server.kill();
                self.server.restart().await;
                self.farelog_kills += 1;
                farelog_dies = false;
            }
        }

        if unrest == 3 {
            // Ended and not killed: one that forgets what it acknowledged is another story.
            self.server.nats.stop();
            tokio::time::sleep(Duration::from_millis(500)).await;
            self.server.nats.start_again();
            self.broker_restarts += 1;
        }
        if unrest % 3 == 2 {
            self.ticket_system.kill();
            tokio::time::sleep(Duration::from_millis(self.chance.up_to(300))).await;
            self.ticket_system.restart();
            self.ticket_system_kills += 1;
        }
    }

    /// Has every ticket made that is to be made and did not fail again, and waits until nobody has anything left to say.
    async fn bring_to_an_end(&mut self, mut late: Vec<Value>) {
        for _ in 0..2 {
            self.until_quiet().await;
            let calls = self
                .orders
                .iter()
                .map(|order| {
                    let calls = vec![Call::Generate, Call::Distribute(Value::Null)];
                    (order.id.clone(), calls)
                })
                .collect();
            self.go_through(&std::mem::take(&mut late), calls, 0).await;
        }
        self.until_quiet().await;
    }

    /// Waits until farelog has read everything, told everything, and the ticket system has said and done everything.
    async fn until_quiet(&mut self) {
        let started = Instant::now();
        let mut quiet_at = None;
        loop {
            self.ticket_system.check();
            let ready = self.server.get("/health/ready").await;
            let now = self.quiet(&ready).await.then(|| ready.json["log"].clone());
            // Seen twice with nothing between: what one side was about to say is not overlooked.
            if now.is_some() && now == quiet_at {
                return;
            }
            quiet_at = now;
            assert!(
                started.elapsed() < UNTIL_QUIET,
                "not quiet: {ready:?}, {:?}",
                self.ticket_system.statement().map(|statement| (
                    statement.messages,
                    statement.answers_unsaid,
                    statement.initiatives_to_come
                ))
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn quiet(&self, ready: &Reply) -> bool {
        let position = &ready.json["log"]["position"];
        let farelog_is = ready.json["projections"]["position"] == *position
            && ready.json["outbox"]["position"] == *position
            && ready.json["outbox"]["state"] == "SENDING"
            && ready.json["ingestion"]["behind"] == 0;
        if !farelog_is {
            return false;
        }
        let jetstream = self.server.nats.jetstream().await;
        let Ok(mut orders) = jetstream.get_stream("ORDERS").await else {
            return false;
        };
        let last = orders.info().await.unwrap().state.last_sequence;
        if ready.json["ingestion"]["lastSequence"] != last {
            return false;
        }
        let Ok(told) = jetstream.get_stream("FARELOG").await else {
            return false;
        };
        let Ok(heard) = told.consumer_info("nod-simulator").await else {
            return false;
        };
        let Some(books) = self.ticket_system.statement() else {
            return false;
        };
        heard.num_pending == 0
            && heard.num_ack_pending == 0
            && books.answers_unsaid == 0
            && books.initiatives_to_come == 0
    }

    /// Whether everyone was struck while there was something to lose.
    pub fn kills_enough(&self) -> bool {
        self.farelog_kills >= 5
            && self.calls_repeated >= self.farelog_kills
            && self.ticket_system_kills >= 5
            && self.broker_restarts >= 1
    }

    pub fn counts(&self) -> String {
        format!(
            "{} orders, {} events, {} of them late, {} calls and {} repeated after a kill; farelog killed {} times, the ticket system \
             {} times, the broker restarted {} times",
            self.orders.len(),
            self.events,
            self.late_events,
            self.calls,
            self.calls_repeated,
            self.farelog_kills,
            self.ticket_system_kills,
            self.broker_restarts
        )
    }
}

/// What came of an order's calls.
struct Tried {
    order: String,
    answered: usize,
    unanswered: Vec<Call>,
}

/// Makes an order's calls, one after the other, and counts their answers. One that was not answered is made again later,
/// with those behind it.
async fn call_in_turn(
    server: &Server,
    order: String,
    calls: Vec<Call>,
    sequence: u64,
    answers: &Semaphore,
) -> Tried {
    for (answered, call) in calls.iter().enumerate() {
        let answer = make(server, &order, call, sequence).await;
        match answer.status {
            // Refused, since what it asks about has not come yet or is no more.
            200 | 404 | 409 | 422 => answers.add_permits(1),
            // It was killed, or could not be asked.
            0 | 503 | 504 => {
                return Tried {
                    order,
                    answered,
                    unanswered: calls[answered..].to_vec(),
                };
            }
            _ => panic!("{order} {call:?}: {answer:?}"),
        }
    }
    Tried {
        order,
        answered: calls.len(),
        unanswered: Vec::new(),
    }
}

async fn make(server: &Server, order: &str, call: &Call, sequence: u64) -> Reply {
    let (path, body) = match call {
        Call::Generate => (format!("ticket-distributions/{order}/generate"), None),
        Call::Distribute(body) => (
            format!("ticket-distribution-groups/{order}/distribute"),
            Some(body.clone()).filter(|body| !body.is_null()),
        ),
        Call::DistributeAsQrCode => (
            format!("ticket-distributions/{order}/distribute/qr-code"),
            None,
        ),
        Call::DistributeOnTravelCard => (
            format!("ticket-distributions/{order}/distribute/travel-card"),
            Some(serde_json::json!({ "activate": true, "mediaSerialNumberId": "M1" })),
        ),
    };
    let path = format!("/sales/v1/{path}?minStreamSequence={sequence}");
    let request = server.request(Method::POST, &path);
    reply(match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await
}
