//! Measures farelog: how fast, how large, beside what, and whether that is what was aimed at.
//!
//! Every figure of a table is of one run on one machine, and so is what stands beside it. The table goes to stdout, the
//! same figures as JSON to a file, and word of what is being measured to stderr. How each figure is measured is said
//! where it is: docs/decisions/0070-how-it-is-measured.md has the whole.

mod append;
mod broker;
mod deployment;
mod figure;
mod fjall_log;
mod fjall_record;
mod http;
mod machine;
mod plan;
mod progress;
mod rebuild;
mod sample_day;
mod server;
mod whole_way;

use clap::Parser;
use figure::Report;
use plan::{Arguments, Plan};

/// As the product has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let plan = Plan::new(Arguments::parse())?;
    let mut report = Report::default();
    machine::describe(&plan, &mut report)?;
    append::measure(&plan, &mut report).await?;
    whole_way::measure(&plan, &mut report).await?;
    report.print();
    report.write(&plan.report)
}
