//! Makes the dictionary that stored orders are packed with, of the orders in the data of a stopped server.
//!
//! ```text
//! cargo run --release -p farelog-projections --example order_dictionary -- farelog-data projections/src/order.dictionary
//! ```
//!
//! What was packed with another dictionary can't be read with it, so raise `FOLD_VERSION` then.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::PathBuf;

use farelog_events::log::EventLog;
use farelog_events::log::sled_log::SledLog;
use farelog_projections::{Projections, stored_order};

/// Twice as large it gains nothing.
const DICTIONARY_BYTES: usize = 16 * 1024;

/// Orders that it is made of at most.
const ORDERS_MAX: usize = 2_000;

const READ_RECORDS_MAX: usize = 4_096;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let (Some(data), Some(dictionary)) = (arguments.next(), arguments.next()) else {
        return Err("name a server's data directory, and a file to write".into());
    };
    let log = SledLog::open(&data.join("log"))?;
    let projections = Projections::open(&data.join("projections"), &log)?;
    projections.catch_up(&log)?;

    let mut orders = BTreeSet::new();
    let mut position = 0;
    while orders.len() < ORDERS_MAX {
        let records = log.read(position + 1, READ_RECORDS_MAX)?;
        let Some(last) = records.last() else { break };
        position = last.position;
        orders.extend(
            records
                .iter()
                .filter_map(|record| record.about.order().cloned()),
        );
    }
    let mut samples = Vec::new();
    for order in orders.iter().take(ORDERS_MAX) {
        if let Some(document) = projections.order(order)?.value {
            let stored = stored_order::encode(&document)?;
            samples.push(stored_order::unpacked(&stored)?);
        }
    }
    std::fs::write(
        &dictionary,
        zstd::dict::from_samples(&samples, DICTIONARY_BYTES)?,
    )?;
    println!("made of {} orders", samples.len());
    Ok(())
}
