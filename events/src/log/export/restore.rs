//! A log made of an export.

use thiserror::Error;

use super::line::{self, LineProblem};
use super::{ExportEnd, ExportHeader, digest_text};
use crate::log::sled_log::SledLog;
use crate::log::{EventLog, LogError, Position, Record};

/// Records in one append at most: each append costs a sync.
const BATCH_RECORDS_MAX: usize = 8_192;
/// Bytes of lines after which an append is due, however few records they are.
const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why an export does not become a log.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// The log has records, or was fed from a stream.
    #[error("the log to import into is not empty; import into a new one")]
    NotEmpty,
    /// A line is not what it should be.
    #[error("line {line} of the export is wrong: {problem}")]
    Line {
        /// The line's number, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// The export has no end.
    #[error(
        "the export ends after line {lines}, before its last line; it was cut off, make it again"
    )]
    CutOff {
        /// How many lines it has.
        lines: u64,
    },
    /// All lines can be read, and together they are not what was exported.
    #[error(
        "the export was changed after it was made: its records have the digest {found}, its last line says {expected}"
    )]
    OtherDigest {
        /// What the records have.
        found: String,
        /// What the export says.
        expected: String,
    },
    /// The log can't be written or read.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// What a log was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The first line of the export.
    pub header: ExportHeader,
    /// The last line of the export.
    pub end: ExportEnd,
}

/// Makes a log of an export, line by line.
///
/// Appends go to the log in batches, so a log whose restoration ended before [`finish`](Self::finish) has a part of the
/// records. Whoever wants all or nothing restores beside the place where the log is to be.
pub struct Restore<'l> {
    log: &'l SledLog,
    lines: u64,
    pending: Vec<Record>,
    pending_bytes: usize,
    stage: Stage,
}

enum Stage {
    Header,
    Records {
        header: ExportHeader,
        last: Option<Last>,
    },
    Ended(Restored),
}

#[derive(Clone, Copy)]
struct Last {
    position: Position,
    recorded_at: chrono::DateTime<chrono::Utc>,
}

impl<'l> Restore<'l> {
    /// Begins with the log, which must be new.
    ///
    /// # Errors
    /// [`RestoreError::NotEmpty`].
    pub fn new(log: &'l SledLog) -> Result<Self, RestoreError> {
        let head = log.head();
        if head.position > 0 || head.checkpoint.is_some() {
            return Err(RestoreError::NotEmpty);
        }
        Ok(Self {
            log,
            lines: 0,
            pending: Vec::new(),
            pending_bytes: 0,
            stage: Stage::Header,
        })
    }

    /// What the first line says, once it was taken.
    pub fn header(&self) -> Option<&ExportHeader> {
        match &self.stage {
            Stage::Header => None,
            Stage::Records { header, .. } | Stage::Ended(Restored { header, .. }) => Some(header),
        }
    }

    /// Takes the next line, with or without its line feed.
    ///
    /// # Errors
    /// [`RestoreError::Line`] with its number, [`RestoreError::Log`]. The restoration is over then.
    pub fn take(&mut self, line: &[u8]) -> Result<(), RestoreError> {
        self.lines += 1;
        let number = self.lines;
        let wrong = |LineProblem(problem)| RestoreError::Line {
            line: number,
            problem,
        };
        let text = std::str::from_utf8(line)
            .map_err(|_| wrong(LineProblem("it is not UTF-8 text".to_owned())))?
            .trim_ascii();
        match &mut self.stage {
            Stage::Header => {
                self.stage = Stage::Records {
                    header: line::read_header(text).map_err(wrong)?,
                    last: None,
                };
            }
            Stage::Records { header, last } => {
                let next = last.map_or(1, |last| last.position + 1);
                if next > header.last_position {
                    let end = line::read_end(text).map_err(wrong)?;
                    let header = header.clone();
                    if end.last_position != header.last_position {
                        let text = "it names another number of records than the first line";
                        return Err(wrong(LineProblem(text.to_owned())));
                    }
                    self.append()?;
                    self.stage = Stage::Ended(Restored { header, end });
                    return Ok(());
                }
                let record = line::record(text)
                    .and_then(|record| follows(*last, next, record))
                    .map_err(wrong)?;
                *last = Some(Last {
                    position: record.position,
                    recorded_at: record.recorded_at,
                });
                self.pending.push(record);
                self.pending_bytes += text.len();
                if self.pending.len() == BATCH_RECORDS_MAX || self.pending_bytes >= BATCH_BYTES_MAX
                {
                    self.append()?;
                }
            }
            Stage::Ended(_) => {
                let text = "the export ended with the line before it";
                return Err(wrong(LineProblem(text.to_owned())));
            }
        }
        Ok(())
    }

    /// Reads the log that was made from its first byte to its last, and holds it against the export. `progress` hears
    /// how far that is, now and then. Once this has returned, the log is whole and durable.
    ///
    /// # Errors
    /// [`RestoreError::CutOff`], [`RestoreError::OtherDigest`], [`RestoreError::Log`].
    pub fn finish(self, progress: impl FnMut(Position)) -> Result<Restored, RestoreError> {
        let Stage::Ended(restored) = self.stage else {
            return Err(RestoreError::CutOff { lines: self.lines });
        };
        let found = digest_text(self.log.verify(progress)?.digest);
        let expected = restored.end.digest.clone();
        if found != expected {
            return Err(RestoreError::OtherDigest { found, expected });
        }
        Ok(restored)
    }

    /// Appends what was taken. The checkpoint goes with the last records: before them it would not be true.
    fn append(&mut self) -> Result<(), RestoreError> {
        let checkpoint = match &self.stage {
            Stage::Records {
                header,
                last: Some(last),
            } if last.position == header.last_position => header.checkpoint.clone(),
            // A log can have read a stream and taken nothing from it.
            Stage::Records { header, last: None } => header.checkpoint.clone(),
            _ => None,
        };
        self.log.append_records(&self.pending, checkpoint)?;
        self.pending.clear();
        self.pending_bytes = 0;
        Ok(())
    }
}

/// The log promises no gaps, and times that never go back.
fn follows(last: Option<Last>, next: Position, record: Record) -> Result<Record, LineProblem> {
    if record.position != next {
        return Err(LineProblem(format!(
            "it has position {}, where {next} is next",
            record.position
        )));
    }
    if last.is_some_and(|last| record.recorded_at < last.recorded_at) {
        return Err(LineProblem(
            "it was recorded before the record before it".to_owned(),
        ));
    }
    Ok(record)
}
