//! What is refused of expressions at publication, in which words, and where in the document.

use super::*;

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
            "amount = 'double(line.price.amount'",
            &[
                "pointDefinitions[0].amount: the expression is no CEL: a `)` is missing (line 10, column 35)",
            ],
        ),
        (
            "amount = '9223372036854775808'",
            &[
                "pointDefinitions[0].amount: the expression is no CEL: a whole number has at most 64 bits (line 10, column 11)",
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
            "amount = '1'\ncustomer = 'member.customerId'",
            &[
                "pointDefinitions[0].customer: `member` follows from the customer, so `customer` can't see it (line 11, column 13)",
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
        (
            "amount = 'int(\"x\")'",
            &[
                "pointDefinitions[0].amount: the expression always fails: `int` takes a whole number of 64 bits, this is none (line 10, column 10)",
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
    let line = Purchase::of(&serde_json::json!({"zones": null})).scope(None);
    assert_eq!(
        amount_of(&compiled, &line).unwrap_err().to_string(),
        "a comprehension goes through a list, this is null"
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
            "amount = '1'\nwhen = 'matches()'",
            &[
                "pointDefinitions[0].when: `matches` takes a text and a pattern, like line.userType.matches(\"^ADULT$\") (line 11, column 16)",
            ],
        ),
        (
            "amount = '1'\nwhen = 'line.userType.matches(\"A\", \"B\")'",
            &[
                "pointDefinitions[0].when: `matches` takes a text and a pattern, like line.userType.matches(\"^ADULT$\") (line 11, column 30)",
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
