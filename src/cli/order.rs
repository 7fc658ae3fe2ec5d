//! `farelog order`: what happened to an order.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::client::{Client, ServerArgs};
use super::exit::Failure;
use super::output::{self, Output};

/// Which order.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  farelog order BERGEN01\n  farelog order BERGEN01 --min-stream-sequence 1803   (the sequence that `farelog publish` told)"
)]
pub struct OrderArgs {
    /// The order
    id: String,
    /// Wait until the events up to this sequence of the stream are in
    #[arg(long, value_name = "SEQUENCE")]
    min_stream_sequence: Option<u64>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Deserialize)]
struct Timeline {
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    position: u64,
    time: DateTime<Utc>,
    kind: String,
    summary: String,
    fact: Option<Fact>,
}

#[derive(Debug, Deserialize)]
struct Fact {
    sent: bool,
}

impl Entry {
    /// What it is, in a person's words.
    fn what(&self) -> String {
        match (self.kind.as_str(), &self.fact) {
            (_, Some(Fact { sent: true })) => "sent".to_owned(),
            (_, Some(Fact { sent: false })) => "to be sent".to_owned(),
            ("TRANSACTION", None) => "points".to_owned(),
            ("GROUP", None) => "tickets".to_owned(),
            (kind, None) => kind.to_lowercase().replace('_', " "),
        }
    }
}

/// How long the server may wait for the events.
const WAIT_MS: &str = "30000";

/// Runs the command.
pub async fn run(args: OrderArgs) -> Result<(), Failure> {
    let query = match args.min_stream_sequence {
        Some(sequence) => vec![
            ("minStreamSequence", sequence.to_string()),
            ("timeoutMs", WAIT_MS.to_owned()),
        ],
        None => Vec::new(),
    };
    let client = Client::new(&args.server)?;
    let reply = client
        .get(&["v1", "orders", &args.id, "timeline"], &query)
        .await?;
    client.close().await?;
    if args.server.output == Output::Json {
        return output::print(&reply.body);
    }
    let timeline: Timeline = reply.json()?;
    let mut table = output::table(["Position", "Time", "What", "Summary"]);
    for entry in timeline.entries {
        table.add_row([
            entry.position.to_string(),
            output::local_time(entry.time),
            entry.what(),
            entry.summary,
        ]);
    }
    output::print(&table.to_string())
}
