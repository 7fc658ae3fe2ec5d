//! Whatever an expression is, nothing panics, hangs or fills the memory.

use std::time::Instant;

use serde_json::json;

use super::*;

/// Compiles an expression as `amount`; gives every problem that says so.
fn read(source: &str) -> Result<CompiledProgram, ProgramRefused> {
    let document = json!({
        "id": 1, "reference": "a", "name": "A",
        "pointDefinitions": [{"id": 1, "reference": "b", "trigger": "LineConfirmed", "amount": source}]
    });
    CompiledProgram::from_json(&document.to_string())
}

/// Compiles an expression and, where that succeeds, runs it.
pub(super) fn try_out(source: &str) {
    if let Ok(compiled) = read(source) {
        let line = Purchase::of(&json!({"extra": [1, 2, 3], "travellers": [{"age": 3}]}));
        // What it gives, or that it fails, is all the same here.
        let _ = amount_of(&compiled, &line.scope(None));
        let _ = key_of(source, &line.scope(None));
    }
}

/// The key of periods that an expression gives, where it can be one.
fn key_of(source: &str, line: &LineScope) -> Option<String> {
    let period = json!({"kind": "CALENDAR_YEAR", "key": source});
    let definition = json!({
        "id": 71, "reference": "d", "trigger": "LineConfirmed", "amount": "1", "period": period
    });
    let document =
        json!({"id": 7, "reference": "p", "name": "P", "pointDefinitions": [definition]});
    let compiled = CompiledProgram::from_json(&document.to_string()).ok()?;
    let definition = &compiled.all_definitions()[0];
    let period = definition.period(line, &confirmed(), None).ok()?;
    period.map(|(_, key)| key)
}

#[test]
fn the_key_of_a_period_is_the_same_text_for_equal_values() {
    let line = Purchase::of(&json!({"extra": {"b": 1, "a": [null, true]}})).scope(None);
    let keys = [
        ("line.userType", r#""ADULT""#),
        ("{\"b\": 1.0, \"a\": 1u + 1u}", r#"{"a":2,"b":1}"#),
        ("line.extra.extra", r#"{"a":[null,true],"b":1}"#),
        (
            "[trigger.time, duration(\"90m\")]",
            r#"["2026-01-01T12:00:00Z","PT5400S"]"#,
        ),
    ];
    for (source, key) in keys {
        assert_eq!(key_of(source, &line).as_deref(), Some(key), "{source}");
    }
    for unfit in [
        "{1: 2}",
        "line.userType + line.extra.none",
        "[b\"x\"]",
        "0.0 / 0.0",
    ] {
        assert_eq!(key_of(unfit, &line), None, "{unfit}");
    }
}

/// On half of the stack that a thread has by default.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .stack_size(1024 * 1024)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn what_nests_deep_is_refused_or_runs_on_a_small_stack() {
    on_a_small_stack(|| {
        let flat = [
            "1+", "1-", "-", "!", "!-", "a.", "a[", "1?1:", "a&&", "a||", "1==", "1 in ",
        ];
        for part in flat {
            let parts = part.repeat(EXPRESSION_CHARS_MAX / part.len() - 1);
            try_out(&parts);
            try_out(&format!("{parts}1"));
        }
        let nested = [
            ("(", ")"),
            ("[", "]"),
            ("[", "][0]"),
            ("size([", "])"),
            ("{1:", "}"),
            ("{1:", "}[1]"),
            ("[1].map(x,", ")"),
            ("line[", "]"),
            ("!(", ")"),
            ("-(", ")"),
            ("(1 + ", ")"),
            ("true ? (", ") : 1"),
        ];
        for (open, close) in nested {
            let most = EXPRESSION_CHARS_MAX / (open.len() + close.len()) - 1;
            for depth in (1..most.min(110)).chain([most]) {
                try_out(&format!("{}1{}", open.repeat(depth), close.repeat(depth)));
                try_out(&open.repeat(depth));
            }
        }
    });
}

#[test]
fn what_would_run_away_ends_with_a_rule_error() {
    let items = |count: usize| json!({"items": vec![1; count], "text": "x".repeat(count)});
    let doubled = ".map(a, a + a)".repeat(20);
    let paired = ".map(a, [a, a])".repeat(20);
    let cases = [
        (format!("size([line.extra.text]{doubled}[0])"), items(10)),
        (format!("size([line.extra.items]{doubled}[0])"), items(10)),
        (format!("size([line.orderVersion]{paired}[0])"), items(1)),
        (format!("size([line.extra.text]{paired}[0])"), items(1)),
        (
            "size(line.extra.items.map(a, line.extra.items.map(b, a * b)))".to_owned(),
            items(1_000),
        ),
        (
            "size([line.extra.items].map(a, a.map(b, a)))".to_owned(),
            items(1_000),
        ),
        (
            "size(line.extra.items.filter(a, line.extra.items == line.extra.items))".to_owned(),
            items(1_000),
        ),
        (
            "size(line.extra.items.filter(a, a in line.extra.items.map(b, b + 1)))".to_owned(),
            items(1_000),
        ),
        (
            "size(line.extra.items.filter(a, line.extra.text.contains(\"y\")))".to_owned(),
            items(5_000),
        ),
        (
            "size(line.extra.items.filter(a, line.extra.text.matches(\"y\")))".to_owned(),
            items(5_000),
        ),
        (
            "size(line.extra.items.map(a, {\"x\": line.extra.items}))".to_owned(),
            items(1_000),
        ),
        ("size(line.extra.items.map(a, 1))".to_owned(), items(20_000)),
    ];
    for (source, extra) in cases {
        let compiled = read(&source).unwrap();
        let line = Purchase::of(&extra).scope(None);
        let start = Instant::now();
        let fault = amount_of(&compiled, &line).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "evaluation: it would take more than 10000 steps",
            "{source}"
        );
        assert!(
            start.elapsed().as_secs() < 5,
            "{source} took {:?}",
            start.elapsed()
        );
    }
}

#[test]
fn what_a_line_may_need_stays_within_the_steps() {
    let products: Vec<Value> = (0..60)
        .map(|number| json!({"id": format!("ENT:PreassignedFareProduct:{number}"), "type": "SINGLE"}))
        .collect();
    let line = Purchase::of(&json!({ "fareProducts": products })).scope(None);
    let compiled = read(
        "line.fareProducts.filter(p, line.fareProducts.exists(q, q.id == p.id && q.id.matches(\"[0-9]+$\"))).size()",
    )
    .unwrap();
    assert_eq!(amount_of(&compiled, &line), Ok("60".to_owned()));
}

#[test]
fn an_evaluation_does_not_use_up_the_steps_of_the_next() {
    let compiled = read("size(line.extra.items.map(a, 1))").unwrap();
    let line = Purchase::of(&json!({"items": vec![1; 4_000]})).scope(None);
    for _ in 0..5 {
        assert_eq!(amount_of(&compiled, &line), Ok("4000".to_owned()));
    }
}
