//! `farelog replay simulate`: what programs would have given.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::simulation::{self, Report};
use crate::cli::argument;
use crate::cli::client::{Client, ServerArgs};
use crate::cli::exit::Failure;
use crate::cli::log::progress::Records;
use crate::cli::output::{self, RowsOutput};
use crate::cli::problem::CallError;

pub const EXAMPLES: &str = "\
Each candidate stands in the place of the program with its id, for the members that the program has. With --from it \
stands for what was recorded at that time or later, and before it what was published; without, from the first record \
on. The log is gone through twice, by what was published and by the candidates, and the difference is shown. Nothing is \
recorded, nobody is told anything, and a server goes on meanwhile.

Examples:
  farelog replay simulate --program new.toml
  farelog replay simulate --program new.toml --from 2026-01-01 --output csv > difference.csv
  farelog replay simulate --program a.toml --program b.toml --offline --data-dir ./farelog-data";

/// What to simulate.
#[derive(Debug, clap::Args)]
pub struct SimulateArgs {
    /// A candidate, TOML or JSON by the end of its name; may be given several times
    #[arg(long = "program", value_name = "FILE", required = true)]
    programs: Vec<PathBuf>,
    /// From when the candidates stand: a day (UTC), or a time like 2026-01-01T00:00:00+01:00
    #[arg(long, value_name = "DATE", value_parser = argument::day_or_time)]
    from: Option<DateTime<Utc>>,
    /// How many winners and losers to name
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = argument::number_within(0..=1000_u16))]
    top: u16,
    #[command(flatten)]
    server: ServerArgs<RowsOutput>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    programs: Vec<Document>,
    from: Option<DateTime<Utc>>,
    named_members: u16,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    media_type: &'static str,
    document: String,
}

/// Runs the command.
pub async fn run(args: &SimulateArgs) -> Result<(), Failure> {
    let request = Request {
        programs: args
            .programs
            .iter()
            .map(|file| Document::read(file))
            .collect::<Result<_, _>>()?,
        from: args.from,
        named_members: args.top,
    };
    let client = Client::new(&args.server)?;
    let bar = Records::new("simulating");
    let path = ["v1", "operate", "simulations"];
    let result = client
        .work(&path, &[], &request, |progress| {
            bar.of(progress.last_position);
            bar.at(progress.position);
        })
        .await
        .map_err(|error| with_files(error, &args.programs))?;
    drop(bar);
    client.close().await?;
    if args.server.output == RowsOutput::Json {
        return output::print(&result);
    }
    let report: Report = serde_json::from_str(&result).map_err(|error| {
        Failure::Failed(format!(
            "the server's answer is not understood, is it another version than this command? {error}"
        ))
    })?;
    for note in report.notes() {
        output::note(note);
    }
    match args.server.output {
        RowsOutput::Csv => output::print(&output::csv(simulation::rows(&report))?),
        _ => output::print(&simulation::tables(&report)),
    }
}

impl Document {
    fn read(file: &Path) -> Result<Self, Failure> {
        let document = std::fs::read_to_string(file).map_err(|error| {
            Failure::Failed(format!("{} can't be read: {error}", file.display()))
        })?;
        let is_json = file
            .extension()
            .is_some_and(|extension| extension == "json");
        Ok(Self {
            media_type: if is_json {
                "application/json"
            } else {
                "application/toml"
            },
            document,
        })
    }
}

/// The server names a candidate by its place in the request; a person knows its file.
fn with_files(mut error: CallError, files: &[PathBuf]) -> CallError {
    let CallError::Problem(problem) = &mut error else {
        return error;
    };
    for (index, file) in files.iter().enumerate() {
        let (place, file) = (format!("programs[{index}]"), file.display().to_string());
        // A field within a document begins with its own name.
        let named = |text: &str| {
            text.replace(&format!("{place}."), &format!("{file}: "))
                .replace(&place, &file)
        };
        problem.detail = problem.detail.as_deref().map(named);
        for wrong in &mut problem.errors {
            wrong.field = named(&wrong.field);
        }
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::problem::Problem;

    #[test]
    fn a_refused_candidate_is_named_by_its_file() {
        let body = r#"{"status":400,"detail":"The program is not valid: programs[1].pointDefinitions[0].when: is wrong.",
            "errors":[{"field":"programs[1].pointDefinitions[0].when","message":"is wrong"}]}"#;
        let problem = Problem::of(reqwest::StatusCode::BAD_REQUEST, body.to_owned());
        let files = ["a.toml".into(), "b.toml".into()];
        let CallError::Problem(problem) = with_files(CallError::Problem(Box::new(problem)), &files)
        else {
            panic!("it became something else");
        };
        assert_eq!(
            problem.detail.unwrap(),
            "The program is not valid: b.toml: pointDefinitions[0].when: is wrong."
        );
        assert_eq!(problem.errors[0].field, "b.toml: pointDefinitions[0].when");
    }
}
