//! `farelog log`: the event log.

use super::exit::Failure;

/// What to do with the log.
#[derive(Debug, clap::Subcommand)]
pub enum LogCommand {
    /// Shows figures about the log.
    Stats,
}

/// Runs the command.
pub fn run(_: LogCommand) -> Result<(), Failure> {
    Err(Failure::Failed(
        "this command is not part of this build".to_owned(),
    ))
}
