//! `farelog log verify`: the whole log, read and checked.

use std::path::PathBuf;

use farelog_events::log::export::digest_text;
use farelog_events::log::sled_log::{StoredIndex, StoredLog, Verified};
use farelog_events::log::{LogError, Position};
use serde::Serialize;
use uuid::Uuid;

use super::files;
use super::progress::Records;
use crate::cli::exit::Failure;
use crate::cli::output::{self, Output};

pub const EXAMPLES: &str = "\
Ends with exit code 1 where the log is damaged, and names the first position that is not right. \
Nothing is changed, but that an index that was found to be wrong is marked, and so made anew by the next start. \
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
    /// Whether every record is there as it was written, and an index that would be used says the same.
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
    /// Why the next start makes the index anew from the records, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    index_problem: Option<String>,
}

impl Findings {
    fn of_log(log: &StoredLog, verified: Verified, index: StoredIndex) -> Self {
        Self {
            sound: true,
            log_id: Some(log.id()),
            last_position: Some(verified.last_position),
            digest: Some(digest_text(verified.digest)),
            index_problem: match index {
                StoredIndex::Sound => None,
                StoredIndex::Unusable { reason } => Some(reason),
            },
            ..Self::default()
        }
    }

    /// `None` for an error after which nothing is known of the log.
    fn of_error(error: &LogError) -> Option<Self> {
        match error {
            LogError::Corrupt { position, problem } => Some(Self {
                first_bad_position: Some(*position),
                problem: Some(problem.clone()),
                ..Self::default()
            }),
            LogError::IndexDamaged { problem } => Some(Self {
                index_problem: Some(problem.clone()),
                ..Self::default()
            }),
            _ => None,
        }
    }

    fn text(&self) -> String {
        let records = output::counted(self.last_position.unwrap_or_default(), "record", "records");
        let digest = self.digest.as_deref().unwrap_or_default();
        format!("{records} verified, the log is sound; digest {digest}")
    }
}

/// Runs the command.
pub fn run(args: &VerifyArgs) -> Result<(), Failure> {
    let verified = files::open_log(&args.data_dir)?.and_then(|log| {
        let progress = Records::new("verifying");
        progress.of(log.head().position);
        let (verified, index) = log.verify(|position| progress.at(position))?;
        Ok(Findings::of_log(&log, verified, index))
    });
    match verified {
        Ok(findings) => say(args.output, &findings),
        Err(error) => {
            // On a terminal the failure says it.
            if let (Output::Json, Some(findings)) = (args.output, Findings::of_error(&error)) {
                output::print(&crate::cli::to_json(&findings)?)?;
            }
            Err(failed(&error))
        }
    }
}

fn say(output: Output, findings: &Findings) -> Result<(), Failure> {
    match output {
        Output::Json => output::print(&crate::cli::to_json(findings)?)?,
        Output::Table => output::print(&findings.text())?,
    }
    if let Some(reason) = &findings.index_problem {
        output::note(format_args!(
            "the next start makes the index anew from the records: {reason}"
        ));
    }
    Ok(())
}

fn failed(error: &LogError) -> Failure {
    Failure::Failed(match error {
        LogError::Corrupt { .. } => format!(
            "{error}; restore the directory from a copy, or import an export with `farelog log import`"
        ),
        error => error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There were none, and who reads JSON did not learn why the exit code was 1.
    #[test]
    fn a_damaged_index_is_among_the_findings() {
        let problem = "an entry is malformed".to_owned();
        let findings = Findings::of_error(&LogError::IndexDamaged { problem });
        assert_eq!(
            serde_json::to_value(findings).unwrap(),
            serde_json::json!({ "sound": false, "indexProblem": "an entry is malformed" })
        );
        assert!(Findings::of_error(&LogError::Poisoned).is_none());
    }
}
