//! Requests that nobody would send.

use axum::body::Body;
use axum::http::{Method, Request};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{PER_TEN, Site, sale};

#[derive(Debug)]
struct Sent {
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

/// A path of the interface with something in its places, a query, headers and a body: each right or anything.
fn sent(templates: Vec<(String, String)>) -> impl Strategy<Value = Sent> {
    let segment = prop_oneof![
        Just("11".to_owned()),
        Just("O1".to_owned()),
        Just("8192".to_owned()),
        any::<String>().prop_filter("an empty segment is another path", |text| !text.is_empty()),
    ];
    let name = prop_oneof![
        Just("orderId".to_owned()),
        Just("page".to_owned()),
        Just("perPage".to_owned()),
        Just("dryRun".to_owned()),
        Just("minPosition".to_owned()),
        Just("minStreamSequence".to_owned()),
        Just("state".to_owned()),
        any::<String>(),
    ];
    let value = prop_oneof![Just("O1".to_owned()), Just("2".to_owned()), any::<String>()];
    let body = prop_oneof![
        Just(String::new()),
        Just(r#"{"orderId":"O1","orderLineId":"O1-1","customerId":"C1"}"#.to_owned()),
        Just(r#"{"customerId":"C2"}"#.to_owned()),
        Just(PER_TEN.to_owned()),
        any::<String>(),
    ];
    let media_type = prop_oneof![
        Just("application/json"),
        Just("application/toml"),
        Just("text/plain")
    ];
    (
        proptest::sample::select(templates),
        proptest::collection::vec(segment, 3),
        proptest::collection::vec((name, value), 0..3),
        "[ -~]{0,40}",
        media_type,
        body,
    )
        .prop_map(
            |((path, method), segments, query, header, media_type, body)| {
                let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
                let mut segments = segments.iter();
                let path: Vec<String> = path
                    .split('/')
                    .map(|part| {
                        if part.starts_with('{') {
                            encode(segments.next().map_or("x", String::as_str))
                        } else {
                            part.to_owned()
                        }
                    })
                    .collect();
                let mut whole = format!("{}?timeoutMs=0", path.join("/"));
                for (name, value) in query {
                    whole.extend(["&", &encode(&name), "=", &encode(&value)]);
                }
                Sent {
                    method: method.to_ascii_uppercase().parse().unwrap(),
                    path: whole,
                    headers: vec![
                        ("content-type", media_type.to_owned()),
                        ("x-correlation-id", header.clone()),
                        ("entur-pos", header.clone()),
                        ("if-match", header.clone()),
                        ("accept-language", header.clone()),
                        ("et-client-name", header),
                    ],
                    body,
                }
            },
        )
}

/// Whatever is sent, the answer is one that the description allows, and the fault is never the server's.
#[test]
fn any_request_has_an_answer_that_is_described() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut site = runtime.block_on(async { Site::open() });
    runtime.block_on(async {
        site.publish_program(11, PER_TEN).await;
        site.enrol(11, "C1").await;
        site.arrive(&sale("O1", None, "399.00")).await;
    });
    let operations = site.conformance.operations().into_iter();
    let templates = operations
        .map(|(path, method, _)| (path.to_owned(), method.to_owned()))
        .collect();
    let mut runner = TestRunner::new(Config {
        cases: 400,
        failure_persistence: None,
        ..Config::default()
    });
    let tried = runner.run(&sent(templates), |sent| {
        let mut request = Request::builder().method(&sent.method).uri(&sent.path);
        for (name, value) in &sent.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Body::from(sent.body.clone())).unwrap();
        let answer = runtime.block_on(site.answer(request));
        prop_assert!(answer.status < 500 || answer.status == 504, "{answer:?}");
        Ok(())
    });
    tried.unwrap();
}
