//! A run of the server: the guard, the server under it, and the port that it listens on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::sleep;

use super::program::Program;
use super::{EmbeddedError, LOG_FILE, guard};

/// How long the server may take until it listens. It reads its whole store first.
const START_MAX: Duration = Duration::from_secs(300);
/// How often it is said that it still starts.
const START_REMINDER: Duration = Duration::from_secs(10);
const PORTS_INTERVAL: Duration = Duration::from_millis(10);
/// Size above which the server's log is put aside before a start; one older log is kept.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A running server.
#[derive(Debug)]
pub(super) struct ServerProcess {
    guard: Child,
    /// Held open: the guard ends the server when it closes.
    lifeline: Option<ChildStdin>,
    pub(super) port: u16,
}

/// The file in which nats-server tells its addresses.
#[derive(Deserialize)]
struct Ports {
    nats: Vec<String>,
}

impl ServerProcess {
    /// Starts a server with a configuration file in `dir`, and waits until it listens.
    ///
    /// `farelog` is this program, found when it was started: an upgrade may have put another file in its place.
    pub(super) async fn start(
        farelog: &Path,
        program: &Program,
        dir: &Path,
        configuration: &Path,
    ) -> Result<Self, EmbeddedError> {
        let log = dir.join(LOG_FILE);
        put_aside(&log).map_err(EmbeddedError::file("put aside", &log))?;
        remove_ports_files(dir);
        let log_bytes = fs::metadata(&log).map_or(0, |file| file.len());
        let not_started = |reason: String| EmbeddedError::NotStarted {
            reason,
            log: log.clone(),
        };

        let mut guard = Command::new(farelog)
            .arg(guard::SUBCOMMAND)
            .arg(dir.join("lock"))
            .arg(&log)
            .arg(&program.path)
            .arg("--config")
            .arg(configuration)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Out of the terminal's group: an interrupt is for farelog, which then ends the server when it is done.
            .process_group(0)
            .spawn()
            .map_err(|error| not_started(error.to_string()))?;
        let lifeline = guard.stdin.take();

        let mut said = String::new();
        if let Some(stdout) = guard.stdout.take() {
            // An error leaves it empty.
            let _ = BufReader::new(stdout).read_line(&mut said).await;
        }
        let pid = match said.trim_end().split_once(' ') {
            Some(("pid", pid)) => pid.to_owned(),
            Some(("error", reason)) => return Err(not_started(reason.to_owned())),
            _ => return Err(not_started("its guard ended".to_owned())),
        };
        let mut process = Self {
            guard,
            lifeline,
            port: 0,
        };
        process.port = process
            .listening(dir, &pid)
            .await
            .map_err(|reason| not_started(reason.unwrap_or_else(|| last_error(&log, log_bytes))))?;
        Ok(process)
    }

    /// Waits until the server has ended by itself.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.guard.wait().await
    }

    /// Has the server end, and waits for it.
    pub(super) async fn stop(mut self) -> io::Result<()> {
        drop(self.lifeline.take());
        self.guard.wait().await.map(drop)
    }

    /// Waits until the server listens; gives its port. An error without a reason is one that the server's log tells.
    async fn listening(&mut self, dir: &Path, pid: &str) -> Result<u16, Option<String>> {
        let started = Instant::now();
        let mut reminder = START_REMINDER;
        loop {
            if let Some(port) = port_in(dir, pid) {
                return Ok(port);
            }
            if let Ok(Some(_)) = self.guard.try_wait() {
                return Err(None);
            }
            if started.elapsed() >= START_MAX {
                let reason = format!("it did not listen within {} s", START_MAX.as_secs());
                return Err(Some(reason));
            }
            if started.elapsed() >= reminder {
                tracing::info!("the embedded nats-server still reads its store");
                reminder += START_REMINDER;
            }
            sleep(PORTS_INTERVAL).await;
        }
    }
}

/// The port in the file that the server with this process id wrote, once it is there and whole.
fn port_in(dir: &Path, pid: &str) -> Option<u16> {
    let file = dir.join(format!("nats-server_{pid}.ports"));
    let ports: Ports = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    ports.nats.first()?.rsplit(':').next()?.parse().ok()
}

/// Files that servers which were killed left behind.
fn remove_ports_files(dir: &Path) {
    let files = fs::read_dir(dir).into_iter().flatten().flatten();
    for path in files.map(|file| file.path()) {
        if path
            .extension()
            .is_some_and(|extension| extension == "ports")
        {
            let _ = fs::remove_file(path);
        }
    }
}

fn put_aside(log: &Path) -> io::Result<()> {
    match fs::metadata(log) {
        Ok(file) if file.len() > LOG_BYTES_MAX => {
            let mut old = log.as_os_str().to_owned();
            old.push(".old");
            fs::rename(log, PathBuf::from(old))
        }
        _ => Ok(()),
    }
}

/// What a server that ended said of it, in what its log has from `from` on: its last error, else its last line; without
/// its process id and the time.
fn last_error(log: &Path, from: u64) -> String {
    let log = fs::read(log).unwrap_or_default();
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    let text = String::from_utf8_lossy(log.get(from..).unwrap_or_default());
    let is_error = |line: &&str| line.contains("[FTL]") || line.contains("[ERR]");
    let line = text
        .lines()
        .rfind(is_error)
        .or_else(|| text.lines().rfind(|line| !line.trim().is_empty()));
    match line {
        Some(line) => line
            .rsplit_once("] ")
            .map_or(line, |(_, said)| said)
            .to_owned(),
        None => "it ended at once".to_owned(),
    }
}
