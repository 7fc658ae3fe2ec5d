//! The command line (contract, section 3).
//!
//! Results go to stdout, everything else to stderr; [`exit::Failure`] says with which code a command ends. Every
//! command but `serve` talks to a running server, or works on the files of a stopped one where it has `--offline`.

pub mod argument;
mod client;
mod dead_letters;
pub mod exit;
mod log;
mod member;
mod message_line;
mod order;
mod output;
mod problem;
mod program;
mod publish;
mod replay;
mod transaction;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::config::ServeArgs;
use crate::serve;
use exit::Failure;

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused, 4 the server is out of reach.
Results go to stdout, everything else to stderr.";

/// Event-sourced order processor: points and ticket distribution from a durable log of order events.
#[derive(Debug, Parser)]
#[command(name = "farelog", version, about, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server: takes events in from NATS, answers over HTTP
    Serve(Box<ServeArgs>),
    /// Publishes events from a file to NATS
    Publish(publish::PublishArgs),
    /// Publishes, lists and shows programs
    #[command(subcommand)]
    Program(program::ProgramCommand),
    /// Enrols, changes, withdraws and lists members of a program
    #[command(subcommand)]
    Member(member::MemberCommand),
    /// Registers points after the fact, and takes that back
    #[command(subcommand)]
    Replay(replay::ReplayCommand),
    /// Shows what happened to an order
    Order(order::OrderArgs),
    /// Shows, verifies, exports and imports the event log
    #[command(subcommand)]
    Log(log::LogCommand),
    /// Lists, shows, retries and discards messages that could not be taken in
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLettersCommand),
}

/// Reads the command line, runs the command and says how it ended.
pub fn run() -> ExitCode {
    exit::code_of(match Cli::parse().command {
        Command::Serve(args) => serve::run(*args),
        Command::Publish(args) => wait_for(publish::run(args)),
        Command::Program(command) => wait_for(program::run(command)),
        Command::Member(command) => wait_for(member::run(command)),
        Command::Replay(command) => wait_for(replay::run(command)),
        Command::Order(args) => wait_for(order::run(args)),
        Command::Log(command) => wait_for(log::run(command)),
        Command::DeadLetters(command) => wait_for(dead_letters::run(command)),
    })
}

/// Runs a client command. It does one thing after the other and waits most of the time: one thread is enough.
fn wait_for(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("the command could not be started: {error}")))?
        .block_on(command)
}

/// A result as JSON.
fn to_json<T: Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| {
        Failure::Failed(format!("the result could not be written as JSON: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_readme_lists_every_setting_of_the_server() {
        let readme = include_str!("../../README.md");
        let command = Cli::command();
        let serve = command.find_subcommand("serve").unwrap();
        for argument in serve
            .get_arguments()
            .filter(|argument| argument.get_id() != "help")
        {
            let flag = format!("`--{}", argument.get_long().unwrap());
            let variable = argument.get_env().unwrap().to_str().unwrap();
            let row = readme
                .lines()
                .find(|line| line.starts_with(&format!("| {flag}")));
            let row = row.unwrap_or_else(|| panic!("README.md has no row for {flag}"));
            assert!(row.contains(&format!("`{variable}`")), "{row}");
        }
    }

    #[test]
    fn every_command_explains_itself_with_an_example() {
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            let mut commands = command
                .get_subcommands()
                .filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
                .peekable();
            if commands.peek().is_none() {
                let help = command.clone().render_long_help().to_string();
                assert!(help.contains("Example"), "`{path} --help` shows no example");
            }
            for sub in commands {
                assert!(
                    sub.get_about().is_some(),
                    "{path} {} says nothing",
                    sub.get_name()
                );
                if sub.get_name() != "serve" {
                    check(sub, &path);
                }
            }
        }
        check(&Cli::command(), "");
    }
}
