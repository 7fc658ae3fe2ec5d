//! What a run measures with: how many events, how often, where.

use std::path::PathBuf;

use anyhow::ensure;
use clap::{Parser, ValueEnum};

use crate::sample_day::SampleDay;

/// Events from which on the aims for a large log are judged.
const LARGE_EVENTS: u64 = 10_000_000;
/// Events at which deferred registration is measured beside the run's own.
pub const SMALL_EVENTS: u64 = 100_000;

/// A section of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Section {
    /// Durable appends, beside a plain file and other stores
    Append,
    /// The whole way of a backlog, memory, disk, start and rebuild
    WholeWay,
    /// Queries, beside a handler that answers a constant
    Queries,
    /// Deferred registration
    Registration,
    /// One event at a time, until it is visible
    Latency,
    /// disintegrate on PostgreSQL, where the whole way is measured too
    Disintegrate,
}

/// Measures farelog, beside its peers, on this machine.
#[derive(Debug, Parser)]
pub struct Arguments {
    /// Events of the sample day that are measured with
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(SMALL_EVENTS..))]
    events: u64,
    /// How often each figure is measured; the table shows the median
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    runs: u64,
    /// Only these sections of the table; all without it
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Section>,
    /// Rates at which one event at a time is offered, a second
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000],
        value_parser = clap::value_parser!(u64).range(100..=1_000_000))]
    rates: Vec<u64>,
    /// Events at most for what is only compared with: other batches, other stores
    #[arg(long, default_value_t = 2_000_000)]
    peer_events_max: u64,
    /// Events for disintegrate on PostgreSQL
    #[arg(long, default_value_t = 20_000)]
    postgres_events: u64,
    /// The server's binary
    #[arg(long, default_value = "target/release/farelog")]
    farelog: PathBuf,
    /// The directory of the samples
    #[arg(long, default_value = "samples")]
    samples: PathBuf,
    /// Where data is kept during the run, on the disk that is to be measured
    #[arg(long, default_value = "target")]
    directory: PathBuf,
    /// Where the figures go as JSON
    #[arg(long, default_value = "target/bench.json")]
    report: PathBuf,
}

/// A run, prepared.
pub struct Plan {
    /// Messages that are measured with.
    pub events: u64,
    /// How often each figure is measured.
    pub runs: u64,
    only: Vec<Section>,
    /// Events that are offered a second, one at a time.
    pub rates: Vec<u64>,
    /// Messages for what is only compared with.
    pub peer_events: u64,
    /// Messages for disintegrate.
    pub postgres_events: u64,
    /// The server's binary.
    pub farelog: PathBuf,
    /// Where data is kept.
    pub directory: PathBuf,
    /// Where the figures go.
    pub report: PathBuf,
    /// What is measured with.
    pub day: SampleDay,
}

impl Plan {
    /// Reads the samples and checks that there is a server.
    ///
    /// # Errors
    /// A file is missing.
    pub fn new(arguments: Arguments) -> anyhow::Result<Self> {
        ensure!(
            arguments.farelog.is_file(),
            "there is no {}; run: make bench",
            arguments.farelog.display()
        );
        std::fs::create_dir_all(&arguments.directory)?;
        Ok(Self {
            events: arguments.events,
            runs: arguments.runs,
            only: arguments.only,
            rates: arguments.rates,
            peer_events: arguments.events.min(arguments.peer_events_max),
            postgres_events: arguments.events.min(arguments.postgres_events),
            farelog: arguments.farelog.canonicalize()?,
            directory: arguments.directory.canonicalize()?,
            report: arguments.report,
            day: SampleDay::load(&arguments.samples)?,
        })
    }

    /// Whether a section is to be measured.
    pub fn has(&self, section: Section) -> bool {
        self.only.is_empty() || self.only.contains(&section)
    }

    /// Whether the aims for a large log are to be judged.
    pub fn is_large(&self) -> bool {
        self.events >= LARGE_EVENTS
    }

    /// A directory for data that is removed when it is dropped.
    ///
    /// # Errors
    /// It can't be made.
    pub fn data_directory(&self) -> anyhow::Result<tempfile::TempDir> {
        let directory = tempfile::Builder::new()
            .prefix("bench-data-")
            .tempdir_in(&self.directory)?;
        Ok(directory)
    }
}
