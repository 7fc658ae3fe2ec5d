//! A nats-server with JetStream of this run's own, and what is published to it.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use async_nats::jetstream::consumer::AckPolicy;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::{self, Context, stream};
use async_nats::{Client, HeaderMap};
use futures::StreamExt as _;

use crate::machine;
use crate::progress::Progress;
use crate::sample_day::Message;

/// The stream that farelog reads.
pub const STREAM: &str = "ORDERS";
/// The subjects of that stream.
const SUBJECTS: [&str; 3] = ["orders.>", "members.>", "programs.>"];
/// Messages that a consumer takes before it acknowledges them; farelog's own batch.
const BATCH_MESSAGES: u64 = 4_096;
/// As farelog's consumer has it.
const ACK_PENDING_MAX: i64 = 65_536;
/// Published messages that wait for their acknowledgement at a time.
const UNACKNOWLEDGED_MAX: usize = 2_000;
const START_MAX: Duration = Duration::from_secs(10);

/// A nats-server on a free port, killed when this is dropped.
pub struct Broker {
    process: Child,
    url: String,
    client: Client,
}

impl Broker {
    /// Starts a server that keeps its streams in `directory`, with farelog's stream in it.
    ///
    /// # Errors
    /// There is no nats-server, or it does not start.
    pub async fn start(directory: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(directory)?;
        let process = command()
            .args(["--addr", "127.0.0.1", "--port", "-1", "--jetstream"])
            .arg("--store_dir")
            .arg(directory)
            .arg("--ports_file_dir")
            .arg(directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("nats-server can't be started; `make tools` installs it")?;
        // Held from here on, so that it is killed whatever fails.
        let mut process = Held(Some(process));
        let url = process.url(directory).await?;
        let client = async_nats::connect(&url).await?;
        let broker = Self {
            process: process.release()?,
            url,
            client,
        };
        let subjects = SUBJECTS.map(str::to_owned).to_vec();
        broker.make_stream(STREAM, subjects).await?;
        Ok(broker)
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The time of processors that it has taken.
    ///
    /// # Errors
    /// It has ended.
    pub fn processor_time(&self) -> anyhow::Result<Duration> {
        machine::processor_time(self.process.id())
    }

    /// JetStream on it.
    pub fn jetstream(&self) -> Context {
        jetstream::new(self.client.clone())
    }

    /// Makes a stream on disk.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn make_stream(&self, name: &str, subjects: Vec<String>) -> anyhow::Result<()> {
        let config = stream::Config {
            name: name.to_owned(),
            subjects,
            ..stream::Config::default()
        };
        self.jetstream().create_stream(config).await?;
        Ok(())
    }

    /// Publishes messages, each acknowledged by JetStream. Gives the last one's sequence and the bytes of all bodies.
    ///
    /// # Errors
    /// A message was not acknowledged.
    pub async fn publish(
        &self,
        messages: impl Iterator<Item = Message>,
        mut progress: Progress,
    ) -> anyhow::Result<Published> {
        let jetstream = self.jetstream();
        let mut waiting: VecDeque<PublishAckFuture> = VecDeque::new();
        let mut published = Published::default();
        for message in messages {
            if waiting.len() >= UNACKNOWLEDGED_MAX
                && let Some(oldest) = waiting.pop_front()
            {
                published.last_sequence = oldest.await?.sequence;
            }
            published.json_bytes += message.payload.len() as u64;
            let Message {
                subject,
                headers,
                payload,
            } = message;
            let headers = header_map(&headers);
            waiting.push_back(
                jetstream
                    .publish_with_headers(subject, headers, payload)
                    .await?,
            );
            progress.step();
        }
        for acknowledgement in waiting {
            published.last_sequence = acknowledgement.await?.sequence;
        }
        Ok(published)
    }

    /// How long a pull consumer takes to read so many messages of the stream and acknowledge each batch, and nothing
    /// else.
    ///
    /// # Errors
    /// The broker fails.
    pub async fn consume(&self, messages: u64, mut progress: Progress) -> anyhow::Result<Duration> {
        let config = pull::Config {
            ack_policy: AckPolicy::All,
            max_ack_pending: ACK_PENDING_MAX,
            ..pull::Config::default()
        };
        let stream = self.jetstream().get_stream(STREAM).await?;
        let consumer = stream.create_consumer(config).await?;
        let mut incoming = consumer
            .stream()
            .max_messages_per_batch(usize::try_from(BATCH_MESSAGES)?)
            .messages()
            .await?;
        let started = Instant::now();
        for number in 1..=messages {
            let message = incoming.next().await.context("the consumer ended")??;
            if number % BATCH_MESSAGES == 0 || number == messages {
                message.ack().await.map_err(|error| anyhow!(error))?;
                progress.reach(number);
            }
        }
        Ok(started.elapsed())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What was published.
#[derive(Debug, Clone, Copy, Default)]
pub struct Published {
    /// Sequence of the last message.
    pub last_sequence: u64,
    /// Bytes of all bodies.
    pub json_bytes: u64,
}

/// The version of the nats-server that is used, as it tells.
///
/// # Errors
/// There is none.
pub fn version() -> anyhow::Result<String> {
    let told = command().arg("--version").output()?;
    let told = String::from_utf8_lossy(&told.stdout);
    Ok(told.trim().trim_start_matches("nats-server: v").to_owned())
}

/// Headers as the client takes them.
pub fn header_map(headers: &[(String, String)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(name.as_str(), value.as_str());
    }
    map
}

/// Debian keeps it where a user's PATH does not lead.
fn command() -> Command {
    let debian = Path::new("/usr/sbin/nats-server");
    let is_on_path = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|directory| directory.join("nats-server").is_file())
    });
    Command::new(if !is_on_path && debian.is_file() {
        debian
    } else {
        Path::new("nats-server")
    })
}

/// A process that is killed unless it is released.
struct Held(Option<Child>);

impl Held {
    /// Its address, from the file that it writes once it listens.
    async fn url(&mut self, directory: &Path) -> anyhow::Result<String> {
        let id = self.0.as_ref().map_or(0, Child::id);
        let file = directory.join(format!("nats-server_{id}.ports"));
        let started = Instant::now();
        while started.elapsed() < START_MAX {
            let ports = fs::read(&file).ok();
            let ports =
                ports.and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
            if let Some(url) = ports.as_ref().and_then(|ports| ports["nats"][0].as_str()) {
                return Ok(url.to_owned());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("nats-server did not start within {} s", START_MAX.as_secs())
    }

    fn release(mut self) -> anyhow::Result<Child> {
        self.0.take().context("the nats-server is gone")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(process) = &mut self.0 {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
