//! Measures the points fold on one core: from decoded events to transactions, with nothing on disk.
//!
//! ```text
//! cargo run --release -p farelog-projections --example points_fold -- [--json] [events]
//! ```
//!
//! Three programs of three definitions each ([`programs`]), orders that are interleaved ([`sales`]), two of three
//! customers members ([`books`]). Making and decoding the events is not counted. With `--json` the figures are one line.
//! What the fold allocates is measured by the example `points_fold_allocations`, because counting it takes time.

mod books;
mod fold;
mod programs;
mod sales;

use std::error::Error;
use std::fs;
use std::time::Instant;

use serde::Serialize;

use crate::fold::{Prepared, fold};

/// As the product has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const EVENTS_DEFAULT: usize = 300_000;

/// What is printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    events: usize,
    events_per_second: f64,
    evaluations_per_second: f64,
    evaluations_per_event: f64,
    inquiries_per_event: f64,
    /// Of all events, those for which a definition was asked.
    share_that_asks: f64,
    /// Of all events, those that gave or cancelled a transaction.
    share_that_settles: f64,
    transactions: u64,
    peak_memory_kib: u64,
}

fn main() -> Result<()> {
    let mut count = EVENTS_DEFAULT;
    let mut as_json = false;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--json" => as_json = true,
            number => count = number.parse()?,
        }
    }
    let figures = measure(count)?;
    if as_json {
        println!("{}", serde_json::to_string(&figures)?);
    } else {
        println!("{figures:#?}");
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "figures for a person")]
fn measure(events: usize) -> Result<Figures> {
    let prepared = Prepared::new(events)?;
    let started = Instant::now();
    let counts = fold(prepared);
    let took = started.elapsed();
    if counts.rule_errors > 0 {
        return Err(format!("{} expressions failed", counts.rule_errors).into());
    }
    let each = |figure: u64| figure as f64 / events as f64;
    let a_second = |figure: u64| figure as f64 / took.as_secs_f64();
    Ok(Figures {
        events,
        events_per_second: a_second(events as u64),
        evaluations_per_second: a_second(counts.evaluations),
        evaluations_per_event: each(counts.evaluations),
        inquiries_per_event: each(counts.inquiries),
        share_that_asks: each(counts.events_that_ask),
        share_that_settles: each(counts.events_that_settle),
        transactions: counts.transactions,
        peak_memory_kib: peak_memory_kib()?,
    })
}

/// Resident memory at its highest, events that are not folded yet among it.
fn peak_memory_kib() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number
        .ok_or("the system does not say how much memory is used")?
        .parse()?)
}
