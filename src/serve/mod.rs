//! `farelog serve`: log, projections, ingestion and HTTP, wired together, and their orderly end.
//!
//! The parts start in the order in which they need each other, and end the other way round: no more connections,
//! requests finished, ingestion ended, the writer's queue done, the projections flushed, the outbox's position saved, the
//! embedded broker stopped.
//! A part that stops by itself ends the process with one sentence and exit code 1 (design, rule 6).

mod address;
mod broker;
mod complaints;
mod connection_threads;
mod listener;
mod own_thread;
mod refusal;
mod signals;
mod stall;

use std::time::Duration;

use async_nats::Client;
use farelog_events::ingest::{IngestOptions, IngestState, IngestStatus, Ingestion};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::assembly::Assembly;
use crate::cli::exit::Failure;
use crate::config::{Config, ServeArgs};
use crate::engine::EngineError;
use crate::guarantee::GuaranteeCheck;
use crate::http::{self, Health, Questions, Server, Source, Unreadable};
use crate::outbox::Outbox;
use crate::query_service::QueryService;
use crate::telemetry;
use address::AddressFile;
use broker::Broker;
use own_thread::OwnThread;
use signals::ToldToEnd;

/// How long work that can't be interrupted may take once everything has ended.
const THREADS_TIME_MAX: Duration = Duration::from_secs(5);
/// How long the broker may take to hear of what was read last.
const ACKNOWLEDGE_TIME_MAX: Duration = Duration::from_secs(2);
/// How often old figures are put together, so that they don't grow.
const METRICS_UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Runs the server until it is told to end.
///
/// # Errors
/// The configuration is refused, or a part could not be started or stopped by itself.
pub fn run(args: ServeArgs) -> Result<(), Failure> {
    let config = Config::load(args)?;
    telemetry::log_to_stderr(config.log_format, &config.log_filter)?;
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::Failed(format!("the server's threads can't be started: {error}"))
        })?;
    let ended = runtime.block_on(serve(&config));
    runtime.shutdown_timeout(THREADS_TIME_MAX);
    ended
}

async fn serve(config: &Config) -> Result<(), Failure> {
    let mut told = ToldToEnd::listen()?;
    let metrics = telemetry::gather_metrics()?;
    let (listener, threads) = listener::listen(config.listen).await?;
    let data_dir = config.data_dir.clone();
    let mut assembly = tokio::task::spawn_blocking(move || Assembly::open(&data_dir))
        .await
        .map_err(failed)?
        .map_err(failed)?;
    tokio::spawn(keep_up(metrics.clone()));

    let reached = tokio::select! {
        reached = Broker::reach(config) => reached,
        () = told.wait() => return close(assembly).await,
    };
    let broker = match reached {
        Ok(broker) => broker,
        Err(failure) => {
            close(assembly).await?;
            return Err(failure);
        }
    };

    let engine = assembly.engine().clone();
    let Ways {
        outbox,
        ingestion,
        reading,
        ingestion_client,
    } = match open_ways(config, &broker, &assembly).await {
        Ok(ways) => ways,
        Err(failure) => {
            close(assembly).await?;
            return Err(failure);
        }
    };
    let ingestion_status = ingestion.status();
    let guarantees = GuaranteeCheck::new(
        &config.stream,
        ingestion_client.clone(),
        broker.sync_source(config),
        ingestion.status(),
    );
    let health = Health::new(ingestion.status(), outbox.status(), engine.catch_up_to())
        .with_source(Source::new(broker.client(), &config.stream))
        .with_broker(guarantees.guarantee());
    let guarantees = tokio::spawn(guarantees.run());
    let server = Server::new(engine.clone(), health, metrics, config.public_url.as_str());
    let address = AddressFile::write(&config.data_dir, listener.local_addr().map_err(failed)?)?;
    let (ended, mut parts) = mpsc::unbounded_channel();
    let part = |name| Part {
        name,
        ended: ended.clone(),
    };
    let (stop, stopped) = oneshot::channel();
    let router = http::router(server.clone());
    let http = part("HTTP").run(listener::serve(
        listener,
        threads,
        router.clone(),
        Unreadable::new(server.public_url()),
        config.connections_max.get(),
        stopped,
    ));
    let (stop_queries, queries_stopped) = oneshot::channel();
    let queries = config.nats_queries.then(|| {
        let questions = Questions::new(router, server);
        QueryService::new(broker.client(), questions, engine.clone())
    });
    let queries = part("the service of NATS").run(take_questions(queries, queries_stopped));
    // What may enter the log depends on the programs in it, so nothing is taken in before they are known.
    let (stop_ingestion, ingestion_stopped) = oneshot::channel();
    let ingestion = part("ingestion").run_on(reading.runtime(), async move {
        engine.caught_up().await?;
        Ok::<(), EngineError>(ingestion.run(ingestion_stopped).await?)
    });
    let (stop_outbox, outbox_stopped) = oneshot::channel::<()>();
    let stop_of_outbox = async { outbox_stopped.await.unwrap_or_default() };
    let outbox = part("the outbox").run(outbox.run(stop_of_outbox));
    tracing::info!("listening on http://{}", address.address());

    let ended = tokio::select! {
        () = told.wait() => Ok(()),
        () = assembly.stopped() => Err(stopped_by_itself("a part of the server")),
        name = parts.recv() => Err(stopped_by_itself(name.unwrap_or("a part of the server"))),
    };

    drop((stop, stop_queries));
    let http_ended = http.await.map_err(failed);
    let queries_ended = queries.await.map_err(failed);
    guarantees.abort();
    drop(stop_ingestion);
    end_ingestion(ingestion, ingestion_status, &ingestion_client).await;
    // A part that failed says itself why, when it is closed.
    let closed = close(assembly).await.and(ended).and(http_ended);
    drop(stop_outbox);
    let closed = closed.and(queries_ended).and(outbox.await.map_err(failed));
    reading.end().await;
    broker.stop().await;
    drop(address);
    if closed.is_ok() {
        tracing::info!("ended");
    }
    closed
}

/// Answers questions over NATS, unless that is turned off.
async fn take_questions(queries: Option<QueryService>, stop: oneshot::Receiver<()>) {
    if let Some(queries) = queries {
        queries.run(stop).await;
    } else {
        tracing::info!("no questions are taken from NATS, as it was told");
        // Sent or dropped, it is the end.
        let _ = stop.await;
    }
}

/// Has ingestion acknowledge what it has read, where it reads. What it can't acknowledge in time comes again and is dropped as
/// a repeat.
async fn end_ingestion<T>(
    mut ingestion: JoinHandle<T>,
    status: watch::Receiver<IngestStatus>,
    client: &Client,
) {
    let reads = status.borrow().state == IngestState::Running;
    if reads {
        let acknowledged = async {
            // How it ended is told by the writer, if by anyone.
            let _ = (&mut ingestion).await;
            client.flush().await
        };
        if !matches!(
            timeout(ACKNOWLEDGE_TIME_MAX, acknowledged).await,
            Ok(Ok(()))
        ) {
            tracing::debug!("the last messages were not acknowledged in time");
        }
    }
    ingestion.abort();
}

async fn keep_up(metrics: PrometheusHandle) {
    loop {
        tokio::time::sleep(METRICS_UPKEEP_INTERVAL).await;
        metrics.run_upkeep();
    }
}

/// A part that runs for as long as the server does.
struct Part {
    name: &'static str,
    ended: mpsc::UnboundedSender<&'static str>,
}

impl Part {
    /// Starts it. Its end is told, also when that is a panic.
    fn run<F>(self, work: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.run_on(&Handle::current(), work)
    }

    /// The same on another runtime.
    fn run_on<F>(self, runtime: &Handle, work: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        runtime.spawn(async move {
            let _part = self;
            work.await
        })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Nobody listens any more once the server ends.
        let _ = self.ended.send(self.name);
    }
}

fn stopped_by_itself(part: &str) -> Failure {
    tracing::error!("{part} stopped by itself: ending");
    Failure::Failed(format!(
        "{part} stopped by itself; the lines before this one say why"
    ))
}

/// What comes in, and what goes out.
struct Ways {
    outbox: Outbox,
    ingestion: Ingestion,
    /// Where ingestion runs, with a connection of its own: what comes in waits for no request and no fact.
    reading: OwnThread,
    /// That connection.
    ingestion_client: Client,
}

async fn open_ways(config: &Config, broker: &Broker, assembly: &Assembly) -> Result<Ways, Failure> {
    let engine = assembly.engine();
    let log = engine.log();
    let outbox = Outbox::open(
        &config.data_dir,
        broker.client(),
        log.clone(),
        engine.projections().clone(),
        config.outbox.clone(),
    )
    .map_err(failed)?;
    let reading = OwnThread::start("ingestion").map_err(|error| {
        Failure::Failed(format!("ingestion's thread can't be started: {error}"))
    })?;
    let ingestion_client = broker.ingestion_client(config, reading.runtime()).await?;
    let options = IngestOptions {
        stream: config.stream.clone(),
        adopt_stream: config.adopt_stream,
    };
    Ok(Ways {
        outbox,
        ingestion: Ingestion::new(
            ingestion_client.clone(),
            log.clone(),
            assembly.writer(),
            options,
        ),
        reading,
        ingestion_client,
    })
}

async fn close(assembly: Assembly) -> Result<(), Failure> {
    assembly.close().await.map_err(|error| {
        Failure::Failed(format!(
            "{error}; what was acknowledged or answered is kept, so start farelog again once the cause is gone"
        ))
    })
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(error.to_string())
}
