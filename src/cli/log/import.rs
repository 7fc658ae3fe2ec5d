//! `farelog log import`: a new log of an exported one, all of it or nothing.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use farelog_events::log::export::{EXPORT_LINE_BYTES_MAX, Restore, RestoreError, Restored};
use farelog_events::log::sled_log::SledLog;
use farelog_events::log::{EventLog as _, LogError, Position};
use serde::Serialize;
use uuid::Uuid;

use super::files;
use super::progress::Records;
use crate::cli::exit::Failure;
use crate::cli::output::{self, Output};

pub const EXAMPLES: &str = "\
The data directory must not have a log. All of the export becomes the log, or nothing does: the records are \
written beside the place where the log is to be, read back, and held against the export's digest.

The new log has the same records at the same positions, and so the same transactions and groups with the same \
ids. It has an id of its own: `farelog serve` reads the stream on from where the export ends, and has to be told \
once with --outbox-after which facts other systems were sent.

Examples:
  farelog log import backup.ndjson --data-dir ./restored
  zstd -dc backup.ndjson.zst | farelog log import - --data-dir ./restored";

/// Where the log is made before it has its name.
const UNFINISHED_DIRECTORY: &str = "log.importing";
/// The log holds a lock on this file while it is open.
const LOCK_FILE: &str = "farelog.lock";

/// What to import, and where.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// An export, or - for stdin
    file: PathBuf,
    /// The data directory that is to have the log; made where it is missing
    #[arg(long, env = "FARELOG_DATA_DIR", value_name = "DIR")]
    data_dir: PathBuf,
    /// Given or not: this command always works on files
    #[arg(long)]
    offline: bool,
    /// How to show the result
    #[arg(long, value_enum, default_value_t, env = "FARELOG_OUTPUT")]
    output: Output,
}

/// What was imported.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Imported {
    /// The new log.
    log_id: Uuid,
    /// The log that was exported.
    exported_log_id: Uuid,
    last_position: Position,
    digest: String,
}

/// Runs the command.
pub fn run(args: &ImportArgs) -> Result<(), Failure> {
    let mut lines = Lines::open(&args.file)?;
    let place = Place::prepare(&args.data_dir)?;
    let made = make_log(&place.unfinished, &mut lines);
    let imported = match made {
        Ok(imported) => imported,
        Err(failure) => {
            // A next import would remove it too.
            let _ = fs::remove_dir_all(&place.unfinished);
            return Err(failure);
        }
    };
    place.finish()?;
    match args.output {
        Output::Json => output::print(&crate::cli::to_json(&imported)?),
        Output::Table => output::print(&format!(
            "{} imported into {}; the new log has the id {}",
            output::counted(imported.last_position, "record", "records"),
            args.data_dir.display(),
            imported.log_id
        )),
    }
}

/// Makes a whole and verified log in a directory of its own, and closes it.
fn make_log(directory: &Path, lines: &mut Lines) -> Result<Imported, Failure> {
    let log = SledLog::open(directory).map_err(failed)?;
    let Restored { header, end } = {
        let progress = Records::new("importing");
        let mut restore = Restore::new(&log).map_err(failed)?;
        let mut position = 0;
        while let Some(line) = lines.next()? {
            restore.take(line).map_err(in_export)?;
            match restore.header() {
                Some(header) if position == 0 => progress.of(header.last_position),
                _ => {}
            }
            progress.at(position);
            position += 1;
        }
        drop(progress);
        let progress = Records::new("verifying");
        progress.of(position);
        restore.finish(|at| progress.at(at)).map_err(in_export)?
    };
    Ok(Imported {
        log_id: log.id(),
        exported_log_id: header.log_id,
        last_position: end.last_position,
        digest: end.digest,
    })
}

fn in_export(error: RestoreError) -> Failure {
    match error {
        RestoreError::Log(error @ LogError::Io { .. }) => failed(error),
        error => Failure::Failed(format!("{error}; nothing was imported")),
    }
}

/// A data directory that is to have a log.
struct Place {
    data_dir: PathBuf,
    unfinished: PathBuf,
    log: PathBuf,
}

impl Place {
    /// Makes sure that there is no log, and removes what an import that was interrupted left behind.
    fn prepare(data_dir: &Path) -> Result<Self, Failure> {
        let place = Self {
            data_dir: data_dir.to_owned(),
            unfinished: data_dir.join(UNFINISHED_DIRECTORY),
            log: files::log_directory(data_dir),
        };
        if place.log.exists() {
            return Err(Failure::Failed(format!(
                "there is an event log in {}, and an import never changes one; name another --data-dir",
                data_dir.display()
            )));
        }
        place
            .remove_unfinished()
            .map_err(|error| unusable(&place.unfinished, &error))?;
        Ok(place)
    }

    fn remove_unfinished(&self) -> io::Result<()> {
        if !self.unfinished.exists() {
            return Ok(());
        }
        // Held until the directory is gone: another import may be running.
        let lock = match File::open(self.unfinished.join(LOCK_FILE)) {
            Ok(lock) => Some(lock),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        match lock.as_ref().map(File::try_lock) {
            None | Some(Ok(())) => {}
            Some(Err(TryLockError::WouldBlock)) => {
                return Err(io::Error::other("another import is writing it"));
            }
            Some(Err(TryLockError::Error(error))) => return Err(error),
        }
        fs::remove_dir_all(&self.unfinished)
    }

    /// Gives the log its name, and makes that durable.
    fn finish(self) -> Result<(), Failure> {
        fs::rename(&self.unfinished, &self.log)
            .and_then(|()| File::open(&self.data_dir)?.sync_all())
            .map_err(|error| unusable(&self.log, &error))
    }
}

/// The lines of an export.
struct Lines {
    reader: Box<dyn BufRead>,
    line: Vec<u8>,
    number: u64,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, Failure> {
        let reader: Box<dyn BufRead> = if path.as_os_str() == "-" {
            Box::new(io::stdin().lock())
        } else {
            let file = File::open(path).map_err(|error| {
                Failure::Failed(format!("{} can't be read: {error}", path.display()))
            })?;
            Box::new(BufReader::with_capacity(256 * 1024, file))
        };
        Ok(Self {
            reader,
            line: Vec::new(),
            number: 0,
        })
    }

    /// The next line; `None` at the end.
    fn next(&mut self) -> Result<Option<&[u8]>, Failure> {
        self.line.clear();
        self.number += 1;
        // One byte more than a line may have, so that one that is too long shows.
        let read = (&mut self.reader)
            .take(EXPORT_LINE_BYTES_MAX as u64 + 1)
            .read_until(b'\n', &mut self.line)
            .map_err(|error| {
                Failure::Failed(format!("the export could not be read on: {error}"))
            })?;
        if read > EXPORT_LINE_BYTES_MAX {
            return Err(Failure::Failed(format!(
                "line {} of the export is longer than {EXPORT_LINE_BYTES_MAX} bytes; nothing was imported",
                self.number
            )));
        }
        Ok((read > 0).then_some(&self.line))
    }
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!("{} can't be used: {error}", path.display()))
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(error.to_string())
}
