//! Operation 15.

use serde_json::{Value, json};

use super::{PER_TEN, Site, event, sale};

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
            "5 TRANSACTION Member 8192 got 39 points by per-ten-purchase of program 11 for line O1-1.",
            "6 EVENT Ticket distributions were generated for version 1 of the order.",
            "6 GROUP Ticket distribution group 24576 was generated for line O1-1 with 1 ticket, now CANCELLED.",
            "7 EVENT Line O1-1 was cancelled.",
            "7 TRANSACTION Transaction 20480 was cancelled: 39 points by per-ten-purchase of program 11 of member 8192.",
            "8 DEAD_LETTER A message could not be read (not-readable) and is dead letter 8.",
            "9 EVENT OrderWeighed arrived, which is of a type that is not known.",
        ]
    );
    assert_eq!(entries[0]["data"]["customerId"], "C1");
    assert_eq!(entries[0]["streamSequence"], 1);
    assert_eq!(entries[3]["transaction"]["amount"], 39);
}

/// The life of a ticket: what its system was told, what it said, and what of that was not followed.
#[tokio::test]
async fn a_timeline_tells_what_ticket_systems_were_told_and_what_they_said_that_did_not_fit() {
    let mut site = Site::open();
    site.arrive(&sale("O1", None, "39.00")).await;
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
            "4 GROUP Ticket distribution group 16384 was generated for line O1-1 with 1 ticket, now CANCELLED.",
            "5 EVENT 1 ticket distribution was handed to the ticket systems.",
            "5 FACT NOD was asked for ticket distribution 16384: ENT:PreassignedFareProduct:AdultSingle.",
            "6 EVENT The ticket system has ticket distribution 16384 under NOD:1.",
            "7 EVENT The ticket system could not make ticket distribution 16384: no card. That was not followed: the ticket is \
             DISTRIBUTED and stays so.",
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
            "The order was opened for version 2.",
            "An exchange was asked for: O1-1 and O1-2 for O1-3; O1-4 for O1-5.",
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
    assert!(told.starts_with("Member 8192 got 1 point by "), "{told}");
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
