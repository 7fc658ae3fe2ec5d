//! What all requests have in common: correlation, shapes of errors, limits, health.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::Ready;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use axum::response::Response;
use axum::routing::get;
use farelog_events::ingest::continuity::StreamBreak;
use farelog_events::ingest::{IngestState, IngestStatus};
use serde_json::{Value, json};
use tower::{Layer as _, ServiceExt, service_fn};

use super::Site;
use crate::http::body::BODY_BYTES_MAX;
use crate::http::correlation::CorrelationLayer;
use crate::http::layered;
use crate::http::problem::PROBLEM_JSON;

#[tokio::test]
async fn a_correlation_id_is_taken_over_or_made_on_every_answer() {
    let site = Site::open();
    for (method, path) in [
        (Method::GET, "/health/live"),
        (Method::GET, "/no/such/path"),
        (Method::DELETE, "/health/live"),
        (Method::GET, "/personalisation/v1/transactions"),
    ] {
        let headers = [("X-Correlation-Id", "sale-1")];
        let answer = site.ask(method, path, &headers, "").await;
        assert_eq!(answer.header("x-correlation-id"), "sale-1", "{path}");
        if answer.status >= 400 {
            assert_eq!(answer.json["correlationId"], "sale-1");
        }
    }
    let made = site.get("/health/live").await;
    assert!(uuid::Uuid::parse_str(made.header("x-correlation-id")).is_ok());
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let site = Site::open();
    let answer = site.get("/personalisation/v1/transactions/").await;
    assert_eq!((answer.status, answer.code()), (404, "path-unknown"));
    assert_eq!(answer.json["path"], "/personalisation/v1/transactions/");
    let answer = site.act("/personalisation/v1/transactions").await;
    assert_eq!((answer.status, answer.code()), (405, "method-not-allowed"));
    assert_eq!(answer.header("allow"), "GET,HEAD");
    let answer = site.get("/v1/orders/a%ff/timeline").await;
    assert_eq!((answer.status, answer.code()), (400, "validation-failed"));
    let answer = site.get("/v1/orders/a%20b/timeline").await;
    assert_eq!(answer.wrong(), [("orderId", "malformed")]);
}

#[tokio::test]
async fn a_body_is_held_to_its_size_and_form() {
    let site = Site::open();
    let path = "/personalisation/v1/programs/11/members";
    let json_type = [("content-type", "application/json")];
    let large = format!("{{\"customerId\":\"{}\"}}", "x".repeat(BODY_BYTES_MAX));
    let answer = site.ask(Method::POST, path, &json_type, &large).await;
    assert_eq!((answer.status, answer.code()), (413, "body-too-large"));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let answer = site.ask(Method::POST, path, &form, "customerId=1").await;
    assert_eq!(
        (answer.status, answer.code()),
        (415, "media-type-unsupported")
    );
    let answer = site.ask(Method::POST, path, &json_type, "{").await;
    assert_eq!(answer.wrong(), [("body", "malformed")]);
    let answer = site.post(path, &json!({ "customer": "1" })).await;
    let wrong = [("customer", "unknown-field"), ("customerId", "missing")];
    assert_eq!(answer.wrong(), wrong, "every mistake is told at once");
}

/// What was wrong with the body once hid what was wrong with the query, and a client mended one after the other.
#[tokio::test]
async fn what_is_wrong_with_body_and_query_is_told_at_once() {
    let site = Site::open();
    for (path, body, expected) in [
        (
            "/personalisation/v1/programs/11/deferred-registration?dryRun=yes&page=1",
            json!({ "orderId": "O1", "orderLineId": 1, "customerId": "C1" }),
            vec![
                ("dryRun", "malformed"),
                ("page", "unknown-field"),
                ("orderLineId", "malformed"),
            ],
        ),
        (
            "/personalisation/v1/programs/11/members?force=true",
            json!({ "customerId": "C1", "externalReference": "" }),
            vec![
                ("force", "unknown-field"),
                ("externalReference", "out-of-range"),
            ],
        ),
        (
            "/sales/v1/ticket-distribution-groups/O1/distribute?timeoutMs=x",
            json!({ "orderLineIds": [], "qrChecksumType": "", "travelCard": { "mediaSerialNumberId": "" } }),
            vec![
                ("timeoutMs", "malformed"),
                ("orderLineIds", "out-of-range"),
                ("qrChecksumType", "out-of-range"),
                ("travelCard.mediaSerialNumberId", "out-of-range"),
            ],
        ),
    ] {
        let answer = site.post(path, &body).await;
        assert_eq!((answer.status, answer.wrong()), (400, expected), "{path}");
    }
    // What says nothing of a field stands alone.
    let path = "/personalisation/v1/programs/11/members?force=true";
    let answer = site.act(path).await;
    assert_eq!(answer.code(), "media-type-unsupported");
}

/// Rust takes `+3` for 3.
#[tokio::test]
async fn a_number_is_its_digits() {
    let site = Site::open();
    for (path, field) in [
        ("/personalisation/v1/programs/+7", "programId"),
        ("/v1/operate/dead-letters/+7", "number"),
        ("/v1/orders/O1/timeline?fromPosition=%2B7", "fromPosition"),
        ("/v1/orders/O1/timeline?minPosition=%2B7", "minPosition"),
        ("/v1/operate/dead-letters?perPage=%2B7", "perPage"),
        (
            "/sales/v1/ticket-distribution-groups?orderVersion=%2B7",
            "orderVersion",
        ),
        (
            "/sales/v1/ticket-distribution-groups?organisationId=gt:%2B7",
            "organisationId",
        ),
    ] {
        let answer = site.get(path).await;
        assert_eq!(answer.wrong(), [(field, "malformed")], "{path}");
    }
}

/// serde's and Rust's own messages were once passed on, and a list was taken for an object by the order of its items.
#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_in_no_librarys_words() {
    let site = Site::open();
    let json_type = [("content-type", "application/json")];
    let said = async |method, path: &str, body: &str| {
        let answer = site.ask(method, path, &json_type, body).await;
        assert_eq!(answer.code(), "validation-failed", "{path} {body}");
        let error = &answer.json["errors"][0];
        let of = |name: &str| error[name].as_str().unwrap().to_owned();
        format!("{}: {}", of("field"), of("message"))
    };
    let members = "/personalisation/v1/programs/11/members";
    let groups = "/sales/v1/ticket-distribution-groups/O1/distribute";
    for (path, body, expected) in [
        (
            members,
            r#"["C1",null,null,null]"#,
            "body: must be an object",
        ),
        (members, "[]", "body: must be an object"),
        (members, "{", "body: is no JSON: it ends too early"),
        (
            members,
            r#"{"customerId":1}"#,
            "customerId: must be a string",
        ),
        (
            members,
            r#"{"customerId":"C1","metadata":[]}"#,
            "metadata: must be an object",
        ),
        (
            groups,
            r#"{"travelCard":[true,"x","y"]}"#,
            "travelCard: must be an object",
        ),
        (
            groups,
            r#"{"travelCard":{"activate":"yes","mediaSerialNumberId":"y"}}"#,
            "travelCard.activate: must be true or false",
        ),
        (
            groups,
            r#"{"orderLineIds":"l1"}"#,
            "orderLineIds: must be a list",
        ),
        (
            groups,
            r#"{"deliverAfter":"soon"}"#,
            "deliverAfter: must be a time like 2026-01-31T12:00:00Z",
        ),
    ] {
        assert_eq!(said(Method::POST, path, body).await, expected, "{body}");
    }
    for (path, expected) in [
        (
            "/personalisation/v1/transactions?orderId=O1&minPosition=x",
            "minPosition: must be a whole number",
        ),
        (
            "/personalisation/v1/transactions?orderId=",
            "orderId: an id must not be empty",
        ),
        (
            "/v1/operate/dead-letters/x",
            "number: must be a whole number",
        ),
        (
            "/personalisation/v1/programs/x",
            "programId: a numeric id is a whole number from 1 to 9007199254740991",
        ),
    ] {
        assert_eq!(said(Method::GET, path, "").await, expected, "{path}");
    }
    let qr_code = "/sales/v1/ticket-distributions/O1/distribute/qr-code?deliverAfter=soon";
    assert_eq!(
        said(Method::POST, qr_code, "").await,
        "deliverAfter: must be a time like 2026-01-31T12:00:00Z"
    );
}

/// What chrono takes for a time went through, and came out again as a time that no other system can read.
#[tokio::test]
async fn a_time_is_written_as_rfc_3339_has_it() {
    let site = Site::open();
    let shape = "must be a time like 2026-01-31T12:00:00Z";
    let years = "must be a time of the years 0000 to 9999 in UTC";
    for (time, problem) in [
        ("+262142-12-31T23:59:59Z", shape),
        ("-262143-01-01T00:00:00Z", shape),
        ("2026-1-1T00:00:00Z", shape),
        (" 2026-01-01T00:00:00Z", shape),
        ("2026-01-01T00:00:00+0100", shape),
        ("2026-01-01T00:00:00UTC", shape),
        ("9999-12-31T23:59:59-23:59", years),
    ] {
        let said = |answer: super::Answer| {
            assert_eq!(answer.status, 400, "{}", answer.text);
            let wrong = &answer.json["errors"][0];
            assert_eq!(answer.json["errors"].as_array().unwrap().len(), 1);
            wrong["message"].as_str().unwrap().to_owned()
        };
        let encoded: String = form_urlencoded::byte_serialize(time.as_bytes()).collect();
        for (path, body) in [
            (
                "/personalisation/v1/customers/status",
                json!({ "customerId": "C1", "statusAt": time }),
            ),
            (
                "/sales/v1/ticket-distribution-groups/O1/distribute",
                json!({ "deliverAfter": time }),
            ),
            (
                "/v1/operate/simulations",
                json!({ "programs": [], "from": time }),
            ),
        ] {
            assert_eq!(said(site.post(path, &body).await), problem, "{path}");
        }
        let qr_code =
            format!("/sales/v1/ticket-distributions/O1/distribute/qr-code?deliverAfter={encoded}");
        assert_eq!(said(site.act(&qr_code).await), problem);
        let search = format!("/sales/v1/ticket-distribution-groups?createdAt=gte:{encoded}");
        assert_eq!(
            said(site.get(&search).await),
            format!("{time:?} can't be compared with: {problem}")
        );
    }
}

#[tokio::test]
async fn a_caller_may_name_itself_and_need_not() {
    let site = Site::open();
    for name in ["acme-shop", "acme", ""] {
        let named = [("ET-Client-Name", name)];
        let answer = site.ask(Method::GET, "/personalisation/v1/programs", &named, "");
        assert_eq!(answer.await.status, 200, "{name}");
    }
    assert_eq!(site.get("/personalisation/v1/programs").await.status, 200);
}

#[tokio::test]
async fn a_web_page_of_another_origin_can_neither_change_nor_read() {
    let site = Site::open();
    let path = "/v1/operate/dead-letters/retry-all";
    let page = [
        ("host", "127.0.0.1:8080"),
        ("origin", "http://attacker.example"),
    ];
    let answer = site.ask(Method::POST, path, &page, "").await;
    assert_eq!((answer.status, answer.code()), (403, "cross-origin"));
    let rebound = [("host", "attacker.example:8080")];
    let answer = site
        .ask(Method::GET, "/v1/operate/dead-letters", &rebound, "")
        .await;
    assert_eq!((answer.status, answer.code()), (421, "host-unknown"));
    let own = [
        ("host", "127.0.0.1:8080"),
        ("origin", "http://127.0.0.1:8080"),
    ];
    assert_eq!(site.ask(Method::POST, path, &own, "").await.status, 200);

    // The first alone was looked at, whichever a proxy before the server had gone by.
    let two = [("host", "localhost"), ("host", "attacker.example")];
    let answer = site.ask(Method::GET, "/health/live", &two, "").await;
    assert_eq!((answer.status, answer.code()), (400, "request-unreadable"));
}

/// A request with the correlation id `sale-1`.
fn of_sale(path: &str) -> Request<Body> {
    Request::get(path)
        .header("X-Correlation-Id", "sale-1")
        .body(Body::empty())
        .unwrap()
}

/// Checks that a panic was answered as any other error is, and says nothing of itself.
async fn assert_internal_error(response: Response) {
    let (head, body) = response.into_parts();
    let text = to_bytes(body, 1 << 20).await.unwrap();
    let text = std::str::from_utf8(&text).unwrap();
    assert_eq!(head.status, 500, "{text}");
    assert_eq!(head.headers["content-type"], PROBLEM_JSON);
    assert_eq!(head.headers["x-correlation-id"], "sale-1");
    let problem: Value = serde_json::from_str(text).unwrap();
    assert_eq!(problem["code"], "internal-error");
    assert_eq!(problem["correlationId"], "sale-1");
    assert_eq!(problem["path"], "/panic");
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn a_panic_is_answered_and_the_server_goes_on() {
    async fn panics() {
        panic!("at /secret/path");
    }
    let site = Site::open();
    let operations = Router::new()
        .route("/panic", get(panics))
        .route("/fine", get(async || "fine"));
    let router = layered(operations, site.server.clone());
    for _ in 0..2 {
        let response = router.clone().oneshot(of_sale("/panic")).await.unwrap();
        assert_internal_error(response).await;
        let response = router.clone().oneshot(of_sale("/fine")).await.unwrap();
        assert_eq!(response.status(), 200);
    }
}

/// Only what was waited for was looked after once: a panic on the way there cut the connection, without an answer.
#[tokio::test]
async fn a_panic_before_there_is_anything_to_wait_for_is_answered_too() {
    let site = Site::open();
    let panics = service_fn(|_: Request<Body>| -> Ready<Result<Response, Infallible>> {
        panic!("at /secret/path")
    });
    let service = CorrelationLayer::new(site.server.clone()).layer(panics);
    let response = service.oneshot(of_sale("/panic")).await.unwrap();
    assert_internal_error(response).await;
}

/// An operation looks its figures up once and keeps them, so they have to be its own and not those of another.
#[tokio::test]
async fn each_operation_counts_under_its_own_pattern() {
    let site = Site::open();
    let _recording = metrics::set_default_local_recorder(&site.recorder);
    let (orders, transactions) = ("/v1/orders", "/personalisation/v1/transactions");
    for path in [
        &format!("{orders}/O1/timeline"),
        &format!("{orders}/O2/timeline"),
        &format!("{transactions}?orderId=O1"),
        transactions,
        "/no/such/path",
        "/no/other/path",
        &format!("{transactions}?orderId=O2"),
        &format!("{orders}/O3/timeline"),
    ] {
        site.get(path).await;
    }
    let figures = site.get("/metrics").await.text;
    let counted: BTreeSet<&str> = figures
        .lines()
        .filter_map(|line| line.strip_prefix("farelog_http_requests_total"))
        .collect();
    assert_eq!(
        counted,
        BTreeSet::from([
            r#"{method="GET",route="/personalisation/v1/transactions",status="200"} 2"#,
            r#"{method="GET",route="/personalisation/v1/transactions",status="400"} 1"#,
            r#"{method="GET",route="/v1/orders/{orderId}/timeline",status="404"} 3"#,
            r#"{method="GET",route="unmatched",status="404"} 2"#,
        ])
    );
    let route = r#"route="/v1/orders/{orderId}/timeline""#;
    let timed = figures.lines().find(|line| {
        line.starts_with("farelog_http_request_seconds_count") && line.contains(route)
    });
    assert!(timed.is_some_and(|line| line.ends_with(" 3")), "{figures}");
}

#[tokio::test]
async fn readiness_says_what_the_server_waits_for() {
    let site = Site::open();
    let answer = site.get("/health/ready").await;
    assert_eq!((answer.status, &answer.json["ready"]), (200, &json!(true)));
    site.ingestion.send_modify(|status| {
        status.state = IngestState::Stopped(StreamBreak::OtherStream {
            log: "ORDERS".to_owned(),
            given: "SALES".to_owned(),
            sequence: 7,
        });
    });
    let answer = site.get("/health/ready").await;
    assert_eq!((answer.status, answer.code()), (503, "service-unavailable"));
    assert_eq!(answer.json["ready"], false);
    assert_eq!(answer.json["ingestion"]["state"], "STOPPED");
    let waiting = answer.json["waitingFor"][0].as_str().unwrap();
    assert!(waiting.starts_with("Ingestion has stopped: "), "{waiting}");
}

/// A new server once said that it was ready before its stream was made, and who published then was turned away.
#[tokio::test]
async fn a_new_server_is_not_ready_before_its_stream_is_there() {
    let mut site = Site::open();
    let connecting = |status: &mut IngestStatus| status.state = IngestState::Connecting;
    site.ingestion.send_modify(connecting);
    let answer = site.get("/health/ready").await;
    assert_eq!((answer.status, answer.code()), (503, "service-unavailable"));
    let waiting = answer.json["waitingFor"][0].as_str().unwrap();
    assert_eq!(
        waiting,
        "Ingestion has not reached its stream for the first time."
    );
    for (why, ends) in [
        ("NATS can't be reached", "time: NATS can't be reached."),
        ("is JetStream enabled?", "time: is JetStream enabled?"),
    ] {
        site.ingestion
            .send_modify(|status| status.waits_for = Some(why.to_owned()));
        let answer = site.get("/health/ready").await;
        let waiting = answer.json["waitingFor"][0].as_str().unwrap();
        assert!(waiting.ends_with(ends), "{waiting}");
        assert_eq!(answer.json["ingestion"]["detail"], why);
    }

    // A log that was fed before has a stream: its server answers while the broker is away.
    site.ingestion
        .send_modify(|status| status.state = IngestState::Running);
    site.arrive(&super::sale("O1", None, "39.00")).await;
    site.ingestion.send_modify(connecting);
    assert_eq!(site.get("/health/ready").await.status, 200);
}

#[tokio::test]
async fn an_answer_can_be_waited_for() {
    let mut site = Site::open();
    let sequence = site.arrive(&super::sale("O1", None, "39.00")).await;
    let path = format!("/personalisation/v1/transactions?orderId=O1&minStreamSequence={sequence}");
    let answer = site.get(&path).await;
    assert_eq!(
        (answer.status, answer.header("farelog-position")),
        (200, "3")
    );
    let answer = site
        .get("/personalisation/v1/transactions?orderId=O1&minPosition=4&timeoutMs=10")
        .await;
    assert_eq!(
        (answer.status, answer.code()),
        (504, "position-not-reached")
    );
    assert_eq!(
        (&answer.json["position"], &answer.json["streamSequence"]),
        (&json!(3), &json!(3))
    );
    let answer = site
        .get("/personalisation/v1/transactions?orderId=O1&minPosition=x&timeoutMs=30001&at=now")
        .await;
    assert_eq!(
        answer.wrong(),
        [
            ("minPosition", "malformed"),
            ("timeoutMs", "out-of-range"),
            ("at", "unknown-field")
        ]
    );
}
