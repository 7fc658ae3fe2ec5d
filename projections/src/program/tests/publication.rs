//! What is refused of documents at publication, in which words, and where in them.

use super::*;

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
            format!("[[pointDefinitions]]\nid = 1{number:03}\nreference = \"d{number}\"\ntrigger = \"LineConfirmed\"\namount = '1'")
        })
        .collect();
    let definitions = definitions.join("\n");
    let many = program("", "amount = '1'", &definitions);
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
fn a_period_and_a_cap_are_checked_with_their_place() {
    const UNFIT: &str = "`period.key` must give a string, number, bool, timestamp or null, or a list or map of them";
    let with_key =
        |key: &str| format!("amount = '1'\nperiod = {{ kind = \"CALENDAR_YEAR\", key = '{key}' }}");
    assert_refusals(&[
        (
            "amount = '1'\nperiod = { kind = \"ROLLING_FROM_FIRST\" }",
            &[
                "pointDefinitions[0].period: a period of kind ROLLING_FROM_FIRST has a length; add one, for example length = \"P30D\" (line 11, column 10)",
            ],
        ),
        (
            "amount = '1'\nperiod = { kind = \"CALENDAR_MONTH\", length = \"P30D\" }",
            &[
                "pointDefinitions[0].period.length: the calendar says how long a month or a year is; leave `length` out, or use ROLLING_FROM_FIRST (line 11, column 46)",
            ],
        ),
        (
            "amount = '1'\nperiod = { kind = \"ROLLING_FROM_FIRST\", length = \"P0D\" }",
            &[
                "pointDefinitions[0].period.length: a duration must be longer than zero (line 11, column 50)",
            ],
        ),
        (
            "amount = '1'\nexpiry = { kind = \"PERIOD_END\" }",
            &[
                "pointDefinitions[0].expiry.kind: points can't end with a period where there is none; add `period`, or use NEVER, DURATION or FIXED (line 11, column 19)",
            ],
        ),
        (
            "amount = '1'\ncap = { amount = 10, per = \"PERIOD\" }",
            &[
                "pointDefinitions[0].cap.per: points can't be counted in a period where there is none; add `period`, or count per DAY, ORDER or MEMBER (line 11, column 28)",
            ],
        ),
        (
            "amount = '1'\ncap = { amount = -1, per = \"DAY\" }",
            &[
                "pointDefinitions[0].cap.amount: a cap is a number from 0 on, below 1000000000000, with at most 9 decimals, this is -1 (line 11, column 18)",
            ],
        ),
        (
            &with_key("line.usertype"),
            &[
                "pointDefinitions[0].period.key: line has no field `usertype`; it has orderId, orderVersion, orderLineId, orderLineVersion, fareProducts, price, userType, customerId, travellers, validity, travel, distributionDetails, extra (line 11, column 47)",
            ],
        ),
        (
            &with_key("b\"x\""),
            &[&format!(
                "pointDefinitions[0].period.key: {UNFIT}, this gives a byte string (line 11, column 42)"
            )],
        ),
    ]);
    for right in [
        "\"all\"",
        "line.userType",
        "[line.userType, trigger.time]",
        "{\"userType\": line.userType, \"pos\": null}",
        "line.travellers",
        "member.metadata",
        "1.5",
    ] {
        assert_refusals(&[(&with_key(right), &[])]);
    }
}

#[test]
fn fields_of_a_definition_are_checked() {
    assert_refusals(&[
        (
            "amount = 1",
            &["pointDefinitions[0].amount: must be a string (line 10, column 10)"],
        ),
        (
            "amuont = '1'",
            &[
                "pointDefinitions[0].amuont: there is no such field; there are id, reference, name, trigger, when, amount, rounding, customer, validFrom, expiry, period, reversal, cap (line 10, column 10)",
                "pointDefinitions[0].amount: the field is missing; add it (line 6, column 1)",
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
            "amount = '1'\nexpiry = { kind = \"FIXED\", at = \"+262142-12-31T23:59:59Z\" }",
            &[
                "pointDefinitions[0].expiry.at: a moment is written with date, time and offset, for example 2026-12-31T23:00:00Z (line 11, column 33)",
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
            &["active: must be true or false (line 4, column 10)"],
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
        [
            "id: the field is missing; add it (line 1, column 1)",
            "reference: the field is missing; add it (line 1, column 1)",
            "name: the field is missing; add it (line 1, column 1)",
        ]
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
        "the document is no JSON (line 2, column 14)"
    );
    assert_eq!(
        refusal("[]"),
        "this is a list, and there is none here in a program"
    );
    assert_eq!(refusal("7"), "must be an object");
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

/// A program with every field that there is.
fn whole() -> Value {
    serde_json::json!({
        "id": 7, "reference": "reis", "name": "Reis", "preset": "CUSTOM", "organisationId": 1,
        "organisationsWithAccess": [1], "active": true, "timezone": "Europe/Oslo",
        "registration": {"window": "P90D", "requireMembershipAtTrigger": false},
        "tables": {"points": {"a": 1}},
        "pointDefinitions": [{
            "id": 71, "reference": "ticket", "name": {"nob": "a", "nno": "b", "eng": "c"}, "trigger": "LineConfirmed",
            "when": "true", "amount": "1", "rounding": {"scale": 0, "mode": "FLOOR"}, "customer": "line.customerId",
            "validFrom": "trigger.time", "expiry": {"kind": "DURATION", "after": "P30D"},
            "period": {"kind": "CALENDAR_MONTH", "key": "1"}, "reversal": {"onCancel": "KEEP", "onRefund": "KEEP"},
            "cap": {"amount": 1, "per": "DAY"},
        }],
    })
}

/// Every field of a document, by JSON pointer.
fn fields(value: &Value, pointer: &str) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, f)| (name.clone(), f)).collect(),
        Value::Array(items) => (0..).map(|i: usize| i.to_string()).zip(items).collect(),
        _ => Vec::new(),
    };
    let within = children.into_iter().flat_map(|(name, child)| {
        let pointer = format!("{pointer}/{name}");
        let within = fields(child, &pointer);
        std::iter::once(pointer).chain(within)
    });
    within.collect()
}

fn problems(json: &Value) -> Vec<String> {
    let refused = CompiledProgram::from_json(&json.to_string()).err();
    let problems = refused.into_iter().flat_map(|refused| refused.problems);
    problems.map(|problem| problem.field).collect()
}

/// The author of a program with three misspelt fields once published it four times.
#[test]
fn a_mistake_of_form_hides_none_in_another_field() {
    let whole = whole();
    assert_eq!(problems(&whole), [""; 0]);
    let pointers = fields(&whole, "");
    assert!(pointers.len() > 35, "{pointers:?}");
    for pointer in &pointers {
        let path = pointer[1..].replace("/0", "[0]").replace('/', ".");
        for malformed in [serde_json::json!({"x": {}}), serde_json::json!([[]])] {
            let mut document = whole.clone();
            *document.pointer_mut(pointer).unwrap() = malformed;
            document["colour"] = "red".into();
            let other = "pointDefinitions[1].colour";
            let mut second = whole["pointDefinitions"][0].clone();
            second["colour"] = "red".into();
            if let Some(definitions) = document["pointDefinitions"].as_array_mut() {
                definitions.push(second);
            }
            let found = problems(&document);
            let is_told = found.iter().any(|field| field.starts_with(&path));
            // A table may hold anything that is no object or list, which is for the rules to say.
            assert!(is_told || path.starts_with("tables"), "{path}: {found:?}");
            assert!(found.contains(&"colour".to_owned()), "{path}: {found:?}");
            let is_there =
                document.pointer("/pointDefinitions/1").is_some() && path != "pointDefinitions";
            assert!(
                !is_there || found.contains(&other.to_owned()),
                "{path}: {found:?}"
            );
        }
        let mut document = whole.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        if let Some(fields) = document.pointer_mut(parent).unwrap().as_object_mut() {
            fields.remove(name);
            document["colour"] = "red".into();
            let found = problems(&document);
            assert!(found.contains(&"colour".to_owned()), "{path}: {found:?}");
        }
    }
}

#[test]
fn null_says_what_an_absent_field_says() {
    let whole = whole();
    for pointer in fields(&whole, "") {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let mut absent = whole.clone();
        let Some(fields) = absent.pointer_mut(parent).unwrap().as_object_mut() else {
            continue;
        };
        fields.remove(name);
        let mut null = whole.clone();
        *null.pointer_mut(&pointer).unwrap() = Value::Null;
        let [absent, null] =
            [absent, null].map(|json| CompiledProgram::from_json(&json.to_string()));
        if pointer.starts_with("/tables/") {
            assert!(null.is_err(), "{pointer}");
            continue;
        }
        match (absent, null) {
            (Ok(absent), Ok(null)) => assert_eq!(absent.program, null.program, "{pointer}"),
            (Err(absent), Err(null)) => assert_eq!(absent, null, "{pointer}"),
            (absent, null) => panic!("{pointer}: {absent:?} and {null:?}"),
        }
    }
}

/// Who read a program, changed its name and sent it back was told that there is no field `version`.
#[test]
fn an_answer_can_be_sent_back() {
    let mut answer = whole();
    answer["version"] = 3.into();
    answer["publishedAt"] = "2026-01-01T12:00:00Z".into();
    answer["problems"] = serde_json::json!([{"field": "id", "message": "x", "code": "syntax"}]);
    let read = |json: &Value| Program::from_json(&json.to_string()).unwrap();
    assert_eq!(read(&answer), read(&whole()));
    // In TOML nothing is answered.
    assert!(
        refusal("id = 7\nreference = \"a\"\nname = \"A\"\nversion = 3")[0]
            .contains("no such field")
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

#[test]
fn every_way_to_write_a_number_in_toml_is_read() {
    let document = program(
        "",
        "amount = '1'",
        "[tables.a]\nlong = 1_000\nhex = 0xFF\nplus = +7\nminus = -7\nfloat = 1_0.5\npower = 1e3\nlarge = 9223372036854775807",
    );
    let read = Program::from_toml(&document).unwrap();
    assert_eq!(
        serde_json::to_value(&read.tables["a"]).unwrap(),
        serde_json::json!({
            "long": 1_000, "hex": 255, "plus": 7, "minus": -7, "float": 10.5, "power": 1_000.0,
            "large": 9_223_372_036_854_775_807_i64,
        })
    );
    assert_eq!(
        refusal(&program(
            "",
            "amount = '1'",
            "[tables.a]\nx = 9223372036854775808"
        )),
        ["tables.a.x: a whole number has at most 64 bits (line 13, column 5)"]
    );
}
