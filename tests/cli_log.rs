//! `farelog log verify`, `export` and `import`, as commands on real files and against a real server.
#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod common;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::thread;

use chrono::{DateTime, TimeDelta};
use farelog_events::event::{EventKind, NewEvent, decode};
use farelog_events::id::{CustomerId, OrderId, ProgramId};
use farelog_events::json::JsonText;
use farelog_events::log::export::Export;
use farelog_events::log::memory::MemoryLog;
use farelog_events::log::sled_log::SledLog;
use farelog_events::log::{Batch, Entry, EventLog};
use farelog_projections::answer::Page;
use farelog_projections::{Projections, TransactionFilter, stored_order};
use farelog_test_support::directory;
use serde_json::{Value, json};

use common::{PATIENCE, Server};

const DAY: &str = "samples/day.ndjson";
const PROGRAMS: [(&str, i64); 2] = [("points-per-krone", 11), ("points-per-product", 12)];

/// `farelog` with these arguments, run to its end.
fn farelog(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = common::farelog();
    command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn done(arguments: &[&str]) -> String {
    let output = farelog(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn json_of(arguments: &[&str]) -> Value {
    serde_json::from_str(&done(&[arguments, &["--output", "json"]].concat())).unwrap()
}

/// The export of a running server.
fn exported(server: &Server) -> String {
    let address = format!("http://{}", server.address());
    done(&["log", "export", "--server", &address])
}

/// The sentence of a command that ended with exit code 1.
fn failed(arguments: &[&str]) -> String {
    let output = farelog(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    said(&output)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Records an event of each of so many orders, some in a batch.
fn fill(log: &dyn EventLog, orders: u32) {
    let event = |number: u32| {
        let data =
            json!({ "orderId": format!("O{number}"), "orderVersion": 1, "note": noise(number) })
                .to_string();
        NewEvent {
            source: "/tests".into(),
            id: number.to_string().into(),
            event_type: "OrderConfirmed".into(),
            time: DateTime::UNIX_EPOCH,
            correlation_id: None,
            about: decode(EventKind::OrderConfirmed, &data).unwrap().about(),
            data: JsonText::new(&data).unwrap(),
        }
    };
    for first in (0..orders).step_by(20) {
        let entries = (first..orders.min(first + 20)).map(|number| Entry {
            event: event(number),
            origin: None,
        });
        log.append(Batch {
            entries: entries.collect(),
            checkpoint: None,
            recorded_at: DateTime::UNIX_EPOCH + TimeDelta::minutes(first.into()),
        })
        .unwrap();
    }
}

/// The export of a log of so many orders, in a file.
fn small_export(directory: &Path, orders: u32) -> PathBuf {
    let log = MemoryLog::new();
    fill(&log, orders);
    let lines: Result<Vec<_>, _> = Export::of(Arc::new(log)).collect();
    let path = directory.join("small.ndjson");
    fs::write(&path, lines.unwrap().concat()).unwrap();
    path
}

/// The events of the sample day.
fn day() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(DAY)).unwrap()
}

/// Text that hardly compresses, so that there is something to damage everywhere in a file.
fn noise(seed: u32) -> String {
    let mut state = u64::from(seed) * 0x9E37_79B9 + 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        format!("{state:016x}")
    })
    .take(24)
    .collect()
}

/// The lines of the records of an export.
fn records(export: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = export.lines().skip(1).collect();
    lines.pop();
    lines
}

/// The records of an export, apart from when they were recorded.
fn without_recorded_times(export: &str) -> Vec<String> {
    let record = |line: &&str| {
        let (before, rest) = line.split_once("\"recordedtime\":\"").unwrap();
        format!("{before}{}", rest.split_once('"').unwrap().1)
    };
    records(export).iter().map(record).collect()
}

/// Everything that is projected of the log in a data directory, made anew, as bytes.
fn projected(data_dir: &Path) -> String {
    let log = SledLog::open(&data_dir.join("log")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let projections = Projections::open(directory.path(), &log).unwrap();
    projections.catch_up(&log).unwrap();
    let everything = Page {
        page: 1,
        per_page: 10_000,
    };
    let mut orders: Vec<OrderId> = day()
        .lines()
        .filter_map(|line| {
            let event: Value = serde_json::from_str(line).unwrap();
            event["data"]["orderId"].as_str()?.parse().ok()
        })
        .collect();
    orders.sort();
    orders.dedup();
    assert!(orders.len() > 100);
    let orders: Vec<Value> = orders
        .iter()
        .map(|order| {
            let document = projections.order(order).unwrap().value;
            json!([
                document.map(|it| stored_order::encode(&it).unwrap()),
                projections.transactions_of_order(order).unwrap().value,
            ])
        })
        .collect();
    let members: Vec<Value> = PROGRAMS
        .iter()
        .map(|(_, program)| {
            let program = ProgramId::new(*program).unwrap();
            let customer: CustomerId = "2000001".parse().unwrap();
            let member = projections.member_of(program, &customer).unwrap().value;
            let transactions = member.map(|member| {
                let filter = TransactionFilter::default();
                let found = projections.transactions_of_member(member.id, &filter, everything);
                found.unwrap().value
            });
            json!([
                projections.members(program, everything).unwrap().value,
                transactions
            ])
        })
        .collect();
    let dead_letters = projections.dead_letters(|_| true, everything).unwrap();
    json!([
        orders,
        members,
        dead_letters.value,
        projections.counters().unwrap().value
    ])
    .to_string()
}

/// Waits until the server has dealt with this message of the stream.
async fn until_read(server: &Server, sequence: u64) {
    let started = std::time::Instant::now();
    loop {
        let stats = server.get("/v1/operate/log/stats").await.json;
        let read = stats["checkpoint"]["sequence"].as_u64();
        if read.is_some_and(|read| read >= sequence) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{stats}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_running_server_is_the_log_as_it_was_and_gives_the_same_projections() {
    let files = tempfile::tempdir().unwrap();
    let at = |name: &str| files.path().join(name);
    let mut server = Server::start().await;
    let address = format!("http://{}", server.address());
    for (program, _) in PROGRAMS {
        let toml = format!("samples/programs/{program}.toml");
        done(&["program", "publish", &toml, "--server", &address]);
    }

    // Given a server that takes a day of sales in, when its log is copied meanwhile
    let mut publishing = command(&["publish", DAY, "--nats", server.nats.url()])
        .spawn()
        .unwrap();
    until_read(&server, 100).await;
    let during = at("during.ndjson");
    fs::write(&during, exported(&server)).unwrap();
    assert!(publishing.wait().unwrap().success());
    until_read(&server, day().lines().count() as u64).await;
    server.kill();

    // Then it is the beginning of what the log became.
    let data_dir = server.data_dir();
    let whole = done(&["log", "export", "--offline", "--data-dir", text(&data_dir)]);
    let during_text = fs::read_to_string(&during).unwrap();
    let (during_records, whole_records) = (records(&during_text), records(&whole));
    assert!(during_records.len() >= 100, "{}", during_records.len());
    assert_eq!(
        during_records,
        &whole_records[..during_records.len()],
        "the copy is no beginning of the log"
    );

    // And the log that is made of a copy of all of it says the same about everything.
    let (whole_file, copy) = (at("whole.ndjson"), at("copy"));
    fs::write(&whole_file, &whole).unwrap();
    let import = [
        "log",
        "import",
        text(&whole_file),
        "--data-dir",
        text(&copy),
    ];
    let imported = json_of(&import);
    let verify = |data_dir| json_of(&["log", "verify", "--data-dir", text(data_dir)]);
    let (of_original, of_copy) = (verify(&data_dir), verify(&copy));
    assert_eq!(of_copy["digest"], of_original["digest"]);
    assert_ne!(of_copy["logId"], of_original["logId"]);
    assert_eq!(imported["exportedLogId"], of_original["logId"]);
    assert_eq!(projected(&copy), projected(&data_dir));
    let again = done(&["log", "export", "--offline", "--data-dir", text(&copy)]);
    assert_eq!(records(&again), whole_records);

    // And restored in the log's place, the copy that was made meanwhile reads from the stream what it missed.
    fs::rename(&data_dir, at("kept")).unwrap();
    done(&[
        "log",
        "import",
        text(&during),
        "--data-dir",
        text(&data_dir),
    ]);
    let sent_up_to = during_records.len().to_string();
    server.restart_with(&["--outbox-after", &sent_up_to]).await;
    until_read(&server, day().lines().count() as u64).await;
    let caught_up = exported(&server);
    assert_eq!(
        without_recorded_times(&caught_up),
        without_recorded_times(&whole)
    );
}

/// What stands beside sled's own files, with its bytes.
fn beside_the_store(log: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = directory::files_in(log)
        .into_iter()
        .filter(|path| path.ends_with("farelog.mark") || path.starts_with(log.join("index")))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

/// An export before an upgrade had upgraded the log, and whoever ran it as root left files of the index that the server could
/// not read.
#[test]
fn what_only_looks_at_a_log_leaves_its_format_and_its_index_as_they_are() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("events/tests/fixtures");
    for (fixture, format, has_index) in [("format-1", 1, false), ("format-2", 2, true)] {
        let data_dir = tempfile::tempdir().unwrap();
        let log = data_dir.path().join("log");
        directory::copy(&fixtures.join(fixture), &log);
        let before = beside_the_store(&log);
        let place = ["--offline", "--data-dir", text(data_dir.path())];
        let run = |command: &[&str]| done(&[&["log"], command, &place].concat());

        let export = run(&["export"]);
        assert_eq!(records(&export).len(), 98);
        assert!(run(&["verify"]).starts_with("98 records verified, the log is sound;"));
        let stats: Value = serde_json::from_str(&run(&["stats", "--output", "json"])).unwrap();
        assert_eq!(stats["formatVersion"], format);
        assert_eq!(stats["lastPosition"], 98);
        assert!(run(&["stats"]).contains("98"));
        let findings: Value = serde_json::from_str(&run(&["verify", "--output", "json"])).unwrap();
        assert_eq!(findings["sound"], true);
        assert_eq!(findings["indexProblem"].is_null(), has_index, "{findings}");

        assert_eq!(beside_the_store(&log), before);
        assert_eq!(log.join("index").exists(), has_index);
    }
}

#[test]
fn an_import_is_all_or_nothing() {
    let files = tempfile::tempdir().unwrap();
    let export = small_export(files.path(), 40);
    let whole = fs::read_to_string(&export).unwrap();
    let data_dir = files.path().join("data");
    let import = [
        "log",
        "import",
        text(&export),
        "--data-dir",
        text(&data_dir),
    ];

    let lines: Vec<&str> = whole.lines().collect();
    fs::write(&export, lines[..30].join("\n")).unwrap();
    let said = failed(&import);
    assert!(
        said.contains("the export ends after line 30") && said.contains("nothing was imported"),
        "{said}"
    );
    fs::write(
        &export,
        whole.replace("\"position\":\"25\"", "\"position\":\"26\""),
    )
    .unwrap();
    let said = failed(&import);
    assert!(said.contains("line 26 of the export is wrong"), "{said}");
    assert_eq!(fs::read_dir(&data_dir).unwrap().count(), 0);

    // What a killed import left behind is in nobody's way.
    let unfinished = data_dir.join("log.importing");
    drop(SledLog::open(&unfinished).unwrap());
    fs::write(&export, &whole).unwrap();
    let said = done(&import);
    assert!(said.starts_with("40 records imported"), "{said}");
    let names: Vec<_> = fs::read_dir(&data_dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["log"]);

    let said = failed(&import);
    assert!(said.contains("an import never changes one"), "{said}");
}

#[test]
fn an_export_gets_its_name_once_it_is_whole() {
    let files = tempfile::tempdir().unwrap();
    let export = small_export(files.path(), 3);
    let data_dir = files.path().join("data");
    done(&[
        "log",
        "import",
        text(&export),
        "--data-dir",
        text(&data_dir),
    ]);
    let offline = ["--offline", "--data-dir", text(&data_dir)];

    let copy = files.path().join("copy.ndjson");
    let said = done(&[&["log", "export", text(&copy)][..], &offline].concat());
    assert!(said.starts_with("3 records exported to"), "{said}");
    let said = failed(&[&["log", "export", text(&copy)][..], &offline].concat());
    assert!(said.contains("is there already"), "{said}");
    let nowhere = ["--offline", "--data-dir", "/nowhere"];
    let other = files.path().join("other.ndjson");
    let said = failed(&[&["log", "export", text(&other)][..], &nowhere].concat());
    assert!(said.contains("there is no event log in /nowhere"), "{said}");
    let mut names: Vec<_> = fs::read_dir(files.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["copy.ndjson", "data", "small.ndjson"]);
}

#[test]
fn an_export_that_breaks_off_leaves_no_file() {
    let files = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    // A server that ends in the middle of its answer.
    let server = thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut request = [0; 4_096];
        let _ = connection.read(&mut request).unwrap();
        let answer = "HTTP/1.1 200 OK\r\nFarelog-Position: 9\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n";
        connection.write_all(answer.as_bytes()).unwrap();
    });
    let copy = files.path().join("copy.ndjson");
    let output = farelog(&["log", "export", text(&copy), "--server", &address]);
    server.join().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let sentence = said(&output);
    assert!(sentence.contains("broke off"), "{sentence}");
    assert_eq!(fs::read_dir(files.path()).unwrap().count(), 0);
}

/// Damage to a file: the byte at a place flipped, or everything from there on cut off.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Flip,
    Cut,
}

/// A place in a file of a log, and what is done to it there.
struct Damaged {
    /// The file, in the log's directory.
    name: PathBuf,
    damage: Damage,
    place: usize,
}

impl Damaged {
    /// Damages a copy of a sound log. Gives what the verification found, where that is not that all is as it was.
    fn found(&self, sound: &Path, data_dir: &Path, expected: &[&str]) -> Option<Value> {
        let _ = fs::remove_dir_all(data_dir);
        directory::copy(&sound.join("log"), &data_dir.join("log"));
        let file = data_dir.join("log").join(&self.name);
        let mut bytes = fs::read(&file).unwrap();
        match self.damage {
            Damage::Flip => bytes[self.place] ^= 0x20,
            Damage::Cut => bytes.truncate(self.place),
        }
        fs::write(file, bytes).unwrap();

        let place = format!(
            "{:?} {} at {}",
            self.damage,
            self.name.display(),
            self.place
        );
        let at = ["--data-dir", text(data_dir)];
        let verify = farelog(&[&["log", "verify", "--output", "json"][..], &at].concat());
        match verify.status.code() {
            Some(0) => {
                let export = done(&[&["log", "export", "--offline"][..], &at].concat());
                assert!(records(&export) == expected, "{place}: other data");
                None
            }
            Some(1) => {
                let said = said(&verify);
                assert!(
                    said.starts_with("farelog: the event log"),
                    "{place}: {said}"
                );
                assert!(!said.contains("panicked"), "{place}: {said}");
                Some(serde_json::from_slice(&verify.stdout).unwrap_or_default())
            }
            other => panic!("{place}: {other:?}, {}", said(&verify)),
        }
    }
}

/// Damages at ten places of each file of a log.
fn damages(log: &Path) -> Vec<Damaged> {
    let mut damages = Vec::new();
    for file in directory::files_in(log) {
        let length = usize::try_from(fs::metadata(&file).unwrap().len()).unwrap();
        for (damage, number) in [Damage::Flip, Damage::Cut]
            .into_iter()
            .flat_map(|damage| (0..10).map(move |number| (damage, number)))
        {
            // An odd step, so that the places fall into all parts of what sled keeps.
            let place = length * (2 * number + 1) / 21;
            if place < length {
                let name = file.strip_prefix(log).unwrap().to_owned();
                damages.push(Damaged {
                    name,
                    damage,
                    place,
                });
            }
        }
    }
    damages
}

#[test]
fn damage_to_any_file_is_found_or_changes_nothing() {
    /// Copies of the log that are damaged and looked at at once.
    const AT_ONCE: usize = 4;
    let files = tempfile::tempdir().unwrap();
    let sound = files.path().join("sound");
    fill(&SledLog::open(&sound.join("log")).unwrap(), 2_000);
    let expected = done(&["log", "export", "--offline", "--data-dir", text(&sound)]);
    let expected = records(&expected);

    let damages = damages(&sound.join("log"));
    let (sound, damages, expected) = (&sound, &damages, &expected);
    let found: Vec<Value> = thread::scope(|scope| {
        let found_by = |worker: usize| {
            let data_dir = files.path().join(format!("damaged-{worker}"));
            scope.spawn(move || {
                let mine = damages.iter().skip(worker).step_by(AT_ONCE);
                mine.filter_map(|damaged| damaged.found(sound, &data_dir, expected))
                    .collect::<Vec<_>>()
            })
        };
        let workers: Vec<_> = (0..AT_ONCE).map(found_by).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    });
    // Where what was damaged lies in the log differs from run to run, with what sled puts where.
    let mut named = found
        .iter()
        .filter_map(|finding| finding["firstBadPosition"].as_u64());
    assert!(
        named.any(|position| (1..=2_000).contains(&position)),
        "no damage was named by its position: {found:?}"
    );
}
