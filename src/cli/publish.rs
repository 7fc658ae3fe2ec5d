//! `farelog publish`: events from a file to NATS.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::ConnectErrorKind;
use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::{self, Context};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::sync::mpsc;

use super::exit::Failure;
use super::message_line::{self, Message};
use super::output::{self, Output};
use crate::config::{NatsArgument, NatsChoice, NatsServers};
use crate::nats_server::{NATS_DIRECTORY, URL_FILE};

/// How many published messages may wait for their acknowledgement at a time.
const UNACKNOWLEDGED_MAX: usize = 512;
/// How many lines are read ahead.
const LINES_AHEAD_MAX: usize = 64;
/// Longest line, in bytes: a message of the largest size spelt out in base64 fits.
const LINE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// How long the stream may take to acknowledge.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

const FORMS: &str = r#"A line is one of:

  a CloudEvent in structured mode
    {"specversion":"1.0","id":"…","source":"…","type":"OrderConfirmed","time":"…","data":{…}}
  a domain event
    {"type":"OrderConfirmed","event":{"OrderConfirmed":{…}},"correlationId":"…","timestamp":"…"}
  a message spelt out, sent as it stands (a CloudEvent in binary mode, or a broken message to try)
    {"subject":"orders.<orderId>","headers":{"ce-id":"…",…},"body":{…}}
    body may be any JSON; of a string its text is sent; "bodyBase64" stands for bytes

The first two are checked before they are sent, and published under orders.<orderId>, members.<customerId>
or programs.<programId>. Empty lines are skipped. A repeated event does no harm: farelog drops it.

Examples:
  farelog publish samples/day.ndjson
  zcat yesterday.ndjson.gz | farelog publish - --nats nats://broker:4222"#;

/// What to publish, and where.
#[derive(Debug, clap::Args)]
#[command(after_long_help = FORMS, after_help = "A line is an event in its envelope; --help shows the forms.")]
pub struct PublishArgs {
    /// A file of one event a line, or - for stdin
    file: PathBuf,
    /// The NATS server: an address, several with commas between, or the embedded one of a running `farelog serve`
    #[arg(
        long,
        env = "FARELOG_NATS",
        default_value = "embedded",
        value_name = "URL|embedded",
        value_parser = NatsArgument
    )]
    nats: NatsChoice,
    /// A file with credentials for the NATS server
    #[arg(long, env = "FARELOG_NATS_CREDENTIALS", value_name = "FILE")]
    nats_credentials: Option<PathBuf>,
    /// The data directory of that `farelog serve`
    #[arg(
        long,
        env = "FARELOG_DATA_DIR",
        default_value = "./farelog-data",
        value_name = "DIR"
    )]
    data_dir: PathBuf,
    /// How to show the result
    #[arg(long, value_enum, default_value_t, env = "FARELOG_OUTPUT")]
    output: Output,
}

/// What was published. All of it is acknowledged.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Published {
    events: u64,
    stream: Option<String>,
    last_stream_sequence: Option<u64>,
}

/// Runs the command.
pub async fn run(args: PublishArgs) -> Result<(), Failure> {
    let source = Source::open(&args.file)?;
    let nats = broker(&args)?;
    let context = connect(&nats, args.nats_credentials.as_deref()).await?;
    let progress = source.progress();
    let mut sender = Publisher {
        context,
        nats: nats.to_string(),
        waiting: VecDeque::with_capacity(UNACKNOWLEDGED_MAX),
        published: Published::default(),
    };
    let done = sender.publish(source.lines(), &progress).await;
    progress.finish_and_clear();
    // What is on its way is waited for also after a failure, so that the report is right.
    let settled = sender.settle().await;
    let published = sender.published;
    if let Err(problem) = done.and(settled) {
        let before = published.to_string();
        return Err(match problem {
            Failure::Failed(sentence) => Failure::Failed(format!("{sentence}; {before}")),
            Failure::OutOfReach(sentence) => Failure::OutOfReach(format!("{sentence}; {before}")),
            other => other,
        });
    }
    match args.output {
        Output::Table => output::print(&published.to_string()),
        Output::Json => output::print(&super::to_json(&published)?),
    }
}

impl std::fmt::Display for Published {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let events = output::counted(self.events, "event", "events");
        match (&self.stream, self.last_stream_sequence) {
            (Some(stream), Some(sequence)) => write!(
                f,
                "{events} published, the last with sequence {sequence} of the stream {stream}"
            ),
            _ => f.write_str("nothing was published"),
        }
    }
}

/// Where to publish.
fn broker(args: &PublishArgs) -> Result<NatsServers, Failure> {
    if let NatsChoice::Servers(servers) = &args.nats {
        return Ok(servers.clone());
    }
    let file = args.data_dir.join(NATS_DIRECTORY).join(URL_FILE);
    let address = std::fs::read_to_string(file).ok();
    let servers = address.and_then(|address| address.parse().ok());
    servers.ok_or_else(|| {
        Failure::OutOfReach(format!(
            "no embedded NATS server runs for {}; start it with `farelog serve`, or name another with --nats",
            args.data_dir.display()
        ))
    })
}

async fn connect(servers: &NatsServers, credentials: Option<&Path>) -> Result<Context, Failure> {
    let options = servers.options("farelog-cli", credentials).await?;
    let client = options
        .connection_timeout(CONNECT_TIMEOUT)
        .connect(servers.addresses())
        .await
        .map_err(|error| match error.kind() {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                Failure::Failed(format!(
                    "the NATS server at {servers} does not let farelog in; name a user that it knows, like \
                     nats://user:password@host, or give --nats-credentials"
                ))
            }
            _ => Failure::OutOfReach(format!(
                "no NATS server answers at {servers} ({error}); start one, or name another with --nats"
            )),
        })?;
    let mut context = jetstream::new(client);
    context.set_timeout(ACKNOWLEDGE_TIMEOUT);
    Ok(context)
}

/// Publishes in order, with a bounded number of messages on their way.
struct Publisher {
    context: Context,
    nats: String,
    waiting: VecDeque<(u64, PublishAckFuture)>,
    published: Published,
}

impl Publisher {
    async fn publish(
        &mut self,
        mut lines: mpsc::Receiver<io::Result<Line>>,
        progress: &ProgressBar,
    ) -> Result<(), Failure> {
        while let Some(line) = lines.recv().await {
            let line = line.map_err(|error| {
                Failure::Failed(format!("the file could not be read on: {error}"))
            })?;
            progress.set_position(line.end_byte);
            let Line { number, .. } = line;
            let message = line.read().map_err(|problem| {
                Failure::Failed(format!("line {number} can't be published: {problem}"))
            })?;
            if self.waiting.len() == UNACKNOWLEDGED_MAX {
                self.acknowledge_one().await?;
            }
            let acknowledgement = self
                .context
                .publish_with_headers(message.subject, message.headers, message.payload)
                .await
                .map_err(|error| self.refused(number, &error))?;
            self.waiting.push_back((number, acknowledgement));
        }
        Ok(())
    }

    /// Waits for all that is on its way; goes on after a failure, and gives the first.
    async fn settle(&mut self) -> Result<(), Failure> {
        let mut settled = Ok(());
        while !self.waiting.is_empty() {
            settled = settled.and(self.acknowledge_one().await);
        }
        settled
    }

    async fn acknowledge_one(&mut self) -> Result<(), Failure> {
        let Some((number, acknowledgement)) = self.waiting.pop_front() else {
            return Ok(());
        };
        let acknowledged = acknowledgement
            .await
            .map_err(|error| self.refused(number, &error))?;
        self.published.events += 1;
        self.published.last_stream_sequence = Some(acknowledged.sequence);
        self.published.stream = Some(acknowledged.stream);
        Ok(())
    }

    fn refused(&self, number: u64, error: &PublishError) -> Failure {
        let nats = &self.nats;
        match error.kind() {
            PublishErrorKind::StreamNotFound => Failure::Failed(format!(
                "line {number} was not taken: no stream at {nats} has its subject; `farelog serve --nats {nats}` makes the stream"
            )),
            PublishErrorKind::MaxPayloadExceeded => Failure::Failed(format!(
                "line {number} was not taken: it is larger than the NATS server at {nats} takes"
            )),
            PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe => {
                Failure::OutOfReach(format!(
                    "line {number} was not acknowledged: the NATS server at {nats} does not answer; publish again, what arrived twice is dropped"
                ))
            }
            _ => Failure::Failed(format!("line {number} was not taken: {error}")),
        }
    }
}

/// A line of the file.
struct Line {
    /// Its number, from 1.
    number: u64,
    /// Where it ends in the file.
    end_byte: u64,
    bytes: Vec<u8>,
}

impl Line {
    fn read(&self) -> Result<Message, String> {
        if self.bytes.len() as u64 > LINE_BYTES_MAX {
            return Err(format!("it is longer than {LINE_BYTES_MAX} bytes"));
        }
        let text = std::str::from_utf8(&self.bytes)
            .map_err(|_| "it is not UTF-8 text; \"bodyBase64\" can hold any bytes".to_owned())?;
        message_line::read(text)
    }
}

/// Where the lines come from.
struct Source {
    reader: Box<dyn BufRead + Send>,
    /// The size, where it is known.
    bytes: Option<u64>,
}

impl Source {
    fn open(path: &Path) -> Result<Self, Failure> {
        if path.as_os_str() == "-" {
            return Ok(Self {
                reader: Box::new(BufReader::new(io::stdin())),
                bytes: None,
            });
        }
        let unreadable =
            |error| Failure::Failed(format!("{} can't be read: {error}", path.display()));
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(Failure::Failed(format!(
                "{} is a directory, name a file of one event a line",
                path.display()
            )));
        }
        Ok(Self {
            reader: Box::new(BufReader::new(file)),
            bytes: metadata.is_file().then_some(metadata.len()),
        })
    }

    /// A bar, or a spinner where the size is not known; nothing where stderr is no terminal.
    fn progress(&self) -> ProgressBar {
        let template = if self.bytes.is_some() {
            "publishing {wide_bar} {bytes}/{total_bytes} ({eta} left)"
        } else {
            "publishing {spinner} {bytes} in {elapsed}"
        };
        let bar = self
            .bytes
            .map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar
    }

    /// Reads on a thread of its own, so that a slow pipe does not hold up the connection.
    fn lines(mut self) -> mpsc::Receiver<io::Result<Line>> {
        let (sender, receiver) = mpsc::channel(LINES_AHEAD_MAX);
        std::thread::spawn(move || {
            let mut number = 0;
            let mut end_byte = 0;
            loop {
                let mut bytes = Vec::new();
                // One byte more than a line may have, so that one that is too long shows.
                let read = (&mut self.reader)
                    .take(LINE_BYTES_MAX + 1)
                    .read_until(b'\n', &mut bytes);
                number += 1;
                let line = match read {
                    Ok(0) => return,
                    Ok(length) => {
                        end_byte += length as u64;
                        if bytes.trim_ascii().is_empty() {
                            continue;
                        }
                        Ok(Line {
                            number,
                            end_byte,
                            bytes,
                        })
                    }
                    Err(error) => Err(error),
                };
                let is_last = line.is_err();
                // The receiver is gone once a line could not be published.
                if sender.blocking_send(line).is_err() || is_last {
                    return;
                }
            }
        });
        receiver
    }
}
