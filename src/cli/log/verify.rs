//! `farelog log verify`: the whole log, read and checked.

use std::path::PathBuf;

use farelog_events::log::export::digest_text;
use farelog_events::log::sled_log::Verified;
use farelog_events::log::{EventLog as _, LogError, Position};
use serde::Serialize;
use uuid::Uuid;

use super::files;
use super::progress::Records;
use crate::cli::exit::Failure;
use crate::cli::output::{self, Output};

pub const EXAMPLES: &str = "\
Ends with exit code 1 where the log is damaged, and names the first position that is not right. \
A running server is stopped first: its files can only be open once.

Examples:
  farelog log verify --data-dir ./farelog-data
  farelog log verify --data-dir ./farelog-data --output json";

/// Which log.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// Where the files of the stopped server are
    #[arg(
        long,
        env = "FARELOG_DATA_DIR",
        default_value = "./farelog-data",
        value_name = "DIR"
    )]
    data_dir: PathBuf,
    /// Given or not: this command always works on files
    #[arg(long)]
    offline: bool,
    /// How to show the result
    #[arg(long, value_enum, default_value_t, env = "FARELOG_OUTPUT")]
    output: Output,
}

/// What was found.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Findings {
    /// Whether every record is there as it was written.
    sound: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_position: Option<Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// 0 where the damage is not at a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_bad_position: Option<Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// Runs the command.
pub fn run(args: &VerifyArgs) -> Result<(), Failure> {
    let verified = files::open_log(&args.data_dir)?.and_then(|log| {
        let progress = Records::new("verifying");
        progress.of(log.head().position);
        let verified = log.verify(|position| progress.at(position))?;
        Ok((log.id(), verified))
    });
    let findings = match &verified {
        Ok((
            log_id,
            Verified {
                last_position,
                digest,
            },
        )) => Findings {
            sound: true,
            log_id: Some(*log_id),
            last_position: Some(*last_position),
            digest: Some(digest_text(*digest)),
            ..Findings::default()
        },
        Err(LogError::Corrupt { position, problem }) => Findings {
            first_bad_position: Some(*position),
            problem: Some(problem.clone()),
            ..Findings::default()
        },
        // Nothing is known of the records then.
        Err(error) => return Err(Failure::Failed(error.to_string())),
    };
    match (args.output, &verified) {
        (Output::Json, _) => output::print(&crate::cli::to_json(&findings)?)?,
        (Output::Table, Ok((_, verified))) => {
            let records = output::counted(verified.last_position, "record", "records");
            output::print(&format!(
                "{records} verified, the log is sound; digest {}",
                digest_text(verified.digest)
            ))?;
        }
        // The failure says it.
        (Output::Table, Err(_)) => {}
    }
    verified.map(drop).map_err(|error| {
        Failure::Failed(format!(
            "{error}; restore the directory from a copy, or import an export with `farelog log import`"
        ))
    })
}
