//! `farelog log`: the event log, its figures, its soundness and its copies.

mod export;
mod files;
mod import;
pub mod progress;
mod stats;
mod verify;

use super::exit::Failure;

/// What to do with the log.
#[derive(Debug, clap::Subcommand)]
pub enum LogCommand {
    /// Shows how long the log is, what it takes on disk and how far the stream was read
    #[command(after_help = stats::EXAMPLES)]
    Stats(stats::StatsArgs),
    /// Reads the whole log of a stopped server and checks every byte of it
    #[command(after_help = verify::EXAMPLES)]
    Verify(verify::VerifyArgs),
    /// Copies the log into a file, from a running server too
    #[command(after_help = export::EXAMPLES)]
    Export(export::ExportArgs),
    /// Makes a new log of an exported one
    #[command(after_help = import::EXAMPLES)]
    Import(import::ImportArgs),
}

/// Runs the command.
pub async fn run(command: LogCommand) -> Result<(), Failure> {
    match command {
        LogCommand::Stats(args) => stats::run(args).await,
        LogCommand::Verify(args) => verify::run(&args),
        LogCommand::Export(args) => export::run(args).await,
        LogCommand::Import(args) => import::run(&args),
    }
}
