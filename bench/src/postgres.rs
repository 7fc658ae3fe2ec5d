//! A PostgreSQL of this run's own, for the peer that needs one.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

/// Where Debian keeps the versions.
const DEBIAN: &str = "/usr/lib/postgresql";
/// The user that Debian makes for it: it refuses to run as root.
const SYSTEM_USER: &str = "postgres";
const USER: &str = "bench";
const DATABASE: &str = "postgres";
const START_MAX: Duration = Duration::from_secs(20);
const STOP_MAX: Duration = Duration::from_secs(10);

/// A running cluster with the settings that it is made with, `fsync` among them. Stopped and removed when it is dropped.
pub struct Postgres {
    process: Child,
    sockets: TempDir,
    version: String,
    _data: TempDir,
}

/// A system user and group.
#[derive(Debug, Clone, Copy)]
struct Account {
    user: u32,
    group: u32,
}

impl Postgres {
    /// Makes a cluster in `data` and starts it.
    ///
    /// # Errors
    /// There is no PostgreSQL here, or nobody that it may run as.
    pub async fn start(data: TempDir) -> anyhow::Result<Self> {
        let programs = programs().context("there is no PostgreSQL on this machine")?;
        let account = account(data.path())?;
        // The sockets' path must be short.
        let sockets = TempDir::new()?;
        if let Some(Account { user, group }) = account {
            for directory in [data.path(), sockets.path()] {
                chown(directory, Some(user), Some(group))?;
            }
        }
        let command = |name: &str| {
            let mut command = Command::new(programs.join(name));
            command.current_dir(data.path()).stdout(Stdio::null());
            if let Some(Account { user, group }) = account {
                command.uid(user).gid(group);
            }
            command
        };
        let cluster = data.path().join("cluster");
        let made = command("initdb")
            .args([
                "--auth=trust",
                "--encoding=UTF8",
                "--username",
                USER,
                "--pgdata",
            ])
            .arg(&cluster)
            .output()?;
        ensure!(
            made.status.success(),
            "PostgreSQL's initdb failed: {}",
            String::from_utf8_lossy(&made.stderr).trim()
        );
        let told = command("postgres")
            .arg("--version")
            .stdout(Stdio::piped())
            .output()?;
        let lines = fs::File::create(data.path().join("postgres.log"))?;
        let process = command("postgres")
            .arg("-D")
            .arg(&cluster)
            .args(["-h", "", "-k"])
            .arg(sockets.path())
            .stderr(lines)
            .spawn()?;
        let postgres = Self {
            process,
            sockets,
            version: String::from_utf8_lossy(&told.stdout)
                .replace("postgres (PostgreSQL) ", "")
                .trim()
                .to_owned(),
            _data: data,
        };
        postgres.listening().await?;
        Ok(postgres)
    }

    /// How to connect to it.
    pub fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(self.sockets.path())
            .username(USER)
            .database(DATABASE)
    }

    /// Its version, as it tells.
    pub fn version(&self) -> &str {
        &self.version
    }

    async fn listening(&self) -> anyhow::Result<()> {
        let started = Instant::now();
        while started.elapsed() < START_MAX {
            if let Ok(connection) = PgConnection::connect_with(&self.options()).await {
                connection.close().await?;
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("PostgreSQL did not start within {} s", START_MAX.as_secs())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Killed outright, it would leave shared memory behind.
        if let Some(id) = i32::try_from(self.process.id())
            .ok()
            .and_then(Pid::from_raw)
        {
            let _ = kill_process(id, Signal::QUIT);
        }
        let told = Instant::now();
        while told.elapsed() < STOP_MAX {
            if let Ok(Some(_)) = self.process.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The directory of its programs: one that is on the PATH, else Debian's newest.
fn programs() -> Option<PathBuf> {
    let has_programs = |directory: &PathBuf| {
        ["initdb", "postgres"]
            .iter()
            .all(|name| directory.join(name).is_file())
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(directory) = std::env::split_paths(&path).find(has_programs) {
        return Some(directory);
    }
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let directory = entry.ok()?.path();
            let version = directory.file_name()?.to_str()?.parse().ok()?;
            Some((version, directory.join("bin"))).filter(|(_, programs)| has_programs(programs))
        })
        .collect();
    versions.sort();
    versions.pop().map(|(_, programs)| programs)
}

/// Whom it is to run as; `None` for whoever runs this.
fn account(own: &Path) -> anyhow::Result<Option<Account>> {
    if fs::metadata(own)?.uid() != 0 {
        return Ok(None);
    }
    let id = |what: &str| -> anyhow::Result<u32> {
        let told = Command::new("id").args([what, SYSTEM_USER]).output()?;
        ensure!(
            told.status.success(),
            "PostgreSQL does not run as root, and there is no user {SYSTEM_USER}"
        );
        Ok(String::from_utf8(told.stdout)?.trim().parse()?)
    };
    Ok(Some(Account {
        user: id("-u")?,
        group: id("-g")?,
    }))
}
