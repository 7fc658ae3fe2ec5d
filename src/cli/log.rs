//! `farelog log`: the event log.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use farelog_events::log::EventLog as _;
use farelog_events::log::sled_log::SledLog;
use serde::Deserialize;

use super::client::{Client, ServerArgs};
use super::exit::Failure;
use super::output::{self, Output};

/// What to do with the log.
#[derive(Debug, clap::Subcommand)]
pub enum LogCommand {
    /// Shows how long the log is, what it takes on disk and how far the stream was read
    #[command(
        after_help = "Examples:\n  farelog log stats\n  farelog log stats --offline --data-dir ./farelog-data"
    )]
    Stats {
        /// Read the files of a stopped server
        #[arg(long, conflicts_with = "server")]
        offline: bool,
        /// Where they are
        #[arg(
            long,
            env = "FARELOG_DATA_DIR",
            default_value = "./farelog-data",
            value_name = "DIR"
        )]
        data_dir: PathBuf,
        #[command(flatten)]
        server: ServerArgs,
    },
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

/// Runs the command.
pub async fn run(command: LogCommand) -> Result<(), Failure> {
    let LogCommand::Stats {
        offline,
        data_dir,
        server,
    } = command;
    let json = if offline {
        read_files(&data_dir)?
    } else {
        let path = ["v1", "operate", "log", "stats"];
        Client::new(&server)?.get(&path, &[]).await?.body
    };
    match server.output {
        Output::Json => output::print(&json),
        Output::Table => output::print(&table(&json)?.to_string()),
    }
}

fn read_files(data_dir: &Path) -> Result<String, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Failed(error.to_string());
    let directory = data_dir.join("log");
    if !directory.is_dir() {
        return Err(Failure::Failed(format!(
            "there is no event log in {}; name the directory that `farelog serve` was given with --data-dir",
            data_dir.display()
        )));
    }
    let log = SledLog::open(&directory).map_err(|error| failed(&error))?;
    super::to_json(&log.stats().map_err(|error| failed(&error))?)
}

fn table(json: &str) -> Result<comfy_table::Table, Failure> {
    let stats: Stats = serde_json::from_str(json).map_err(|error| {
        Failure::Failed(format!(
            "the figures are not understood, are they another version's? {error}"
        ))
    })?;
    Ok(output::properties([
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
    ]))
}
