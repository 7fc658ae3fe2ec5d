//! `farelog replay`: what is decided by replaying the history of an order line, or all of the log.

mod claims;
mod claims_file;
mod explain;
mod explanation;
mod rebuild;
mod simulate;
mod simulation;

use std::path::PathBuf;

use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::client::{Client, Reply, ServerArgs};
use super::exit::Failure;
use super::output::{self, Output, RowsOutput};
use super::problem::{CallError, Problem, Reason};
use super::transaction::{self, TransactionView};

/// What to replay.
#[derive(Debug, clap::Subcommand)]
pub enum ReplayCommand {
    /// Gives a customer the points of a trip that was bought without being a member
    #[command(after_help = REGISTER_EXAMPLES)]
    Register(Box<RegisterArgs>),
    /// Takes such a registration back: its points are cancelled, and the line is free again
    #[command(
        after_help = "Example:\n  farelog replay revoke --program points-per-krone --order TRONDHM2 --line TRONDHM2-1"
    )]
    Revoke(RevokeArgs),
    /// Tells why points are what they are, or why there are none
    #[command(after_help = explain::EXAMPLES)]
    Explain(explain::ExplainArgs),
    /// Shows what programs would have given, against what stands
    #[command(after_help = simulate::EXAMPLES)]
    Simulate(simulate::SimulateArgs),
    /// Makes the projections anew from the log
    #[command(after_help = rebuild::EXAMPLES)]
    Rebuild(rebuild::RebuildArgs),
}

const REGISTER_EXAMPLES: &str = "\
The same registration again changes nothing and shows the points of the first.

Many claims: --from-file reads comma-separated values with the titles program,orderId,orderLineId,customerId (a program's \
reference or id), shows what each would give or why nothing, and writes that as a plan. Look at it, then --apply it. \
Each claim is decided again and recorded only if it gives what the plan says and nothing has changed its order or \
registration since; others go on. It may be broken off and run again: what was recorded is reported as done before. \
Ends with exit code 3 where any claim is refused.

Examples (without --dry-run the first is recorded):
  farelog replay register --program points-per-krone --order TRONDHM2 \\
    --line TRONDHM2-1 --customer 2000002 --dry-run
  farelog replay register --from-file claims.csv --plan claims.plan.json
  farelog replay register --apply claims.plan.json";

/// Which line, for whom; or a file of claims.
#[derive(Debug, clap::Args)]
pub struct RegisterArgs {
    /// The program's reference or id
    #[arg(long, value_name = "REF", required_unless_present_any = ["from_file", "apply"])]
    program: Option<String>,
    /// The order
    #[arg(long, value_name = "ID", required_unless_present_any = ["from_file", "apply"])]
    order: Option<String>,
    /// The order line
    #[arg(long, value_name = "ID", required_unless_present_any = ["from_file", "apply"])]
    line: Option<String>,
    /// The customer who travelled
    #[arg(long, value_name = "ID", required_unless_present_any = ["from_file", "apply"])]
    customer: Option<String>,
    /// Show what would be given, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Plan the claims in this file, and record none
    #[arg(long, value_name = "FILE", conflicts_with_all = ["program", "order", "line", "customer", "dry_run", "apply"])]
    from_file: Option<PathBuf>,
    /// Where the plan goes; <FILE>.plan.json when not given
    #[arg(long, value_name = "PLAN", requires = "from_file")]
    plan: Option<PathBuf>,
    /// Record the claims of this plan
    #[arg(long, value_name = "PLAN", conflicts_with_all = ["program", "order", "line", "customer", "dry_run"])]
    apply: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs<RowsOutput>,
}

/// Which line.
#[derive(Debug, clap::Args)]
pub struct RevokeArgs {
    #[command(flatten)]
    line: LineArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// A line and a program.
#[derive(Debug, clap::Args)]
pub struct LineArgs {
    /// The program's reference or id
    #[arg(long, value_name = "REF")]
    program: String,
    /// The order
    #[arg(long, value_name = "ID")]
    order: String,
    /// The order line
    #[arg(long, value_name = "ID")]
    line: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::struct_field_names,
    reason = "they are the names of the interface"
)]
struct LineBody<'a> {
    order_id: &'a str,
    order_line_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<&'a str>,
}

/// What a definition gave.
#[derive(Debug, Deserialize)]
struct Granted {
    transactions: Vec<TransactionView>,
}

/// Runs the command.
pub async fn run(command: ReplayCommand) -> Result<(), Failure> {
    match command {
        ReplayCommand::Register(args) => register_any(&args).await,
        ReplayCommand::Revoke(args) => revoke(&args).await,
        ReplayCommand::Explain(args) => explain::run(&args).await,
        ReplayCommand::Simulate(args) => simulate::run(&args).await,
        ReplayCommand::Rebuild(args) => rebuild::run(&args).await,
    }
}

async fn register_any(args: &RegisterArgs) -> Result<(), Failure> {
    if let Some(file) = &args.from_file {
        return claims::plan(file, args.plan.as_deref(), &args.server).await;
    }
    if let Some(plan) = &args.apply {
        return claims::apply(plan, &args.server).await;
    }
    let (Some(program), Some(order), Some(line), Some(customer)) =
        (&args.program, &args.order, &args.line, &args.customer)
    else {
        // The parser lets nothing else through.
        return Err(Failure::Usage(
            "a line needs --program, --order, --line and --customer".to_owned(),
        ));
    };
    let output = match args.server.output {
        RowsOutput::Table => Output::Table,
        RowsOutput::Json => Output::Json,
        RowsOutput::Csv => {
            return Err(Failure::Usage(
                "--output csv is for --from-file and --apply; give table or json".to_owned(),
            ));
        }
    };
    let body = LineBody {
        order_id: order,
        order_line_id: line,
        customer_id: Some(customer),
    };
    register(program, &body, args, output).await
}

async fn register(
    program: &str,
    body: &LineBody<'_>,
    args: &RegisterArgs,
    output: Output,
) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    let program = client.program_id(program).await?;
    let path = [
        "personalisation",
        "v1",
        "programs",
        &program,
        "deferred-registration",
    ];
    let query = [("dryRun", args.dry_run.to_string())];
    let reply = client
        .send_json(Method::POST, &path, &query, body)
        .await
        .map_err(|error| told_why(error, output))?;
    client.close().await?;
    if args.dry_run {
        output::note("dry run: nothing was recorded");
    } else if reply.is_replayed {
        output::note("this was registered before; nothing was changed");
    }
    show_granted(&reply, output)
}

async fn revoke(args: &RevokeArgs) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    let program = client.program_id(&args.line.program).await?;
    let path = ["v1", "operate", "programs", &program, "revocations"];
    let body = LineBody {
        order_id: &args.line.order,
        order_line_id: &args.line.line,
        customer_id: None,
    };
    let reply = client
        .send_json(Method::POST, &path, &[], &body)
        .await
        .map_err(|error| told_why(error, args.server.output))?;
    client.close().await?;
    if args.server.output == Output::Json {
        return output::print(&reply.body);
    }
    let cancelled: Vec<TransactionView> = reply.json()?;
    output::print(&transaction::table(&cancelled).to_string())
}

fn show_granted(reply: &Reply, output: Output) -> Result<(), Failure> {
    if output == Output::Json {
        return output::print(&reply.body);
    }
    let granted: Vec<Granted> = reply.json()?;
    let transactions = granted
        .iter()
        .flat_map(|definition| &definition.transactions);
    output::print(&transaction::table(transactions).to_string())
}

/// Shows the reasons of a refusal: they are the result, and the failure only says that there are some.
fn told_why(error: CallError, output: Output) -> Failure {
    if let CallError::Problem(problem) = &error
        && problem.is_refusal()
    {
        let shown = match output {
            Output::Json => output::print(&problem.body),
            Output::Table if problem.reasons.is_empty() => Ok(()),
            Output::Table => output::print(&reasons(problem).to_string()),
        };
        if let Err(failure) = shown {
            return failure;
        }
    }
    error.into()
}

fn reasons(problem: &Problem) -> comfy_table::Table {
    let mut table = output::table(["Why", "Definition", "In words"]);
    for Reason {
        code,
        detail,
        point_definition_reference,
    } in &problem.reasons
    {
        let definition = point_definition_reference.as_deref().unwrap_or("all");
        table.add_row([code.as_str(), definition, detail.as_str()]);
    }
    table
}
