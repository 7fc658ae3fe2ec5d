//! `GET transactions` as fast as the server answers, on one connection and on many, and beside it a handler of the same
//! framework that answers a constant of the same size, in a process of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::figure::{Aim, Figure, Report, Unit, median, milliseconds, percentile, rate};
use crate::http::Connection;
use crate::plan::Plan;
use crate::server::Server;

const PATH: &str = "/personalisation/v1/transactions";
/// Orders that are asked for, from all over the log: more than are likely to be at hand.
const ORDERS: u64 = 20_000;
/// Each how many of them one is asked for before, for the size of its answer.
const SIZED: usize = 10;
/// A prime, so that going through orders by it goes through all of them, in no order.
const STRIDE: u64 = 7_919;
const CONNECTIONS: [u64; 2] = [1, 64];
const WARM_UP: Duration = Duration::from_millis(500);
const DURATION: Duration = Duration::from_secs(3);

/// Measures queries on a running server with at least `messages` of the sample, and the constant handler in turn.
///
/// # Errors
/// One of them fails.
pub async fn measure(
    plan: &Plan,
    server: &Server,
    messages: u64,
    report: &mut Report,
) -> anyhow::Result<()> {
    let paths: Arc<[String]> = orders(plan, messages)
        .map(|order| format!("{PATH}?orderId={order}"))
        .collect();
    let body_bytes = mean_body_bytes(server.address(), &paths).await?;
    let constant = ConstantHandler::start(body_bytes)?;
    for connections in CONNECTIONS {
        let name = match connections {
            1 => "GET transactions, 1 connection".to_owned(),
            many => format!("GET transactions, {many} connections"),
        };
        let (mut ours, mut constants) = (Vec::new(), Vec::new());
        for run in 1..=plan.runs {
            eprintln!("{name}, run {run} of {}", plan.runs);
            ours.push(load(server.address(), &paths, connections).await?);
            constants.push(load(constant.address, &paths, connections).await?);
        }
        let middle = |runs: &[Answered], of: fn(&Answered) -> f64| {
            median(&runs.iter().map(of).collect::<Vec<_>>())
        };
        let requests = middle(&ours, |run| run.requests_per_second).unwrap_or_default();
        report.add(
            Figure::new(&name, Unit::RequestsPerSecond, requests)
                .beside(
                    "axum, a constant",
                    middle(&constants, |run| run.requests_per_second),
                )
                .aim(Aim::RatioAtLeast(0.6)),
        );
        report.add(
            Figure::new(
                format!("{name}, p99"),
                Unit::Milliseconds,
                middle(&ours, |run| run.p99_ms).unwrap_or_default(),
            )
            .beside("axum, a constant", middle(&constants, |run| run.p99_ms)),
        );
    }
    report.note(format!(
        "GET transactions: {} orders in turn, connections kept, {} s for each figure; both answer {body_bytes} bytes (farelog \
         in the mean), from the same kind of process",
        paths.len(),
        DURATION.as_secs()
    ));
    Ok(())
}

/// Orders of whole days, spread over all of them.
fn orders(plan: &Plan, messages: u64) -> impl Iterator<Item = String> {
    let days = plan.day.whole_days(messages).max(1);
    let lines = plan.day.lines(0).count() as u64;
    let wanted = ORDERS.min(days * lines);
    (0..wanted).filter_map(move |number| {
        let place = number * STRIDE % wanted * (days * lines) / wanted;
        let index = usize::try_from(place % lines).ok()?;
        plan.day
            .lines(place / lines)
            .nth(index)
            .map(|(order, _)| order)
    })
}

async fn mean_body_bytes(address: SocketAddr, paths: &[String]) -> anyhow::Result<usize> {
    let mut connection = Connection::open(address).await?;
    let (mut answers, mut bytes) = (0, 0);
    for path in paths.iter().step_by(SIZED) {
        bytes += connection.get(path).await?.body.len();
        answers += 1;
    }
    Ok(bytes / answers.max(1))
}

/// How a server answered.
struct Answered {
    requests_per_second: f64,
    p99_ms: f64,
}

async fn load(
    address: SocketAddr,
    paths: &Arc<[String]>,
    connections: u64,
) -> anyhow::Result<Answered> {
    let mut clients = JoinSet::new();
    let started = Instant::now();
    for number in 0..connections {
        let first = usize::try_from(number)? * 97;
        clients.spawn(ask(address, paths.clone(), first, started));
    }
    let mut times = Vec::new();
    for answered in clients.join_all().await {
        times.extend(answered?);
    }
    Ok(Answered {
        requests_per_second: rate(times.len() as u64, DURATION),
        p99_ms: milliseconds(percentile(&times, 99).context("nothing was answered")?),
    })
}

/// Asks one thing after the other on one connection; gives the times behind the warm-up.
async fn ask(
    address: SocketAddr,
    paths: Arc<[String]>,
    first: usize,
    started: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut connection = Connection::open(address).await?;
    let mut times = Vec::new();
    for path in paths.iter().cycle().skip(first % paths.len()) {
        let asked = Instant::now();
        let status = connection.get(path).await?.status;
        ensure!(status == 200, "a query was answered with {status}");
        let since = started.elapsed();
        if since >= WARM_UP + DURATION {
            break;
        }
        if since >= WARM_UP {
            times.push(asked.elapsed());
        }
    }
    Ok(times)
}

/// The constant handler as a process: this program again, killed when this is dropped.
struct ConstantHandler {
    process: Child,
    address: SocketAddr,
}

impl ConstantHandler {
    fn start(body_bytes: usize) -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("constant-handler")
            .arg(body_bytes.to_string())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take();
        // From here on it is killed whatever fails.
        let mut handler = Self {
            process,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let mut line = String::new();
        BufReader::new(stdout.context("the constant handler has no output")?)
            .read_line(&mut line)?;
        handler.address = line
            .trim()
            .parse()
            .context("the constant handler did not start")?;
        Ok(handler)
    }
}

impl Drop for ConstantHandler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves a constant of so many bytes until the process is killed; says its address on stdout.
///
/// # Errors
/// It can't listen.
pub async fn serve_a_constant(body_bytes: usize) -> anyhow::Result<()> {
    let body = Bytes::from(vec![b'x'; body_bytes]);
    let answer = move || async move { ([(CONTENT_TYPE, "application/json")], body) };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    axum::serve(listener, Router::new().route(PATH, get(answer))).await?;
    Ok(())
}
