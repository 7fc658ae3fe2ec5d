//! A real nats-server with JetStream, on a free port.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::jetstream;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::PATIENCE;

/// A broker. Dropped, it is killed.
pub struct Nats {
    process: Option<Child>,
    directory: PathBuf,
    url: String,
    monitoring: String,
}

impl Nats {
    /// Starts one whose files are in a directory, and waits until it takes connections.
    pub fn start(directory: PathBuf) -> Self {
        fs::create_dir_all(&directory).unwrap();
        let mut nats = Self {
            process: None,
            directory,
            url: String::new(),
            monitoring: String::new(),
        };
        nats.spawn("-1");
        nats
    }

    /// The same broker, for another server; this one keeps it running.
    pub fn shared(&self) -> Self {
        Self {
            process: None,
            directory: self.directory.clone(),
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

    /// Has it stand still, with its connections open.
    pub fn hang(&self) {
        self.signal(Signal::STOP);
    }

    /// Has one that hangs go on.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(self.process.as_ref().unwrap());
        kill_process(pid, signal).unwrap();
    }

    /// Kills it.
    pub fn kill(&mut self) {
        let mut child = self.process.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Tells it to end, and waits until it has: it forgets nothing.
    pub fn stop(&mut self) {
        let mut child = self.process.take().unwrap();
        let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        child.wait().unwrap();
    }

    /// Starts it again, with the files and the port that it had.
    pub fn restart(&mut self) {
        let port = self.url.rsplit(':').next().unwrap().to_owned();
        self.spawn(&port);
    }

    fn spawn(&mut self, port: &str) {
        let child = Command::new("nats-server")
            .args(["--addr", "127.0.0.1", "--port", port, "--jetstream"])
            .args(["--http_port", "-1"])
            .arg("--store_dir")
            .arg(&self.directory)
            .arg("--ports_file_dir")
            .arg(&self.directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server must be installed");
        let ports = self
            .directory
            .join(format!("nats-server_{}.ports", child.id()));
        self.process = Some(child);
        let started = Instant::now();
        loop {
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

    /// A client of its streams.
    pub async fn jetstream(&self) -> jetstream::Context {
        jetstream::new(async_nats::connect(&self.url).await.unwrap())
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
}

impl Drop for Nats {
    fn drop(&mut self) {
        if let Some(mut child) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
