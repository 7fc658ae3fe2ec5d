//! The embedded broker: it comes and goes with farelog, however farelog goes.
#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use farelog_test_support::broker;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const FARELOG: &str = env!("CARGO_BIN_EXE_farelog");
const PATIENCE: Duration = Duration::from_secs(60);

/// A server with its broker, on free ports, with its files in a directory of its own.
struct Farelog {
    process: Child,
    data: TempDir,
}

impl Farelog {
    fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let process = Command::new(FARELOG)
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data.path())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let farelog = Self { process, data };
        until("there are addresses", || {
            farelog.read("http.addr").is_some() && farelog.read("nats/url").is_some()
        });
        farelog
    }

    fn path(&self, name: &str) -> PathBuf {
        self.data.path().join(name)
    }

    fn read(&self, name: &str) -> Option<String> {
        let text = fs::read_to_string(self.path(name)).ok()?;
        // It may just be written.
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The process id of nats-server, by the file in which it tells its addresses.
    fn nats_server(&self) -> Option<Pid> {
        let files = fs::read_dir(self.path("nats")).unwrap();
        let mut names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.find_map(|name| {
            let pid = name.strip_prefix("nats-server_")?.strip_suffix(".ports")?;
            Pid::from_raw(pid.parse().unwrap())
        })
    }

    /// Whether a nats-server, or its guard, still has the directory.
    fn is_locked(&self) -> bool {
        let lock = File::options()
            .write(true)
            .open(self.path("nats/lock"))
            .unwrap();
        lock.try_lock().is_err()
    }

    fn publish(&self, order: &str) {
        let url = self.read("nats/url").unwrap();
        let event = format!(
            r#"{{"specversion":"1.0","id":"{order}","source":"test","type":"OrderConfirmed",
                "data":{{"orderId":"{order}","orderVersion":1}}}}"#
        );
        let subject = format!("orders.{order}");
        runtime().block_on(async {
            let jetstream = async_nats::jetstream::new(async_nats::connect(url).await.unwrap());
            // The stream may not be made yet.
            let published = tokio::time::timeout(PATIENCE, async {
                while jetstream
                    .publish(subject.clone(), event.clone().into())
                    .await
                    .unwrap()
                    .await
                    .is_err()
                {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            });
            published.await.unwrap();
        });
    }

    /// Waits until a kill takes nothing from the broker.
    fn until_broker_has_written(&self) {
        let url = self.read("nats/url").unwrap();
        runtime().block_on(async {
            let jetstream = async_nats::jetstream::new(async_nats::connect(url).await.unwrap());
            broker::until_written(&jetstream, &self.path("nats")).await;
        });
    }

    fn ingested(&self) -> Option<u64> {
        let url = format!("http://{}/health/ready", self.read("http.addr")?);
        let health: serde_json::Value =
            runtime().block_on(async { reqwest::get(url).await.ok()?.json().await.ok() })?;
        health["ingestion"]["lastSequence"].as_u64()
    }
}

impl Drop for Farelog {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // The directory is to go after those who write there.
        until("nobody writes any more", || !self.is_locked());
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}

/// Waits until something holds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(
            started.elapsed() < PATIENCE,
            "it never came to hold that {what}"
        );
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn it_starts_with_farelog_and_ends_with_it() {
    let mut farelog = Farelog::start();
    farelog.publish("o1");
    until("the event is in the log", || farelog.ingested() == Some(1));
    assert!(farelog.is_locked());

    let pid = Pid::from_child(&farelog.process);
    kill_process(pid, Signal::TERM).unwrap();
    assert!(farelog.process.wait().unwrap().success());
    assert!(!farelog.is_locked());
    assert_eq!(farelog.read("nats/url"), None);
    assert_eq!(farelog.nats_server(), None, "it ended in order");
}

/// A broker of which nothing is heard is waited for, up to five minutes. Told to end meanwhile, farelog went on waiting.
#[test]
fn told_to_end_it_waits_no_longer_for_a_broker_to_start() {
    let programs = tempfile::tempdir().unwrap();
    let program = programs.path().join("nats-server");
    let started = programs.path().join("started");
    let script = format!(
        "#!/bin/sh\n[ $1 = --version ] && echo nats-server: v2.10.7 && exit\ntouch {}\nexec sleep 600\n",
        started.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let data = tempfile::tempdir().unwrap();
    let mut farelog = Command::new(FARELOG)
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(data.path())
        .env(
            "PATH",
            format!("{}:/usr/bin:/bin", programs.path().display()),
        )
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the broker is being started", || started.exists());
    kill_process(Pid::from_child(&farelog), Signal::TERM).unwrap();
    until("it has ended", || farelog.try_wait().unwrap().is_some());
    assert!(farelog.wait().unwrap().success());
    let lock = File::options()
        .write(true)
        .open(data.path().join("nats/lock"))
        .unwrap();
    until("nothing of the broker runs", || lock.try_lock().is_ok());
}

#[test]
fn it_does_not_outlive_a_farelog_that_is_killed() {
    let mut farelog = Farelog::start();
    farelog.process.kill().unwrap();
    farelog.process.wait().unwrap();
    until("the broker has ended", || !farelog.is_locked());
    assert_eq!(farelog.nats_server(), None, "it ended in order");
}

#[test]
fn it_is_started_again_on_its_port_when_it_dies() {
    let farelog = Farelog::start();
    farelog.publish("o1");
    until("the first event is in the log", || {
        farelog.ingested() == Some(1)
    });
    let (url, first) = (farelog.read("nats/url"), farelog.nats_server().unwrap());

    // Ingestion would rightly stop at what is lost.
    farelog.until_broker_has_written();
    kill_process(first, Signal::KILL).unwrap();
    until("another runs", || {
        farelog.nats_server().is_some_and(|pid| pid != first)
    });
    assert_eq!(farelog.read("nats/url"), url);
    farelog.publish("o2");
    until("the second event is in the log", || {
        farelog.ingested() == Some(2)
    });
}

#[test]
fn a_port_that_is_taken_is_an_error_that_says_so() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let data = tempfile::tempdir().unwrap();
    let output = Command::new(FARELOG)
        .args(["serve", "--listen", "127.0.0.1:0", "--nats-port"])
        .arg(taken.local_addr().unwrap().port().to_string())
        .arg("--data-dir")
        .arg(data.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("the embedded nats-server did not start: "),
        "{said}"
    );
    assert!(said.contains("address already in use"), "{said}");
    until("nobody writes any more", || {
        is_free(&data.path().join("nats/lock"))
    });
}

fn is_free(lock: &Path) -> bool {
    let lock = File::options().write(true).open(lock).unwrap();
    lock.try_lock().is_ok()
}

#[test]
fn a_guard_ends_its_program_when_its_input_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let mut guard = Command::new(FARELOG)
        .arg("nats-guard")
        .args([dir.path().join("lock"), dir.path().join("log")])
        .args(["sleep", "1000"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(guard.stdout.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    assert!(said.starts_with("pid "), "{said}");
    assert!(!is_free(&dir.path().join("lock")));

    drop(guard.stdin.take());
    guard.wait().unwrap();
    assert!(is_free(&dir.path().join("lock")));
}
