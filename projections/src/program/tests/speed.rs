//! How long an evaluation takes.

use std::time::Instant;

use serde_json::json;

use super::*;

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
