//! A nats-server of a test's own, with its files in a directory that goes with the test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, Context};
use rustix::process::{Pid, Signal, kill_process};

const START_TIME_MAX: Duration = Duration::from_secs(20);

/// A server with JetStream, on a port of its own that it keeps. Killed when dropped.
pub struct Broker {
    directory: PathBuf,
    port: u16,
    process: Option<Child>,
}

impl Broker {
    pub fn start(directory: &Path) -> Self {
        let mut broker = Self {
            directory: directory.join("nats"),
            port: 0,
            process: None,
        };
        broker.port = broker.spawn("-1");
        broker
    }

    /// Where JetStream keeps its files.
    pub fn store(&self) -> PathBuf {
        self.directory.join("jetstream")
    }

    pub fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// Kills the server without a word.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Has the server stand still, with its connections open.
    pub fn hang(&self) {
        self.signal(Signal::STOP);
    }

    /// Has a server that hangs go on.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(self.process.as_ref().unwrap());
        kill_process(pid, signal).unwrap();
    }

    /// Starts the server again, with the files that it left.
    pub fn start_again(&mut self) {
        assert!(!self.is_up());
        let port = self.port.to_string();
        self.spawn(&port);
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// A client that comes back when the server does.
    pub async fn client(&self) -> async_nats::Client {
        async_nats::ConnectOptions::new()
            .retry_on_initial_connect()
            .reconnect_delay_callback(|_| Duration::from_millis(20))
            .connect(self.url())
            .await
            .unwrap()
    }

    pub async fn jetstream(&self) -> Context {
        jetstream::new(self.client().await)
    }

    fn spawn(&mut self, port: &str) -> u16 {
        fs::create_dir_all(&self.directory).unwrap();
        let process = Command::new("nats-server")
            .args(["-js", "-a", "127.0.0.1", "-p", port, "-sd"])
            .arg(self.store())
            .arg("--ports_file_dir")
            .arg(&self.directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server is needed: `make tools` installs it");
        let told = format!("nats-server_{}.ports", process.id());
        self.process = Some(process);
        let since = Instant::now();
        loop {
            if let Ok(text) = fs::read(self.directory.join(&told))
                && let Ok(ports) = serde_json::from_slice::<serde_json::Value>(&text)
            {
                let url = ports["nats"][0].as_str().unwrap();
                return url.rsplit(':').next().unwrap().parse().unwrap();
            }
            assert!(since.elapsed() < START_TIME_MAX, "nats-server is not up");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}
