//! `farelog dead-letters`: messages that could not be taken in.

use super::exit::Failure;

/// What to do with dead letters.
#[derive(Debug, clap::Subcommand)]
pub enum DeadLettersCommand {
    /// Lists the dead letters.
    List,
}

/// Runs the command.
pub fn run(_: DeadLettersCommand) -> Result<(), Failure> {
    Err(Failure::Failed(
        "this command is not part of this build".to_owned(),
    ))
}
