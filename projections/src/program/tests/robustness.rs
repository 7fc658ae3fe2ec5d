//! Whatever an expression is, nothing panics, hangs or fills the memory.

use std::time::Instant;

use proptest::prelude::*;
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
fn try_out(source: &str) {
    if let Ok(compiled) = read(source) {
        let line = Purchase::of(&json!({"extra": [1, 2, 3], "travellers": [{"age": 3}]}));
        // What it gives, or that it fails, is all the same here.
        let _ = amount_of(&compiled, &line.scope(None));
    }
}

/// On a quarter of the stack that a thread has by default.
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

/// Pieces that expressions are made of.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "line",
        "order",
        "trigger",
        "member",
        "program",
        "tables",
        "extra",
        "fareProducts",
        "price",
        "amount",
        "minorUnits",
        "travel",
        "departureTime",
        "validity",
        "start",
        "travellers",
        "metadata",
        "userType",
        "id",
        "x",
        "p",
        "true",
        "false",
        "null",
        "1",
        "0",
        "-1",
        "2u",
        "0.5",
        "1e308",
        "9223372036854775807",
        "\"a\"",
        "'b'",
        "b'c'",
        "\"P1D\"",
        "\"1h\"",
        "\"æ\"",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        ".",
        ",",
        ":",
        "?",
        "+",
        "-",
        "*",
        "/",
        "%",
        "!",
        "&&",
        "||",
        "==",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        " in ",
        ".exists(x, ",
        ".all(x, ",
        ".map(x, ",
        ".filter(x, ",
        ".exists_one(x, ",
        "has(",
        "size(",
        "int(",
        "uint(",
        "double(",
        "string(",
        "bytes(",
        "timestamp(",
        "duration(",
        "type(",
        "dyn(",
        "matches(",
        ".size()",
        ".contains(",
        ".startsWith(",
        ".endsWith(",
        ".matches(",
        ".getHours(",
        ".getFullYear()",
        "[0]",
        " ",
        "\n",
        "`",
        "\\",
        "@",
        "\u{0}",
    ];
    proptest::sample::select(pieces.to_vec()).prop_map(str::to_owned)
}

/// Expressions that mean something: every operator and function on every name, whatever the types.
fn expression() -> impl Strategy<Value = String> {
    let leaf = proptest::sample::select(vec![
        "line.price.minorUnits",
        "line.price.amount",
        "line.fareProducts",
        "line.fareProducts[0]",
        "line.extra",
        "line.extra.extra",
        "line.travellers",
        "line.travel",
        "line.userType",
        "order",
        "order.extra.campaign",
        "trigger.time",
        "trigger.type",
        "member",
        "program.organisationsWithAccess",
        "tables",
        "program",
        "null",
        "true",
        "0",
        "1",
        "-9223372036854775808",
        "9223372036854775807",
        "18446744073709551615u",
        "1.5",
        "1e308",
        "\"\"",
        "\"12\"",
        "\"9999-12-31T23:59:59Z\"",
        "\"-1000000h\"",
        "b\"x\"",
        "[]",
        "[1, 2.0, \"3\"]",
        "{}",
        "{1: 2, \"a\": [3]}",
        "duration(\"2562047h\")",
        "timestamp(\"0001-01-01T00:00:00Z\")",
        "int",
        "x",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(5, 40, 3, |inner| {
        let operator = proptest::sample::select(vec![
            "+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||", "in",
        ]);
        let function = proptest::sample::select(vec![
            "size",
            "int",
            "uint",
            "double",
            "string",
            "bytes",
            "timestamp",
            "duration",
            "type",
            "dyn",
            "bool",
            "!",
            "-",
        ]);
        let comprehension =
            proptest::sample::select(vec!["map", "filter", "all", "exists", "exists_one"]);
        let method = proptest::sample::select(vec![
            "contains",
            "startsWith",
            "endsWith",
            "getHours",
            "getFullYear",
            "getDayOfYear",
            "getDayOfWeek",
        ]);
        prop_oneof![
            (inner.clone(), operator, inner.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (function, inner.clone()).prop_map(|(f, a)| format!("{f}({a})")),
            (inner.clone(), comprehension, inner.clone())
                .prop_map(|(a, c, b)| format!("({a}).{c}(x, {b})")),
            (inner.clone(), method, inner.clone()).prop_map(|(a, m, b)| format!("({a}).{m}({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{{a}: {b}}}")),
            inner.clone().prop_map(|a| format!("has(({a}).id)")),
            inner.prop_map(|a| format!("({a}).extra")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_text_makes_reading_or_running_panic(text in "\\PC{0,60}") {
        try_out(&text);
    }

    #[test]
    fn no_sequence_of_tokens_makes_reading_or_running_panic(
        pieces in proptest::collection::vec(piece(), 0..25)
    ) {
        try_out(&pieces.concat());
    }

    #[test]
    fn no_expression_makes_running_panic(source in expression()) {
        // Bound to a list of one, `x` exists everywhere.
        try_out(&format!("[line.extra].map(x, {source})[0]"));
        try_out(&source);
    }

    #[test]
    fn a_document_is_read_or_refused_and_never_more(text in "\\PC{0,200}") {
        let _ = CompiledProgram::from_toml(&text);
        let _ = CompiledProgram::from_json(&text);
        let _ = CompiledProgram::from_toml(&program("", &text, ""));
    }
}

#[test]
#[ignore = "measures; run it alone, in release"]
fn evaluations_per_second() {
    let cases = [
        ("always", "1", "true"),
        (
            "sample thirty-days-back",
            "1",
            "line.userType == \"ADULT\" && line.fareProducts.exists(p, p.type == \"SINGLE\")",
        ),
        (
            "sample points-per-krone",
            "double(line.price.amount) / 10.0",
            "line.price.currency == \"NOK\"",
        ),
        (
            "member and trigger",
            "member.metadata.level == \"gold\" ? 2 : 1",
            "trigger.time.getHours(\"Europe/Oslo\") < 9",
        ),
        ("extra", "line.extra.zones", "has(line.extra.zones)"),
        ("pattern", "1", "line.fareProducts[0].id.matches(\"Adult\")"),
    ];
    let purchase = Purchase::of(&json!({"zones": 3}));
    let change = membership(json!({"level": "gold"}));
    let customer_id = "owner".parse().unwrap();
    let member = MemberScope {
        customer_id: &customer_id,
        change: &change,
    };
    let count = 100_000_u32;
    for (name, amount, when) in cases {
        let compiled = definition(&format!("amount = '''{amount}'''\nwhen = '''{when}'''"), "");
        let definition = &compiled.all_definitions()[0];
        let line = purchase.scope(None);
        let start = Instant::now();
        for _ in 0..count {
            definition
                .applies(&line, &confirmed(), Some(&member))
                .unwrap();
            definition
                .amount(&line, &confirmed(), Some(&member))
                .unwrap();
        }
        println!(
            "{name}: {:?} for `when` and `amount` together",
            start.elapsed() / count
        );
    }
    let start = Instant::now();
    for _ in 0..count {
        std::hint::black_box(purchase.scope(None));
    }
    println!(
        "a fold of three events and a line's scope: {:?}",
        start.elapsed() / count
    );
}
