//! What the figures were measured on.

use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;

use crate::broker;
use crate::figure::Report;
use crate::plan::Plan;

/// Notes what has to be known of the machine and the run to read its figures.
///
/// # Errors
/// There is no nats-server.
pub fn describe(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let cores = available_parallelism().map_or(0, usize::from);
    let file_system = file_system(&plan.directory).unwrap_or_else(|| "unknown".to_owned());
    let nats = broker::version()?;
    let messages = plan.day.messages().take(10_000);
    let (count, bytes) = messages.fold((0, 0), |(count, bytes), message| {
        (count + 1, bytes + message.payload.len())
    });
    report.note(format!(
        "{cores} cores for all of it (farelog, nats-server and what measures), {file_system} file system, nats-server {nats}"
    ));
    report.note(format!(
        "{} events of the sample day, each day with orders and customers of its own, {} bytes of JSON each; median of {} {}",
        plan.events,
        bytes / count.max(1),
        plan.runs,
        if plan.runs == 1 { "run" } else { "runs" },
    ));
    for note in report.notes() {
        eprintln!("{note}");
    }
    Ok(())
}

fn file_system(directory: &Path) -> Option<String> {
    let told = Command::new("df")
        .arg("--output=fstype")
        .arg(directory)
        .output()
        .ok()?;
    let told = String::from_utf8(told.stdout).ok()?;
    // Below a heading.
    told.lines().nth(1).map(|name| name.trim().to_owned())
}
