//! `farelog program`: programs.

use super::exit::Failure;

/// What to do with programs.
#[derive(Debug, clap::Subcommand)]
pub enum ProgramCommand {
    /// Lists the programs.
    List,
}

/// Runs the command.
pub fn run(_: ProgramCommand) -> Result<(), Failure> {
    Err(Failure::Failed(
        "this command is not part of this build".to_owned(),
    ))
}
