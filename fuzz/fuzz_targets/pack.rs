//! The bytes of a pack under a check that matches them: the parts that only the check protects from damage.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| farelog_events::log::fuzzing::pack(bytes));
