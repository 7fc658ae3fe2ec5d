//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::journal::{self, Journal};
use crate::service::{self, Source};
use crate::temper::{Fault, Temper};

/// A ticket system to test farelog against
#[derive(Debug, Parser)]
#[command(name = "farelog-nod-simulator")]
pub enum Command {
    /// Makes tickets and answers, until it is killed
    Serve {
        /// The broker
        #[arg(long, value_name = "URL")]
        nats: String,
        /// The stream that farelog sends to
        #[arg(long, value_name = "NAME", default_value = "FARELOG")]
        stream: String,
        /// The messages that it hears: it stands for the ticket systems of all fulfilment methods
        #[arg(
            long,
            value_name = "SUBJECT",
            default_value = "farelog.distributions.>"
        )]
        subject: String,
        /// The file that its books are made of; begun when it is missing
        #[arg(long, value_name = "FILE")]
        journal: PathBuf,
        /// What all that it does by chance begins from
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        seed: u64,
        /// Something to do wrong
        #[arg(long)]
        fault: Option<Fault>,
    },
    /// Prints the books as JSON, also while they are written
    Books {
        /// The file that the books are made of
        #[arg(long, value_name = "FILE")]
        journal: PathBuf,
    },
}

/// Does what the command says.
///
/// # Errors
/// A broker that can't be reached at the start, and a journal that can't be read or written.
pub async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve {
            nats,
            stream,
            subject,
            journal,
            seed,
            fault,
        } => {
            let (journal, books) = Journal::open(&journal, Temper { seed, fault })?;
            let source = Source {
                nats_url: nats,
                stream,
                filter_subject: subject,
            };
            service::serve(&source, journal, books).await
        }
        Command::Books { journal } => {
            let statement = journal::read(&journal)?.statement();
            println!("{}", serde_json::to_string_pretty(&statement)?);
            Ok(())
        }
    }
}
