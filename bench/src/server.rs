//! The real server, `farelog serve`, as a process: started, watched, killed.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::http::Connection;
use crate::machine;
use crate::progress::Progress;

/// Where the server writes its address, in its data directory.
const ADDRESS_FILE: &str = "http.addr";
/// How often is looked whether it has started.
const START_INTERVAL: Duration = Duration::from_millis(2);
/// How long it may take to start, with a rebuild of ten million events.
const START_MAX: Duration = Duration::from_secs(20 * 60);

/// A running server, killed when this is dropped.
pub struct Server {
    process: Child,
    data_dir: PathBuf,
    address: SocketAddr,
}

/// Resident memory of a process, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Resident {
    /// Now.
    pub now: u64,
    /// At its highest so far.
    pub most: u64,
}

/// Where a server's data and its log lines go.
#[derive(Debug, Clone)]
pub struct Place {
    /// The binary.
    pub binary: PathBuf,
    /// The data directory.
    pub data_dir: PathBuf,
    /// The broker's address.
    pub nats: String,
}

impl Server {
    /// Starts a server and waits until it serves HTTP, which is before it is ready.
    ///
    /// # Errors
    /// It ends by itself; its log lines are in the error.
    pub async fn start(place: &Place) -> anyhow::Result<Self> {
        fs::create_dir_all(&place.data_dir)?;
        let address_file = place.data_dir.join(ADDRESS_FILE);
        let _ = fs::remove_file(&address_file);
        let lines = fs::File::create(place.data_dir.join("server.log"))?;
        let mut command = Command::new(&place.binary);
        // What is set for another server must not reach this one.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FARELOG_") {
                command.env_remove(name);
            }
        }
        let process = command
            .args(["serve", "--listen", "127.0.0.1:0", "--log-filter", "warn"])
            .arg("--nats")
            .arg(&place.nats)
            .arg("--data-dir")
            .arg(&place.data_dir)
            .stdout(Stdio::null())
            .stderr(lines)
            .spawn()
            .with_context(|| {
                format!(
                    "{} can't be started; run: make bench",
                    place.binary.display()
                )
            })?;
        let mut server = Self {
            process,
            data_dir: place.data_dir.clone(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let started = Instant::now();
        while started.elapsed() < START_MAX {
            let address = fs::read_to_string(&address_file).unwrap_or_default();
            if let Ok(address) = address.trim().parse() {
                server.address = address;
                return Ok(server);
            }
            if let Some(status) = server.process.try_wait()? {
                bail!(
                    "farelog ended at its start ({status}): {}",
                    server.log_lines()
                );
            }
            tokio::time::sleep(START_INTERVAL).await;
        }
        bail!("farelog did not start within {} s", START_MAX.as_secs())
    }

    /// Where it serves HTTP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A connection to it.
    ///
    /// # Errors
    /// It has ended.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        Connection::open(self.address)
            .await
            .with_context(|| self.log_lines())
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// It ends, or never is.
    pub async fn ready(&self) -> anyhow::Result<()> {
        let mut connection = self.connect().await?;
        let started = Instant::now();
        while started.elapsed() < START_MAX {
            if connection.get("/health/ready").await?.status == 200 {
                return Ok(());
            }
            tokio::time::sleep(START_INTERVAL).await;
        }
        bail!("farelog was not ready within {} s", START_MAX.as_secs())
    }

    /// Waits until a query reflects a message of the stream.
    ///
    /// # Errors
    /// It ends, or refuses the query.
    pub async fn visible(&self, sequence: u64, mut progress: Progress) -> anyhow::Result<()> {
        let mut connection = self.connect().await?;
        let wait_ms = 1_000;
        let path = format!(
            "/personalisation/v1/transactions?orderId=NOBODY&minStreamSequence={sequence}&timeoutMs={wait_ms}"
        );
        loop {
            let answer = connection.get(&path).await?;
            match answer.status {
                200 => return Ok(()),
                504 => {
                    let problem: Value = serde_json::from_slice(answer.body)?;
                    progress.reach(problem["position"].as_u64().unwrap_or_default());
                }
                status => bail!("a query was answered with {status}"),
            }
        }
    }

    /// Waits until what it has to tell other systems is sent, so that it has nothing to do.
    ///
    /// # Errors
    /// It ends, or its figures can't be read.
    pub async fn idle(&self) -> anyhow::Result<()> {
        let mut connection = self.connect().await?;
        loop {
            let health = connection.get("/health/ready").await?;
            let health: Value = serde_json::from_slice(health.body)?;
            let position = |part: &str| health[part]["position"].as_u64();
            let head = position("log").context("/health/ready tells no position of the log")?;
            if position("outbox").is_none_or(|sent| sent >= head) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Its resident memory.
    ///
    /// # Errors
    /// It has ended.
    pub fn resident(&self) -> anyhow::Result<Resident> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let bytes = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
            Some(kibibytes * 1024)
        };
        bytes("VmRSS:")
            .zip(bytes("VmHWM:"))
            .map(|(now, most)| Resident { now, most })
            .context("the system does not tell resident memory")
    }

    /// The time of processors that it has taken.
    ///
    /// # Errors
    /// It has ended.
    pub fn processor_time(&self) -> anyhow::Result<Duration> {
        machine::processor_time(self.process.id())
    }

    /// Kills it without warning.
    ///
    /// # Errors
    /// It is gone already.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Has it end in good order.
    ///
    /// # Errors
    /// It ends with an error.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let id = Pid::from_raw(i32::try_from(self.process.id())?).context("no process")?;
        kill_process(id, Signal::TERM)?;
        let status = self.process.wait()?;
        if !status.success() {
            bail!("farelog ended with {status}: {}", self.log_lines());
        }
        Ok(())
    }

    fn log_lines(&self) -> String {
        fs::read_to_string(self.data_dir.join("server.log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a directory takes on disk, in bytes.
///
/// # Errors
/// It can't be read.
pub fn disk_bytes(directory: &Path) -> anyhow::Result<u64> {
    const BLOCK_BYTES: u64 = 512;
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() {
            disk_bytes(&entry.path())?
        } else {
            metadata.blocks() * BLOCK_BYTES
        };
    }
    Ok(bytes)
}
