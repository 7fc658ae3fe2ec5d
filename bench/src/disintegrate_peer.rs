//! A peer of the whole way: disintegrate on PostgreSQL. The same events are appended 256 at a time, while its listener
//! writes a row for each into a table; the time runs until the last row is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use async_trait::async_trait;
use disintegrate::serde::json::Json;
use disintegrate::{Event, EventListener, EventStore as _, PersistedEvent, StreamQuery, query};
use disintegrate_postgres::{PgEventId, PgEventListener, PgEventListenerConfig, PgEventStore};
use farelog_events::dead_letter::RawMessage;
use farelog_events::envelope;
use regex::Regex;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::oneshot;

use crate::broker::STREAM;
use crate::figure::{Aim, Figure, Report, Unit, median, rate};
use crate::plan::Plan;
use crate::postgres::Postgres;

const BATCH: usize = 256;
const CONNECTIONS: u32 = 8;
/// How often the listener looks for events.
const POLL: Duration = Duration::from_millis(10);
/// How long the listener may take to make a row.
const ROW_MAX: Duration = Duration::from_secs(60);
/// The first version of PostgreSQL that knows the hexadecimal literals in disintegrate's functions.
const HEXADECIMAL_SINCE: i32 = 160_000;

/// An event of a sale, as disintegrate has it.
#[derive(Debug, Clone, PartialEq, Eq, Event, Serialize, Deserialize)]
#[stream(SaleEvent, [Recorded])]
enum DomainEvent {
    Recorded {
        #[id]
        about: String,
        event_type: String,
        data: String,
    },
}

type Store = PgEventStore<DomainEvent, Json<DomainEvent>>;

/// Measures it, where there is a PostgreSQL, and puts it beside the whole way of farelog.
pub async fn measure(plan: &Plan, whole_way: f64, report: &mut Report) {
    let measured = measure_peer(plan).await;
    let beside = measured.as_ref().ok();
    report.add(
        Figure::new(
            "the whole way, beside a peer",
            Unit::EventsPerSecond,
            whole_way,
        )
        .beside(
            "disintegrate 4 on PostgreSQL",
            beside.map(|peer| peer.whole_way),
        )
        .aim(Aim::RatioAtLeast(10.0)),
    );
    report.note(match measured {
        Ok(Peer { version, append, .. }) => format!(
            "disintegrate 4 on PostgreSQL {version} as initdb makes it: {} events, {append:.0} events/s appended {BATCH} at a \
             time while its listener writes a row for each; the rows' commits don't wait for the disk, those of its events do",
            plan.postgres_events
        ),
        Err(error) => format!("disintegrate on PostgreSQL was not measured: {error:#}"),
    });
}

struct Peer {
    version: String,
    whole_way: f64,
    append: f64,
}

async fn measure_peer(plan: &Plan) -> anyhow::Result<Peer> {
    let events = events(plan)?;
    let (mut whole_way, mut append) = (Vec::new(), Vec::new());
    let mut version = String::new();
    for run in 1..=plan.runs {
        eprintln!("disintegrate on PostgreSQL, run {run} of {}", plan.runs);
        let postgres = Postgres::start(plan.data_directory()?).await?;
        postgres.version().clone_into(&mut version);
        let (appended, visible) = run_once(&postgres, &events).await?;
        append.push(rate(events.len() as u64, appended));
        whole_way.push(rate(events.len() as u64, visible));
    }
    Ok(Peer {
        version,
        whole_way: median(&whole_way).context("no run")?,
        append: median(&append).context("no run")?,
    })
}

/// How long it took until all events were appended, and until all rows were there.
async fn run_once(
    postgres: &Postgres,
    events: &[DomainEvent],
) -> anyhow::Result<(Duration, Duration)> {
    let pool = |options| {
        PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .connect_with(options)
    };
    // So that functions can be made that this version of PostgreSQL can't read.
    let unchecked = pool(
        postgres
            .options()
            .options([("check_function_bodies", "off")]),
    )
    .await?;
    let store: Store = PgEventStore::try_new(unchecked.clone(), Json::default()).await?;
    spell_numbers_in_decimal(&unchecked).await?;
    sqlx::query("CREATE TABLE sale (event_id BIGINT PRIMARY KEY, about TEXT, event_type TEXT)")
        .execute(&unchecked)
        .await?;

    // Its rows can be made again, and the listener's own commit, which is durable, comes behind them.
    let rows = pool(postgres.options().options([("synchronous_commit", "off")])).await?;
    let written = Arc::new(AtomicU64::new(0));
    let listener = SaleListener {
        query: query!(DomainEvent),
        rows,
        written: Arc::clone(&written),
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let listening = tokio::spawn(
        PgEventListener::builder(store.clone())
            .register_listener(listener, PgEventListenerConfig::poller(POLL))
            .start_with_shutdown(async {
                let _ = stopped.await;
            }),
    );

    let started = Instant::now();
    for batch in events.chunks(BATCH) {
        store.append_without_validation(batch.to_vec()).await?;
    }
    let appended = started.elapsed();
    let mut last = (0, Instant::now());
    loop {
        let now = written.load(Ordering::Acquire);
        if now >= events.len() as u64 {
            break;
        }
        if now > last.0 {
            last = (now, Instant::now());
        }
        ensure!(
            last.1.elapsed() < ROW_MAX,
            "the listener stopped at {now} events"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let visible = started.elapsed();
    drop(stop);
    listening
        .await?
        .map_err(|error| anyhow!("the listener failed: {error}"))?;
    Ok((appended, visible))
}

/// The sample's first events that farelog would take in.
fn events(plan: &Plan) -> anyhow::Result<Vec<DomainEvent>> {
    let wanted = usize::try_from(plan.postgres_events)?;
    let read = plan.day.messages().filter_map(|message| {
        let arrival = envelope::read(RawMessage {
            subject: message.subject,
            headers: message.headers,
            header_bytes: None,
            payload: message.payload,
            stream: STREAM.to_owned(),
            stream_sequence: 1,
            published_at: chrono::DateTime::UNIX_EPOCH,
        });
        let event = arrival.content.ok()?;
        Some(DomainEvent::Recorded {
            about: event
                .about
                .order()
                .map_or_else(String::new, ToString::to_string),
            event_type: event.event_type.into(),
            data: event.data.get().to_owned(),
        })
    });
    Ok(read.take(wanted).collect())
}

/// disintegrate-postgres 4.0 writes hexadecimal numbers in its functions, which PostgreSQL reads from version 16 on.
async fn spell_numbers_in_decimal(pool: &PgPool) -> anyhow::Result<()> {
    let version: String = sqlx::query_scalar("SHOW server_version_num")
        .fetch_one(pool)
        .await?;
    if version.parse::<i32>()? >= HEXADECIMAL_SINCE {
        return Ok(());
    }
    let hexadecimal = Regex::new(r"\b0x([0-9A-Fa-f]{1,15})\b")?;
    let functions: Vec<String> = sqlx::query_scalar(
        "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname LIKE 'event_store_%'",
    )
    .fetch_all(pool)
    .await?;
    for function in functions {
        let spelt = hexadecimal.replace_all(&function, |found: &regex::Captures| {
            u64::from_str_radix(&found[1], 16)
                .map_or_else(|_| found[0].to_owned(), |number| number.to_string())
        });
        sqlx::query(&spelt).execute(pool).await?;
    }
    Ok(())
}

/// Writes a row for each event.
struct SaleListener {
    query: StreamQuery<PgEventId, DomainEvent>,
    rows: PgPool,
    written: Arc<AtomicU64>,
}

#[async_trait]
impl EventListener<PgEventId, DomainEvent> for SaleListener {
    type Error = sqlx::Error;

    fn id(&self) -> &'static str {
        "sale"
    }

    fn query(&self) -> &StreamQuery<PgEventId, DomainEvent> {
        &self.query
    }

    async fn handle(
        &self,
        event: PersistedEvent<PgEventId, DomainEvent>,
    ) -> Result<(), sqlx::Error> {
        let id = event.id();
        let DomainEvent::Recorded {
            about, event_type, ..
        } = event.into_inner();
        sqlx::query("INSERT INTO sale (event_id, about, event_type) VALUES ($1, $2, $3)")
            .bind(id)
            .bind(about)
            .bind(event_type)
            .execute(&self.rows)
            .await?;
        self.written.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }
}
