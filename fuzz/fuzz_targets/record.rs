//! The bytes of a record: any are refused, or are a record that is written and read again as it is.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| farelog_events::log::fuzzing::record(bytes));
