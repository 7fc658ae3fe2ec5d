//! A copy of a log as text, to keep elsewhere and to make a log of again.
//!
//! An export is newline-delimited JSON, and each line a CloudEvent in structured mode, so that any tool can read it:
//!
//! | line | `type` | what it holds |
//! |---|---|---|
//! | the first | `LogExport` | which log, how many records, how far the stream was read ([`ExportHeader`]) |
//! | one for each record | the event's | the event as it came, its data byte for byte; what the log added is in extension attributes |
//! | the last | `LogExportEnd` | the digest of the last record, which stands for all of them ([`ExportEnd`]) |
//!
//! The extension attributes of a record: `position`, `recordedtime` (the extension of that name), `stream` and
//! `streamsequence` of the message that brought it, and one of `aboutorder`, `aboutcustomer` and `aboutprogram`.
//! Positions and sequences are strings: a CloudEvents integer ends at 2^31 - 1. Data in which a line ends stands in
//! `data_base64`, all other in `data`.
//!
//! [`Export`] writes one, [`Restore`] makes a log of it. A log that is restored has the same records at the same
//! positions, recorded at the same times, and so the same projections; its id is a new one
//! (docs/decisions/0066-an-imported-log-is-a-new-log.md).

mod line;
mod restore;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[cfg(fuzzing)]
pub(super) use line::{put_record as put_line, record as read_line};
pub use restore::{Restore, RestoreError, Restored};

use super::codec::{chain_digest, put_record};
use super::record::RECORD_BYTES_MAX;
use super::sled_log::StoredLog;
use super::{EventLog, Head, LogError, Position, Record, StreamCheckpoint};

/// The version of the form of exports that this farelog writes, and the newest that it reads.
pub const EXPORT_FORMAT_VERSION: u32 = 1;

/// Longest line of an export, in bytes: the largest record fits, in base64 and with its attributes.
pub const EXPORT_LINE_BYTES_MAX: usize = RECORD_BYTES_MAX / 2 * 3;

/// Records in one chunk of an export at most. A read is bounded in bytes as well.
const CHUNK_RECORDS_MAX: usize = 1_024;

/// What the first line of an export says of all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExportHeader {
    /// The version of its form, [`EXPORT_FORMAT_VERSION`].
    pub format_version: u32,
    /// The log that it is a copy of.
    pub log_id: Uuid,
    /// Position of the last record, which is also how many there are.
    pub last_position: Position,
    /// How far the stream was read when that was the last one.
    pub checkpoint: Option<StreamCheckpoint>,
}

/// What the last line of an export says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExportEnd {
    /// As in the header.
    pub last_position: Position,
    /// Digest of the last record, 16 hexadecimal digits. It covers all records before it.
    pub digest: String,
}

/// A digest as an export has it.
pub fn digest_text(digest: u64) -> String {
    format!("{digest:016x}")
}

/// An export of a log as it was at one moment: chunks of whole lines, to be written one after the other.
///
/// The log may grow meanwhile; what comes behind that moment is left out. Each chunk is read when it is asked for, and
/// has at most some megabytes, unless a single record is larger. Each line ends with a line feed.
///
/// After an error there is nothing more, and what came before is no export: it lacks its last line.
pub struct Export {
    log_id: Uuid,
    head: Head,
    read: ReadRecords,
    /// Digest of the last record that was given.
    digest: u64,
    encoded: Vec<u8>,
    next: Next,
}

/// Reads on from a position, as [`EventLog::read`].
type ReadRecords = Box<dyn Fn(Position, usize) -> Result<Vec<Record>, LogError> + Send + Sync>;

enum Next {
    Header,
    Records(Position),
    End,
    Nothing,
}

impl Export {
    /// An export of the log as it is now.
    pub fn of(log: Arc<dyn EventLog>) -> Self {
        let (log_id, head) = (log.id(), log.head());
        Self::reading(log_id, head, move |from, records_max| {
            log.read(from, records_max)
        })
    }

    /// An export of a log that is not in use.
    pub fn of_stored(log: StoredLog) -> Self {
        let (log_id, head) = (log.id(), log.head().clone());
        Self::reading(log_id, head, move |from, records_max| {
            log.read(from, records_max)
        })
    }

    fn reading(
        log_id: Uuid,
        head: Head,
        read: impl Fn(Position, usize) -> Result<Vec<Record>, LogError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            log_id,
            head,
            read: Box::new(read),
            digest: 0,
            encoded: Vec::new(),
            next: Next::Header,
        }
    }

    /// Position of the last record that it has.
    pub fn position(&self) -> Position {
        self.head.position
    }

    fn header(&self) -> ExportHeader {
        ExportHeader {
            format_version: EXPORT_FORMAT_VERSION,
            log_id: self.log_id,
            last_position: self.head.position,
            checkpoint: self.head.checkpoint.clone(),
        }
    }

    /// The lines of the records from `from` on, some of them, and where the next chunk begins.
    fn records(&mut self, from: Position) -> Result<(Vec<u8>, Position), LogError> {
        let left = self.head.position - from + 1;
        let records_max =
            usize::try_from(left).map_or(CHUNK_RECORDS_MAX, |left| left.min(CHUNK_RECORDS_MAX));
        let records = (self.read)(from, records_max)?;
        let next = from + records.len() as Position;
        if next == from {
            return Err(LogError::Corrupt {
                position: from,
                problem: "the record is missing".to_owned(),
            });
        }
        let mut lines = Vec::new();
        for record in &records {
            self.encoded.clear();
            put_record(&mut self.encoded, record);
            self.digest = chain_digest(self.digest, &self.encoded);
            line::put_record(&mut lines, record);
        }
        Ok((lines, next))
    }
}

impl Iterator for Export {
    type Item = Result<Vec<u8>, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        let last = self.head.position;
        let behind = |position| {
            if position > last {
                Next::End
            } else {
                Next::Records(position)
            }
        };
        match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Header => {
                self.next = behind(1);
                Some(Ok(line::header(&self.header())))
            }
            Next::Records(from) => Some(self.records(from).map(|(lines, position)| {
                self.next = behind(position);
                lines
            })),
            Next::End => {
                let end = ExportEnd {
                    last_position: last,
                    digest: digest_text(self.digest),
                };
                Some(Ok(line::end(&end, self.log_id)))
            }
            Next::Nothing => None,
        }
    }
}
