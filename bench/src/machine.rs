//! What the figures were measured on.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::broker;
use crate::figure::Report;
use crate::plan::Plan;

/// What an event takes on disk at most while it is measured: in the stream, the log, the projections and the facts that
/// are told of it.
const EVENT_DISK_BYTES: u64 = 2_500;

/// Notes what has to be known of the machine and the run to read its figures.
///
/// # Errors
/// There is no nats-server, or too little room on the disk.
pub fn describe(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let cores = available_parallelism().map_or(0, usize::from);
    let file_system = of_file_system("fstype", &plan.directory);
    let file_system = file_system.as_deref().unwrap_or("unknown");
    let needed = plan.events * EVENT_DISK_BYTES / 1024;
    let free =
        of_file_system("avail", &plan.directory).and_then(|kibibytes| kibibytes.parse().ok());
    ensure!(
        free.is_none_or(|free: u64| free >= needed),
        "{} events need some {} MiB in {}, {} are free; free some, or name fewer events",
        plan.events,
        needed / 1024,
        plan.directory.display(),
        free.unwrap_or_default() / 1024
    );
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

/// The time of processors that a process has taken, to the hundredth of a second.
///
/// # Errors
/// It has ended.
pub fn processor_time(process: u32) -> anyhow::Result<Duration> {
    const TICK: Duration = Duration::from_millis(10);
    let told = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Behind the name, which may hold anything: state, ten more, then the time in the program and in the system.
    let behind_name = told
        .rsplit_once(')')
        .context("the system does not tell times")?
        .1;
    let ticks = behind_name.split_whitespace().skip(11).take(2);
    let ticks = ticks.map(str::parse::<u32>).sum::<Result<u32, _>>()?;
    Ok(TICK * ticks)
}

/// What `df` tells of the file system that a directory is on, sizes in KiB.
fn of_file_system(column: &str, directory: &Path) -> Option<String> {
    let told = Command::new("df")
        .arg("-k")
        .arg(format!("--output={column}"))
        .arg(directory)
        .output()
        .ok()?;
    let told = String::from_utf8(told.stdout).ok()?;
    // Below a heading.
    told.lines().nth(1).map(|value| value.trim().to_owned())
}
