//! Processes that are killed while they ingest, or while they open the log.

use std::thread;
use std::time::{Duration, Instant};

use crate::chance::{Chance, rounds, seed};
use crate::ingester::{Ingester, Place, small_index};
use crate::numbered::assert_kept;

/// Rounds after which a log is given up for a new one, so that it does not take ever longer to read.
const ROUNDS_PER_LOG: u64 = 20;

#[test]
fn what_was_acknowledged_survives_kills() {
    let (rounds, seed) = (rounds(100), seed(1));
    let mut chance = Chance::new(seed);
    let mut place = Place::new();
    let (mut acknowledged, mut unopened, mut grown) = (0, 0, 0);
    // What the index had when the log was last closed.
    let mut indexed = 0;
    // How long a child takes from its start until it has opened the log.
    let mut opening = Duration::from_millis(20);
    for round in 0..rounds {
        if round % ROUNDS_PER_LOG == 0 {
            place = Place::new();
            (acknowledged, indexed) = (0, 0);
        }
        let mut child = Ingester::start(small_index(&mut place.command()));
        if chance.once_in(10) {
            let microseconds = u64::try_from(opening.as_micros()).unwrap();
            thread::sleep(Duration::from_micros(chance.up_to(microseconds)));
        } else {
            let started = Instant::now();
            child.until(&place, |said| said.opened);
            opening = started.elapsed();
            child.until(&place, |said| said.acknowledged > acknowledged);
            thread::sleep(Duration::from_micros(chance.up_to(30_000)));
        }
        drop(child);
        let said = place.said();
        println!("round {round} of seed {seed}: {said:?}");
        assert_eq!(said.failure, None);
        unopened += u64::from(!said.opened);
        let log = place.open();
        assert!(log.indexed_before() >= indexed, "the index was made anew");
        let found = assert_kept(&log, acknowledged.max(said.acknowledged));
        indexed = found.position;
        drop(log);
        grown += u64::from(found.sequence > acknowledged);
        acknowledged = found.sequence;
    }
    println!("{unopened} of {rounds} kills came before the log was open, {grown} logs grew");
    assert!(grown > rounds / 2);
    assert!(rounds < 100 || unopened > 0);
}
