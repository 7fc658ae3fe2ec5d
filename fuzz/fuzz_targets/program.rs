//! Programs in TOML: any text is refused with sentences, or is a program that runs and reads back from its JSON.
#![no_main]

use farelog_projections::program::{CompiledProgram, Program};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match CompiledProgram::from_toml(text) {
        Ok(compiled) => {
            farelog_fuzz::run(&compiled);
            let json = compiled.program.to_json();
            let read = Program::from_json(&json).expect("a program's own JSON is a program");
            assert_eq!(read.to_json(), json);
        }
        Err(refused) => assert!(!refused.to_string().is_empty(), "no reason is told"),
    }
});
