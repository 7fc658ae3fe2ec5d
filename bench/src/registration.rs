//! Deferred registration over HTTP, recorded and answered one after the other, on a large log and on a small one.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::json;

use crate::deployment::Deployment;
use crate::figure::{Aim, Figure, Report, Unit, median, milliseconds, percentile};
use crate::plan::{Plan, SMALL_EVENTS};
use crate::progress::Progress;
use crate::server::Server;

/// The program that is claimed from: a point for each ten kroner, claimable for ever.
const PROGRAM: i64 = 11;
/// Registrations of a run at most.
const CLAIMS_MAX: u64 = 1_000;
/// A prime, so that going through claims by it goes through all of them, in no order.
const STRIDE: u64 = 7_919;

/// Measures registrations on a running server with `messages` of the sample, and on another with few.
///
/// # Errors
/// A registration is refused, or a server fails.
pub async fn measure(
    plan: &Plan,
    server: &Server,
    messages: u64,
    report: &mut Report,
) -> anyhow::Result<()> {
    eprintln!("deferred registration");
    let large = register(plan, server, messages).await?;

    let small = Deployment::with_backlog(plan, SMALL_EVENTS).await?;
    let server = Server::start(&small.place).await?;
    let progress = Progress::new("ingested", SMALL_EVENTS);
    server
        .visible(small.published.last_sequence, progress)
        .await?;
    server.idle().await?;
    let beside = register(plan, &server, SMALL_EVENTS).await?;
    server.stop()?;

    let p99_ms = |runs: &[Vec<Duration>]| {
        let of_runs = runs.iter().filter_map(|times| percentile(times, 99));
        median(&of_runs.map(milliseconds).collect::<Vec<_>>())
    };
    let value = p99_ms(&large).context("no line can be claimed")?;
    let figure = Figure::new("deferred registration, p99", Unit::Milliseconds, value)
        .beside(format!("at {SMALL_EVENTS} events"), p99_ms(&beside));
    report.add(if plan.is_large() {
        figure.aim(Aim::Below(5.0)).aim(Aim::RatioAtMost(1.5))
    } else {
        figure
    });
    report.note(format!(
        "deferred registration: over HTTP on one connection, {} a run, of lines without a customer from all over the log, each \
         recorded, durable and projected when it is answered",
        large.first().map_or(0, Vec::len)
    ));
    Ok(())
}

/// A line and who claims it.
struct Claim {
    order: String,
    line: String,
    customer: String,
}

impl Claim {
    fn body(&self) -> String {
        let Self {
            order,
            line,
            customer,
        } = self;
        json!({"orderId": order, "orderLineId": line, "customerId": customer}).to_string()
    }
}

/// The times of registrations, for each run.
async fn register(
    plan: &Plan,
    server: &Server,
    messages: u64,
) -> anyhow::Result<Vec<Vec<Duration>>> {
    let path = format!("/personalisation/v1/programs/{PROGRAM}/deferred-registration");
    let mut connection = server.connect().await?;
    // Which lines of a day nobody has points for is asked of the server, on the first day.
    let mut claimable = Vec::new();
    for (index, _) in plan.day.lines(0).enumerate() {
        let claim = claim(plan, 0, index)?;
        let dry_run = format!("{path}?dryRun=true");
        if connection.post(&dry_run, &claim.body()).await?.status == 200 {
            claimable.push(index);
        }
    }
    ensure!(
        !claimable.is_empty(),
        "no line of the sample day can be claimed"
    );

    let lines = claimable.len() as u64;
    let claims = plan.day.whole_days(messages) * lines;
    let per_run = CLAIMS_MAX.min(claims / plan.runs);
    let wanted = per_run * plan.runs;
    let mut runs = Vec::new();
    for run in 0..plan.runs {
        let mut times = Vec::new();
        for number in run * per_run..(run + 1) * per_run {
            let place = (number * STRIDE % wanted) * claims / wanted;
            let index = claimable[usize::try_from(place % lines)?];
            let claim = claim(plan, place / lines, index)?.body();
            let asked = Instant::now();
            let answer = connection.post(&path, &claim).await?;
            times.push(asked.elapsed());
            ensure!(
                answer.status == 200,
                "a registration was answered with {}: {}",
                answer.status,
                String::from_utf8_lossy(answer.body)
            );
        }
        runs.push(times);
    }
    Ok(runs)
}

/// The claim of a line of a day by a member of that day.
fn claim(plan: &Plan, day: u64, index: usize) -> anyhow::Result<Claim> {
    let (order, line) = plan
        .day
        .lines(day)
        .nth(index)
        .context("the sample has no such line")?;
    let customer = plan
        .day
        .members(PROGRAM, day)
        .next()
        .context("the sample has no member")?;
    Ok(Claim {
        order,
        line,
        customer,
    })
}
