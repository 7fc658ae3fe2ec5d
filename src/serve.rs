//! `farelog serve`.

use crate::cli::exit::Failure;
use crate::config::ServeArgs;

/// Runs the server until it is told to end.
pub fn run(_: ServeArgs) -> Result<(), Failure> {
    Err(Failure::Failed(
        "the server is not part of this build".to_owned(),
    ))
}
