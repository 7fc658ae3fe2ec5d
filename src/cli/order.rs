//! `farelog order`: what happened to an order.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::argument;
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
    #[arg(long, value_name = "SEQUENCE", value_parser = argument::number::<u64>)]
    min_stream_sequence: Option<u64>,
    /// What happened from this log position on
    #[arg(long, value_name = "POSITION", value_parser = argument::number::<u64>)]
    from_position: Option<u64>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Timeline {
    entries: Vec<Entry>,
    /// From where on there is more.
    next_position: Option<u64>,
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

/// Runs the command. A person gets all of the timeline; a program gets one answer, and is told where to go on.
pub async fn run(args: OrderArgs) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    let mut table = output::table(["Position", "Time", "What", "Summary"]);
    let mut from = args.from_position;
    loop {
        let reply = client
            .get(&["v1", "orders", &args.id, "timeline"], &query(&args, from))
            .await?;
        let timeline: Timeline = reply.json()?;
        from = timeline.next_position;
        if args.server.output == Output::Json {
            client.close().await?;
            if let Some(next) = from {
                output::note(format!("there is more: --from-position {next} goes on"));
            }
            return output::print(&reply.body);
        }
        for entry in timeline.entries {
            table.add_row([
                entry.position.to_string(),
                output::local_time(entry.time),
                entry.what(),
                entry.summary,
            ]);
        }
        if from.is_none() {
            client.close().await?;
            return output::print(&table.to_string());
        }
    }
}

fn query(args: &OrderArgs, from: Option<u64>) -> Vec<(&'static str, String)> {
    let mut query = Vec::new();
    if let Some(sequence) = args.min_stream_sequence {
        query.push(("minStreamSequence", sequence.to_string()));
        query.push(("timeoutMs", WAIT_MS.to_owned()));
    }
    if let Some(position) = from {
        query.push(("fromPosition", position.to_string()));
    }
    query
}
