//! `docs/programs.md`: every program on the page compiles, and the sample programs too.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up is to fail")]

use std::fs;
use std::path::Path;

use farelog_projections::program::CompiledProgram;

/// What a block that shows some fields of a definition leaves out.
const HEAD: &str = "id = 1\nreference = \"p\"\nname = \"P\"\n[[pointDefinitions]]\n";
const FIELDS: [(&str, &str); 4] = [
    ("id", "id = 11"),
    ("reference", "reference = \"d\""),
    ("trigger", "trigger = \"LineConfirmed\""),
    ("amount", "amount = '1'"),
];

fn repository(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The blocks of TOML on the page, each as a whole document.
fn documents(page: &str) -> Vec<String> {
    let blocks = page.split("```toml\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().unwrap());
    blocks
        .map(|block| {
            if block.starts_with("id = ") {
                return block.to_owned();
            }
            let has = |field: &str| {
                block
                    .lines()
                    .any(|line| line.starts_with(&format!("{field} =")))
            };
            let missing = FIELDS.iter().filter(|(field, _)| !has(field));
            let missing: Vec<&str> = missing.map(|(_, line)| *line).collect();
            format!("{HEAD}{}\n{block}", missing.join("\n"))
        })
        .collect()
}

#[test]
fn every_program_on_the_page_compiles() {
    let documents = documents(&repository("docs/programs.md"));
    assert!(documents.len() >= 8);
    for document in documents {
        if let Err(refused) = CompiledProgram::from_toml(&document) {
            panic!("{refused}\n{document}");
        }
    }
}

#[test]
fn every_sample_program_compiles_and_each_has_an_id_of_its_own() {
    let mut ids = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/programs");
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        ids.push(CompiledProgram::from_toml(&text).unwrap().program.id);
    }
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((all, ids.len()), (5, 5));
}

#[test]
fn the_page_names_every_field_of_a_definition() {
    let page = repository("docs/programs.md");
    for field in [
        "trigger",
        "when",
        "amount",
        "rounding",
        "customer",
        "validFrom",
        "expiry",
        "period",
        "cap",
        "reversal",
    ] {
        assert!(page.contains(&format!("| `{field}` |")), "{field}");
    }
}
