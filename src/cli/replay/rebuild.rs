//! `farelog replay rebuild`: projections made anew from the log.

use serde::Deserialize;

use crate::cli::client::{Client, ServerArgs};
use crate::cli::exit::Failure;
use crate::cli::log::progress::Records;
use crate::cli::output::{self, Output};

pub const EXAMPLES: &str = "\
A rebuild gives the same answers with the same ids, so it is only needed where the projections' files are in doubt; a new \
version that folds otherwise rebuilds by itself. A running server answers from the projections that there are until the \
new ones are as far. Nobody is told anything twice. If the command is ended before, nothing has changed.

Examples:
  farelog replay rebuild
  farelog replay rebuild --offline --data-dir ./farelog-data";

/// What to make anew.
#[derive(Debug, clap::Args)]
pub struct RebuildArgs {
    /// Points and distributions are kept in one store, with one checkpoint: whichever is named, all is made anew
    #[arg(long, value_enum, default_value_t, value_name = "NAME")]
    projection: Projection,
    #[command(flatten)]
    server: ServerArgs,
}

/// The names of projections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Projection {
    /// All there are.
    #[default]
    All,
    /// Points transactions, members and programs.
    Points,
    /// Ticket distribution groups.
    Distributions,
}

#[derive(Deserialize)]
struct Rebuilt {
    position: u64,
}

/// Runs the command.
pub async fn run(args: &RebuildArgs) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    let name = match args.projection {
        Projection::All => "all",
        Projection::Points => "points",
        Projection::Distributions => "distributions",
    };
    let bar = Records::new("rebuilding");
    let query = [("projection", name.to_owned())];
    let result = client
        .work(&["v1", "operate", "rebuild"], &query, &(), |progress| {
            bar.of(progress.last_position);
            bar.at(progress.position);
        })
        .await?;
    drop(bar);
    client.close().await?;
    if args.server.output == Output::Json {
        return output::print(&result);
    }
    let Rebuilt { position } = serde_json::from_str(&result).map_err(|error| {
        Failure::Failed(format!(
            "the server's answer is not understood, is it another version than this command? {error}"
        ))
    })?;
    output::print(&format!(
        "the projections were made anew from {}",
        output::counted(position, "record", "records")
    ))
}
