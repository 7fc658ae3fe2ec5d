//! Measures what the points fold allocates for an event, in the run that the example `points_fold` times.
//!
//! ```text
//! cargo run --release -p farelog-projections --example points_fold_allocations -- [events]
//! ```

#[path = "points_fold/books.rs"]
mod books;
#[path = "points_fold/fold.rs"]
mod fold;
#[path = "points_fold/programs.rs"]
mod programs;
#[path = "points_fold/sales.rs"]
mod sales;

use std::alloc::System;
use std::error::Error;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use crate::fold::{Prepared, fold};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const EVENTS_DEFAULT: usize = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    let events = std::env::args().nth(1);
    let events = events.map_or(Ok(EVENTS_DEFAULT), |text| text.parse())?;
    let prepared = Prepared::new(events)?;
    let region = Region::new(ALLOCATOR);
    let counts = fold(prepared);
    let change = region.change();
    println!(
        "{} bytes allocated for an event, in {} allocations, with {} evaluations in {events} events",
        change.bytes_allocated / events,
        change.allocations / events,
        counts.evaluations
    );
    Ok(())
}
