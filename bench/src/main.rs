//! Measures farelog: how fast, how large, beside what, and whether that is what was aimed at.
//!
//! Every figure of a table is of one run on one machine, and so is what stands beside it. The table goes to stdout, the
//! same figures as JSON to a file, and word of what is being measured to stderr. How each figure is measured is said
//! where it is: docs/decisions/0070-how-it-is-measured.md has the whole.

mod append;
mod broker;
mod deployment;
mod disintegrate_peer;
mod figure;
mod fjall_log;
mod fjall_record;
mod http;
mod latency;
mod machine;
mod names;
mod plan;
mod postgres;
mod progress;
mod query_load;
mod rebuild;
mod registration;
mod sample_day;
mod server;
mod whole_way;

use std::process::ExitCode;

use anyhow::bail;
use clap::{Parser, Subcommand};
use deployment::Deployment;
use figure::Report;
use plan::{Arguments, Plan, Section};
use progress::Progress;
use server::Server;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use whole_way::Ingested;

/// As the product has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct CommandLine {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    arguments: Arguments,
}

/// What a run starts of this program as a process of its own.
#[derive(Subcommand)]
enum Part {
    /// Serves a constant over HTTP until it is killed
    #[command(hide = true)]
    ConstantHandler {
        /// Bytes of the body
        body_bytes: usize,
    },
}

fn main() -> ExitCode {
    let ended = Runtime::new()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            let ended = runtime.block_on(run(CommandLine::parse()));
            // After an interruption a rebuild may still be at work on files that are gone.
            runtime.shutdown_background();
            ended
        });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(line: CommandLine) -> anyhow::Result<()> {
    if let Some(Part::ConstantHandler { body_bytes }) = line.part {
        return query_load::serve_a_constant(body_bytes).await;
    }
    let plan = Plan::new(line.arguments)?;
    // Dropping the measurement ends every process that it started and removes its files.
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        measured = measure(&plan) => return measured,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    bail!("interrupted: nothing is reported")
}

async fn measure(plan: &Plan) -> anyhow::Result<()> {
    let mut report = Report::default();
    machine::describe(plan, &mut report)?;
    if plan.has(Section::Append) {
        append::measure(plan, &mut report).await?;
    }
    let (deployment, whole_way) = if plan.has(Section::WholeWay) {
        let Ingested {
            deployment,
            whole_way,
        } = whole_way::measure(plan, &mut report).await?;
        (Some(deployment), Some(whole_way))
    } else {
        (None, None)
    };
    on_a_running_server(plan, deployment, &mut report).await?;
    if let Some(whole_way) = whole_way
        && plan.has(Section::Disintegrate)
    {
        disintegrate_peer::measure(plan, whole_way, &mut report).await;
    }
    report.print();
    report.write(&plan.report)
}

/// What is measured on a server that has ingested all events and has nothing to do.
async fn on_a_running_server(
    plan: &Plan,
    deployment: Option<Deployment>,
    report: &mut Report,
) -> anyhow::Result<()> {
    if ![Section::Queries, Section::Registration, Section::Latency]
        .iter()
        .any(|section| plan.has(*section))
    {
        return Ok(());
    }
    let deployment = match deployment {
        Some(deployment) => deployment,
        None => Deployment::with_backlog(plan, plan.events).await?,
    };
    let server = Server::start(&deployment.place).await?;
    let progress = Progress::new("ingested", deployment.messages);
    server
        .visible(deployment.published.last_sequence, progress)
        .await?;
    server.ready().await?;
    server.idle().await?;
    if plan.has(Section::Queries) {
        query_load::measure(plan, &server, deployment.messages, report).await?;
    }
    if plan.has(Section::Registration) {
        registration::measure(plan, &server, deployment.messages, report).await?;
    }
    if plan.has(Section::Latency) {
        latency::measure(plan, &deployment, &server, report).await?;
    }
    server.stop()
}
