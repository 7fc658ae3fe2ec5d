//! Operation 15.

use serde_json::{Value, json};

use super::{PER_TEN, Site, event, sale};
use crate::http::timeline::RECORDS_TOLD_MAX;

#[tokio::test]
async fn a_timeline_tells_an_order_in_log_order() {
    let mut site = Site::open();
    site.publish_program(11, PER_TEN).await;
    site.enrol(11, "C1").await;
    site.arrive(&sale("O1", Some("C1"), "399.00")).await;
    let cancelled = json!({ "orderVersion": 1, "orderLineId": "O1-1", "orderLineVersion": 1 });
    site.act("/sales/v1/ticket-distributions/O1/generate").await;
    site.arrive(&[event("OrderLineCancelled", 30, "O1", cancelled)])
        .await;
    site.arrive_raw("orders.O1", "{").await;
    site.arrive(&[event("OrderWeighed", 40, "O1", json!({}))])
        .await;

    let answer = site.get("/v1/orders/O1/timeline").await;
    assert_eq!(answer.status, 200);
    let entries = answer.json["entries"].as_array().unwrap();
    let told: Vec<String> = entries
        .iter()
        .map(|entry| {
            format!(
                "{} {} {}",
                entry["position"], entry["kind"], entry["summary"]
            )
        })
        .map(|text| text.replace('"', ""))
        .collect();
    assert_eq!(
        told,
        [
            "3 EVENT The order was opened by customer C1.",
            "4 EVENT Line O1-1 was added: Single, 399.00 NOK.",
            "5 EVENT Version 1 of the order was confirmed.",
            "5 TRANSACTION Customer C1 got 39 points for line O1-1 (per-ten-purchase of program 11).",
            "5 FACT Other systems are to be told that customer C1 has 39 points of this order in program 11: 39 given.",
            "6 EVENT Ticket distributions were generated for version 1 of the order.",
            "6 GROUP Ticket distribution group 24576 was generated for line O1-1 with 1 ticket, now cancelled.",
            "7 EVENT Line O1-1 was cancelled.",
            "7 TRANSACTION 39 points of customer C1 for line O1-1 were cancelled (per-ten-purchase of program 11).",
            "7 FACT Other systems are to be told that customer C1 has 0 points of this order in program 11: 39 cancelled.",
            "8 DEAD_LETTER A message could not be read and is dead letter 8.",
            "9 EVENT OrderWeighed arrived, which is of a type that is not known.",
        ]
    );
    assert_eq!(entries[0]["data"]["customerId"], "C1");
    assert_eq!(entries[0]["streamSequence"], 1);
    assert_eq!(entries[3]["transaction"]["amount"], 39);
}

/// Of a type that is not known the data is nobody's but the publisher's.
#[tokio::test]
async fn a_timeline_tells_data_of_any_kind_as_it_came() {
    let mut site = Site::open();
    site.arrive(&sale("O1", None, "39.00")).await;
    let weighed = r#"{"specversion":"1.0","id":"w","source":"/scales","type":"OrderWeighed""#;
    for data in [r#","data": "heavy \u00e6""#, r#","data":[1, 2.50]"#, ""] {
        let message =
            format!("{weighed}{data}}}").replace("\"w\"", &format!("\"w{}\"", data.len()));
        site.arrive_raw("orders.O1", &message).await;
    }

    let answer = site.get("/v1/orders/O1/timeline").await;
    let told: Vec<&Value> = answer.json["entries"].as_array().unwrap()[3..]
        .iter()
        .map(|entry| &entry["data"])
        .collect();
    assert_eq!(told, [&json!("heavy æ"), &json!([1, 2.5]), &Value::Null]);
    for text in [
        r#""data":"heavy \u00e6""#,
        r#""data":[1, 2.50]"#,
        r#""data":null"#,
    ] {
        assert!(answer.text.contains(text), "{text}: {}", answer.text);
    }
}

/// Which event cancelled points was once found by its time. A payment and a cancellation that came in one batch and
/// acted at one time could not be told apart, so that the timeline blamed the payment.
#[tokio::test]
async fn points_are_cancelled_by_the_event_that_cancelled_them_among_others_of_its_moment() {
    let mut site = Site::open();
    site.publish_program(11, PER_TEN).await;
    site.enrol(11, "C1").await;
    site.arrive(&sale("O1", Some("C1"), "399.00")).await;
    let line = json!({ "orderVersion": 1, "orderLineId": "O1-1", "orderLineVersion": 1 });
    let payment = json!({ "paymentTransactionId": "P1" });
    site.arrive_together(&[
        event("PaymentTransactionCaptured", 30, "O1", payment),
        event("OrderLineCancelled", 30, "O1", line),
    ])
    .await;

    let timeline = site.get("/v1/orders/O1/timeline").await;
    let entries = timeline.json["entries"].as_array().unwrap();
    let cancelled = entries
        .iter()
        .find(|entry| {
            entry["summary"]
                .as_str()
                .unwrap()
                .contains("were cancelled")
        })
        .unwrap();
    assert_eq!(cancelled["position"], 7);
    let explanation = site.get("/v1/operate/orders/O1/explanation").await;
    let transactions = &explanation.json["lines"][0]["definitions"][0]["transactions"];
    assert_eq!(transactions[0]["cancelledBy"]["type"], "OrderLineCancelled");
}

/// The life of a ticket: what its system was told, what it said, and what of that was not followed.
#[tokio::test]
async fn a_timeline_tells_what_ticket_systems_were_told_and_what_they_said_that_did_not_fit() {
    let mut site = Site::open();
    site.arrive(&sale("O1", None, "39.00")).await;
    site.outbox.send_modify(|status| status.position = 9);
    let generated = site.act("/sales/v1/ticket-distributions/O1/generate").await;
    let ticket = &generated.json[0]["ticketDistributions"][0]["id"];
    site.act("/sales/v1/ticket-distribution-groups/O1/distribute")
        .await;
    let said = |line: &str, ticket: Value| {
        json!({ "orderLineId": line, "ticketDistributionId": ticket, "fareContractRef": "NOD:1",
            "reason": "no card." })
    };
    site.arrive(&[
        event(
            "TicketDistributionAdded",
            20,
            "O1",
            said("O1-1", ticket.clone()),
        ),
        event(
            "TicketDistributionFailed",
            21,
            "O1",
            said("O1-1", ticket.clone()),
        ),
        event("TicketDistributionAdded", 22, "O1", said("O1-1", json!(7))),
        event("OrderCancelled", 23, "O1", json!({ "orderVersion": 1 })),
        event(
            "TicketActivated",
            24,
            "O1",
            json!({ "orderLineId": "O1-1", "activatedAt": "2026-01-15T09:00:00Z" }),
        ),
    ])
    .await;

    let answer = site.get("/v1/orders/O1/timeline").await;
    let entries = answer.json["entries"].as_array().unwrap();
    let told: Vec<String> = entries[4..]
        .iter()
        .map(|entry| {
            format!(
                "{} {} {}",
                entry["position"],
                entry["kind"].as_str().unwrap(),
                entry["summary"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "4 GROUP Ticket distribution group 16384 was generated for line O1-1 with 1 ticket, now cancelled.",
            "5 EVENT Distribution of 1 ticket was asked for.",
            "5 FACT NOD was asked for ticket distribution 16384 of line O1-1: ENT:PreassignedFareProduct:AdultSingle.",
            "6 EVENT The ticket system has ticket distribution 16384 under NOD:1.",
            "7 EVENT The ticket system could not make ticket distribution 16384: no card. That was not followed: the ticket is \
             distributed and stays so.",
            "8 EVENT The ticket system has ticket distribution 7 under NOD:1. That was not followed: line O1-1 has no such ticket.",
            "9 EVENT The order was cancelled.",
            "9 FACT NOD was told that ticket distribution 16384 is void: the order was cancelled.",
            "10 EVENT A ticket of line O1-1 was taken into use. That was not followed: line O1-1 has no ticket that \
             could be in use.",
        ]
    );
    assert_eq!(entries[6]["fact"]["type"], "TicketRequested");
    assert_eq!(entries[6]["fact"]["data"]["ticketDistributionId"], *ticket);
    assert_eq!(
        entries[8]["ignored"],
        json!({ "orderLineId": "O1-1", "ticketDistributionId": ticket, "status": "DISTRIBUTED",
            "by": "FAILED", "reason": "STATUS_DOES_NOT_FIT" })
    );
    let figures = site.get("/v1/operate/log/stats").await;
    assert_eq!(figures.json["projections"]["ticketEventsIgnored"], 3);
}

/// The timeline once left out what other systems are told of points, and said that ticket systems were told what
/// was still to be sent.
#[tokio::test]
async fn a_timeline_tells_which_facts_are_sent_and_how_the_points_of_the_order_ran() {
    let mut site = Site::open();
    site.publish_program(11, PER_TEN).await;
    let member = site.enrol(11, "C1").await;
    site.arrive(&sale("O1", Some("C1"), "399.00")).await;
    site.act("/sales/v1/ticket-distributions/O1/generate").await;
    site.act("/sales/v1/ticket-distribution-groups/O1/distribute")
        .await;
    let line = json!({ "orderVersion": 1, "orderLineId": "O1-1", "orderLineVersion": 1 });
    let mut refund = line.clone();
    refund["refund"] = json!({ "amount": "100.00", "currency": "NOK" });
    site.arrive(&[
        event("OrderLineRefunded", 30, "O1", refund),
        event("OrderLineCancelled", 40, "O1", line),
    ])
    .await;
    // Of the last record nothing is known to be sent.
    site.outbox.send_modify(|status| status.position = 8);

    let answer = site.get("/v1/orders/O1/timeline").await;
    let entries = answer.json["entries"].as_array().unwrap();
    let facts: Vec<&Value> = entries.iter().filter(|it| it["kind"] == "FACT").collect();
    let told: Vec<String> = facts
        .iter()
        .map(|fact| format!("{} {}", fact["position"], fact["summary"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            "5 Other systems were told that customer C1 has 39 points of this order in program 11: 39 given.",
            "7 NOD was asked for ticket distribution 24576 of line O1-1: ENT:PreassignedFareProduct:AdultSingle.",
            "8 Other systems were told that customer C1 has 29 points of this order in program 11: 39 cancelled, 29 given.",
            "9 NOD is to be told that ticket distribution 24576 is void: its line was cancelled.",
            "9 Other systems are to be told that customer C1 has 0 points of this order in program 11: 29 cancelled.",
        ]
    );
    let sent: Vec<bool> = facts
        .iter()
        .map(|fact| fact["fact"]["sent"].as_bool().unwrap())
        .collect();
    assert_eq!(sent, [true, true, true, false, false]);
    let refunded = &facts[2]["fact"];
    assert_eq!(refunded["type"], "PointsChanged");
    assert_eq!(refunded["subject"], "farelog.points.O1");
    assert_eq!(refunded["data"]["memberId"], member);
    assert_eq!(refunded["data"]["orderPoints"], 29);
    assert_eq!(refunded["data"]["cancelled"][0]["amount"], 39);
    // As it went out, though the cancellation came since.
    assert_eq!(refunded["data"]["given"][0]["cancelledAt"], Value::Null);
}

/// What else a service desk reads of an order that lived long.
#[tokio::test]
async fn a_timeline_names_what_was_exchanged_and_which_ticket_is_in_use() {
    let mut site = Site::open();
    site.arrive(&sale("O1", None, "39.00")).await;
    let replacements = json!([{ "originalOrderLineIds": ["O1-1", "O1-2"], "replacedByOrderLineIds": ["O1-3"] },
        { "originalOrderLineIds": ["O1-4"], "replacedByOrderLineIds": ["O1-5"] }]);
    let created = json!({ "orderVersion": 2, "organisationId": 1, "currency": "NOK" });
    let in_use = json!({ "orderLineId": "O1-1", "ticketDistributionId": 7, "status": "ACTIVATED" });
    let activated = json!({ "orderLineId": "O1-1", "ticketDistributionId": 7, "activatedAt": "2026-01-15T09:00:00Z" });
    let void = json!({ "orderLineId": "O1-1", "ticketDistributionId": 7, "reason": "stolen" });
    site.arrive(&[
        event("OrderCreated", 20, "O1", created),
        event(
            "OrderLinesReplaced",
            21,
            "O1",
            json!({ "orderVersion": 2, "replacements": replacements }),
        ),
        event("TicketDistributionAdded", 22, "O1", in_use),
        event("TicketActivated", 23, "O1", activated),
        event("TicketDistributionCancelledExternally", 24, "O1", void),
    ])
    .await;
    let answer = site.get("/v1/orders/O1/timeline").await;
    let entries = answer.json["entries"].as_array().unwrap();
    let told: Vec<&str> = entries[3..]
        .iter()
        .map(|entry| entry["summary"].as_str().unwrap())
        .map(|summary| summary.split(" That was not").next().unwrap())
        .collect();
    assert_eq!(
        told,
        [
            "Version 2 of the order was opened.",
            "An exchange was asked for, to act when version 2 is confirmed: O1-3 in place of O1-1 and O1-2; O1-5 in place of O1-4.",
            "The ticket system has ticket distribution 7, in use.",
            "Ticket distribution 7 was taken into use.",
            "The ticket system cancelled ticket distribution 7 by itself: stolen.",
        ]
    );
}

/// One point was once told as "1 points".
#[tokio::test]
async fn one_point_is_told_as_one() {
    let mut site = Site::open();
    site.publish_program(11, PER_TEN).await;
    site.enrol(11, "C1").await;
    site.arrive(&sale("O1", Some("C1"), "10.00")).await;
    let answer = site.get("/v1/orders/O1/timeline").await;
    let told = answer.json["entries"][3]["summary"].as_str().unwrap();
    assert!(told.starts_with("Customer C1 got 1 point for "), "{told}");
}

/// An answer once told all of an order, however much that was.
#[tokio::test]
async fn a_long_timeline_is_told_in_parts_that_are_one_after_the_other() {
    let mut site = Site::open();
    site.publish_program(11, PER_TEN).await;
    site.enrol(11, "C1").await;
    site.arrive(&sale("O1", Some("C1"), "399.00")).await;
    let refunds: Vec<Value> = (0..RECORDS_TOLD_MAX)
        .map(|number| {
            let refund = json!({ "orderVersion": 1, "orderLineId": "O1-1", "orderLineVersion": 1,
                "refund": { "amount": "0.35", "currency": "NOK" } });
            let mut event = event("OrderLineRefunded", 30, "O1", refund);
            event["id"] = json!(format!("refund-{number}"));
            event
        })
        .collect();
    site.arrive_together(&refunds).await;

    let first = site.get("/v1/orders/O1/timeline").await.json;
    let next = &first["nextPosition"];
    assert_eq!(next, 1_003);
    let rest = format!("/v1/orders/O1/timeline?fromPosition={next}");
    let rest = site.get(&rest).await.json;
    assert_eq!(rest["nextPosition"], Value::Null);
    let parts = [&first, &rest].map(|part| part["entries"].as_array().unwrap());
    let positions: Vec<u64> = parts
        .iter()
        .flat_map(|entries| entries.iter())
        .map(|entry| entry["position"].as_u64().unwrap())
        .collect();
    assert!(positions.is_sorted());
    let records = parts.iter().flat_map(|entries| entries.iter());
    let records = records.filter(|entry| entry["kind"] == "EVENT").count();
    assert_eq!(records, 3 + RECORDS_TOLD_MAX);
    // 350 of 399 kroner were paid back: with the last of 39 points that went, 4 are left.
    let told: Vec<&str> = parts
        .iter()
        .flat_map(|entries| entries.iter())
        .filter(|entry| entry["kind"] == "FACT")
        .map(|entry| entry["summary"].as_str().unwrap())
        .collect();
    assert!(told.last().unwrap().contains("has 4 points"), "{told:?}");
}

/// Points that are pending were once told as if they counted, at a time in the future.
#[tokio::test]
async fn points_that_count_later_are_told_with_their_day_when_they_were_given() {
    let later = format!("{PER_TEN}validFrom = 'timestamp(\"2026-05-01T00:00:00Z\")'\n");
    let mut site = Site::open();
    site.publish_program(11, &later).await;
    site.enrol(11, "C1").await;
    site.arrive(&sale("O1", Some("C1"), "399.00")).await;
    let answer = site.get("/v1/orders/O1/timeline").await;
    let given = &answer.json["entries"][3];
    assert_eq!(
        given["summary"],
        "Customer C1 got 39 points from 1 May 2026 on for line O1-1 (per-ten-purchase of program 11)."
    );
    assert_eq!(given["time"], answer.json["entries"][2]["time"]);
    assert_eq!(given["transaction"]["validFrom"], "2026-05-01T00:00:00Z");
}

/// Whatever made a message a dead letter, the timeline once said that it could not be read.
#[tokio::test]
async fn a_message_that_was_not_taken_is_told_with_what_was_wrong_with_it() {
    let mut site = Site::open();
    site.arrive(&sale("O1", None, "39.00")).await;
    let mut other = event("OrderConfirmed", 2, "O1", json!({ "orderVersion": 2 }));
    other["time"] = json!("2026-01-15T08:00:02Z");
    site.arrive(&[other]).await;
    let answer = site.get("/v1/orders/O1/timeline").await;
    assert_eq!(
        answer.json["entries"][3]["summary"],
        "A message says something else than the event that came before with its id and is dead letter 4."
    );
}

/// All messages that were ever refused of an order were once read for each of its timelines: of an order that is too large,
/// whatever a publisher sends.
#[tokio::test]
async fn dead_letters_of_an_order_are_told_part_by_part() {
    let mut site = Site::open();
    site.arrive(&sale("O1", None, "39.00")).await;
    let refused = json!({ "orderVersion": 0, "comment": "x".repeat(20_000) });
    let letters: Vec<Value> = (0..RECORDS_TOLD_MAX)
        .map(|number| {
            let mut event = event("OrderConfirmed", 3, "O1", refused.clone());
            event["id"] = json!(format!("refused-{number}"));
            event
        })
        .collect();
    site.arrive_together(&letters).await;
    site.act("/sales/v1/ticket-distributions/O1/generate").await;
    let unknown = json!({ "orderLineId": "O1-1", "ticketDistributionId": 1 });
    site.arrive(&[event("TicketDistributionAdded", 4, "O1", unknown)])
        .await;

    let first = site.get("/v1/orders/O1/timeline").await;
    assert!(first.text.len() < 1_000_000, "{}", first.text.len());
    let entries = first.json["entries"].as_array().unwrap();
    assert_eq!(entries.len(), RECORDS_TOLD_MAX);
    assert_eq!(
        entries[3]["summary"],
        "A message is incomplete or malformed and is dead letter 4."
    );
    let next = &first.json["nextPosition"];
    assert_eq!(next, 1_001);
    let rest = site
        .get(&format!("/v1/orders/O1/timeline?fromPosition={next}"))
        .await;
    let entries = rest.json["entries"].as_array().unwrap();
    assert_eq!(entries[0]["position"], *next);
    assert_eq!(
        entries
            .iter()
            .filter(|entry| entry["kind"] == "GROUP")
            .count(),
        1
    );
    let last = entries.last().unwrap();
    assert_eq!(last["eventType"], "TicketDistributionAdded");
    assert!(last["ignored"].is_object(), "{last}");
    assert_eq!(rest.json["nextPosition"], Value::Null);
}

/// Of an order that is not there one could not tell whether it was not there yet.
#[tokio::test]
async fn that_there_is_no_order_is_said_with_the_position_where_there_was_none() {
    let mut site = Site::open();
    site.publish_program(11, PER_TEN).await;
    site.arrive(&sale("O1", None, "39.00")).await;
    let paths = [
        "/v1/orders/O2/timeline",
        "/v1/operate/orders/O2/explanation",
        "/sales/v1/ticket-distributions/O2/summary",
        "/personalisation/v1/transactions/4096/explanation",
        "/personalisation/v1/programs/12/members",
        "/personalisation/v1/programs/11/members/4096",
        "/v1/operate/dead-letters/2",
    ];
    for path in paths {
        let answer = site.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("farelog-position"), "4", "{path}");
    }
    for operation in ["generate", "distribute/qr-code"] {
        let path = format!("/sales/v1/ticket-distributions/O2/{operation}");
        let answer = site.act(&path).await;
        let position = answer.header("farelog-position");
        assert_eq!((answer.status, position), (404, "4"), "{path}");
    }
    let answer = site
        .act("/sales/v1/ticket-distributions/O1/distribute/qr-code")
        .await;
    let position = answer.header("farelog-position");
    assert_eq!((answer.status, position), (409, "4"));
}

#[tokio::test]
async fn an_order_of_which_nothing_arrived_has_no_timeline() {
    let site = Site::open();
    let answer = site.get("/v1/orders/O1/timeline").await;
    assert_eq!((answer.status, answer.code()), (404, "order-unknown"));
    let answer = site.get("/v1/orders/O1/timeline?from=1").await;
    assert_eq!(
        (answer.status, answer.wrong()),
        (400, vec![("from", "unknown-field")])
    );
}

/// A ticket system's word came first, and the order was known to some operations and not to others.
#[tokio::test]
async fn an_order_that_only_a_ticket_system_spoke_of_is_known_to_all_operations() {
    let mut site = Site::open();
    site.publish_program(11, PER_TEN).await;
    site.enrol(11, "C1").await;
    let added =
        json!({ "orderLineId": "O1-1", "ticketDistributionId": 7, "fareContractRef": "FC-1" });
    site.arrive(&[event("TicketDistributionAdded", 1, "O1", added)])
        .await;
    for path in [
        "/v1/orders/O1/timeline",
        "/sales/v1/ticket-distributions/O1/summary",
        "/v1/operate/orders/O1/explanation",
    ] {
        assert_eq!(site.get(path).await.status, 200, "{path}");
    }
    let explanation = site.get("/v1/operate/orders/O1/explanation").await;
    assert_eq!(explanation.json["lines"], json!([]));
    let generate = "/sales/v1/ticket-distributions/O1/generate";
    assert_eq!(site.act(generate).await.code(), "order-not-confirmed");
    let claim = json!({ "orderId": "O1", "orderLineId": "O1-1", "customerId": "C1" });
    let path = "/personalisation/v1/programs/11/deferred-registration";
    let refused = site.post(path, &claim).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.json["reasons"][0]["code"], "order-line-unknown");
}

/// A publisher that gave one id to all its orders once had a server fold ever more for each event, until the order could
/// not be stored, and no start got past it.
#[tokio::test]
async fn of_an_order_that_is_too_large_no_more_is_taken_in() {
    let mut site = Site::open();
    site.publish_program(11, PER_TEN).await;
    site.enrol(11, "C1").await;
    site.arrive(&sale("O1", Some("C1"), "399.00")).await;
    let padding = "x".repeat(900_000);
    let mut number = 10;
    let refused = loop {
        number += 1;
        assert!(number < 50, "the order grows without end");
        let mut line = sale("O1", Some("C1"), "399.00")[1]["data"].clone();
        line["orderLineVersion"] = json!(number);
        line["comment"] = json!(padding);
        let sequence = site
            .arrive(&[event("OrderLineChanged", number, "O1", line)])
            .await;
        let path = format!("/v1/operate/dead-letters?minStreamSequence={sequence}");
        let letters = site.get(&path).await;
        if let Some(letter) = letters.json["items"].get(0) {
            break letter.clone();
        }
    };
    assert_eq!(refused["reason"], "order-too-large");
    assert_eq!(refused["orderId"], "O1");
    let points = site
        .get("/personalisation/v1/transactions?orderId=O1")
        .await;
    assert_eq!(points.json[0]["amount"], 39, "what was taken in stands");

    let claim = json!({ "orderId": "O1", "orderLineId": "O1-1", "customerId": "C1" });
    let path = "/personalisation/v1/programs/11/deferred-registration";
    let registered = site.post(path, &claim).await;
    assert_ne!(registered.status, 500, "{}", registered.text);
    let path = format!("/v1/operate/dead-letters/{}/discard", refused["number"]);
    let discarded = site.act(&path).await;
    assert_eq!(discarded.status, 200, "{}", discarded.text);
    let cancelled = event("OrderCancelled", 50, "O1", json!({ "orderVersion": 1 }));
    site.arrive(&[cancelled]).await;
    let points = site
        .get("/personalisation/v1/transactions?orderId=O1")
        .await;
    assert!(points.json[0]["cancelledAt"].is_string(), "{}", points.text);

    site.arrive(&sale("O2", Some("C1"), "399.00")).await;
    let points = site
        .get("/personalisation/v1/transactions?orderId=O2")
        .await;
    assert_eq!(points.json[0]["amount"], 39, "other orders go on");
}
