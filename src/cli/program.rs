//! `farelog program`: programs.

use std::path::{Path, PathBuf};

use farelog_events::json;
use farelog_projections::program::Place;
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::argument;
use super::client::{Client, ProgramView, ServerArgs};
use super::exit::Failure;
use super::output::{self, Output};

const PROGRAMS: [&str; 3] = ["personalisation", "v1", "programs"];

/// What to do with programs.
#[derive(Debug, clap::Subcommand)]
pub enum ProgramCommand {
    /// Publishes a program, or a new version of one
    #[command(after_help = "Publishing the same document again changes nothing.\n\n\
        Example:\n  farelog program publish samples/programs/points-per-krone.toml")]
    Publish {
        /// The document, TOML or JSON by the end of its name
        file: PathBuf,
        /// Publish only if this is the version that stands
        #[arg(long, value_name = "VERSION", value_parser = argument::number::<u32>)]
        if_match: Option<u32>,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Lists the programs
    #[command(after_help = "Example:\n  farelog program list")]
    List {
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Shows a program's document
    #[command(after_help = "Example:\n  farelog program show points-per-krone")]
    Show {
        /// The program's reference or id
        program: String,
        #[command(flatten)]
        server: ServerArgs,
    },
}

/// Runs the command.
pub async fn run(command: ProgramCommand) -> Result<(), Failure> {
    match command {
        ProgramCommand::Publish {
            file,
            if_match,
            server,
        } => publish(&file, if_match, &server).await,
        ProgramCommand::List { server } => list(&server).await,
        ProgramCommand::Show { program, server } => show(&program, &server).await,
    }
}

async fn publish(file: &Path, if_match: Option<u32>, args: &ServerArgs) -> Result<(), Failure> {
    let document = Document::read(file)?;
    let id = document.id.to_string();
    let path = [PROGRAMS.as_slice(), &[&id]].concat();
    let client = Client::new(args)?;
    let reply = client
        .put_document(&path, document.media_type, document.text, if_match)
        .await?;
    client.close().await?;
    if args.output == Output::Json {
        return output::print(&reply.body);
    }
    let program: ProgramView = reply.json()?;
    let what = if reply.status == StatusCode::CREATED {
        "published"
    } else {
        "stands"
    };
    let version = program
        .version
        .map_or_else(String::new, |version| format!(" in version {version}"));
    output::print(&format!(
        "program {} ({}) {what}{version}",
        program.reference, program.id
    ))
}

async fn list(args: &ServerArgs) -> Result<(), Failure> {
    let client = Client::new(args)?;
    let reply = client.get(&PROGRAMS, &[]).await?;
    client.close().await?;
    if args.output == Output::Json {
        return output::print(&reply.body);
    }
    let programs: Vec<ProgramView> = reply.json()?;
    if programs.is_empty() {
        output::note("no program was published yet; see `farelog program publish --help`");
    }
    let mut table = output::table(["Id", "Reference", "Name", "Active", "Version", "Published"]);
    for program in programs {
        table.add_row([
            program.id.to_string(),
            program.reference,
            program.name,
            output::optional(
                program
                    .active
                    .map(|active| if active { "yes" } else { "no" }),
            ),
            output::optional(program.version),
            output::optional_time(program.published_at),
        ]);
    }
    output::print(&table.to_string())
}

async fn show(program: &str, args: &ServerArgs) -> Result<(), Failure> {
    let client = Client::new(args)?;
    let id = client.program_id(program).await?;
    let path = [PROGRAMS.as_slice(), &[&id]].concat();
    let reply = client.get(&path, &[]).await?;
    client.close().await?;
    match args.output {
        Output::Json => output::print(&reply.body),
        // A document with expressions reads better as itself than as a table of cells.
        Output::Table => {
            let mut document = without_nulls(reply.json()?);
            // The document alone, so that it can be changed and published again.
            let published: ProgramView = reply.json()?;
            if let Value::Object(fields) = &mut document {
                fields.remove("version");
                fields.remove("publishedAt");
                fields.remove("problems");
            }
            output::note(format!(
                "version {}, published {}",
                output::optional(published.version),
                output::optional_time(published.published_at)
            ));
            output::print(
                toml::to_string_pretty(&document)
                    .unwrap_or(reply.body)
                    .trim_end(),
            )
        }
    }
}

/// TOML has no null; a field that is absent says the same.
fn without_nulls(mut document: Value) -> Value {
    if let Value::Object(fields) = &mut document {
        fields.retain(|_, value| !value.is_null());
        for value in fields.values_mut() {
            *value = without_nulls(value.take());
        }
    } else if let Value::Array(values) = &mut document {
        for value in values {
            *value = without_nulls(value.take());
        }
    }
    document
}

/// A program's document as it stands in a file.
#[derive(Debug)]
struct Document {
    id: i64,
    media_type: &'static str,
    text: String,
}

/// What the address of a program is made of. The server checks the rest.
#[derive(Deserialize)]
struct Identity {
    id: i64,
}

impl Document {
    fn read(file: &Path) -> Result<Self, Failure> {
        let place = file.display();
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::Failed(format!("{place} can't be read: {error}")))?;
        let is_json = file
            .extension()
            .is_some_and(|extension| extension == "json");
        let (media_type, identity) = if is_json {
            let identity = json::read(&text).map_err(|error| error.to_string());
            ("application/json", identity)
        } else {
            let identity = toml::from_str(&text).map_err(|error| said(&text, &error));
            ("application/toml", identity)
        };
        let Identity { id } = identity.map_err(|error| {
            Failure::Failed(format!(
                "{place} is no program that can be published: {error}"
            ))
        })?;
        Ok(Self {
            id,
            media_type,
            text,
        })
    }
}

/// What is wrong with a TOML document, on one line and with its place.
fn said(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().split_whitespace();
    let message = message.collect::<Vec<_>>().join(" ");
    match error.span() {
        Some(span) => format!("{message} ({})", Place::of_byte(text, span.start)),
        None => message,
    }
}
