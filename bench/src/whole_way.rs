//! The whole way of a backlog: published in JetStream, then durable in the log, in both projections, and visible to a
//! query. With it what only a server with that backlog can show: memory, disk, the start after a kill, the rebuild.

use std::time::Instant;

use crate::deployment::Deployment;
use crate::figure::{Aim, Figure, Report, Unit, float, median, milliseconds, rate};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::rebuild::rebuild;
use crate::server::{Server, disk_bytes};

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// What was measured, a value for each run.
#[derive(Default)]
struct Measured {
    whole_way: Vec<f64>,
    consumer: Vec<f64>,
    start_ms: Vec<f64>,
    resident_most: Vec<f64>,
    resident_after: Vec<f64>,
    log_bytes: Vec<f64>,
    projections_bytes: Vec<f64>,
    json_bytes: Vec<f64>,
    rebuild: Vec<f64>,
    reading: Vec<f64>,
}

/// What later figures need of it.
pub struct Ingested {
    /// The last run's broker and files; its server is stopped.
    pub deployment: Deployment,
    /// Events a second.
    pub whole_way: f64,
}

/// Measures it `plan.runs` times.
///
/// # Errors
/// A part fails, or is not whole.
pub async fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<Ingested> {
    let mut measured = Measured::default();
    let mut deployment = run(plan, &mut measured, 1).await?;
    for number in 2..=plan.runs {
        // The one before is removed first: there may not be room for two.
        drop(deployment);
        deployment = run(plan, &mut measured, number).await?;
    }
    let whole_way = median(&measured.whole_way).unwrap_or_default();
    measured.report(plan, report);
    Ok(Ingested {
        deployment,
        whole_way,
    })
}

async fn run(plan: &Plan, measured: &mut Measured, number: u64) -> anyhow::Result<Deployment> {
    eprintln!("the whole way, run {number} of {}", plan.runs);
    let deployment = Deployment::with_backlog(plan, plan.events).await?;
    let Deployment {
        broker,
        place,
        published,
        messages,
        ..
    } = &deployment;
    let per_event = |bytes: u64| float(bytes) / float(*messages);
    let progress = Progress::new("consumed", *messages);
    let consumed = broker.consume(*messages, progress).await?;
    measured.consumer.push(rate(*messages, consumed));
    measured.json_bytes.push(per_event(published.json_bytes));

    // The clock runs from the start of the process: opening the log and connecting are part of it.
    let started = Instant::now();
    let server = Server::start(place).await?;
    let progress = Progress::new("ingested", *messages);
    server.visible(published.last_sequence, progress).await?;
    measured.whole_way.push(rate(*messages, started.elapsed()));
    let resident = server.resident()?;
    measured.resident_most.push(float(resident.most) / MEBIBYTE);
    measured.resident_after.push(float(resident.now) / MEBIBYTE);
    // At once, in the middle of what it does behind a backlog.
    server.kill()?;

    let started = Instant::now();
    let server = Server::start(place).await?;
    server.ready().await?;
    measured.start_ms.push(milliseconds(started.elapsed()));
    server.stop()?;
    measured
        .log_bytes
        .push(per_event(disk_bytes(&place.data_dir.join("log"))?));
    measured
        .projections_bytes
        .push(per_event(disk_bytes(&place.data_dir.join("projections"))?));

    let data_dir = place.data_dir.clone();
    let rebuilt = tokio::task::spawn_blocking(move || rebuild(&data_dir)).await??;
    measured.rebuild.push(rate(rebuilt.records, rebuilt.took));
    measured
        .reading
        .push(rate(rebuilt.records, rebuilt.reading));
    Ok(deployment)
}

impl Measured {
    fn report(&self, plan: &Plan, report: &mut Report) {
        let figure = |name: &str, unit, values: &[f64]| {
            Figure::new(name, unit, median(values).unwrap_or_default())
        };
        let at_large = |figure: Figure, aim: Aim| {
            if plan.is_large() {
                figure.aim(aim)
            } else {
                figure
            }
        };
        report.add(
            figure(
                "the whole way, until visible to a query",
                Unit::EventsPerSecond,
                &self.whole_way,
            )
            .beside("consumer that only acknowledges", median(&self.consumer))
            .aim(Aim::AtLeast(100_000.0))
            .aim(Aim::RatioAtLeast(0.25)),
        );
        report.add(
            figure(
                "rebuild of all projections",
                Unit::EventsPerSecond,
                &self.rebuild,
            )
            .beside("reading the log", median(&self.reading))
            .aim(Aim::AtLeast(300_000.0))
            .aim(Aim::RatioAtLeast(0.3)),
        );
        report.add(at_large(
            figure(
                "start after kill -9, until ready",
                Unit::Milliseconds,
                &self.start_ms,
            ),
            Aim::Below(3_000.0),
        ));
        report.add(at_large(
            figure(
                "resident memory while ingesting, at most",
                Unit::Mebibytes,
                &self.resident_most,
            ),
            Aim::Below(512.0),
        ));
        report.add(at_large(
            figure(
                "resident memory after",
                Unit::Mebibytes,
                &self.resident_after,
            ),
            Aim::Below(512.0),
        ));
        report.add(
            figure("log on disk, an event", Unit::Bytes, &self.log_bytes)
                .beside("JSON", median(&self.json_bytes))
                .aim(Aim::RatioAtMost(0.8)),
        );
        report.add(
            figure(
                "projections on disk, an event",
                Unit::Bytes,
                &self.projections_bytes,
            )
            .beside("JSON", median(&self.json_bytes)),
        );
    }
}
