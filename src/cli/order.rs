//! `farelog order`: what happened to an order.

use super::exit::Failure;

/// Which order.
#[derive(Debug, clap::Args)]
pub struct OrderArgs {
    /// The order.
    id: String,
}

/// Runs the command.
pub fn run(_: OrderArgs) -> Result<(), Failure> {
    Err(Failure::Failed(
        "this command is not part of this build".to_owned(),
    ))
}
