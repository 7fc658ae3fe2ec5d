//! One event at a time, at a steady rate: how long from the moment at which it was to be published until a query shows it.
//!
//! The load is open: events are published when they are due, however slow the answers are, and each time counts from when
//! the event was due. A delay of the publisher is so part of the figure, never hidden. What is visible is observed as a
//! user would: by a query that waits for the event's stream sequence, sent some milliseconds before the event is due. So
//! that the queries don't load the server they wait on, only some of the events are asked for.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use async_nats::jetstream::Context;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::broker::{Broker, STREAM, header_map};
use crate::deployment::Deployment;
use crate::figure::{Aim, Figure, Report, Unit, float, median, milliseconds, percentile};
use crate::http::Connection;
use crate::plan::Plan;
use crate::sample_day::Message;
use crate::server::Server;

/// The rate at which there is an aim, and what the 99th percentile should stay below then.
const RATE_WITH_AIM: u64 = 10_000;
const P99_BELOW_MS: f64 = 10.0;
/// How long each rate is offered.
const SECONDS: u64 = 6;
/// The first of them are not counted: connections are made, caches filled.
const SECONDS_OF_WARM_UP: u64 = 1;
/// Events of a second that are observed.
const OBSERVED_PER_SECOND: u64 = 200;
/// Queries that can wait at a time.
const OBSERVERS: u64 = 32;
/// How long before an event is due its query is sent.
const AHEAD: Duration = Duration::from_millis(5);
/// Until the first event is due.
const LEAD: Duration = Duration::from_millis(300);
/// A stream that nobody reads.
const OTHER_STREAM: &str = "OTHER";
const OTHER_SUBJECT: &str = "other.event";

/// A load that is to be offered.
#[derive(Debug, Clone, Copy)]
struct Load {
    rate: u64,
    start: Instant,
}

impl Load {
    fn new(rate: u64) -> Self {
        Self {
            rate,
            start: Instant::now() + LEAD,
        }
    }

    fn events(self) -> u64 {
        self.rate * SECONDS
    }

    fn due(self, event: u64) -> Instant {
        self.start + Duration::from_nanos(event * 1_000_000_000 / self.rate)
    }

    /// Each how many events one is observed.
    fn stride(self) -> u64 {
        (self.rate / OBSERVED_PER_SECOND).max(1)
    }

    /// The events that are observed.
    fn observed(self) -> impl Iterator<Item = u64> {
        let first = self.rate * SECONDS_OF_WARM_UP;
        (first..self.events()).step_by(usize::try_from(self.stride()).unwrap_or(usize::MAX))
    }

    fn is_observed(self, event: u64) -> bool {
        event >= self.rate * SECONDS_OF_WARM_UP && event.is_multiple_of(self.stride())
    }
}

/// Measures each rate on a running server that has nothing else to do.
///
/// # Errors
/// The broker or the server fails, or somebody else publishes.
pub async fn measure(
    plan: &Plan,
    deployment: &Deployment,
    server: &Server,
    report: &mut Report,
) -> anyhow::Result<()> {
    let broker = &deployment.broker;
    let mut published = deployment.messages;
    broker
        .make_stream(OTHER_STREAM, vec![OTHER_SUBJECT.to_owned()])
        .await?;
    for &rate in &plan.rates {
        let (mut visible, mut acknowledged) = (Vec::new(), Vec::new());
        let (mut processor_us, mut processor_us_broker) = (Vec::new(), Vec::new());
        for run in 1..=plan.runs {
            eprintln!(
                "one event at a time, {rate} a second, run {run} of {}",
                plan.runs
            );
            let load = Load::new(rate);
            let count = usize::try_from(load.events())?;
            let messages: Vec<Message> = plan.day.messages_behind(published).take(count).collect();
            published += load.events();

            let elsewhere = messages.iter().map(|message| Message {
                subject: OTHER_SUBJECT.to_owned(),
                ..message.clone()
            });
            acknowledged.push(until_acknowledged(broker, rate, elsewhere.collect()).await?);
            let processor = [server.processor_time()?, broker.processor_time()?];
            let times = until_visible(broker, server, rate, messages).await?;
            server.idle().await?;
            let us_an_event = |time: Duration| time.as_secs_f64() * 1e6 / float(load.events());
            processor_us.push(us_an_event(server.processor_time()? - processor[0]));
            processor_us_broker.push(us_an_event(broker.processor_time()? - processor[1]));
            say(&times, processor_us.last(), processor_us_broker.last());
            visible.push(times);
        }
        for percent in [50, 99] {
            let middle = |runs: &[Vec<Duration>]| {
                let of_runs = runs.iter().filter_map(|times| percentile(times, percent));
                median(&of_runs.map(milliseconds).collect::<Vec<_>>())
            };
            let name = format!("publish to visible at {rate} events/s, p{percent}");
            let value = middle(&visible).context("nothing was observed")?;
            let figure = Figure::new(name, Unit::Milliseconds, value)
                .beside("acknowledged publish", middle(&acknowledged));
            report.add(if (rate, percent) == (RATE_WITH_AIM, 99) {
                figure.aim(Aim::Below(P99_BELOW_MS))
            } else {
                figure
            });
        }
        report.add(
            Figure::new(
                format!("processor time of the server at {rate} events/s, an event"),
                Unit::Microseconds,
                median(&processor_us).unwrap_or_default(),
            )
            .beside("nats-server", median(&processor_us_broker)),
        );
    }
    report.note(format!(
        "publish to visible: open load of {SECONDS} s, the first not counted; times run from when an event was due; visible \
         to a query that waits for its stream sequence, asked of {OBSERVED_PER_SECOND} events a second"
    ));
    Ok(())
}

/// Says how a run went: single runs differ, so each is worth a look.
fn say(times: &[Duration], processor_us: Option<&f64>, processor_us_broker: Option<&f64>) {
    let slow = times
        .iter()
        .filter(|time| milliseconds(**time) > P99_BELOW_MS)
        .count();
    let percent = |percent| percentile(times, percent).map_or(0.0, milliseconds);
    eprintln!(
        "  p50 {:.2} ms, p99 {:.2} ms, {:.2} % above {P99_BELOW_MS} ms; processor {:.1} us an event, nats-server's {:.1}",
        percent(50),
        percent(99),
        100.0 * float(slow as u64) / float(times.len() as u64),
        processor_us.unwrap_or(&0.0),
        processor_us_broker.unwrap_or(&0.0),
    );
}

/// Publishes to farelog's stream; times until queries show what is observed.
async fn until_visible(
    broker: &Broker,
    server: &Server,
    rate: u64,
    messages: Vec<Message>,
) -> anyhow::Result<Vec<Duration>> {
    let jetstream = broker.jetstream();
    let mut stream = jetstream.get_stream(STREAM).await?;
    let before = stream.info().await?.state.last_sequence;
    let mut connections = Vec::new();
    for _ in 0..OBSERVERS {
        connections.push(server.connect().await?);
    }
    let load = Load::new(rate);
    let mut observers = JoinSet::new();
    for (number, connection) in connections.into_iter().enumerate() {
        let events = load
            .observed()
            .skip(number)
            .step_by(usize::try_from(OBSERVERS)?);
        let events: Vec<u64> = events.collect();
        observers.spawn(observe(connection, load, events, before));
    }
    publish(jetstream, load, messages, |_, _| {}).await?;
    let mut times = Vec::new();
    for observed in observers.join_all().await {
        times.extend(observed?);
    }
    let after = stream.info().await?.state.last_sequence;
    ensure!(
        after == before + load.events(),
        "the stream grew from {before} to {after} by {} events: somebody else publishes",
        load.events()
    );
    Ok(times)
}

async fn observe(
    mut connection: Connection,
    load: Load,
    events: Vec<u64>,
    before: u64,
) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(events.len());
    for event in events {
        let due = load.due(event);
        tokio::time::sleep_until(due.checked_sub(AHEAD).unwrap_or(due).into()).await;
        let sequence = before + event + 1;
        let path = format!(
            "/personalisation/v1/transactions?orderId=NOBODY&minStreamSequence={sequence}&timeoutMs=30000"
        );
        let answer = connection.get(&path).await?;
        ensure!(
            answer.status == 200,
            "a query was answered with {}",
            answer.status
        );
        times.push(due.elapsed());
    }
    Ok(times)
}

/// Publishes to a stream that nobody reads; times until JetStream acknowledges what is observed.
async fn until_acknowledged(
    broker: &Broker,
    rate: u64,
    messages: Vec<Message>,
) -> anyhow::Result<Vec<Duration>> {
    let load = Load::new(rate);
    let (sender, mut observed) = tokio::sync::mpsc::unbounded_channel();
    let runtime = Handle::current();
    let publisher = publish(
        broker.jetstream(),
        load,
        messages,
        move |event, acknowledgement| {
            if !load.is_observed(event) {
                return;
            }
            let sender = sender.clone();
            runtime.spawn(async move {
                let acknowledged = acknowledgement.await;
                // Who waits for it is gone only if something failed, and says so.
                let _ = sender.send(acknowledged.map(|_| load.due(event).elapsed()));
            });
        },
    );
    publisher.await?;
    let mut times = Vec::new();
    while let Some(time) = observed.recv().await {
        times.push(time?);
    }
    Ok(times)
}

/// Publishes each message when it is due, from a thread of its own: its sleep is finer than the runtime's.
async fn publish(
    jetstream: Context,
    load: Load,
    messages: Vec<Message>,
    sent: impl Fn(u64, async_nats::jetstream::context::PublishAckFuture) + Send + 'static,
) -> anyhow::Result<()> {
    let runtime = Handle::current();
    let jetstream = Arc::new(jetstream);
    let publisher = thread::Builder::new()
        .name("publisher".to_owned())
        .spawn(move || {
            for (event, message) in (0..).zip(messages) {
                let wait = load.due(event).saturating_duration_since(Instant::now());
                if !wait.is_zero() {
                    thread::sleep(wait);
                }
                let headers = header_map(&message.headers);
                let publication =
                    jetstream.publish_with_headers(message.subject, headers, message.payload);
                sent(event, runtime.block_on(publication)?);
            }
            Ok::<_, anyhow::Error>(())
        })?;
    tokio::task::spawn_blocking(move || publisher.join())
        .await?
        .map_err(|_| anyhow!("the publisher panicked"))?
}
