//! `farelog log export`: a copy of the log as lines of JSON.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use farelog_events::log::Position;
use farelog_events::log::export::Export;
use serde::Serialize;

use super::files;
use super::progress::Records;
use crate::cli::client::{Client, ServerArgs};
use crate::cli::exit::Failure;
use crate::cli::output::{self, Output};

pub const EXAMPLES: &str = "\
A line is a CloudEvent; the first and the last say what the copy is of and whether it is whole. Of a running \
server it is the log as it was at one moment, and the server goes on meanwhile.

Examples:
  farelog log export backup.ndjson
  farelog log export | zstd > backup.ndjson.zst
  farelog log export backup.ndjson --offline --data-dir ./farelog-data";

/// Which log, and where to.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// A file that is not there yet, or - for stdout
    #[arg(default_value = "-")]
    file: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
}

/// What was exported.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Exported<'a> {
    file: &'a Path,
    last_position: Position,
    bytes: u64,
}

/// Runs the command.
pub async fn run(args: ExportArgs) -> Result<(), Failure> {
    let mut copy = Copy {
        target: Target::open(&args.file)?,
        progress: Records::new("exporting"),
        last_position: 0,
        lines: 0,
        bytes: 0,
    };
    if args.server.offline {
        copy.of_files(&args.server.data_dir)?;
    } else {
        copy.of_server(&args.server).await?;
    }
    let Copy {
        target,
        last_position,
        bytes,
        progress,
        ..
    } = copy;
    drop(progress);
    let Some(file) = target.finish()? else {
        output::note(format_args!(
            "{} exported",
            output::counted(last_position, "record", "records")
        ));
        return Ok(());
    };
    match args.server.output {
        Output::Json => output::print(&crate::cli::to_json(&Exported {
            file: &file,
            last_position,
            bytes,
        })?),
        Output::Table => output::print(&format!(
            "{} exported to {} ({})",
            output::counted(last_position, "record", "records"),
            file.display(),
            indicatif::HumanBytes(bytes)
        )),
    }
}

/// An export on its way.
struct Copy {
    target: Target,
    progress: Records,
    last_position: Position,
    lines: u64,
    bytes: u64,
}

impl Copy {
    fn of_files(&mut self, data_dir: &Path) -> Result<(), Failure> {
        let log = files::open_log(data_dir)?.map_err(failed)?;
        let export = Export::of_stored(log);
        self.begins(export.position());
        for chunk in export {
            self.take(&chunk.map_err(failed)?)?;
        }
        Ok(())
    }

    async fn of_server(&mut self, server: &ServerArgs) -> Result<(), Failure> {
        let path = ["v1", "operate", "log", "export"];
        let client = Client::new(server)?;
        let mut download = client.download(&path).await?;
        self.begins(download.position());
        while let Some(chunk) = download.chunk().await? {
            self.take(&chunk)?;
        }
        Ok(())
    }

    fn begins(&mut self, last_position: Position) {
        self.last_position = last_position;
        self.progress.of(last_position);
    }

    fn take(&mut self, chunk: &[u8]) -> Result<(), Failure> {
        self.target.write(chunk)?;
        self.bytes += chunk.len() as u64;
        let ends = chunk.split(|&byte| byte == b'\n').count() - 1;
        self.lines += ends as u64;
        // The first line is no record.
        self.progress
            .at(self.lines.saturating_sub(1).min(self.last_position));
        Ok(())
    }
}

/// Where an export goes to. A file gets its name once it is whole and on disk; before that it is `<name>.partial`.
enum Target {
    Stdout(BufWriter<io::Stdout>),
    File {
        file: Option<File>,
        partial: PathBuf,
        path: PathBuf,
    },
}

impl Target {
    fn open(path: &Path) -> Result<Self, Failure> {
        if path.as_os_str() == "-" {
            return Ok(Self::Stdout(BufWriter::new(io::stdout())));
        }
        if path.exists() {
            return Err(Failure::Failed(format!(
                "{} is there already; name a file that is not",
                path.display()
            )));
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = File::create(&partial).map_err(|error| unwritable(&partial, &error))?;
        Ok(Self::File {
            file: Some(file),
            partial,
            path: path.to_owned(),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Stdout(stdout) => stdout
                .write_all(bytes)
                .map_err(|error| unwritable(Path::new("stdout"), &error)),
            Self::File { file, partial, .. } => match file {
                Some(file) => file
                    .write_all(bytes)
                    .map_err(|error| unwritable(partial, &error)),
                None => Ok(()),
            },
        }
    }

    /// Makes it durable under its name, which is given; `None` for stdout.
    fn finish(mut self) -> Result<Option<PathBuf>, Failure> {
        match &mut self {
            Self::Stdout(stdout) => {
                let flushed = stdout.flush();
                flushed.map_err(|error| unwritable(Path::new("stdout"), &error))?;
                Ok(None)
            }
            Self::File {
                file,
                partial,
                path,
            } => {
                let path = std::mem::take(path);
                let Some(whole) = file.take() else {
                    return Ok(None);
                };
                whole
                    .sync_all()
                    .and_then(|()| fs::rename(&*partial, &path))
                    .and_then(|()| sync_parent(&path))
                    .map_err(|error| unwritable(&path, &error))?;
                Ok(Some(path))
            }
        }
    }
}

impl Drop for Target {
    /// What is not whole is of no use.
    fn drop(&mut self) {
        if let Self::File {
            file: Some(_),
            partial,
            ..
        } = self
        {
            let _ = fs::remove_file(partial);
        }
    }
}

/// A file's name is durable once its directory is.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!(
        "the export could not be written to {}: {error}",
        path.display()
    ))
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(error.to_string())
}
