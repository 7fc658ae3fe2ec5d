//! `--offline`: the same answers from the files of a stopped server, and what is decided there is there for the next.
#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const START_TIME_MAX: Duration = Duration::from_secs(60);

/// A server on a free port. Its broker is away for good, which holds up nothing but events.
struct Server(Child);

impl Server {
    fn start(data_dir: &Path) -> (Self, String) {
        let address = data_dir.join("http.addr");
        let _ = fs::remove_file(&address);
        let process = Command::new(env!("CARGO_BIN_EXE_farelog"))
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--nats",
                "nats://127.0.0.1:1",
            ])
            .arg("--data-dir")
            .arg(data_dir)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self(process);
        let started = Instant::now();
        loop {
            if let Ok(address) = fs::read_to_string(&address) {
                return (server, format!("http://{}", address.trim()));
            }
            assert!(
                started.elapsed() < START_TIME_MAX,
                "the server does not start"
            );
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    /// As a crash would.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn farelog(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_farelog"))
        .args(args)
        .args(["--output", "json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

fn done(args: &[&str]) -> String {
    let output = farelog(args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {said}");
    // An offline command once gave its result and then panicked on stderr: the files were closed on a runtime that had
    // no timers, so they never were.
    assert_eq!(said, "", "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_files_of_a_killed_server_answer_as_the_server_did() {
    let directory = tempfile::tempdir().unwrap();
    let offline = [
        "--offline",
        "--data-dir",
        directory.path().to_str().unwrap(),
    ];
    let members = ["member", "list", "--program", "points-per-krone"];

    let (server, address) = Server::start(directory.path());
    let online = ["--server", address.as_str()];
    let program = [
        "program",
        "publish",
        "samples/programs/points-per-krone.toml",
    ];
    done(&[&program[..], &online].concat());
    let enroll = ["member", "enroll", "--program", "11", "--customer", "7"];
    done(&[&enroll[..], &online].concat());
    let answered = done(&[&members[..], &online].concat());

    let output = farelog(&[&members[..], &offline].concat());
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("in use by another process"), "{said}");

    drop(server);
    let output = farelog(&[&["program", "show", "none"][..], &offline].concat());
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.starts_with("farelog: there is no program"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(done(&[&members[..], &offline].concat()), answered);

    let enroll = ["member", "enroll", "--program", "11", "--customer", "8"];
    done(&[&enroll[..], &offline].concat());
    let changed = done(&[&members[..], &offline].concat());
    assert_ne!(changed, answered);

    let (_server, address) = Server::start(directory.path());
    let online = ["--server", address.as_str()];
    assert_eq!(done(&[&members[..], &online].concat()), changed);
}
