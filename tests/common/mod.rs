//! A whole farelog for tests: a real nats-server and a real `farelog serve`, on free ports, in a directory that goes with
//! them.

#![allow(dead_code, reason = "each file of tests uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

pub mod sale;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use farelog_test_support::broker::Broker;
use farelog_test_support::directory;
use farelog_test_support::way::Way;

/// How long anything may take that is waited for.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How long a connection is kept for the next request: less than farelog keeps it, so that none is sent as it goes.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// A running farelog and its broker. Dropped, both are killed.
pub struct Server {
    pub nats: Broker,
    /// The way that farelog goes to the broker; the straight one where there is none.
    way: Option<Way>,
    process: Option<Child>,
    arguments: Vec<String>,
    http: reqwest::Client,
    base: String,
    directory: TempDir,
}

/// What was answered.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// The body, where it is JSON.
    pub json: Value,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("no header", |value| value.to_str().unwrap())
    }

    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or("no code")
    }
}

impl Server {
    /// A server that is ready and reads the stream.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same, with more flags.
    pub async fn start_with(arguments: &[&str]) -> Self {
        let mut server = Self::to_be_started(arguments);
        server.restart().await;
        server
    }

    /// One whose broker runs already, and which is to be started with more flags.
    pub fn to_be_started(arguments: &[&str]) -> Self {
        Self::beside(Broker::start, arguments)
    }

    /// One whose broker runs already, and has so many bytes of room for all streams.
    pub fn with_small_broker(store_bytes_max: u64) -> Self {
        let broker = |directory: &Path| Broker::start_with_small_store(directory, store_bytes_max);
        Self::beside(broker, &[])
    }

    /// One whose broker runs already, and has more in its configuration.
    pub fn with_broker(more: Value) -> Self {
        let Value::Object(more) = more else {
            panic!("it is an object");
        };
        Self::beside(|directory| Broker::start_configured(directory, more), &[])
    }

    fn beside(broker: impl FnOnce(&Path) -> Broker, arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            nats: broker(&directory.path().join("nats")),
            way: None,
            process: None,
            arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
            http: reqwest::Client::builder()
                .timeout(PATIENCE)
                .pool_idle_timeout(IDLE_MAX)
                .build()
                .unwrap(),
            base: String::new(),
            directory,
        }
    }

    /// A server at the same broker, on a copy of this one's data directory. Neither runs.
    pub fn copied(&self) -> Self {
        assert!(self.process.is_none(), "it runs");
        let copy = Self {
            nats: self.nats.shared(),
            way: None,
            process: None,
            arguments: self.arguments.clone(),
            http: self.http.clone(),
            base: String::new(),
            directory: tempfile::tempdir().unwrap(),
        };
        directory::copy(&self.data_dir(), &copy.data_dir());
        copy
    }

    /// Where log and projections are.
    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Everything that the processes said on stderr so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.directory.path().join("stderr")).unwrap()
    }

    /// Waits until one of them has said this there.
    pub async fn until_it_says(&self, what: &str) {
        let started = Instant::now();
        while !self.stderr().contains(what) {
            assert!(started.elapsed() < PATIENCE, "{}", self.stderr());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The server's address.
    pub fn address(&self) -> &str {
        self.base.strip_prefix("http://").unwrap()
    }

    /// The command that runs it, for more flags.
    pub fn command(&self) -> Command {
        let nats = self.way.as_ref().map_or(self.nats.url(), Way::url);
        let mut command = farelog();
        command
            .arg("serve")
            .args(["--nats", nats, "--listen", "127.0.0.1:0"])
            .arg("--data-dir")
            .arg(self.data_dir())
            .args(&self.arguments);
        command
    }

    /// Has farelog, from its next start on, go a way to the broker that can be bad.
    pub async fn go_by_a_way(&mut self) {
        self.way = Some(Way::to(self.nats.url()).await);
    }

    /// That way.
    pub fn way(&self) -> &Way {
        self.way.as_ref().unwrap()
    }

    /// Starts farelog, which must not run, and waits until it is ready and reads the stream.
    pub async fn restart(&mut self) {
        self.spawn();
        let started = Instant::now();
        loop {
            let ready = self.get("/health/ready").await;
            if ready.status == 200 && ready.json["ingestion"]["state"] == "RUNNING" {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "not ready: {ready:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Starts farelog and waits until it listens.
    pub fn spawn(&mut self) {
        let command = self.command();
        self.spawn_as(command);
    }

    /// Starts farelog on a disk on which no file can grow beyond so many blocks of 512 bytes.
    pub fn spawn_on_small_disk(&mut self, blocks: u32) {
        let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let farelog = self.command();
        let mut command = Command::new("sh");
        command
            .args(["-c", &limited])
            .arg(farelog.get_program())
            .args(farelog.get_args())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        self.spawn_as(command);
    }

    /// Starts farelog on a disk that fails: which call on which part of the data directory, and how, as `tests/power-cut`
    /// has it.
    /// Says whether it came to listen.
    pub fn spawn_on_failing_disk(&mut self, part: &str, fault: &str) -> bool {
        let command = self.command_on_failing_disk(part, fault);
        self.listens_as(command)
    }

    /// The command for that.
    pub fn command_on_failing_disk(&self, part: &str, fault: &str) -> Command {
        fs::create_dir_all(self.data_dir()).unwrap();
        let library = std::env::current_exe()
            .unwrap()
            .with_file_name("libfarelog_power_cut.so");
        assert!(library.exists(), "{} was not built", library.display());
        let directory = fs::canonicalize(self.directory.path()).unwrap();
        let mut command = self.command();
        command
            .env("LD_PRELOAD", library)
            .env("POWER_CUT_ROOT", directory.join("data"))
            .env("POWER_CUT_JOURNAL", directory.join("journal"))
            .env("POWER_CUT_FAULT_ON", part)
            .env("POWER_CUT_FAULT", fault);
        command
    }

    /// Starts a command that runs it, and waits until it listens.
    pub fn spawn_as(&mut self, command: Command) {
        assert!(self.listens_as(command), "{}", self.stderr());
    }

    /// Starts a command, and waits until it listens or has ended; says whether it listens.
    fn listens_as(&mut self, mut command: Command) -> bool {
        let address = self.data_dir().join("http.addr");
        let _ = fs::remove_file(&address);
        let stderr = File::options()
            .create(true)
            .append(true)
            .open(self.directory.path().join("stderr"))
            .unwrap();
        let child = command.stderr(stderr).spawn().unwrap();
        let child = self.process.insert(child);
        let started = Instant::now();
        while !address.exists() {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(started.elapsed() < PATIENCE, "it does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        self.base = format!("http://{}", fs::read_to_string(address).unwrap().trim());
        true
    }

    /// Starts farelog, which must not run, and has it go on with the stream that there is.
    pub async fn adopt_stream(&mut self) {
        self.restart_with(&["--adopt-stream"]).await;
    }

    /// Starts farelog, which must not run, with more flags this once.
    pub async fn restart_with(&mut self, flags: &[&str]) {
        let usual = self.arguments.len();
        self.arguments
            .extend(flags.iter().map(|&flag| flag.to_owned()));
        self.restart().await;
        self.arguments.truncate(usual);
    }

    /// Kills farelog without a warning.
    pub fn kill(&mut self) {
        let mut child = self.process.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Kills farelog without a warning, with requests under way. [`Server::kill`] sees it off.
    pub fn strike(&self) {
        self.send(Signal::KILL);
    }

    /// Tells farelog to end.
    pub fn terminate(&self) {
        self.send(Signal::TERM);
    }

    fn send(&self, signal: Signal) {
        let child = self.process.as_ref().unwrap();
        let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits until farelog has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut child = self.process.take().unwrap();
        let started = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "{}", self.stderr());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A request to it, by a named caller. What it is to wait for it waits for as long as it may, if it does not say.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let waits = path.contains("minStreamSequence=") || path.contains("minPosition=");
        let patience = if waits && !path.contains("timeoutMs=") {
            "&timeoutMs=30000"
        } else {
            ""
        };
        self.http
            .request(method, format!("{}{path}{patience}", self.base))
            .header("ET-Client-Name", "farelog-tests")
    }

    pub async fn get(&self, path: &str) -> Reply {
        reply(self.request(Method::GET, path)).await
    }

    /// A POST without a body.
    pub async fn act(&self, path: &str) -> Reply {
        reply(self.request(Method::POST, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        reply(self.request(Method::POST, path).json(body)).await
    }

    /// Publishes a program in TOML.
    pub async fn publish_program(&self, id: i64, toml: &str) -> Reply {
        let path = format!("/personalisation/v1/programs/{id}");
        let request = self
            .request(Method::PUT, &path)
            .header("Content-Type", "application/toml");
        reply(request.body(toml.to_owned())).await
    }

    /// Makes a customer a member and gives the member's id.
    pub async fn enrol(&self, program: i64, customer: &str) -> i64 {
        let path = format!("/personalisation/v1/programs/{program}/members");
        let body = serde_json::json!({ "customerId": customer });
        let member = self.post(&path, &body).await;
        member.json["id"].as_i64().unwrap()
    }

    /// Waits until the readiness answers so, and gives the answer.
    pub async fn until_ready_says(&self, holds: impl Fn(&Reply) -> bool) -> Reply {
        let started = Instant::now();
        loop {
            let ready = self.get("/health/ready").await;
            if holds(&ready) {
                return ready;
            }
            assert!(started.elapsed() < PATIENCE, "{ready:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until farelog has taken in the stream up to a sequence and has told of all of it. Gives the readiness then.
    pub async fn until_all_is_told(&self, sequence: u64) -> Reply {
        self.until_ready_says(|ready| {
            let position = &ready.json["log"]["position"];
            ready.json["ingestion"]["lastSequence"].as_u64() >= Some(sequence)
                && ready.json["projections"]["position"] == *position
                && ready.json["outbox"]["position"] == *position
                && ready.json["outbox"]["state"] == "SENDING"
        })
        .await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Sends a request and reads its answer. A server that does not answer is status 0.
pub async fn reply(request: RequestBuilder) -> Reply {
    let Ok(response) = request.send().await else {
        return Reply {
            status: 0,
            headers: HeaderMap::new(),
            text: String::new(),
            json: Value::Null,
        };
    };
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap_or_default();
    Reply {
        status,
        headers,
        json: serde_json::from_str(&text).unwrap_or_default(),
        text,
    }
}

/// The program under test, told nothing by the environment.
pub fn farelog() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farelog"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FARELOG_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}
