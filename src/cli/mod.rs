//! The command line (contract, section 3).
//!
//! Results go to stdout, everything else to stderr; [`exit::Failure`] says with which code a command ends.

mod dead_letters;
pub mod exit;
mod log;
mod member;
mod order;
mod program;
mod publish;
mod replay;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::ServeArgs;
use crate::serve;

/// Event-sourced order processor: points and ticket distribution from a durable log of order events.
#[derive(Debug, Parser)]
#[command(name = "farelog", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server: takes events in from NATS, answers over HTTP.
    Serve(Box<ServeArgs>),
    /// Publishes events from a file to NATS.
    Publish(publish::PublishArgs),
    /// Publishes, lists and shows programs.
    #[command(subcommand)]
    Program(program::ProgramCommand),
    /// Enrols, changes, withdraws and lists members of a program.
    #[command(subcommand)]
    Member(member::MemberCommand),
    /// Registers points after the fact, takes that back, explains, rebuilds and simulates.
    #[command(subcommand)]
    Replay(replay::ReplayCommand),
    /// Shows what happened to an order.
    Order(order::OrderArgs),
    /// Looks after the event log.
    #[command(subcommand)]
    Log(log::LogCommand),
    /// Lists, shows, retries and discards messages that could not be taken in.
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLettersCommand),
}

/// Reads the command line, runs the command and says how it ended.
pub fn run() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(args) => serve::run(*args),
        Command::Publish(args) => publish::run(args),
        Command::Program(command) => program::run(command),
        Command::Member(command) => member::run(command),
        Command::Replay(command) => replay::run(command),
        Command::Order(args) => order::run(args),
        Command::Log(command) => log::run(command),
        Command::DeadLetters(command) => dead_letters::run(command),
    };
    exit::code_of(done)
}
