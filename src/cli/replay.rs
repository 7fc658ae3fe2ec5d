//! `farelog replay`: deferred registration, explanation, rebuild and simulation.

use super::exit::Failure;

/// What to replay.
#[derive(Debug, clap::Subcommand)]
pub enum ReplayCommand {
    /// Registers the points of a line after the fact.
    Register,
}

/// Runs the command.
pub fn run(_: ReplayCommand) -> Result<(), Failure> {
    Err(Failure::Failed(
        "this command is not part of this build".to_owned(),
    ))
}
