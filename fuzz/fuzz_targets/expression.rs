//! Expressions: any text is refused with a place in it, or runs to an end and always gives the same.
#![no_main]

use farelog_projections::program::CompiledProgram;
use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::json;

fuzz_target!(|source: &str| -> Corpus {
    let as_amount = compile("amount", source);
    let as_condition = compile("when", source);
    let as_time = compile("validFrom", source);
    if !(as_amount || as_condition || as_time) && source.len() > 64 {
        // What is refused teaches little once it is long.
        return Corpus::Reject;
    }
    Corpus::Keep
});

fn compile(field: &str, source: &str) -> bool {
    let mut definition = json!({
        "id": 1, "reference": "d", "name": {"eng": "D"}, "trigger": "LineConfirmed", "amount": "1",
    });
    definition[field] = json!(source);
    let document = json!({
        "id": 1, "reference": "p", "name": "P", "tables": {"t": {"a": 5, "SINGLE": 2}}, "pointDefinitions": [definition],
    });
    match CompiledProgram::from_json(&document.to_string()) {
        Ok(program) => {
            farelog_fuzz::run(&program);
            true
        }
        Err(refused) => {
            assert!(!refused.to_string().is_empty(), "no reason is told");
            false
        }
    }
}
