//! All projections made anew from a log, and beside it the log only read.

use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use farelog_events::log::EventLog;
use farelog_events::log::sled_log::SledLog;
use farelog_projections::Projections;

use crate::progress::Progress;

/// Records of one read, as the projections take them.
const READ_RECORDS: usize = 4_096;
/// How often is looked how far a rebuild is.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// How a rebuild went.
#[derive(Debug, Clone, Copy)]
pub struct Rebuilt {
    /// Records in the log.
    pub records: u64,
    /// How long it took to make all projections, until they were on disk.
    pub took: Duration,
    /// How long it took to read and decode every record of the same log.
    pub reading: Duration,
}

/// Reads the log of a stopped server, then makes its projections anew. Blocks.
///
/// # Errors
/// Another process has the directory, or what was made is not whole.
pub fn rebuild(data_dir: &Path) -> anyhow::Result<Rebuilt> {
    let log = SledLog::open(&data_dir.join("log"))?;
    let head = log.head().position;

    let started = Instant::now();
    let mut read = 0;
    while read < head {
        read += log.read(read + 1, READ_RECORDS)?.len() as u64;
    }
    let reading = started.elapsed();

    let directory = data_dir.join("projections");
    std::fs::remove_dir_all(&directory)?;
    let started = Instant::now();
    let projections = Projections::open(&directory, &log)?;
    watched(&projections, head, || projections.catch_up(&log))?;
    let took = started.elapsed();
    ensure!(
        projections.position() == head,
        "the projections were made up to {} of {head}",
        projections.position()
    );
    Ok(Rebuilt {
        records: head,
        took,
        reading,
    })
}

/// Says now and then how far the projections are while they are brought forward.
fn watched<T>(projections: &Projections, head: u64, work: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        let (ended, end) = mpsc::channel::<()>();
        scope.spawn(move || {
            let mut progress = Progress::new("rebuilt", head);
            while end.recv_timeout(PROGRESS_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                progress.reach(projections.position());
            }
        });
        let done = work();
        drop(ended);
        done
    })
}
