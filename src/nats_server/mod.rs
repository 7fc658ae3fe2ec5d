//! The embedded broker: a private nats-server that starts and stops with farelog (`--nats embedded`).
//!
//! ```text
//! farelog serve ── stdin, open as long as farelog lives ──▶ farelog nats-guard ──▶ nats-server
//! ```
//!
//! The server must not outlive farelog, also where farelog is killed and can do nothing about it. So it is started by
//! a small process of its own, the guard ([`guard`]), which ends it when the pipe from farelog is closed, and the system
//! closes that with the last of farelog. It must not be two either: JetStream takes no lock on its files, so the
//! server holds one for it, which lasts as long as any process that writes there.
//!
//! A server that dies is started again, on the same port. Its files are under `<data-dir>/nats`: `jetstream/` with
//! the streams, the configuration (written at each start), `nats-server.log`, and `url` with its address while it
//! runs.
//!
//! Durability: nats-server acknowledges a publication before it is synced to disk, and syncs every two minutes. A power
//! cut can lose what was acknowledged in between; what farelog has read is in its own log by then, and ingestion
//! notices the lost tail and says so. [`EmbeddedOptions::sync_always`] has each publication synced first, which costs
//! a factor of about 25 in throughput.

mod configuration;
pub mod guard;
mod process;
mod program;
mod supervisor;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use program::Program;
use supervisor::Supervisor;

/// Name of the directory within the data directory.
pub const NATS_DIRECTORY: &str = "nats";
/// Name of the file with the server's address within that directory.
pub const URL_FILE: &str = "url";
/// Name of the server's log within that directory.
pub const LOG_FILE: &str = "nats-server.log";

/// How an embedded server is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedOptions {
    /// Where its files are: `<data-dir>/nats`. Made if it is not there.
    pub dir: PathBuf,
    /// The port on 127.0.0.1; `None` for any free one, which it then keeps.
    pub port: Option<u16>,
    /// Sync each publication to disk before it is acknowledged. Needs nats-server 2.10.
    pub sync_always: bool,
}

/// Why there is no embedded server.
#[derive(Debug, Error)]
pub enum EmbeddedError {
    /// There is no nats-server on this machine.
    #[error(
        "there is no nats-server on this machine; install it (apt-get install nats-server, brew install nats-server, or \
         from github.com/nats-io/nats-server/releases), or name a running one with --nats"
    )]
    NotInstalled,
    /// What is there is too old, or no nats-server.
    #[error(
        "{} is not nats-server 2.9 or newer (it says {said:?}); install a newer one, or name a running one with --nats",
        program.display()
    )]
    NotUsable {
        /// The program.
        program: PathBuf,
        /// What it says of itself.
        said: String,
    },
    /// It can't sync each message.
    #[error(
        "nats-server {version} can't sync each message before it acknowledges it; install 2.10 or newer, or set \
         nats-sync-always to false"
    )]
    NoSyncAlways {
        /// Its version.
        version: String,
    },
    /// Its files can't be written or read.
    #[error("{} can't be {action}: {source}", path.display())]
    File {
        /// What was tried, as a participle.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It did not start.
    #[error("the embedded nats-server did not start: {reason}; {} may say more", log.display())]
    NotStarted {
        /// What is known of it.
        reason: String,
        /// Its log.
        log: PathBuf,
    },
}

impl EmbeddedError {
    fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }
}

/// An embedded server. Dropped, it is stopped without being waited for.
#[derive(Debug)]
pub struct EmbeddedServer {
    url: String,
    stop: oneshot::Sender<()>,
    supervisor: JoinHandle<()>,
}

/// How long stopping may take before the processes are left to the guard.
const STOP_MAX: Duration = Duration::from_secs(20);

impl EmbeddedServer {
    /// Starts a server and waits until it takes connections. A large store takes it a while to read.
    ///
    /// # Errors
    /// There is no nats-server, its files can't be written, or it does not start.
    pub async fn start(options: EmbeddedOptions) -> Result<Self, EmbeddedError> {
        let program = Program::find().await?;
        let (stop, stopped) = oneshot::channel();
        let supervisor = Supervisor::start(program, options).await?;
        let url = supervisor.url();
        tracing::info!(%url, "the embedded nats-server runs");
        Ok(Self {
            url,
            stop,
            supervisor: tokio::spawn(supervisor.run(stopped)),
        })
    }

    /// Its address, for example `nats://127.0.0.1:4222`. It stays the same when the server is started again.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops the server and waits until it has ended.
    pub async fn shutdown(self) {
        // A supervisor that is gone has stopped its server already.
        let _ = self.stop.send(());
        match tokio::time::timeout(STOP_MAX, self.supervisor).await {
            Ok(Ok(())) => tracing::debug!("the embedded nats-server has stopped"),
            Ok(Err(error)) => tracing::error!(%error, "the supervision of nats-server failed"),
            Err(_) => tracing::warn!("nats-server takes long to stop, its guard will end it"),
        }
    }
}
