//! A nats-server of a test's own: on a free port, with its files in a directory that goes with the test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, Context};

/// How long a server may take to start.
const START_MAX: Duration = Duration::from_secs(20);

/// A server. It is killed when this is dropped.
pub struct Broker {
    dir: PathBuf,
    port: u16,
    process: Option<Child>,
}

impl Broker {
    /// Starts a server with JetStream, its files under `dir`.
    pub fn start(dir: &Path) -> Self {
        let mut broker = Self {
            dir: dir.to_owned(),
            port: 0,
            process: None,
        };
        broker.port = broker.spawn("-1");
        broker
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Where JetStream keeps its files.
    pub fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    /// Stops the server in order: what it acknowledged is on disk.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let asked = Command::new("kill").arg(process.id().to_string()).status();
            assert!(asked.unwrap().success());
            process.wait().unwrap();
        }
    }

    /// Kills the server. What it acknowledged last may be lost.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Has the server stand still, with its connections open.
    pub fn hang(&self) {
        self.signal("STOP");
    }

    /// Has a server that hangs go on.
    pub fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let process = self.process.as_ref().expect("it runs");
        let sent = Command::new("kill")
            .args(["-s", name, &process.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Starts the server again, on the same port and files.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "it runs");
        let port = self.spawn(&self.port.to_string());
        assert_eq!(port, self.port);
    }

    /// A client that comes back when the server does.
    pub async fn client(&self) -> async_nats::Client {
        async_nats::ConnectOptions::new()
            .retry_on_initial_connect()
            .reconnect_delay_callback(|_| Duration::from_millis(50))
            .connect(self.url())
            .await
            .unwrap()
    }

    pub async fn jetstream(&self) -> Context {
        jetstream::new(self.client().await)
    }

    fn spawn(&mut self, port: &str) -> u16 {
        let process = Command::new("nats-server")
            .args(["--addr", "127.0.0.1", "--port", port, "--jetstream"])
            .arg("--store_dir")
            .arg(self.store())
            .arg("--ports_file_dir")
            .arg(&self.dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server is to be installed: scripts/install-missing.sh nats-server");
        let ports_file = self.dir.join(format!("nats-server_{}.ports", process.id()));
        self.process = Some(process);

        let started = Instant::now();
        loop {
            let port = fs::read_to_string(&ports_file).ok().and_then(|ports| {
                let ports: serde_json::Value = serde_json::from_str(&ports).ok()?;
                let url = ports["nats"][0].as_str()?;
                url.rsplit(':').next()?.parse().ok()
            });
            if let Some(port) = port {
                return port;
            }
            assert!(started.elapsed() < START_MAX, "nats-server did not start");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Copies a directory with all in it.
pub fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
