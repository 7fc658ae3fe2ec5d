//! What expressions see.

use serde_json::json;

use super::*;

/// A line with everything that section 1 of the domain names, and more.
fn full() -> Value {
    json!({
        "customerId": "traveller",
        "fareProducts": [
            {"id": "a", "type": "SINGLE", "name": "Single", "zone": 3},
            {"id": "b", "type": "SEAT", "main": false}
        ],
        "travellers": [{"age": 12}, {"age": 40}],
        "validity": {"start": "2026-01-01T10:00:00Z", "end": "2026-01-01T12:00:00Z"},
        "travel": {
            "fromStopPlace": "NSR:StopPlace:1", "toStopPlace": "NSR:StopPlace:2",
            "departureTime": "2026-01-01T10:30:00Z", "operator": {"name": "Vy"}
        },
        "distributionDetails": {"customerAccountRef": "account", "distributionHolderCustomerId": "holder", "x": 1},
        "campaign": "winter", "zones": [1, 2.5, "three", null, true],
    })
}

#[test]
fn every_field_of_the_domain_is_there() {
    let line = full();
    for expression in [
        r#"line.orderId == "order-1" && line.orderVersion == 1"#,
        r#"line.orderLineId == "line-1" && line.orderLineVersion == 1"#,
        "line.fareProducts.size() == 2 && size(line.fareProducts) == 2",
        r#"line.fareProducts[0].id == "a" && line.fareProducts[0].type == "SINGLE""#,
        r#"line.fareProducts[0].name == "Single" && line.fareProducts[1].name == null"#,
        "line.fareProducts[0].main && !line.fareProducts[1].main",
        r#"line.fareProducts.map(p, p.id) == ["a", "b"]"#,
        r#"line.fareProducts.exists_one(p, p.type == "SEAT")"#,
        r#"line.fareProducts.filter(p, p.main).all(p, p.type == "SINGLE")"#,
        r#""a" in line.fareProducts.map(p, p.id)"#,
        r#"line.price.amount == "39.90" && line.price.currency == "NOK""#,
        "line.price.minorUnits == 3990",
        r#"line.userType == "ADULT" && line["userType"] == "ADULT""#,
        r#"line.customerId == "traveller" && order.customerId == "owner""#,
        "line.travellers.exists(t, t.age < 18)",
        r#"line.validity.end - line.validity.start == duration("2h")"#,
        r#"line.travel.fromStopPlace == "NSR:StopPlace:1" && line.travel.toStopPlace.startsWith("NSR:")"#,
        "line.travel.departureTime > line.validity.start",
        r#"line.travel.departureTime.getHours("Europe/Oslo") == 11"#,
        "line.travel.departureTime.getDayOfWeek() == 4",
        r#"line.distributionDetails.fulfillmentMethod == "NOD""#,
        r#"line.distributionDetails.customerAccountRef == "account""#,
        r#"line.distributionDetails.distributionHolderCustomerId == "holder""#,
        r#"order.orderId == "order-1" && order.orderVersion == 1 && order.currency == "NOK""#,
        "order.organisationId == 1 && order.organisationId in program.organisationsWithAccess == false",
        "order.distributionChannelId == null && order.pos == null",
        r#"trigger.type == "LineConfirmed" && trigger.time == timestamp("2026-01-01T12:00:00Z")"#,
        r#"program.id == 7 && program.reference == "reis" && program.name == "Reis""#,
        r#"program.preset == "CUSTOM" && program.timezone == "UTC" && program.active"#,
        "program.organisationId == null",
        "type(line.price.minorUnits) == int && type(line.userType) == string",
        "member == null",
    ] {
        assert_eq!(holds_for(expression, &line), Ok(true), "{expression}");
    }
}

#[test]
fn unknown_fields_stand_under_extra_at_their_place() {
    let line = full();
    for expression in [
        r#"line.extra.campaign == "winter" && order.extra.campaign == "spring""#,
        r#"line.extra["campaign"] == "winter" && "campaign" in line.extra"#,
        "has(line.extra.campaign) && !has(line.extra.other)",
        r#"line.extra.zones == [1, 2.5, "three", null, true]"#,
        r#"line.extra.zones.size() == 5 && [1, 2.5, "three", null, true] == line.extra.zones"#,
        "line.fareProducts[0].extra.zone == 3 && size(line.fareProducts[1].extra) == 0",
        r#"line.travel.extra.operator.name == "Vy""#,
        r#"line.travel.extra.operator == {"name": "Vy"}"#,
        "line.distributionDetails.extra.x == 1 && !has(line.distributionDetails.extra.customerAccountRef)",
        r#"!("userType" in line.extra) && size(order.extra) == 1"#,
    ] {
        assert_eq!(holds_for(expression, &line), Ok(true), "{expression}");
    }
}

#[test]
fn what_is_absent_is_null_and_has_says_so() {
    let line = json!({"userType": null});
    for expression in [
        "line.userType == null && line.travellers == null && line.validity == null",
        "line.travel == null && line.distributionDetails == null",
        "!has(line.userType) && has(line.customerId)",
        "!has(line.travel.departureTime) && !has(line.travel.extra.operator)",
        "has(line.travel.departureTime) ? false : true",
        r#"line.travel == null || line.travel.fromStopPlace == "x""#,
    ] {
        assert_eq!(holds_for(expression, &line), Ok(true), "{expression}");
    }
    // Money that is finer than a minor unit has no number of them.
    let fine = json!({"price": {"amount": "39.905"}});
    assert_eq!(holds_for("line.price.minorUnits == null", &fine), Ok(true));
}

#[test]
fn a_time_that_cel_has_no_timestamp_for_is_null() {
    let line =
        json!({"validity": {"start": "2026-01-01T10:00:00Z", "end": "+12026-01-01T10:00:00Z"}});
    assert_eq!(
        holds_for("line.validity.end == null", &line),
        Ok(true),
        "and so it can't overflow the calendar"
    );
}

#[test]
fn the_member_is_seen_with_metadata() {
    let compiled = definition(
        r#"amount = '''member.metadata.level == "gold" ? 2 : 1'''
when = '''member.customerId == "owner" && member.externalReference == "card-7" && has(member.metadata.level)'''"#,
        "",
    );
    let definition = &compiled.all_definitions()[0];
    let line = Purchase::of(&json!({})).scope(None);
    let customer_id = "owner".parse().unwrap();
    let of = |metadata| {
        let change = membership(metadata);
        let member = MemberScope {
            customer_id: &customer_id,
            change: &change,
        };
        let member = Some(&member);
        let amount = definition.amount(&line, &confirmed(), member);
        (
            definition.applies(&line, &confirmed(), member).unwrap(),
            amount
                .map(|amount| amount.rounded)
                .map_err(|fault| fault.to_string()),
        )
    };
    assert_eq!(of(json!({"level": "gold"})), (true, Ok(2.into())));
    assert_eq!(of(json!({"level": "red"})), (true, Ok(1.into())));
    assert_eq!(of(json!({})), (false, Ok(1.into())));
}

#[test]
fn tables_hold_numbers_texts_and_bools() {
    let tables = "[tables.mixed]\nint = 5\nfloat = 0.5\ntext = \"x\"\nbool = true\n\"a.b\" = 1";
    let compiled = definition(
        r#"amount = 'tables.mixed.int'
when = '''tables.mixed["float"] == 0.5 && tables.mixed.text == "x" && tables["mixed"].bool
  && "a.b" in tables.mixed && !("c" in tables.mixed) && !has(tables.mixed.c) && size(tables.mixed) == 5
  && {"ADULT": 1, "CHILD": 2}[line.userType] == 1'''"#,
        tables,
    );
    let definition = &compiled.all_definitions()[0];
    let line = Purchase::of(&json!({})).scope(None);
    assert_eq!(definition.applies(&line, &confirmed(), None), Ok(true));
    assert_eq!(amount_of(&compiled, &line), Ok("5".to_owned()));
}

#[test]
fn a_missing_key_of_a_map_that_is_no_table_is_an_error() {
    let fault = amount(r#"{"CHILD": 2}[line.userType]"#).unwrap_err();
    assert!(fault.is_error());
    assert_eq!(fault.to_string(), r#"there is no ["ADULT"]"#);
}

#[test]
fn what_publishers_write_in_a_form_of_their_own_is_null_where_it_is_absent() {
    let patch = json!({
        "zones": {"from": 1}, "travellers": [{"age": 3}],
        "fareProducts": [{"id": "p", "type": "SINGLE", "class": {"level": 2}}]
    });
    for expression in [
        "line.extra.campaign == null",
        "order.extra.none == null",
        r#"line.extra["zones"].to == null"#,
        "line.extra.zones.from == 1",
        "line.travellers[0].name == null",
        "line.fareProducts[0].extra.none == null",
        "line.fareProducts[0].extra.class.none == null",
        r#"!("campaign" in line.extra)"#,
        "!has(line.extra.campaign)",
    ] {
        assert_eq!(holds_for(expression, &patch), Ok(true), "{expression}");
    }
    // A map of the program's own has the keys that it has
    assert!(holds(r#"{"a": line.userType}.b == null"#).is_err());
    assert!(holds("line.extra.none.none == null").is_err());

    let compiled = definition(r#"amount = 'member.metadata.level == "GOLD" ? 3 : 2'"#, "");
    let line = Purchase::of(&json!({})).scope(None);
    let customer: CustomerId = "kari".parse().unwrap();
    let points = |metadata: Value| {
        let member = MemberScope {
            customer_id: &customer,
            change: &membership(metadata),
        };
        let definition = &compiled.all_definitions()[0];
        definition
            .amount(&line, &confirmed(), Some(&member))
            .unwrap()
            .rounded
    };
    assert_eq!(points(json!({"level": "GOLD"})).to_string(), "3");
    assert_eq!(points(json!({})).to_string(), "2");
}
