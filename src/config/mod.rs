//! What `farelog serve` can be told.

use clap::Args;

/// The flags of `farelog serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {}
