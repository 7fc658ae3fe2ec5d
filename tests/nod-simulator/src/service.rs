//! The loop between the broker and the books: what comes is in the journal before it is acknowledged, and what goes is
//! noted after the broker has it. So a kill at any moment loses nothing, and makes it say some things again.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Context;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::{self, Message as Delivery};
use async_nats::{ConnectOptions, HeaderMap};
use chrono::Utc;
use futures::StreamExt;

use crate::books::Books;
use crate::fact::Message;
use crate::journal::{Entry, Journal};

/// Most messages that are taken in between two syncs of the journal.
const MESSAGES_PER_BATCH_MAX: usize = 200;
/// Most answers that are on their way at once.
const ANSWERS_PER_BATCH_MAX: usize = 200;
/// How long the broker holds a request for messages open. One without an end would wait for ever for an answer that got
/// lost with its broker.
const FETCH_EXPIRES: Duration = Duration::from_millis(40);
/// How long the broker may take to greet it: more than the client's own five seconds, which a busy machine needs.
const GREETING_MAX: Duration = Duration::from_secs(30);
/// How long it waits when there is nothing to do.
const IDLE: Duration = Duration::from_millis(10);
/// How long it waits before it tries again what the broker would not do.
const BETWEEN_TRIES: Duration = Duration::from_millis(200);
/// After this the broker delivers again what was not acknowledged: little, so that a test does not wait for it.
const ACK_WAIT: Duration = Duration::from_secs(2);

/// Where the system finds its messages.
#[derive(Debug, Clone)]
pub struct Source {
    /// The broker.
    pub nats_url: String,
    /// The stream that farelog tells it things on.
    pub stream: String,
    /// Which of them it hears.
    pub filter_subject: String,
}

/// Makes tickets and answers, until it is killed. A broker that goes away is waited for.
///
/// # Errors
/// A broker that can't be reached at the start, and a journal that can't be written.
pub async fn serve(source: &Source, mut journal: Journal, mut books: Books) -> anyhow::Result<()> {
    let client = ConnectOptions::new()
        .connection_timeout(GREETING_MAX)
        .connect(&source.nats_url)
        .await
        .with_context(|| format!("the broker at {} can't be reached", source.nats_url))?;
    let jetstream = jetstream::new(client);
    loop {
        let consumer = match consumer(&jetstream, source).await {
            Ok(consumer) => consumer,
            Err(error) => {
                // farelog may not have made the stream yet.
                eprintln!("{error:#}; trying again");
                tokio::time::sleep(BETWEEN_TRIES).await;
                continue;
            }
        };
        let Err(trouble) = work(&jetstream, &consumer, &mut journal, &mut books).await;
        match trouble {
            Trouble::Journal(error) => return Err(error),
            Trouble::Broker(error) => {
                eprintln!("{error:#}; trying again");
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
        }
    }
}

enum Trouble {
    Journal(anyhow::Error),
    Broker(anyhow::Error),
}

fn broker<E: Into<anyhow::Error>>(what: &'static str) -> impl Fn(E) -> Trouble {
    move |error| Trouble::Broker(error.into().context(what))
}

async fn consumer(jetstream: &jetstream::Context, source: &Source) -> anyhow::Result<PullConsumer> {
    let stream = jetstream
        .get_stream(&source.stream)
        .await
        .with_context(|| format!("there is no stream {}", source.stream))?;
    let config = pull::Config {
        durable_name: Some("nod-simulator".to_owned()),
        filter_subject: source.filter_subject.clone(),
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        ..pull::Config::default()
    };
    stream
        .get_or_create_consumer("nod-simulator", config)
        .await
        .context("the consumer can't be made")
}

/// Goes round until something fails.
async fn work(
    jetstream: &jetstream::Context,
    consumer: &PullConsumer,
    journal: &mut Journal,
    books: &mut Books,
) -> Result<Infallible, Trouble> {
    loop {
        let heard = hear(consumer, journal, books).await?;
        let initiatives = books.initiatives_due(Utc::now());
        note(journal, books, &initiatives)?;
        let said = say(jetstream, journal, books).await?;
        if heard + said == 0 {
            tokio::time::sleep(IDLE).await;
        }
    }
}

/// Takes in what has come, and acknowledges it when it is durable. Gives how much it was.
async fn hear(
    consumer: &PullConsumer,
    journal: &mut Journal,
    books: &mut Books,
) -> Result<usize, Trouble> {
    let mut batch = consumer
        .fetch()
        .max_messages(MESSAGES_PER_BATCH_MAX)
        .expires(FETCH_EXPIRES)
        .messages()
        .await
        .map_err(broker("messages can't be fetched"))?;
    let mut deliveries: Vec<Delivery> = Vec::new();
    let mut entries = Vec::new();
    while let Some(delivery) = batch.next().await {
        let delivery = delivery.map_err(|error| Trouble::Broker(anyhow::anyhow!(error)))?;
        match serde_json::from_slice::<Message>(&delivery.payload) {
            Ok(message) if books.knows(&message) => {}
            Ok(message) => entries.push(Entry::Told {
                message_id: message.id,
                at: Utc::now(),
                fact: message.fact,
            }),
            Err(error) => eprintln!("{}: {error}; passed over", delivery.subject),
        }
        deliveries.push(delivery);
    }
    note(journal, books, &entries)?;
    for delivery in &deliveries {
        delivery
            .ack()
            .await
            .map_err(|error| Trouble::Broker(anyhow::anyhow!(error)))?;
    }
    Ok(deliveries.len())
}

/// Sends what is due, and notes what the broker has. Gives how much it was.
async fn say(
    jetstream: &jetstream::Context,
    journal: &mut Journal,
    books: &mut Books,
) -> Result<usize, Trouble> {
    let due = books.answers_due(Utc::now(), ANSWERS_PER_BATCH_MAX);
    let mut on_their_way = Vec::new();
    let mut said = Vec::new();
    for (answer, entry) in due {
        if books.temper().loses(&answer.id) {
            said.push(entry);
            continue;
        }
        let mut headers = HeaderMap::new();
        headers.insert("Content-Type", "application/cloudevents+json");
        let payload = answer.event.to_string().into();
        let acknowledged = jetstream
            .publish_with_headers(answer.subject, headers, payload)
            .await
            .map_err(broker("an answer can't be published"))?;
        on_their_way.push((acknowledged, entry));
    }
    let mut failure = None;
    for (acknowledged, entry) in on_their_way {
        match acknowledged.await {
            Ok(_) => said.push(entry),
            Err(error) => failure = Some(error),
        }
    }
    note(journal, books, &said)?;
    match failure {
        Some(error) => Err(broker("an answer was not acknowledged")(error)),
        None => Ok(said.len()),
    }
}

fn note(journal: &mut Journal, books: &mut Books, entries: &[Entry]) -> Result<(), Trouble> {
    journal.append(entries).map_err(Trouble::Journal)?;
    for entry in entries {
        books.take_in(entry);
    }
    Ok(())
}
