//! `farelog serve`: log, projections, ingestion and HTTP, wired together, and their orderly end.
//!
//! The parts start in the order in which they need each other, and end the other way round: no more connections,
//! requests finished, ingestion ended, the writer's queue done, the projections flushed, the outbox's position saved, the
//! embedded broker stopped.
//! A part that stops by itself ends the process with one sentence and exit code 1 (design, rule 6).

mod address;
mod broker;
mod listener;
mod stall;

use std::time::Duration;

use farelog_events::ingest::{IngestOptions, Ingestion};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::assembly::Assembly;
use crate::cli::exit::Failure;
use crate::config::{Config, ServeArgs};
use crate::engine::Engine;
use crate::guarantee::GuaranteeCheck;
use crate::http::{self, Health, Server, Source};
use crate::outbox::Outbox;
use crate::telemetry;
use address::AddressFile;
use broker::Broker;

/// How long work that can't be interrupted may take once everything has ended.
const THREADS_TIME_MAX: Duration = Duration::from_secs(5);
/// How often old figures are put together, so that they don't grow.
const METRICS_UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Runs the server until it is told to end.
///
/// # Errors
/// The configuration is refused, or a part could not be started or stopped by itself.
pub fn run(args: ServeArgs) -> Result<(), Failure> {
    let config = Config::load(args)?;
    telemetry::log_to_stderr(config.log_format, &config.log_filter)?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| {
        Failure::Failed(format!("the server's threads can't be started: {error}"))
    })?;
    let ended = runtime.block_on(serve(&config));
    runtime.shutdown_timeout(THREADS_TIME_MAX);
    ended
}

async fn serve(config: &Config) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let metrics = telemetry::gather_metrics()?;
    let listener = TcpListener::bind(config.listen).await.map_err(|error| {
        Failure::Failed(format!(
            "HTTP can't be served at {}: {error}; choose another --listen",
            config.listen
        ))
    })?;
    let data_dir = config.data_dir.clone();
    let assembly = tokio::task::spawn_blocking(move || Assembly::open(&data_dir))
        .await
        .map_err(failed)?
        .map_err(failed)?;
    let upkeep = metrics.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(METRICS_UPKEEP_INTERVAL).await;
            upkeep.run_upkeep();
        }
    });

    let broker = match Broker::reach(config).await {
        Ok(broker) => broker,
        Err(failure) => {
            close(assembly).await?;
            return Err(failure);
        }
    };

    let engine = assembly.engine().clone();
    let outbox = match open_outbox(config, &broker, &engine) {
        Ok(outbox) => outbox,
        Err(failure) => {
            close(assembly).await?;
            return Err(failure);
        }
    };
    let ingestion = Ingestion::new(
        broker.client(),
        engine.log().clone(),
        assembly.writer(),
        IngestOptions {
            stream: config.stream.clone(),
            adopt_stream: config.adopt_stream,
        },
    );
    let guarantees = GuaranteeCheck::new(
        &config.stream,
        broker.client(),
        broker.sync_source(config),
        ingestion.status(),
    );
    let health = Health::new(ingestion.status(), outbox.status(), engine.catch_up_to())
        .with_source(Source::new(broker.client(), &config.stream))
        .with_broker(guarantees.guarantee());
    let guarantees = tokio::spawn(guarantees.run());
    let server = Server::new(engine.clone(), health, metrics, config.public_url.as_str());
    let address = AddressFile::write(&config.data_dir, listener.local_addr().map_err(failed)?)?;
    let (stop, stopped) = oneshot::channel();
    let http = tokio::spawn(listener::serve(
        listener,
        http::router(server),
        config.connections_max.get(),
        stopped,
    ));
    // What may enter the log depends on the programs in it, so nothing is taken in before they are known.
    let ingestion = tokio::spawn(async move {
        engine.caught_up().await;
        ingestion.run().await
    });
    let (stop_outbox, outbox_stopped) = oneshot::channel::<()>();
    let outbox = tokio::spawn(outbox.run(async { outbox_stopped.await.unwrap_or_default() }));
    tracing::info!("listening on http://{}", address.address());

    let ended = until_end(assembly, &mut signals).await;

    drop(stop);
    tokio::spawn(async move {
        signals.next().await;
        tracing::warn!("told to end again: ending at once");
        std::process::exit(1);
    });
    http.await.map_err(failed)?;
    // Dropped between two acknowledgements: what was not acknowledged comes again and is dropped as a repeat.
    ingestion.abort();
    guarantees.abort();
    let (assembly, ended) = ended;
    // A part that failed says itself why, when it is closed.
    let closed = close(assembly).await.and(ended);
    drop(stop_outbox);
    outbox.await.map_err(failed)?;
    broker.stop().await;
    drop(address);
    if closed.is_ok() {
        tracing::info!("ended");
    }
    closed
}

/// Waits until the server is told to end, which is well, or until a part stopped by itself.
async fn until_end(
    mut assembly: Assembly,
    signals: &mut Signals,
) -> (Assembly, Result<(), Failure>) {
    let ended = tokio::select! {
        name = signals.next() => {
            tracing::info!(signal = name, "told to end: finishing what is under way");
            Ok(())
        }
        () = assembly.stopped() => {
            tracing::error!("a part of the server stopped by itself: ending");
            let failure = "a part of the server stopped by itself; the lines before this one say why";
            Err(Failure::Failed(failure.to_owned()))
        }
    };
    (assembly, ended)
}

fn open_outbox(config: &Config, broker: &Broker, engine: &Engine) -> Result<Outbox, Failure> {
    let (log, projections) = (engine.log().clone(), engine.projections().clone());
    let options = config.outbox.clone();
    Outbox::open(&config.data_dir, broker.client(), log, projections, options).map_err(failed)
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

/// The signals that tell the server to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::Failed(format!("signals can't be listened to: {error}")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
