//! The simulated ticket system as a program.

use clap::Parser;
use farelog_nod_simulator::command::{self, Command};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    command::run(Command::parse()).await
}
