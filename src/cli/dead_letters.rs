//! `farelog dead-letters`: messages that could not be taken in.

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde::Deserialize;

use super::argument;
use super::client::{Client, PageArgs, Paged, ServerArgs};
use super::exit::Failure;
use super::output::{self, Output};

const DEAD_LETTERS: [&str; 3] = ["v1", "operate", "dead-letters"];

/// How wide a dead letter is shown where no terminal says: its bytes are often one line that fills screens.
const SHOWN_COLUMNS: u16 = 100;

/// What to do with dead letters.
#[derive(Debug, clap::Subcommand)]
pub enum DeadLettersCommand {
    /// Lists them, oldest first
    #[command(
        after_help = "Examples:\n  farelog dead-letters list\n  farelog dead-letters list --state all --per-page 100"
    )]
    List {
        /// Which of them
        #[arg(long, value_enum, default_value_t)]
        state: StateFilter,
        #[command(flatten)]
        page: PageArgs,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Shows one with its headers and its bytes
    #[command(after_help = "Example:\n  farelog dead-letters show 812")]
    Show {
        /// Its number, from the list
        #[arg(value_parser = argument::number::<u64>)]
        number: u64,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Tries again to take one in, or all that are open
    #[command(
        override_usage = "farelog dead-letters retry [OPTIONS] <NUMBER>|--all",
        after_help = "A dead letter is worth another try once its cause is gone: the program was published, or a newer\n\
        farelog understands it.\n\nExamples:\n  farelog dead-letters retry 812\n  farelog dead-letters retry --all"
    )]
    Retry {
        /// Its number, from the list
        #[arg(required_unless_present = "all", conflicts_with = "all", value_parser = argument::number::<u64>)]
        number: Option<u64>,
        /// All that are open
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Gives one up; its bytes stay in the log
    #[command(after_help = "Example:\n  farelog dead-letters discard 812")]
    Discard {
        /// Its number, from the list
        #[arg(value_parser = argument::number::<u64>)]
        number: u64,
        #[command(flatten)]
        server: ServerArgs,
    },
}

/// Which dead letters.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
pub enum StateFilter {
    /// Neither taken in nor given up.
    #[default]
    Open,
    /// Taken in after all, or given up.
    Settled,
    /// All of them.
    All,
}

impl StateFilter {
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Settled => "settled",
            Self::All => "all",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeadLetterView {
    number: u64,
    reason: String,
    detail: String,
    #[serde(default)]
    order_id: Option<String>,
    subject: String,
    stream: String,
    stream_sequence: u64,
    published_at: DateTime<Utc>,
    state: String,
    bytes: u64,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    headers_base64: Option<String>,
    #[serde(default)]
    payload_text: Option<String>,
    #[serde(default)]
    payload_base64: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Retried {
    outcome: String,
    #[serde(default)]
    detail: Option<String>,
}

#[derive(Debug, Deserialize)]
struct AllRetried {
    taken: u64,
    refused: u64,
    /// Not tried yet: the server answers before a client loses patience.
    left: u64,
}

/// Runs the command.
pub async fn run(command: DeadLettersCommand) -> Result<(), Failure> {
    match command {
        DeadLettersCommand::List {
            state,
            page,
            server,
        } => list(state, &page, &server).await,
        DeadLettersCommand::Show { number, server } => show(number, &server).await,
        DeadLettersCommand::Retry {
            number: Some(number),
            server,
            ..
        } => retry(number, &server).await,
        DeadLettersCommand::Retry { server, .. } => retry_all(&server).await,
        DeadLettersCommand::Discard { number, server } => discard(number, &server).await,
    }
}

async fn list(state: StateFilter, page: &PageArgs, args: &ServerArgs) -> Result<(), Failure> {
    let mut query = page.query();
    query.push(("state", state.as_str().to_owned()));
    let client = Client::new(args)?;
    let reply = client.get(&DEAD_LETTERS, &query).await?;
    client.close().await?;
    if args.output == Output::Json {
        return output::print(&reply.body);
    }
    let letters: Paged<DeadLetterView> = reply.json()?;
    if letters.items.is_empty() {
        output::note("there are none");
    }
    if let Some(more) = letters.more(page.page) {
        output::note(more);
    }
    let mut table = output::table([
        "Number",
        "Published",
        "Reason",
        "What was wrong",
        "Order",
        "State",
    ]);
    for letter in letters.items {
        table.add_row([
            letter.number.to_string(),
            output::local_time(letter.published_at),
            letter.reason,
            letter.detail,
            output::optional(letter.order_id),
            letter.state.to_lowercase(),
        ]);
    }
    output::print(&table.to_string())
}

async fn show(number: u64, args: &ServerArgs) -> Result<(), Failure> {
    let number = number.to_string();
    let path = [DEAD_LETTERS.as_slice(), &[&number]].concat();
    let client = Client::new(args)?;
    let reply = client.get(&path, &[]).await?;
    client.close().await?;
    if args.output == Output::Json {
        return output::print(&reply.body);
    }
    let letter: DeadLetterView = reply.json()?;
    let headers = letter.headers.iter();
    let headers: Vec<String> = headers
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    let mut table = output::properties([
        ("Number", Some(letter.number.to_string())),
        ("State", Some(letter.state.to_lowercase())),
        ("Reason", Some(letter.reason)),
        ("What was wrong", Some(letter.detail)),
        ("Order", letter.order_id),
        ("Published", Some(output::local_time(letter.published_at))),
        ("Subject", Some(letter.subject)),
        (
            "Stream",
            Some(format!(
                "{}, sequence {}",
                letter.stream, letter.stream_sequence
            )),
        ),
        ("Size", Some(output::counted(letter.bytes, "byte", "bytes"))),
        ("Headers", (!headers.is_empty()).then(|| headers.join("\n"))),
        ("Headers, base64", letter.headers_base64),
        ("Text", letter.payload_text.clone()),
        (
            "Bytes, base64",
            letter
                .payload_base64
                .filter(|_| letter.payload_text.is_none()),
        ),
    ]);
    if table.width().is_none() {
        table.set_width(SHOWN_COLUMNS);
    }
    output::print(&table.to_string())
}

async fn retry(number: u64, args: &ServerArgs) -> Result<(), Failure> {
    let text = number.to_string();
    let path = [DEAD_LETTERS.as_slice(), &[&text, "retry"]].concat();
    let client = Client::new(args)?;
    let reply = client.act(Method::POST, &path).await?;
    client.close().await?;
    let retried: Retried = reply.json()?;
    if args.output == Output::Json {
        output::print(&reply.body)?;
    }
    let said = match retried.outcome.as_str() {
        "TAKEN_IN" => format!("dead letter {number} was taken in"),
        "REPEAT" => format!("dead letter {number} is settled: the log has its event already"),
        _ => {
            let why = retried
                .detail
                .unwrap_or_else(|| "its cause is still there".to_owned());
            return Err(Failure::Refused(format!(
                "dead letter {number} stays: {why}"
            )));
        }
    };
    match args.output {
        Output::Table => output::print(&said),
        Output::Json => Ok(()),
    }
}

async fn retry_all(args: &ServerArgs) -> Result<(), Failure> {
    let path = [DEAD_LETTERS.as_slice(), &["retry-all"]].concat();
    let client = Client::new(args)?;
    let reply = client.act(Method::POST, &path).await?;
    client.close().await?;
    let AllRetried {
        taken,
        refused,
        left,
    } = reply.json()?;
    match args.output {
        Output::Json => output::print(&reply.body)?,
        Output::Table => output::print(&format!(
            "{} taken in, {} stay, {} left to try",
            output::counted(taken, "dead letter", "dead letters"),
            output::grouped(refused),
            output::grouped(left)
        ))?,
    }
    if left > 0 {
        return Err(Failure::Failed(format!(
            "{} not tried yet; run the command again to go on",
            output::counted(left, "dead letter was", "dead letters were")
        )));
    }
    if refused > 0 {
        return Err(Failure::Refused(format!(
            "{} can't be taken in yet; `farelog dead-letters list` says why",
            output::counted(refused, "dead letter", "dead letters")
        )));
    }
    Ok(())
}

async fn discard(number: u64, args: &ServerArgs) -> Result<(), Failure> {
    let text = number.to_string();
    let path = [DEAD_LETTERS.as_slice(), &[&text, "discard"]].concat();
    let client = Client::new(args)?;
    let reply = client.act(Method::POST, &path).await?;
    client.close().await?;
    match args.output {
        Output::Json => output::print(&reply.body),
        Output::Table => output::print(&format!(
            "dead letter {number} is discarded; its bytes stay in the log"
        )),
    }
}
