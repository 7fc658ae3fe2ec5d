//! Expressions and documents of every kind: none makes reading or running panic.

use proptest::prelude::*;

use super::robustness::try_out;
use super::*;

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
