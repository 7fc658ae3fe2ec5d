//! `farelog replay explain`: why points are what they are, or why there are none.

use super::explanation::{OrderExplanation, TransactionExplanation};
use crate::cli::client::{Client, ServerArgs};
use crate::cli::exit::Failure;
use crate::cli::output::{self, Output};

pub const EXAMPLES: &str = "\
Each line is told with the events that decide about it, and each definition of each program with what it gives, to whom and \
why, or why nothing. Of expressions it shows what they gave and the values that they saw. --transaction tells of one \
transaction how it stood when it was given, and what became of it.

Examples:
  farelog replay explain --order BERGEN01
  farelog replay explain --order TRONDHM2 --line TRONDHM2-1 --program points-per-krone
  farelog replay explain --transaction 5017600";

/// What to explain.
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// The order
    #[arg(long, value_name = "ID", required_unless_present = "transaction")]
    order: Option<String>,
    /// This line only
    #[arg(long, value_name = "ID", requires = "order")]
    line: Option<String>,
    /// This program only: its reference or id
    #[arg(long, value_name = "REF", requires = "order")]
    program: Option<String>,
    /// A transaction instead of an order
    #[arg(long, value_name = "ID", conflicts_with = "order")]
    transaction: Option<i64>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Runs the command.
pub async fn run(args: &ExplainArgs) -> Result<(), Failure> {
    match (&args.order, args.transaction) {
        (Some(order), _) => explain_order(order, args).await,
        (None, Some(transaction)) => explain_transaction(transaction, args).await,
        // The parser lets nothing else through.
        (None, None) => Err(Failure::Usage(
            "name what to explain with --order or --transaction".to_owned(),
        )),
    }
}

async fn explain_order(order: &str, args: &ExplainArgs) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    let mut query = Vec::new();
    if let Some(line) = &args.line {
        query.push(("orderLineId", line.clone()));
    }
    if let Some(program) = &args.program {
        query.push(("programId", client.program_id(program).await?));
    }
    let path = ["v1", "operate", "orders", order, "explanation"];
    let reply = client.get(&path, &query).await?;
    client.close().await?;
    let explanation: OrderExplanation = reply.json()?;
    if let Some(line) = &args.line
        && explanation.lines.is_empty()
    {
        return Err(Failure::Failed(format!(
            "order {order} has no line {line}; `farelog order {order}` shows its lines"
        )));
    }
    if args.server.output == Output::Json {
        return output::print(&reply.body);
    }
    output::print(explanation.to_string().trim_end())
}

async fn explain_transaction(transaction: i64, args: &ExplainArgs) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    let id = transaction.to_string();
    let path = ["personalisation", "v1", "transactions", &id, "explanation"];
    let reply = client.get(&path, &[]).await?;
    client.close().await?;
    if args.server.output == Output::Json {
        return output::print(&reply.body);
    }
    let explanation: TransactionExplanation = reply.json()?;
    output::print(explanation.to_string().trim_end())
}
