//! The demonstration: it checks each thing that it shows, so it is run as a test.
#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

use std::process::Command;

#[test]
fn the_demonstration_shows_what_it_promises_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let output = Command::new("bash")
        .arg("scripts/demo.sh")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("FARELOG_BIN", env!("CARGO_BIN_EXE_farelog"))
        .env("TMPDIR", temporary.path())
        // Set for another server: the demonstration must not touch it.
        .env("FARELOG_SERVER", "http://127.0.0.1:1")
        .env_remove("KEEP")
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown}\n{said}");
    assert!(
        shown.ends_with("All of it was as expected.\u{1b}[0m\n"),
        "{shown}"
    );
    assert_eq!(temporary.path().read_dir().unwrap().count(), 0);
}
