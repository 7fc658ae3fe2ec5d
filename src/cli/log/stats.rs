//! `farelog log stats`: figures about the log.

use chrono::{DateTime, Utc};
use farelog_events::log::LogStats;
use serde::Deserialize;

use super::files;
use crate::cli::client::{Client, ServerArgs};
use crate::cli::exit::Failure;
use crate::cli::output::{self, Output};

pub const EXAMPLES: &str = "\
With --offline the log's own figures only, and nothing is changed in its files.

Examples:
  farelog log stats
  farelog log stats --offline --data-dir ./farelog-data";

/// Which server, or which files.
#[derive(Debug, clap::Args)]
pub struct StatsArgs {
    #[command(flatten)]
    server: ServerArgs,
}

/// Figures about a log, as the server shows them or as they are read from the files.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    log_id: String,
    format_version: u32,
    last_position: u64,
    last_recorded_at: Option<DateTime<Utc>>,
    disk_bytes: u64,
    checkpoint: Option<Checkpoint>,
    #[serde(default)]
    projections: Option<Progress>,
}

#[derive(Debug, Deserialize)]
struct Checkpoint {
    stream: String,
    sequence: u64,
}

#[derive(Debug, Deserialize)]
struct Progress {
    position: u64,
}

impl From<LogStats> for Stats {
    fn from(of_files: LogStats) -> Self {
        let checkpoint = of_files.checkpoint.map(|checkpoint| Checkpoint {
            stream: checkpoint.stream,
            sequence: checkpoint.sequence,
        });
        Self {
            log_id: of_files.log_id.to_string(),
            format_version: of_files.format_version,
            last_position: of_files.last_position,
            last_recorded_at: of_files.last_recorded_at,
            disk_bytes: of_files.disk_bytes,
            checkpoint,
            projections: None,
        }
    }
}

/// Runs the command.
pub async fn run(StatsArgs { server }: StatsArgs) -> Result<(), Failure> {
    if server.offline {
        return of_files(&server);
    }
    let client = Client::new(&server)?;
    let reply = client.get(&["v1", "operate", "log", "stats"], &[]).await?;
    client.close().await?;
    match server.output {
        Output::Json => output::print(&reply.body),
        Output::Table => output::print(&table(reply.json()?).to_string()),
    }
}

fn of_files(server: &ServerArgs) -> Result<(), Failure> {
    let stats = files::open_log(&server.data_dir)?
        .and_then(|log| log.stats())
        .map_err(|error| Failure::Failed(error.to_string()))?;
    match server.output {
        Output::Json => output::print(&crate::cli::to_json(&stats)?),
        Output::Table => output::print(&table(stats.into()).to_string()),
    }
}

fn table(stats: Stats) -> comfy_table::Table {
    output::properties([
        ("Log", Some(stats.log_id)),
        ("Format", Some(stats.format_version.to_string())),
        ("Records", Some(output::grouped(stats.last_position))),
        (
            "Last recorded",
            stats.last_recorded_at.map(output::local_time),
        ),
        (
            "On disk",
            Some(indicatif::HumanBytes(stats.disk_bytes).to_string()),
        ),
        (
            "Stream",
            stats.checkpoint.map(|checkpoint| {
                format!(
                    "{}, read to sequence {}",
                    checkpoint.stream, checkpoint.sequence
                )
            }),
        ),
        (
            "Projections",
            stats
                .projections
                .map(|progress| format!("at position {}", output::grouped(progress.position))),
        ),
    ])
}
