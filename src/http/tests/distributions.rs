//! Operations 3 to 7.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Site, event, line, sale};

const ORDER: &str = "/sales/v1/ticket-distributions/O1";
const DISTRIBUTE: &str = "/sales/v1/ticket-distribution-groups/O1/distribute";

#[tokio::test]
async fn tickets_are_generated_and_handed_over_once() {
    let mut site = Site::open();
    site.arrive(&sale("O1", Some("C1"), "39.00")).await;
    let channel = [
        ("Entur-Distribution-Channel", "ENT:DistributionChannel:App"),
        ("Accept-Language", "en"),
        ("X-Correlation-Id", "trip-1"),
    ];
    let generated = site
        .ask(Method::POST, &format!("{ORDER}/generate"), &channel, "")
        .await;
    assert_eq!(generated.status, 200);
    assert_eq!(
        generated.json[0]["createdByDCI"],
        "ENT:DistributionChannel:App"
    );
    assert_eq!(
        generated.json[0]["ticketDistributions"][0]["language"],
        "eng"
    );
    let again = site.act(&format!("{ORDER}/generate")).await;
    assert_eq!(again.json, generated.json);
    assert_eq!(
        again.header("farelog-position"),
        generated.header("farelog-position")
    );

    let body = json!({ "orderLineIds": ["O1-1"], "travelCard": { "mediaSerialNumberId": "M1" } });
    let sent = site.post(DISTRIBUTE, &body).await;
    assert_eq!(
        sent.json[0]["ticketDistributions"][0]["status"],
        "REQUESTED"
    );
    assert_eq!(
        sent.json[0]["ticketDistributions"][0]["mediaSerialNumberId"],
        "M1"
    );
    let again = site.act(DISTRIBUTE).await;
    assert_eq!((again.status, &again.json), (200, &sent.json));
    assert_eq!(
        again.header("farelog-position"),
        sent.header("farelog-position")
    );

    let timeline = site.get("/v1/orders/O1/timeline").await;
    let caused = timeline.json["entries"].as_array().unwrap().iter();
    assert_eq!(
        caused
            .filter(|entry| entry["correlationId"] == "trip-1")
            .count(),
        1
    );
}

#[tokio::test]
async fn a_summary_has_what_the_ticket_system_told() {
    let mut site = Site::open();
    assert_eq!(
        site.get(&format!("{ORDER}/summary")).await.code(),
        "order-unknown"
    );
    site.arrive(&sale("O1", None, "39.00")).await;
    let empty = site.get(&format!("{ORDER}/summary")).await;
    assert_eq!(empty.json, json!({ "orderId": "O1", "distributions": [] }));
    let generated = site.act(&format!("{ORDER}/generate")).await;
    site.act(DISTRIBUTE).await;
    let added = json!({ "orderLineId": "O1-1", "fareContractRef": "FC-1",
        "ticketDistributionId": generated.json[0]["ticketDistributions"][0]["id"] });
    site.arrive(&[event("TicketDistributionAdded", 9, "O1", added)])
        .await;
    let summary = site.get(&format!("{ORDER}/summary")).await;
    assert_eq!(summary.json["distributions"][0]["fareContractRef"], "FC-1");
}

#[tokio::test]
async fn what_can_not_be_generated_or_sent_is_refused_with_its_code() {
    let mut site = Site::open();
    let generate = format!("{ORDER}/generate");
    assert_eq!(site.act(&generate).await.code(), "order-unknown");
    let answer = site.act(DISTRIBUTE).await;
    assert_eq!((answer.status, answer.code()), (404, "order-unknown"));
    let events = sale("O1", None, "39.00");
    site.arrive(&events[..2]).await;
    let answer = site.act(&generate).await;
    assert_eq!((answer.status, answer.code()), (409, "order-not-confirmed"));
    site.arrive(&events[2..]).await;
    let answer = site.act(DISTRIBUTE).await;
    assert_eq!((answer.status, answer.code()), (409, "not-generated"));
    site.act(&generate).await;
    let answer = site
        .post(DISTRIBUTE, &json!({ "orderLineIds": ["O1-2"] }))
        .await;
    assert_eq!((answer.status, answer.code()), (422, "order-line-unknown"));
    let answer = site.post(DISTRIBUTE, &json!({ "orderLineIds": [] })).await;
    assert_eq!(
        (answer.status, answer.wrong()),
        (400, vec![("orderLineIds", "out-of-range")])
    );
    let answer = site
        .post(DISTRIBUTE, &json!({ "orderLines": ["O1-1"] }))
        .await;
    assert_eq!(answer.wrong(), [("orderLines", "unknown-field")]);
    let headers = [("Entur-Pos", "b\u{e5}t")];
    let answer = site.ask(Method::POST, &generate, &headers, "").await;
    assert_eq!(
        (answer.status, answer.wrong()),
        (400, vec![("Entur-Pos", "malformed")])
    );
}

#[tokio::test]
async fn the_deprecated_operations_name_their_successor() {
    let mut site = Site::open();
    let qr_code =
        format!("{ORDER}/distribute/qr-code?deliverAfter=2026-01-16T08:00:00Z&qrChecksumType=CRC");
    let card_path = format!("{ORDER}/distribute/travel-card");
    let card = json!({ "activate": true, "paymentMeansType": "CARD", "mediaSerialNumberId": "M1" });
    let successor = format!("<{DISTRIBUTE}>; rel=\"successor-version\"");
    for (answer, status) in [
        (site.act(&qr_code).await, 404),
        (site.post(&card_path, &card).await, 404),
    ] {
        assert_eq!((answer.status, answer.code()), (status, "order-unknown"));
        assert_eq!(answer.header("link"), successor);
        assert_eq!(answer.header("deprecation"), "@1767225600");
    }
    site.arrive(&sale("O1", None, "39.00")).await;
    assert_eq!(site.act(&qr_code).await.code(), "not-generated");
    site.act(&format!("{ORDER}/generate")).await;
    let sent = site.act(&qr_code).await;
    assert_eq!(sent.status, 200);
    assert_eq!(
        sent.json[0]["ticketDistributions"][0]["qrChecksumType"],
        "CRC"
    );
    assert_eq!(
        sent.json[0]["ticketDistributions"][0]["deliverAfter"],
        "2026-01-16T08:00:00Z"
    );
    assert_eq!(site.post(&card_path, &card).await.json, sent.json);

    let answer = site.post(&card_path, &json!({ "activate": true })).await;
    assert_eq!(answer.wrong(), [("mediaSerialNumberId", "missing")]);
    let answer = site
        .post(&card_path, &json!({ "mediaSerialNumberId": "" }))
        .await;
    assert_eq!(answer.wrong(), [("mediaSerialNumberId", "out-of-range")]);
    let answer = site
        .act(&format!("{ORDER}/distribute/qr-code?deliverAfter=tomorrow"))
        .await;
    assert_eq!(answer.wrong(), [("deliverAfter", "malformed")]);
}

#[tokio::test]
async fn the_deprecated_operations_handle_first_versions_on_nod_only() {
    let mut site = Site::open();
    let mut elsewhere = sale("O1", None, "39.00");
    elsewhere[1]["data"]["distributionDetails"] = json!({ "fulfillmentMethod": "BIFROST" });
    site.arrive(&elsewhere).await;
    site.act(&format!("{ORDER}/generate")).await;
    let qr_code = format!("{ORDER}/distribute/qr-code");
    let answer = site.act(&qr_code).await;
    assert_eq!(
        (answer.status, answer.code()),
        (422, "nothing-to-distribute")
    );
    site.arrive(&[
        event("OrderLineChanged", 11, "O1", line("O1", 2, 2, "49.00")),
        event("OrderConfirmed", 12, "O1", json!({ "orderVersion": 2 })),
    ])
    .await;
    let answer = site.act(&qr_code).await;
    assert_eq!(
        (answer.status, answer.code()),
        (422, "order-version-not-supported")
    );
}

/// Two lines, `O1-1` and `O1-2`, confirmed and generated in the default language.
async fn two_lines() -> Site {
    let mut site = Site::open();
    let mut events = sale("O1", Some("C1"), "39.00");
    let mut second = line("O1", 1, 1, "39.00");
    second["orderLineId"] = json!("O1-2");
    events.insert(2, event("OrderLineAdded", 3, "O1", second));
    events[3]["time"] = json!("2026-01-15T08:00:04Z");
    site.arrive(&events).await;
    let generated = site.act(&format!("{ORDER}/generate")).await;
    assert_eq!(generated.json.as_array().unwrap().len(), 2);
    assert_eq!(
        generated.json[0]["ticketDistributions"][0]["language"],
        "nob"
    );
    site
}

#[tokio::test]
async fn lines_are_sent_as_they_are_asked_for_each_with_its_own_wishes() {
    let site = two_lines().await;
    let first = json!({ "orderLineIds": ["O1-1"], "deliverAfter": "2026-01-16T09:00:00+01:00",
        "qrChecksumType": "SHA256" });
    let headers = [
        ("content-type", "application/json"),
        ("Accepts-Language", "nno"),
        ("Accept-Language", "en"),
        ("Entur-Distribution-Channel", "ENT:DistributionChannel:Web"),
    ];
    let sent = site
        .ask(Method::POST, DISTRIBUTE, &headers, &first.to_string())
        .await;
    let ticket = |answer: &Value, group: usize| answer[group]["ticketDistributions"][0].clone();
    let one = ticket(&sent.json, 0);
    assert_eq!(one["status"], "REQUESTED");
    assert_eq!(one["language"], "nno");
    assert_eq!(one["deliverAfter"], "2026-01-16T08:00:00Z");
    assert_eq!(one["qrChecksumType"], "SHA256");
    assert_eq!(one["mediaSerialNumberId"], Value::Null);
    assert_eq!(
        sent.json[0]["distributedByDCI"],
        "ENT:DistributionChannel:Web"
    );
    assert_eq!(sent.json[0]["distributedByOrgId"], 1);
    assert_eq!(ticket(&sent.json, 1)["status"], "GENERATED");
    assert_eq!(sent.json[1]["distributedByDCI"], Value::Null);

    // The rest, with other wishes: what was sent keeps its own.
    let card = json!({ "travelCard": { "activate": true, "paymentMeansType": "T_CARD",
        "mediaSerialNumberId": "M1" } });
    let sent = site.post(DISTRIBUTE, &card).await;
    assert_eq!(ticket(&sent.json, 0), one);
    let other = ticket(&sent.json, 1);
    assert_eq!(other["status"], "REQUESTED");
    assert_eq!(other["mediaSerialNumberId"], "M1");
    assert_eq!(other["language"], "nob");
    assert_eq!(other["deliverAfter"], Value::Null);
    let again = site.post(DISTRIBUTE, &first).await;
    assert_eq!((again.status, &again.json), (200, &sent.json));
    assert_eq!(
        again.header("farelog-position"),
        sent.header("farelog-position")
    );
}

#[tokio::test]
async fn what_failed_goes_out_again_and_only_that() {
    let mut site = two_lines().await;
    let sent = site.act(DISTRIBUTE).await;
    let failed = json!({ "orderLineId": "O1-2", "reason": "no card",
        "ticketDistributionId": sent.json[1]["ticketDistributions"][0]["id"] });
    site.arrive(&[event("TicketDistributionFailed", 9, "O1", failed)])
        .await;
    let again = site.act(DISTRIBUTE).await;
    assert_eq!(again.json[0], sent.json[0]);
    assert_eq!(
        again.json[1]["ticketDistributions"][0]["status"],
        "REQUESTED"
    );
    let timeline = site.get("/v1/orders/O1/timeline").await;
    let entries = timeline.json["entries"].as_array().unwrap().iter();
    assert_eq!(entries.filter(|entry| entry["kind"] == "FACT").count(), 3);
}

#[tokio::test]
async fn what_a_line_is_no_longer_or_has_not_yet_is_not_sent() {
    let mut site = two_lines().await;
    let mut third = line("O1", 2, 1, "39.00");
    third["orderLineId"] = json!("O1-3");
    let mut changed = line("O1", 2, 2, "39.00");
    changed["fareProducts"][0]["id"] = json!("ENT:PreassignedFareProduct:Day");
    site.arrive(&[
        event("OrderLineAdded", 11, "O1", third),
        event("OrderLineChanged", 12, "O1", changed),
        event("OrderConfirmed", 13, "O1", json!({ "orderVersion": 2 })),
    ])
    .await;
    for line in ["O1-1", "O1-3"] {
        let answer = site
            .post(DISTRIBUTE, &json!({ "orderLineIds": [line] }))
            .await;
        assert_eq!((answer.status, answer.code()), (409, "not-generated"));
        assert!(answer.json["detail"].as_str().unwrap().contains(line));
    }
    let sent = site
        .post(DISTRIBUTE, &json!({ "orderLineIds": ["O1-2"] }))
        .await;
    assert_eq!(sent.status, 200);
    site.act(&format!("{ORDER}/generate")).await;
    let sent = site.act(DISTRIBUTE).await;
    let statuses: Vec<_> = sent
        .json
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["ticketDistributions"].as_array().unwrap())
        .map(|ticket| ticket["status"].as_str().unwrap())
        .collect();
    assert_eq!(
        statuses,
        ["CANCELLED", "REQUESTED", "REQUESTED", "REQUESTED"]
    );
}

#[tokio::test]
async fn wishes_have_limits_and_say_which_field_passes_them() {
    let site = two_lines().await;
    let long = "x".repeat(129);
    let many: Vec<_> = (0..1_001).map(|number| format!("O1-{number}")).collect();
    for (body, field, code) in [
        (
            json!({ "orderLineIds": many }),
            "orderLineIds",
            "out-of-range",
        ),
        (
            json!({ "qrChecksumType": long }),
            "qrChecksumType",
            "out-of-range",
        ),
        (
            json!({ "qrChecksumType": "" }),
            "qrChecksumType",
            "out-of-range",
        ),
        (
            json!({ "deliverAfter": "soon" }),
            "deliverAfter",
            "malformed",
        ),
        (
            json!({ "travelCard": { "mediaSerialNumberId": long } }),
            "travelCard.mediaSerialNumberId",
            "out-of-range",
        ),
        (
            json!({ "travelCard": { "mediaSerialNumberId": "M1", "paymentMeansType": "" } }),
            "travelCard.paymentMeansType",
            "out-of-range",
        ),
        (
            json!({ "travelCard": { "activate": true } }),
            "travelCard.mediaSerialNumberId",
            "missing",
        ),
    ] {
        let answer = site.post(DISTRIBUTE, &body).await;
        assert_eq!(
            (answer.status, answer.wrong()),
            (400, vec![(field, code)]),
            "{body}"
        );
    }
    let answer = site
        .act(&format!("{DISTRIBUTE}?deliverAfter=2026-01-16T08:00:00Z"))
        .await;
    assert_eq!(answer.wrong(), [("deliverAfter", "unknown-field")]);
    let qr_code = format!("{ORDER}/distribute/qr-code?qrChecksumType={long}");
    let answer = site.act(&qr_code).await;
    assert_eq!(answer.wrong(), [("qrChecksumType", "out-of-range")]);
    // Nothing of that went out.
    let sent = site.act(DISTRIBUTE).await;
    assert_eq!(
        sent.json[0]["ticketDistributions"][0]["status"],
        "REQUESTED"
    );
    assert_eq!(
        sent.json[0]["ticketDistributions"][0]["qrChecksumType"],
        Value::Null
    );
}
