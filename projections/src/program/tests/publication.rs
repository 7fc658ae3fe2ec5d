//! What is refused at publication, in which words, and where in the document.

use super::*;

/// Each pair: a definition, and all that is wrong with it. The definition begins in line 10 of its document.
fn assert_refusals(cases: &[(&str, &[&str])]) {
    for (definition, refusals) in cases {
        let document = program("", definition, "");
        assert_eq!(refusal(&document), *refusals, "{definition}");
    }
}

#[test]
fn an_expression_that_is_no_cel_is_refused_with_its_place() {
    assert_refusals(&[
        (
            "amount = '1 +'",
            &[
                "pointDefinitions[0].amount: the expression is no CEL: it ends where something is still wanted (line 10, column 14)",
            ],
        ),
        (
            "amount = '1)'",
            &[
                "pointDefinitions[0].amount: the expression is no CEL: `)` does not belong here (line 10, column 12)",
            ],
        ),
        (
            "amount = '1'\nwhen = 'line.userType is \"ADULT\"'",
            &[
                "pointDefinitions[0].when: the expression is no CEL: `is` does not belong here (line 11, column 23)",
            ],
        ),
        (
            "amount = \"1 + line.\\\"x\\\"\"",
            &[
                "pointDefinitions[0].amount: the expression is no CEL: `.\"x\"` does not belong here (line 10, column 20)",
            ],
        ),
        (
            "amount = '@meter'",
            &[
                "pointDefinitions[0].amount: the expression is no CEL: the character \"@\" is no part of it (line 10, column 11)",
            ],
        ),
        (
            "amount = 'line.?price'",
            &[
                "pointDefinitions[0].amount: the expression is no CEL: `.?` is not supported (line 10, column 15)",
            ],
        ),
        (
            "amount = 'size(line.fareProducts.map(p))'",
            &[
                "pointDefinitions[0].amount: `map` is called on a list, with a variable and what to do with it: list.map(x, …) (line 10, column 37)",
            ],
        ),
        (
            "amount = ' '",
            &[
                "pointDefinitions[0].amount: the expression is empty; write one (line 10, column 10)",
            ],
        ),
    ]);
}

#[test]
fn a_name_that_does_not_exist_is_refused_with_its_place() {
    assert_refusals(&[
        (
            "amount = '1'\nwhen = 'line.userTyp == \"ADULT\"'",
            &[
                "pointDefinitions[0].when: line has no field `userTyp`; it has orderId, orderVersion, orderLineId, orderLineVersion, fareProducts, price, userType, customerId, travellers, validity, travel, distributionDetails, extra (line 11, column 13)",
            ],
        ),
        (
            "amount = '''\n1\n  + lin.price'''",
            &[
                "pointDefinitions[0].amount: there is no `lin`; an expression sees order, line, trigger, member, program and tables (line 12, column 5)",
            ],
        ),
        (
            "amount = \"\"\"\nsize(\\\n   'ø') + bar\"\"\"",
            &[
                "pointDefinitions[0].amount: there is no `bar`; an expression sees order, line, trigger, member, program and tables (line 12, column 12)",
            ],
        ),
        (
            "amount = 'line.fareProducts.exists(p, p.typ == \"SINGLE\") ? 1 : x'",
            &[
                "pointDefinitions[0].amount: a fare product has no field `typ`; it has id, type, name, main, extra (line 10, column 40)",
                "pointDefinitions[0].amount: there is no `x`; an expression sees order, line, trigger, member, program and tables (line 10, column 64)",
            ],
        ),
        (
            "amount = 'tables.productPoints[line.fareProducts[0].id]'",
            &[
                "pointDefinitions[0].amount: there is no table `productPoints`; the program has none (line 10, column 17)",
            ],
        ),
        (
            "amount = 'round(1.5)'",
            &[
                "pointDefinitions[0].amount: there is no function `round`; there are bool, bytes, double, duration, dyn, int, matches, size, string, timestamp, type, uint (line 10, column 16)",
            ],
        ),
        (
            "amount = 'line.userType.lower().size()'",
            &[
                "pointDefinitions[0].amount: there is no method `lower`; there are contains, endsWith, getDate, getDayOfMonth, getDayOfWeek, getDayOfYear, getFullYear, getHours, getMilliseconds, getMinutes, getMonth, getSeconds, matches, size, startsWith (line 10, column 30)",
            ],
        ),
        (
            "amount = 'Price{amount: 1}.amount'",
            &[
                "pointDefinitions[0].amount: there is no type `Price`; write a map in braces (line 10, column 16)",
            ],
        ),
        (
            "amount = 'line.price.amount.value'",
            &[
                "pointDefinitions[0].amount: what stands before `.value` is a single value and has no fields (line 10, column 28)",
            ],
        ),
        (
            "amount = 'line.fareProducts.id'",
            &[
                "pointDefinitions[0].amount: a list has no field `id`; take an element, for example [0], or use exists, all, map or filter (line 10, column 28)",
            ],
        ),
    ]);
    let with_table = program("", "amount = 'tables.b.x'", "[tables.a]\nx = 1");
    assert_eq!(
        refusal(&with_table),
        [
            "pointDefinitions[0].amount: there is no table `b`; the program has a (line 10, column 17)"
        ]
    );
}

#[test]
fn a_value_of_the_wrong_type_is_refused() {
    assert_refusals(&[
        (
            "amount = 'line.price.amount'",
            &[
                "pointDefinitions[0].amount: `amount` must give a number, this gives a string; write double(…) or int(…) around it (line 10, column 10)",
            ],
        ),
        (
            "amount = 'duration(\"1h\")'",
            &[
                "pointDefinitions[0].amount: `amount` must give a number, this gives a duration (line 10, column 10)",
            ],
        ),
        (
            "amount = 'line.price'",
            &[
                "pointDefinitions[0].amount: `amount` must give a number, this gives a map (line 10, column 10)",
            ],
        ),
        (
            "amount = '1'\nwhen = 'line.userType'",
            &[
                "pointDefinitions[0].when: `when` must give a bool, this gives a string; compare it with something (line 11, column 8)",
            ],
        ),
        (
            "amount = '1'\ncustomer = '7'",
            &[
                "pointDefinitions[0].customer: `customer` must give a string or null, this gives a number; write string(…) around a number (line 11, column 12)",
            ],
        ),
        (
            "amount = '1'\nvalidFrom = '\"2026-01-01T00:00:00Z\"'",
            &[
                "pointDefinitions[0].validFrom: `validFrom` must give a timestamp, this gives a string; write timestamp(…) around it (line 11, column 13)",
            ],
        ),
        (
            "amount = '5 * 0.1'",
            &[
                "pointDefinitions[0].amount: on sample data, `*` does not take int and double; convert one, with int(…) or double(…) (line 10, column 10)",
            ],
        ),
        (
            "amount = '1'\nwhen = 'line.userType > 1'",
            &[
                "pointDefinitions[0].when: on sample data, `>` does not take string and int (line 11, column 8)",
            ],
        ),
        (
            "amount = '1'\nwhen = 'line.price.minorUnits.startsWith(\"1\")'",
            &[
                "pointDefinitions[0].when: on sample data, `startsWith` does not take int and string (line 11, column 8)",
            ],
        ),
    ]);
}

#[test]
fn what_only_the_data_can_tell_is_not_refused() {
    for expression in [
        "int(line.userType)",
        "line.travellers.size()",
        "line.travellers[0].age * 2",
        "line.travellers.filter(t, t.age < 18).size()",
        "2.0 * line.extra.factor",
        "member.metadata.level == \"gold\" ? 2 : 1",
        "line.fareProducts[3].main ? 1 : 2",
        "100 / (line.price.minorUnits - 3990)",
        "10 - line.price.minorUnits",
    ] {
        let document = program("", &format!("amount = '{expression}'"), "");
        assert_eq!(refusal(&document), Vec::<String>::new(), "{expression}");
    }
}

#[test]
fn a_result_that_is_never_a_number_of_points_is_refused() {
    assert_refusals(&[
        (
            "amount = '-1'",
            &[
                "pointDefinitions[0].amount: a number of points is not negative, this is always -1 (line 10, column 10)",
            ],
        ),
        (
            "amount = '1.0 / 0.0'",
            &[
                "pointDefinitions[0].amount: a number of points is finite, this is not (line 10, column 10)",
            ],
        ),
        (
            "amount = '1 / 0'",
            &[
                "pointDefinitions[0].amount: the expression always fails: a whole number is divided by zero (line 10, column 10)",
            ],
        ),
    ]);
}

#[test]
fn a_comprehension_goes_through_lists_only() {
    let sentence = "a comprehension goes through a list; the keys of a map have no order, so its result would differ from run to run";
    for (range, column) in [
        ("tables", 11),
        ("line", 11),
        ("line.extra", 15),
        ("{\"a\": 1}", 11),
        ("member.metadata", 17),
        ("line.fareProducts[0]", 28),
    ] {
        let definition = format!("amount = '{range}.map(k, 1)[0]'");
        assert_eq!(
            refusal(&program("", &definition, "")),
            [format!(
                "pointDefinitions[0].amount: {sentence} (line 10, column {column})"
            )]
        );
    }
    assert_refusals(&[
        (
            "amount = '[{\"a\": 1}][0].map(k, 1)[0]'",
            &[
                "pointDefinitions[0].amount: on sample data, a comprehension goes through a list, this is a map (line 10, column 10)",
            ],
        ),
        (
            "amount = 'size([] + {\"a\": 1})'",
            &[
                "pointDefinitions[0].amount: on sample data, `+` does not take list and map (line 10, column 10)",
            ],
        ),
        (
            "amount = 'line.userType.map(c, 1)[0]'",
            &[
                "pointDefinitions[0].amount: a comprehension goes through a list, this is a single value (line 10, column 15)",
            ],
        ),
    ]);
    // Where only the data can tell, a map is a rule error.
    let compiled = definition("amount = 'line.extra.zones.map(z, 1)[0]'", "");
    let line = Purchase::of(&serde_json::json!({"zones": {"a": 1}})).scope(None);
    assert_eq!(
        amount_of(&compiled, &line).unwrap_err().to_string(),
        "a comprehension goes through a list, this is a map"
    );
}

#[test]
fn patterns_are_literals_and_regular_expressions() {
    assert_refusals(&[
        (
            "amount = '1'\nwhen = 'line.userType.matches(line.orderId)'",
            &[
                "pointDefinitions[0].when: `matches` takes its pattern as a text in quotes, so that it can be checked (line 11, column 35)",
            ],
        ),
        (
            "amount = '1'\nwhen = 'line.userType.matches(\"(\")'",
            &[
                "pointDefinitions[0].when: the pattern is no regular expression: unclosed group (line 11, column 31)",
            ],
        ),
        (
            "amount = '1'\nwhen = 'matches(line.userType, \"(a{100}){1000}\")'",
            &[
                "pointDefinitions[0].when: the regular expression is too large; write it with fewer repetitions (line 11, column 32)",
            ],
        ),
    ]);
    assert_eq!(holds("line.userType.matches(\"^AD\")"), Ok(true));
    assert_eq!(
        holds("matches(line.userType, \"^D\") || line.userType.matches(\"T$\")"),
        Ok(true)
    );
}

#[test]
fn limits_are_told_with_what_to_do() {
    let long = format!("amount = '1{}'", " + 1".repeat(500));
    let deep = format!("amount = '{}1{}'", "(1 + ".repeat(50), ")".repeat(50));
    let nested = "amount = '[1].map(a, [1].map(b, [1].map(c, 1)[0])[0])[0]'";
    assert_refusals(&[
        (
            &long,
            &[
                "pointDefinitions[0].amount: the expression has 2001 characters, at most 2000 are taken; use a table or several definitions (line 10, column 10)",
            ],
        ),
        (
            &deep,
            &[
                "pointDefinitions[0].amount: the expression nests 51 deep, at most 48 are taken; write it flatter, for example with `in` and a list (line 10, column 10)",
            ],
        ),
        (
            nested,
            &[
                "pointDefinitions[0].amount: more than 2 comprehensions stand within one another; their costs multiply, so write it with fewer (line 10, column 40)",
            ],
        ),
    ]);

    let document = format!("# {}\n", "x".repeat(DOCUMENT_BYTES_MAX));
    assert_eq!(
        refusal(&document),
        ["the document has 262147 bytes, at most 262144 are taken; move large tables out of it"]
    );
    let definitions: Vec<String> = (0..POINT_DEFINITIONS_MAX)
        .map(|number| {
            format!("[[pointDefinitions]]\nid = {number}1\nreference = \"d{number}\"\ntrigger = \"LineConfirmed\"\namount = '1'")
        })
        .collect();
    let definitions = definitions.join("\n").replace("id = 01", "id = 1001");
    let many = program("", "amount = '1'", &definitions).replace("id = 71\n", "id = 9999\n");
    assert_eq!(
        refusal(&many),
        [
            "pointDefinitions: the program has 101 point definitions, at most 100 are taken; split it into several programs (line 6, column 1)"
        ]
    );
    let keys: Vec<String> = (0..=TABLE_KEYS_MAX)
        .map(|key| format!("k{key} = 1"))
        .collect();
    let keys = keys.join("\n");
    assert_eq!(
        refusal(&program("", "amount = '1'", &format!("[tables.a]\n{keys}"))),
        ["tables.a: the table has 5001 keys, at most 5000 are taken (line 12, column 1)"]
    );
}

#[test]
fn what_is_not_built_yet_is_refused_and_says_so() {
    assert_refusals(&[
        (
            "amount = '1'\nperiod = { kind = \"ROLLING_FROM_FIRST\", length = \"P30D\", key = '1' }",
            &[
                "pointDefinitions[0].period: periods are not supported yet; leave `period` out, for example with an expiry of kind DURATION (line 11, column 10)",
            ],
        ),
        (
            "amount = '1'\ncap = { amount = 10, per = \"PERIOD\" }",
            &[
                "pointDefinitions[0].cap: caps are not supported yet; leave `cap` out (line 11, column 7)",
            ],
        ),
        (
            "amount = '1'\nexpiry = { kind = \"PERIOD_END\" }",
            &[
                "pointDefinitions[0].expiry.kind: an expiry at the end of a period is not supported yet; use NEVER, DURATION or FIXED (line 11, column 19)",
            ],
        ),
    ]);
    let refused = CompiledProgram::from_toml(&program(
        "",
        "amount = '1'\ncap = { amount = 10, per = \"DAY\" }",
        "",
    ));
    let problem = refused.unwrap_err().problems.remove(0);
    assert_eq!(problem.code, ProblemCode::NotSupportedYet);
    assert_eq!(
        serde_json::to_value(&problem).unwrap(),
        serde_json::json!({
            "field": "pointDefinitions[0].cap",
            "message": "caps are not supported yet; leave `cap` out (line 11, column 7)",
            "code": "not-supported-yet",
        })
    );
}

#[test]
fn fields_of_a_definition_are_checked() {
    assert_refusals(&[
        (
            "amount = 1",
            &[
                "pointDefinitions[0].amount: this is integer 1, and a string is wanted (line 10, column 10)",
            ],
        ),
        (
            "amuont = '1'",
            &[
                "pointDefinitions[0].amuont: there is no such field; there are id, reference, name, trigger, when, amount, rounding, customer, validFrom, expiry, period, reversal, cap (line 10, column 10)",
            ],
        ),
        (
            "when = 'true'",
            &["pointDefinitions[0].amount: the field is missing; add it (line 6, column 1)"],
        ),
        (
            "amount = '1'\nrounding = { scale = 10 }",
            &[
                "pointDefinitions[0].rounding.scale: points are rounded to at most 9 decimals, this asks for 10 (line 11, column 22)",
            ],
        ),
        (
            "amount = '1'\nrounding = { mode = \"UP\" }",
            &[
                "pointDefinitions[0].rounding.mode: there is no UP; use FLOOR, CEILING, HALF_UP, HALF_EVEN (line 11, column 21)",
            ],
        ),
        (
            "amount = '1'\nrounding = [0, \"FLOOR\"]",
            &[
                "pointDefinitions[0].rounding: this is a list, and there is none here in a program (line 11, column 12)",
            ],
        ),
        (
            "amount = '1'\nreversal = { onCancel = \"KEPT\" }",
            &[
                "pointDefinitions[0].reversal.onCancel: there is no KEPT; use CANCEL or KEEP (line 11, column 25)",
            ],
        ),
        (
            "amount = '1'\nexpiry = { kind = \"DURATION\" }",
            &[
                "pointDefinitions[0].expiry: an expiry of kind DURATION has `after`, and no `at` (line 11, column 10)",
            ],
        ),
        (
            "amount = '1'\nexpiry = { kind = \"DURATION\", after = \"30 days\" }",
            &[
                "pointDefinitions[0].expiry.after: a duration is written as in ISO 8601, for example \"P30D\", \"P1M\" or \"PT12H\" (line 11, column 39)",
            ],
        ),
        (
            "amount = '1'\nexpiry = { kind = \"DURATION\", after = \"P0D\" }",
            &[
                "pointDefinitions[0].expiry.after: a duration must be longer than zero (line 11, column 39)",
            ],
        ),
        (
            "amount = '1'\nexpiry = { kind = \"DURATION\", after = \"P200Y\" }",
            &[
                "pointDefinitions[0].expiry.after: a duration is at most 100 years (line 11, column 39)",
            ],
        ),
        (
            "amount = '1'\nexpiry = { kind = \"FIXED\", at = 2026-12-31 }",
            &[
                "pointDefinitions[0].expiry.at: a moment is written with date, time and offset, for example 2026-12-31T23:00:00Z (line 11, column 33)",
            ],
        ),
        (
            "amount = '1'\nexpiry = { kind = \"NEVER\", after = \"P1D\" }",
            &[
                "pointDefinitions[0].expiry: an expiry of kind NEVER has no `after` and no `at` (line 11, column 10)",
            ],
        ),
    ]);
}

#[test]
fn fields_of_the_program_are_checked() {
    let cases: &[(&str, &[&str])] = &[
        (
            "timezone = \"Europe/Bergen\"",
            &[
                "timezone: there is no time zone \"Europe/Bergen\"; use an IANA name, for example \"Europe/Oslo\" (line 4, column 12)",
            ],
        ),
        (
            "colour = 1",
            &[
                "colour: there is no such field; there are id, reference, name, preset, organisationId, organisationsWithAccess, active, timezone, registration, tables, pointDefinitions (line 4, column 10)",
            ],
        ),
        (
            "active = \"yes\"",
            &["active: this is string \"yes\", and a boolean is wanted (line 4, column 10)"],
        ),
        (
            "preset = \"SIMPLE\"",
            &[
                "preset: there is no SIMPLE; use CUSTOM or CAMPAIGN_CODE_PROGRAM (line 4, column 10)",
            ],
        ),
        (
            "organisationsWithAccess = [1, \"x\"]",
            &[
                "organisationsWithAccess[1]: a numeric id is a whole number from 1 to 9007199254740991 (line 4, column 31)",
            ],
        ),
        (
            "registration = { window = \"-P1D\" }",
            &["registration.window: a duration must be longer than zero (line 4, column 27)"],
        ),
        (
            "[tables.\"a b\"]\nx = 1",
            &[
                "tables.a b: a table's name is made of letters, digits and _, and begins with no digit, so that expressions can name it (line 4, column 1)",
            ],
        ),
        (
            "[tables.a.b]\nx = 1",
            &[
                "tables.a.b: a table holds numbers, strings and bools; make a table of its own for what lies within this one (line 4, column 1)",
            ],
        ),
        (
            "[tables.a]\nx = inf",
            &["tables.a.x: a number must be finite (line 5, column 5)"],
        ),
        (
            "id = 8",
            &["the document is no TOML: duplicate key (line 4, column 1)"],
        ),
    ];
    for (top, refusals) in cases {
        assert_eq!(
            refusal(&program(top, "amount = '1'", "")),
            *refusals,
            "{top}"
        );
    }
    assert_eq!(
        refusal(""),
        ["id: the field is missing; add it (line 1, column 1)"]
    );
    assert_eq!(
        refusal("id = 1\nreference = \"a b\"\nname = \" \"\n"),
        [
            "reference: a reference has 1 to 64 characters from A-Z a-z 0-9 _ - . :, this is \"a b\" (line 2, column 13)",
            "name: the name is empty; give the program one that can be shown (line 3, column 8)",
        ]
    );
}

#[test]
fn ids_and_references_of_definitions_are_their_own() {
    let second = "[[pointDefinitions]]\nid = 71\nreference = \"ticket\"\ntrigger = \"LineActivated\"\namount = 'x'";
    assert_eq!(
        refusal(&program("", "amount = '1'", second)),
        [
            "pointDefinitions[1].id: the id 71 stands at an earlier definition already; give each its own (line 13, column 6)",
            "pointDefinitions[1].reference: the reference ticket stands at an earlier definition already; give each its own (line 14, column 13)",
            "pointDefinitions[1].amount: there is no `x`; an expression sees order, line, trigger, member, program and tables (line 16, column 11)",
        ],
        "everything that is wrong is told at once"
    );
}

#[test]
fn json_is_refused_in_the_same_words_with_places_in_the_expression() {
    let refusal = |json: &str| CompiledProgram::from_json(json).unwrap_err().to_string();
    assert_eq!(
        refusal("{\"id\": 1,\n \"reference\" \"a\"}"),
        "the document is no JSON: expected `:` (line 2, column 14)"
    );
    assert_eq!(
        refusal("[]"),
        "this is a list, and there is none here in a program"
    );
    assert_eq!(
        refusal("7"),
        "this is integer 7, and struct Program is wanted"
    );
    let with = |amount: &str| {
        format!(
            r#"{{"id": 1, "reference": "a", "name": "A", "pointDefinitions":
            [{{"id": 1, "reference": "b", "trigger": "LineConfirmed", "amount": "{amount}"}}]}}"#
        )
    };
    assert_eq!(
        refusal(&with("1 +\\n lin")),
        "pointDefinitions[0].amount: there is no `lin`; an expression sees order, line, trigger, member, program and tables (line 2, column 2 of the expression)"
    );
    assert_eq!(
        refusal(&with("-1")),
        "pointDefinitions[0].amount: a number of points is not negative, this is always -1"
    );
}

#[test]
fn toml_and_json_are_the_same_program() {
    let toml = program(
        "timezone = \"Europe/Oslo\"",
        "amount = 'tables.a.x'\nexpiry = { kind = \"FIXED\", at = 2026-12-31T23:00:00Z }",
        "[tables.a]\nx = 5\ny = 0.5\nz = true",
    );
    let from_toml = Program::from_toml(&toml).unwrap();
    let from_json = Program::from_json(&from_toml.to_json()).unwrap();
    assert_eq!(from_toml, from_json);
    assert_eq!(from_toml.to_json(), from_json.to_json());
    assert_eq!(
        serde_json::from_str::<Value>(&from_toml.to_json()).unwrap()["pointDefinitions"][0]["expiry"],
        serde_json::json!({"kind": "FIXED", "at": "2026-12-31T23:00:00Z"})
    );
}
