//! `farelog member`: members of a program.

use super::exit::Failure;

/// What to do with members.
#[derive(Debug, clap::Subcommand)]
pub enum MemberCommand {
    /// Lists the members of a program.
    List,
}

/// Runs the command.
pub fn run(_: MemberCommand) -> Result<(), Failure> {
    Err(Failure::Failed(
        "this command is not part of this build".to_owned(),
    ))
}
