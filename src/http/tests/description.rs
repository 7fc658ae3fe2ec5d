//! The description of the interface, and the pages behind its error codes.

use std::collections::HashSet;

use serde_json::json;

use super::Site;
use super::conformance::Conformance;
use crate::errors;

#[test]
fn every_operation_says_what_it_is() {
    let conformance = Conformance::of_this_interface();
    let mut ids = HashSet::new();
    for (path, method, operation) in conformance.operations() {
        let place = format!("{method} {path}");
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "{place}: {id} stands twice");
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(!summary.is_empty() && !summary.ends_with('.'), "{place}");
        assert_eq!(
            operation["tags"].as_array().map(Vec::len),
            Some(1),
            "{place}"
        );
        for parameter in operation["parameters"].as_array().unwrap() {
            let description = parameter["description"].as_str().unwrap_or_default();
            assert!(!description.is_empty(), "{place}: {}", parameter["name"]);
        }
        for named in path.split('/').filter_map(|part| part.strip_prefix('{')) {
            let name = named.trim_end_matches('}');
            let parameters = operation["parameters"].as_array().unwrap();
            assert!(
                parameters.iter().any(|parameter| parameter["name"] == name),
                "{place}: {name}"
            );
        }
    }
    assert!(ids.len() >= 25, "{}", ids.len());
}

#[test]
fn every_code_that_an_operation_names_has_a_page_and_that_status() {
    for (path, method, operation) in Conformance::of_this_interface().operations() {
        for (status, response) in operation["responses"].as_object().unwrap() {
            if !status.starts_with(['4', '5']) {
                continue;
            }
            let place = format!("{method} {path} -> {status}");
            let description = response["description"].as_str().unwrap();
            let codes: Vec<&str> = description
                .split('`')
                .skip(1)
                .step_by(2)
                .filter(|code| code.contains('-') && !code.starts_with(char::is_uppercase))
                .collect();
            assert!(!codes.is_empty(), "{place} names no code");
            for code in codes {
                let page = errors::find(code).unwrap_or_else(|| panic!("{place}: {code}"));
                assert_eq!(
                    page.status.map(|status| status.to_string()),
                    Some(status.clone())
                );
            }
            let content = response["content"].as_object().unwrap();
            assert!(content.contains_key("application/problem+json"), "{place}");
        }
    }
}

#[test]
fn deprecated_operations_say_so() {
    let conformance = Conformance::of_this_interface();
    let deprecated: Vec<&str> = conformance
        .operations()
        .into_iter()
        .filter(|(.., operation)| operation["deprecated"] == true)
        .map(|(path, ..)| path)
        .collect();
    let base = "/sales/v1/ticket-distributions/{orderId}/distribute";
    assert_eq!(
        deprecated,
        [format!("{base}/qr-code"), format!("{base}/travel-card")]
    );
}

#[test]
fn every_schema_that_is_named_is_there() {
    let conformance = Conformance::of_this_interface();
    let text = conformance.openapi().to_string();
    let schemas = conformance.openapi()["components"]["schemas"]
        .as_object()
        .unwrap();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
}

/// A dry run's transaction was once described with an id and a time that it never has, and a generated client refused
/// the answer.
#[test]
fn only_a_registration_answers_transactions_that_may_not_be_recorded() {
    let conformance = Conformance::of_this_interface();
    let schemas = &conformance.openapi()["components"]["schemas"];
    let lists = |schema: &str, field: &str| {
        let required = schemas[schema]["required"].as_array().unwrap();
        required.iter().any(|name| name == field)
    };
    for field in ["id", "createdAt"] {
        assert!(lists("Transaction", field), "{field}");
        assert!(!lists("RegisteredTransaction", field), "{field}");
    }
    let names = |schema: &str| {
        let properties = schemas[schema]["properties"].as_object().unwrap();
        properties.keys().cloned().collect::<HashSet<_>>()
    };
    assert_eq!(names("Transaction"), names("RegisteredTransaction"));
}

/// The body of operation 7 was once described as one that may be null, which is refused.
#[test]
fn no_body_may_be_null() {
    for (path, method, operation) in Conformance::of_this_interface().operations() {
        let body = operation["requestBody"].to_string();
        assert!(!body.contains(r#""null""#), "{method} {path}: {body}");
    }
}

#[tokio::test]
async fn the_description_is_served() {
    let site = Site::open();
    let answer = site.get("/openapi.json").await;
    assert_eq!(answer.status, 200);
    assert_eq!(&answer.json, site.conformance.openapi());
}

#[tokio::test]
async fn every_error_code_has_a_page_for_a_person() {
    let site = Site::open();
    let index = site.get("/docs/errors").await;
    for code in errors::all() {
        let page = site.get(&format!("/docs/errors/{}", code.code)).await;
        assert_eq!(page.status, 200, "{}", code.code);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert!(page.text.contains("What to do"), "{}", code.code);
        assert!(index.text.contains(&format!("\"errors/{}\"", code.code)));
    }
    let answer = site.get("/docs/errors/no-such-code").await;
    assert_eq!((answer.status, answer.code()), (404, "error-code-unknown"));
}

/// Only the errors' addresses began with it: a client that followed the others lost the path that the proxy has.
#[tokio::test]
async fn what_answers_name_begins_with_the_public_address() {
    let site = Site::known_as("https://points.example.com/farelog/");
    let description = site.get("/openapi.json").await;
    let servers = json!([{ "url": "https://points.example.com/farelog" }]);
    assert_eq!(description.json["servers"], servers);
    let refused = site
        .act("/sales/v1/ticket-distributions/O1/distribute/qr-code")
        .await;
    assert_eq!(
        refused.json["type"],
        "https://points.example.com/farelog/docs/errors/order-unknown"
    );
    assert_eq!(
        refused.header("link"),
        "<https://points.example.com/farelog/sales/v1/ticket-distribution-groups/O1/distribute>; rel=\"successor-version\""
    );
    // What a page names is beside it, whatever stands before.
    for (page, link) in [
        ("/docs/errors", "\"errors/order-unknown\""),
        ("/docs/errors/order-unknown", "\"../errors\""),
    ] {
        assert!(site.get(page).await.text.contains(link), "{page}");
    }
}
