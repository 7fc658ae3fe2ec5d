//! The lines of an export: any are refused by their number, or become a log that exports them again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| farelog_events::log::fuzzing::export_line(bytes));
