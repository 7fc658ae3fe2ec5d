//! A nats-server of a test's own, with its files in a directory that goes with the test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::jetstream::stream::StorageType;
use async_nats::jetstream::{self, Context};
use futures::TryStreamExt;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value};

use crate::bare::{self, BareMessage};

/// How long a server may take to start, to answer, or to write what it has.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server with JetStream, on a free port that it keeps. Dropped, it is killed.
pub struct Broker {
    directory: PathBuf,
    /// How many bytes JetStream may keep in files; the server's own limit where there is none.
    store_bytes_max: Option<u64>,
    /// More of its configuration.
    more: Map<String, Value>,
    process: Option<Child>,
    url: String,
    monitoring: String,
}

impl Broker {
    /// Starts one with its files in a directory, which is made, and waits until it takes connections.
    pub fn start(directory: &Path) -> Self {
        Self::start_on(directory, None, Map::new())
    }

    /// Starts one with more in its configuration.
    pub fn start_configured(directory: &Path, more: Map<String, Value>) -> Self {
        Self::start_on(directory, None, more)
    }

    /// Starts one whose streams together may have so many bytes in files and no more.
    pub fn start_with_small_store(directory: &Path, store_bytes_max: u64) -> Self {
        Self::start_on(directory, Some(store_bytes_max), Map::new())
    }

    fn start_on(directory: &Path, store_bytes_max: Option<u64>, more: Map<String, Value>) -> Self {
        fs::create_dir_all(directory).unwrap();
        let mut broker = Self {
            directory: directory.to_owned(),
            store_bytes_max,
            more,
            process: None,
            url: String::new(),
            monitoring: String::new(),
        };
        broker.spawn("-1");
        broker
    }

    /// The same server, for another user of it; this one keeps it running.
    #[must_use]
    pub fn shared(&self) -> Self {
        Self {
            directory: self.directory.clone(),
            store_bytes_max: self.store_bytes_max,
            more: self.more.clone(),
            process: None,
            url: self.url.clone(),
            monitoring: self.monitoring.clone(),
        }
    }

    /// Where it is reached.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its monitoring pages are; elsewhere after each start.
    pub fn monitoring(&self) -> &str {
        &self.monitoring
    }

    /// Where JetStream keeps its files.
    pub fn store(&self) -> PathBuf {
        self.directory.join("store")
    }

    /// Whether it was started and neither stopped nor killed.
    pub fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// Has it stand still, with its connections open.
    pub fn hang(&self) {
        self.signal(Signal::STOP);
    }

    /// Has one that hangs go on.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills it without a word, if it is up. What it acknowledged last may be lost.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Tells it to end, and waits until it has: it forgets nothing.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        self.process.take().unwrap().wait().unwrap();
    }

    /// Starts it again, with the files and the port that it had.
    pub fn start_again(&mut self) {
        assert!(!self.is_up(), "it runs");
        let port = self.url.rsplit(':').next().unwrap().to_owned();
        self.spawn(&port);
    }

    /// The same, with as much room for its streams as there is.
    pub fn start_again_with_room(&mut self) {
        self.store_bytes_max = None;
        self.start_again();
    }

    /// A client that comes back when the server does.
    pub async fn client(&self) -> async_nats::Client {
        crate::client_of(&self.url).await
    }

    /// A client of its streams.
    pub async fn jetstream(&self) -> Context {
        let mut jetstream = jetstream::new(self.client().await);
        jetstream.set_timeout(PATIENCE);
        jetstream
    }

    /// Waits until all that its streams have stands in its files: killed then, it forgets nothing of it.
    pub async fn until_written(&self) {
        until_written(&self.jetstream().await, &self.store()).await;
    }

    /// Publishes events about orders, each on its order's subject; gives the sequence of the last.
    pub async fn publish(&self, events: &[Value]) -> u64 {
        let jetstream = self.jetstream().await;
        let mut sequence = 0;
        for event in events {
            let order = event["data"]["orderId"].as_str().unwrap();
            let acknowledged = jetstream
                .publish(format!("orders.{order}"), event.to_string().into())
                .await
                .unwrap();
            sequence = acknowledged.await.unwrap().sequence;
        }
        sequence
    }

    /// Publishes messages that a client would not, in this order. Returns once the server has read them all.
    pub async fn publish_bare(&self, messages: &[BareMessage<'_>]) {
        let server = self.url.strip_prefix("nats://").unwrap();
        bare::say(server, messages.iter().map(BareMessage::published)).await;
    }

    fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().expect("it runs");
        kill_process(Pid::from_child(process), signal).unwrap();
    }

    fn spawn(&mut self, port: &str) {
        let process = Command::new("nats-server")
            .arg("--config")
            .arg(self.configuration())
            .args(["--addr", "127.0.0.1", "--port", port, "--http_port", "-1"])
            .arg("--ports_file_dir")
            .arg(&self.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server is needed: `make tools` installs it");
        let ports = format!("nats-server_{}.ports", process.id());
        let ports = self.directory.join(ports);
        self.process = Some(process);
        let started = Instant::now();
        loop {
            // Half written, it is no JSON yet.
            let read = fs::read_to_string(&ports).unwrap_or_default();
            let ports: Value = serde_json::from_str(&read).unwrap_or_default();
            let address = |name: &str| ports[name][0].as_str().map(str::to_owned);
            if let (Some(url), Some(monitoring)) = (address("nats"), address("monitoring")) {
                (self.url, self.monitoring) = (url, monitoring);
                return;
            }
            assert!(started.elapsed() < PATIENCE, "nats-server does not start");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Writes the server's configuration; a limit of its store has no flag.
    fn configuration(&self) -> PathBuf {
        let mut jetstream = serde_json::json!({ "store_dir": self.store() });
        if let Some(bytes) = self.store_bytes_max {
            jetstream["max_file_store"] = bytes.into();
        }
        let path = self.directory.join("nats.conf");
        let mut configuration = self.more.clone();
        configuration.insert("jetstream".to_owned(), jetstream);
        fs::write(&path, Value::Object(configuration).to_string()).unwrap();
        path
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until all that the streams of a server have stands in its files, which are in this directory. An acknowledged
/// message is in the server's memory at first, and a kill takes it. The last of each has to be unlike those before it: it is
/// looked for.
pub async fn until_written(jetstream: &Context, store: &Path) {
    let names: Vec<String> = jetstream.stream_names().try_collect().await.unwrap();
    for name in names {
        let stream = jetstream.get_stream(&name).await.unwrap();
        let info = stream.cached_info();
        if info.state.messages == 0 || info.config.storage != StorageType::File {
            continue;
        }
        let last = stream.get_raw_message(info.state.last_sequence).await;
        let payload = last.unwrap().payload;
        assert!(!payload.is_empty(), "nothing to look for in {name}");
        let blocks = store.join("jetstream/$G/streams").join(&name).join("msgs");
        let started = Instant::now();
        // A stream's messages are written in their order.
        while !stands_in(&blocks, &payload) {
            assert!(started.elapsed() < PATIENCE, "{name} is not written");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Whether a file of a directory has these bytes in it.
fn stands_in(directory: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(directory).unwrap().any(|file| {
        // One may be put away meanwhile.
        let file = fs::read(file.unwrap().path()).unwrap_or_default();
        file.windows(bytes.len()).any(|part| part == bytes)
    })
}
