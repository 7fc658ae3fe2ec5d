//! A process that ingests numbered messages and writes down what it would acknowledge.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::mem;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use chrono::Utc;
use farelog_events::log::sled_log::{IndexMemory, SledLog};
use farelog_events::log::writer::{AdmitAll, LogWriter, WriterError, WriterLimits};
use farelog_events::log::{Batch, EventLog, LogError};
use futures::executor::block_on;

use crate::numbered::{arrivals, behind};

pub const DIRECTORY: &str = "FARELOG_TEST_DIRECTORY";
pub const WITNESS: &str = "FARELOG_TEST_WITNESS";
const MESSAGES: &str = "FARELOG_TEST_MESSAGES";
const SMALL_INDEX: &str = "FARELOG_TEST_SMALL_INDEX";

/// So little that a table of the index is made every few batches, and some are sorted in.
const SMALL: IndexMemory = IndexMemory {
    cache_bytes: 64 * 1024,
    gathered_bytes: 2 * 1024,
};

/// How long a child may take for what it is told to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// Messages before the checkpoint that the child has delivered to it again.
const REDELIVERED: u64 = 12;

/// Not a test: what the children run. Goes on with the stream where the log stands, with some messages delivered once more,
/// until it is killed or has taken in as many as it is told. After each commit it says how far it is; a log that fails
/// has it say so, see that nothing more is taken, and end.
#[test]
#[ignore = "run by the other tests as a process of its own"]
fn child_that_ingests() {
    let directory = PathBuf::from(env::var_os(DIRECTORY).unwrap());
    let messages_max: Option<u64> = env::var(MESSAGES).ok().map(|text| text.parse().unwrap());
    let witness = env::var_os(WITNESS).unwrap();
    let mut witness = OpenOptions::new().append(true).open(witness).unwrap();
    let mut say = move |text: String| witness.write_all(text.as_bytes()).unwrap();

    let memory = match env::var_os(SMALL_INDEX) {
        Some(_) => SMALL,
        None => IndexMemory::USUAL,
    };
    let log = match open_soon_within(memory, &directory) {
        Ok(log) => Arc::new(log),
        Err(error) => return say(format!("refused {error}\n")),
    };
    let start = log
        .head()
        .checkpoint
        .map_or(0, |checkpoint| checkpoint.sequence);
    say(format!("open {start}\n"));
    let running = LogWriter::spawn(
        Arc::<SledLog>::clone(&log),
        Box::new(AdmitAll),
        WriterLimits::default(),
    )
    .unwrap();
    drop(running.feed);

    let mut done = start;
    let mut next = start.saturating_sub(REDELIVERED) + 1;
    for size in [1, 7, 40, 2, 150, 16].into_iter().cycle() {
        if messages_max.is_some_and(|max| done >= start + max) {
            say("done\n".to_owned());
            // Not closed: sled syncs once more then, which nothing relies on, and panics where that fails.
            mem::forget(Arc::clone(&log));
            return;
        }
        // Two at once, so that some commits serve several requests.
        let (middle, end) = (next + size, next + size + REDELIVERED);
        let ingest = |from, to| running.writer.ingest(arrivals(from..=to), behind(to));
        let (one, two) =
            block_on(async { futures::join!(ingest(next, middle), ingest(middle + 1, end)) });
        match one.and(two) {
            Ok(_) => {
                done = done.max(end);
                say(format!("acknowledged {done}\n"));
                next = end + 1;
            }
            Err(error) => {
                assert!(matches!(error, WriterError::Log(_)), "{error}");
                assert!(
                    !matches!(&error, WriterError::Log(cause) if matches!(**cause, LogError::Poisoned))
                );
                fails_from_now_on(&log);
                assert!(running.thread.join().unwrap().is_err());
                return say(format!("failed {error}\n"));
            }
        }
    }
}

/// Opens a log that this process, or the one that started it, may have just closed: processes that are being started
/// hold a copy of its lock until they have come to their own program.
pub fn open_soon(directory: &Path) -> Result<SledLog, LogError> {
    open_soon_within(IndexMemory::USUAL, directory)
}

fn open_soon_within(memory: IndexMemory, directory: &Path) -> Result<SledLog, LogError> {
    let started = Instant::now();
    loop {
        match SledLog::open_within(memory, directory) {
            Err(LogError::InUse(_)) if started.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(1));
            }
            opened => return opened,
        }
    }
}

/// After a failure nothing is taken, and nothing is seen that was not durable.
fn fails_from_now_on(log: &SledLog) {
    let head = log.head();
    for _ in 0..3 {
        let refused = log.append(Batch {
            entries: Vec::new(),
            checkpoint: Some(behind(1_000_000_000)),
            recorded_at: Utc::now(),
        });
        assert!(matches!(refused, Err(LogError::Poisoned)));
        assert_eq!(log.head(), head);
    }
}

/// A directory for a log, and what its children said.
#[derive(Debug)]
pub struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("root")).unwrap();
        Self { directory }
    }

    /// What a power cut is about: the log is in a directory in it.
    pub fn root(&self) -> PathBuf {
        fs::canonicalize(self.directory.path())
            .unwrap()
            .join("root")
    }

    pub fn log(&self) -> PathBuf {
        self.root().join("data/log")
    }

    pub fn open(&self) -> SledLog {
        open_soon(&self.log()).unwrap()
    }

    pub fn witness(&self) -> PathBuf {
        self.root().with_file_name("witness")
    }

    pub fn journal(&self) -> PathBuf {
        self.root().with_file_name("journal")
    }

    /// What a child says is new; what one before it said is gone.
    pub fn command(&self) -> Command {
        self.command_of("ingester::child_that_ingests")
    }

    /// A child that runs this test, which writes to the log's directory or beside it.
    pub fn command_of(&self, test: &str) -> Command {
        fs::write(self.witness(), "").unwrap();
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", test, "--ignored"])
            .env(DIRECTORY, self.log())
            .env(WITNESS, self.witness())
            .env("RUST_BACKTRACE", "0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        command
    }

    /// A child with the library in it that writes down what it does to the files below [`root`](Self::root).
    pub fn recorded_command(&self) -> Command {
        self.recorded(self.command())
    }

    pub fn recorded(&self, mut command: Command) -> Command {
        let library = env::current_exe()
            .unwrap()
            .with_file_name("libfarelog_power_cut.so");
        assert!(library.exists(), "{} was not built", library.display());
        let _ = fs::remove_file(self.journal());
        command
            .env("LD_PRELOAD", library)
            .env("POWER_CUT_ROOT", self.root())
            .env("POWER_CUT_JOURNAL", self.journal())
            .env("POWER_CUT_WITNESS", self.witness());
        command
    }

    pub fn said(&self) -> Said {
        Said::parse(&fs::read_to_string(self.witness()).unwrap())
    }
}

/// Has a child stop by itself after so many messages.
pub fn messages(command: &mut Command, count: u64) -> &mut Command {
    command.env(MESSAGES, count.to_string())
}

/// Has a child bring its index to the disk all the time, not each ten thousands of events.
pub fn small_index(command: &mut Command) -> &mut Command {
    command.env(SMALL_INDEX, "1")
}

/// What a child said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// It had opened the log.
    pub opened: bool,
    /// The last sequence that it acknowledged, or found in the log when it opened it.
    pub acknowledged: u64,
    /// Why it ended, where it was the log.
    pub failure: Option<String>,
    /// It had taken in all that it was told to.
    pub done: bool,
}

impl Said {
    /// The last line may be in parts.
    pub fn parse(text: &str) -> Self {
        let mut said = Self::default();
        for line in text.split_inclusive('\n') {
            let Some(line) = line.strip_suffix('\n') else {
                break;
            };
            match line.split_once(' ') {
                Some(("open", sequence)) => {
                    said.opened = true;
                    said.acknowledged = sequence.parse().unwrap();
                }
                Some(("acknowledged", sequence)) => said.acknowledged = sequence.parse().unwrap(),
                Some(("failed" | "refused", error)) => said.failure = Some(error.to_owned()),
                _ if line == "done" => said.done = true,
                _ => panic!("a child says {line:?}"),
            }
        }
        said
    }
}

/// A running child; killed at the latest when this is dropped.
#[derive(Debug)]
pub struct Ingester(Child);

impl Ingester {
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// Waits until the witness holds something that `is_enough`.
    pub fn until(&mut self, place: &Place, is_enough: impl Fn(&Said) -> bool) {
        let started = Instant::now();
        while !is_enough(&place.said()) {
            let ended = self.0.try_wait().unwrap();
            assert!(ended.is_none(), "the child ended: {:?}", place.said());
            assert!(started.elapsed() < PATIENCE, "{:?}", place.said());
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits for a child that ends by itself.
    pub fn end(mut self, place: &Place) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "the child does not end: {:?}",
                place.said()
            );
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Ingester {
    fn drop(&mut self) {
        // SIGKILL: nothing is flushed, closed or unlocked. One that has ended can't be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
