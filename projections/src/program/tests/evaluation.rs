//! What definitions give: the worked examples of the domain, and the corners of numbers and times.

use rust_decimal::Decimal;
use serde_json::json;

use super::*;

fn sample(name: &str) -> CompiledProgram {
    let path = format!(
        "{}/../samples/programs/{name}.toml",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&path).unwrap();
    match CompiledProgram::from_toml(&text) {
        Ok(compiled) => compiled,
        Err(refused) => panic!("{path}: {refused}"),
    }
}

#[test]
fn a_point_per_ten_kroner() {
    let compiled = sample("points-per-krone");
    let of = |price: &str| {
        let line = Purchase::of(&json!({"price": {"amount": price}})).scope(None);
        amount_of(&compiled, &line).unwrap()
    };
    assert_eq!(of("399.00"), "39");
    assert_eq!(of("39.90"), "3");
    assert_eq!(of("40.00"), "4");
    assert_eq!(of("9.99"), "0");

    let definition = &compiled.all_definitions()[0];
    let left = Decimal::from(39) * Decimal::from(299) / Decimal::from(399);
    assert_eq!(definition.round(left), Decimal::from(29));
    assert_eq!(definition.expire_at(at("2026-01-01T12:00:00Z")), None);

    let euros = Purchase::of(&json!({"price": {"currency": "EUR"}})).scope(None);
    assert_eq!(definition.applies(&euros, &confirmed(), None), Ok(false));
}

#[test]
fn points_per_product_and_none_for_a_product_that_is_not_in_the_table() {
    let compiled = sample("points-per-product");
    let line = Purchase::of(&json!({})).scope(None);
    assert_eq!(amount_of(&compiled, &line), Ok("5".to_owned()));

    let other =
        json!({"fareProducts": [{"id": "ENT:PreassignedFareProduct:Dog", "type": "SINGLE"}]});
    let fault = amount_of(&compiled, &Purchase::of(&other).scope(None)).unwrap_err();
    assert!(!fault.is_error());
    assert_eq!(
        fault,
        RuleFault::MissingTableKey {
            table: "productPoints".to_owned(),
            key: "\"ENT:PreassignedFareProduct:Dog\"".to_owned(),
        }
    );

    let definition = &compiled.all_definitions()[0];
    let departure = json!({"travel": {"departureTime": "2026-01-03T07:00:00Z"}});
    let valid_from = |line: &LineScope| definition.valid_from(line, &confirmed(), None).unwrap();
    assert_eq!(
        valid_from(&Purchase::of(&departure).scope(None)),
        at("2026-01-03T07:00:00Z")
    );
    assert_eq!(valid_from(&line), at("2026-01-01T12:00:00Z"));
    assert_eq!(
        definition.expire_at(at("2026-01-01T12:00:00Z")),
        Some(at("2027-12-31T23:00:00Z"))
    );
}

#[test]
fn thirty_days_back() {
    let compiled = sample("thirty-days-back");
    let definition = &compiled.all_definitions()[0];
    let expiries = [
        ("2026-01-01T08:00:00Z", "2026-01-31T08:00:00Z"),
        ("2026-01-10T08:00:00Z", "2026-02-09T08:00:00Z"),
        ("2026-02-01T08:00:00Z", "2026-03-03T08:00:00Z"),
        // Over the change to summer time in Oslo the time of day stays.
        ("2026-03-10T08:00:00Z", "2026-04-09T07:00:00Z"),
    ];
    for (valid_from, expire_at) in expiries {
        assert_eq!(definition.expire_at(at(valid_from)), Some(at(expire_at)));
    }
    let applies = |patch| definition.applies(&Purchase::of(&patch).scope(None), &confirmed(), None);
    assert_eq!(applies(json!({})), Ok(true));
    assert_eq!(applies(json!({"userType": "CHILD"})), Ok(false));
    assert_eq!(applies(json!({"fareProducts": []})), Ok(false));
    assert_eq!(
        compiled
            .program
            .window_closes_at(at("2026-01-01T08:00:00Z")),
        Some(at("2026-04-01T07:00:00Z"))
    );
}

#[test]
fn points_for_tickets_in_use() {
    let compiled = sample("activated");
    assert_eq!(compiled.definitions(TriggerKind::LineConfirmed).count(), 0);
    assert_eq!(compiled.definitions(TriggerKind::LineActivated).count(), 1);
    let products = json!({"fareProducts": [
        {"id": "a", "type": "SINGLE"}, {"id": "b", "type": "SEAT", "main": false}, {"id": "c", "type": "SINGLE"}
    ]});
    assert_eq!(
        amount_of(&compiled, &Purchase::of(&products).scope(None)),
        Ok("4".to_owned())
    );
    assert_eq!(
        compiled
            .program
            .window_closes_at(at("2026-01-01T08:00:00Z")),
        None
    );
}

#[test]
fn a_number_is_taken_to_nine_decimals_before_it_is_rounded() {
    let rounded = |amount: &str, rounding: &str| {
        let text = format!("amount = '{amount}'\nrounding = {{ {rounding} }}");
        let compiled = definition(&text, "");
        amount_of(&compiled, &Purchase::of(&json!({})).scope(None)).unwrap()
    };
    let of_price = "double(line.price.amount) / 10.0";
    assert_eq!(rounded(of_price, "scale = 2"), "3.99");
    assert_eq!(rounded(of_price, "scale = 1"), "3.9");
    assert_eq!(rounded(of_price, "scale = 1, mode = \"CEILING\""), "4");
    assert_eq!(rounded(of_price, "mode = \"HALF_UP\""), "4");
    assert_eq!(rounded("2.5", "mode = \"HALF_UP\""), "3");
    assert_eq!(rounded("2.5", "mode = \"HALF_EVEN\""), "2");
    assert_eq!(rounded("3.5", "mode = \"HALF_EVEN\""), "4");
    assert_eq!(rounded("0.0000000004", "mode = \"CEILING\""), "0");
    assert_eq!(rounded("0.1 + 0.2", "scale = 9"), "0.3");
    assert_eq!(rounded("line.price.minorUnits * 3", ""), "11970");
    assert_eq!(rounded("7u", ""), "7");
    assert_eq!(rounded("0.0 * -1.0", ""), "0");
}

#[test]
fn what_is_no_number_of_points_gives_nothing_and_is_a_rule_error() {
    let sentence = |expression: &str| amount(expression).unwrap_err().to_string();
    assert_eq!(
        sentence("10 - line.price.minorUnits"),
        "amount gave -3980, which is negative"
    );
    assert_eq!(
        sentence("double(line.price.amount) / double(line.orderVersion - 1)"),
        "amount gave no finite number, or one too large for points"
    );
    assert_eq!(
        sentence("line.price.minorUnits / (line.orderVersion - 1)"),
        "a whole number is divided by zero"
    );
    assert_eq!(
        sentence("line.price.minorUnits * 1000000000"),
        "amount gave 3990000000000, and points stay below 1000000000000"
    );
    assert_eq!(
        sentence("9223372036854775807 - line.price.minorUnits + 9223372036854775807"),
        "a number or a time passes the range of its type"
    );
    assert_eq!(
        sentence("int(line.userType)"),
        "`int` takes a whole number of 64 bits, this is none"
    );
    assert_eq!(
        sentence("has(line.travel) ? 1 : line.userType"),
        "amount gave a string, not a number"
    );
    assert_eq!(
        sentence("line.fareProducts[7].id == \"x\" ? 1 : 2"),
        "a list is shorter than the index asks for"
    );
    assert_eq!(
        sentence("line.extra.zones"),
        "amount gave null, not a number"
    );
    assert_eq!(
        sentence("size(line.travel.fromStopPlace)"),
        "a field is asked of null, which has none; ask has(…) first"
    );
}

#[test]
fn points_go_to_whom_the_line_is_for() {
    let default = definition("amount = '1'", "");
    let owner = definition("amount = '1'\ncustomer = 'order.customerId'", "");
    let holder = "line.distributionDetails.distributionHolderCustomerId";
    let holder = definition(&format!("amount = '1'\ncustomer = '{holder}'"), "");
    let explicit = definition("amount = '1'\ncustomer = 'line.customerId'", "");
    let customer = |compiled: &CompiledProgram, line: &LineScope| {
        let given = compiled.all_definitions()[0].customer(line, &confirmed());
        given.map(|customer| customer.map(|customer| customer.to_string()))
    };
    let of_line = Purchase::of(&json!({"customerId": "traveller"})).scope(None);
    let without = Purchase::of(&json!({})).scope(None);
    let registered = Purchase::of(&json!({"customerId": "traveller"})).scope(Some("late"));

    assert_eq!(customer(&default, &of_line), Ok(Some("traveller".into())));
    assert_eq!(customer(&default, &without), Ok(Some("owner".into())));
    assert_eq!(customer(&default, &registered), Ok(Some("late".into())));
    assert_eq!(customer(&explicit, &without), Ok(Some("owner".into())));
    assert_eq!(customer(&explicit, &registered), Ok(Some("late".into())));
    assert_eq!(customer(&owner, &of_line), Ok(Some("owner".into())));
    let none = json!({"distributionDetails": {"fulfillmentMethod": "NOD"}});
    assert_eq!(
        customer(&holder, &Purchase::of(&none).scope(None)),
        Ok(None)
    );

    let odd = definition("amount = '1'\ncustomer = 'line.userType + \" \"'", "");
    assert_eq!(
        customer(&odd, &of_line).unwrap_err().to_string(),
        "customer gave no id: an id is made of A-Z a-z 0-9 _ : -, this one has ' '"
    );
}

#[test]
fn a_trigger_that_has_not_come_has_no_time() {
    let compiled = definition("amount = '1'\nwhen = 'trigger.time == null'", "");
    let definition = &compiled.all_definitions()[0];
    let line = Purchase::of(&json!({})).scope(None);
    let waiting = TriggerScope {
        kind: TriggerKind::LineActivated,
        time: None,
    };
    assert_eq!(definition.applies(&line, &waiting, None), Ok(true));
    assert_eq!(definition.applies(&line, &confirmed(), None), Ok(false));
    assert_eq!(
        definition
            .valid_from(&line, &waiting, None)
            .unwrap_err()
            .to_string(),
        "the trigger has not come, so it has no time"
    );
}
