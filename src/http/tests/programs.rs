//! Operation 11.

use axum::http::Method;
use serde_json::json;

use super::{PER_TEN, Site};

const PROGRAM: &str = "/personalisation/v1/programs/11";

#[tokio::test]
async fn a_program_is_new_then_the_same_then_another_version() {
    let site = Site::open();
    let first = site.publish_program(11, PER_TEN).await;
    assert_eq!((first.status, first.header("etag")), (201, "\"1\""));
    assert_eq!(first.json["version"], 1);

    let document = site.get(PROGRAM).await;
    assert_eq!(document.json, first.json);
    let mut same = document.json.clone();
    for added in ["version", "publishedAt"] {
        same.as_object_mut().unwrap().remove(added);
    }
    let again = site.json(Method::PUT, PROGRAM, &same).await;
    assert_eq!((again.status, &again.json), (200, &first.json));
    assert_eq!(again.header("farelog-position"), "1");

    same["name"] = json!("Another name");
    let second = site.json(Method::PUT, PROGRAM, &same).await;
    assert_eq!((second.status, second.header("etag")), (200, "\"2\""));
    let list = site.get("/personalisation/v1/programs").await;
    assert_eq!(list.json.as_array().map(Vec::len), Some(1));
    assert_eq!(list.json[0]["name"], "Another name");
}

#[tokio::test]
async fn a_program_is_read_changed_and_sent_back() {
    let site = Site::open();
    site.publish_program(11, PER_TEN).await;
    let read = site.get(PROGRAM).await;
    let mut changed = read.json.clone();
    assert_eq!(changed["version"], 1);
    changed["name"] = json!("Another name");
    changed["preset"] = json!(null);
    let headers = [
        ("content-type", "application/json"),
        ("if-match", read.header("etag")),
    ];
    let answer = site
        .ask(Method::PUT, PROGRAM, &headers, &changed.to_string())
        .await;
    assert_eq!((answer.status, &answer.json["version"]), (200, &json!(2)));
    assert_eq!(answer.json["name"], "Another name");
    let answer = site
        .ask(Method::PUT, PROGRAM, &headers, &changed.to_string())
        .await;
    assert_eq!((answer.status, answer.code()), (412, "version-mismatch"));
}

#[tokio::test]
async fn a_publication_can_expect_a_version() {
    let site = Site::open();
    let put = async |if_match: &'static str, text: String| {
        let headers = [("content-type", "application/toml"), ("if-match", if_match)];
        site.ask(Method::PUT, PROGRAM, &headers, &text).await
    };
    let answer = put("*", PER_TEN.to_owned()).await;
    assert_eq!((answer.status, answer.code()), (412, "version-mismatch"));
    site.publish_program(11, PER_TEN).await;
    let changed = PER_TEN.replace("A point", "One point");
    assert_eq!(put("\"2\"", changed.clone()).await.status, 412);
    assert_eq!(put("\"1\"", changed.clone()).await.status, 200);
    assert_eq!(put("\"1\"", changed.clone()).await.status, 412);
    let answer = put("2", changed).await;
    assert_eq!(
        (answer.status, answer.wrong()),
        (400, vec![("If-Match", "malformed")])
    );
}

#[tokio::test]
async fn a_program_that_is_not_valid_is_refused_with_each_place() {
    let site = Site::open();
    let answer = site
        .publish_program(11, &PER_TEN.replace("line.price", "line.prize"))
        .await;
    assert_eq!((answer.status, answer.code()), (400, "program-refused"));
    assert_eq!(
        answer.wrong(),
        [("pointDefinitions[0].amount", "unknown-name")]
    );
    let answer = site
        .publish_program(11, &PER_TEN.replace("name =", "nam ="))
        .await;
    assert_eq!(answer.code(), "program-refused");
    let answer = site.publish_program(11, "id = ").await;
    assert_eq!(answer.wrong(), [("body", "syntax")]);
    let answer = site.publish_program(12, PER_TEN).await;
    assert_eq!(
        (answer.status, answer.wrong()),
        (400, vec![("id", "invalid-value")])
    );
    let plain = [("content-type", "text/plain")];
    let answer = site.ask(Method::PUT, PROGRAM, &plain, PER_TEN).await;
    assert_eq!(
        (answer.status, answer.code()),
        (415, "media-type-unsupported")
    );
    assert_eq!(site.get(PROGRAM).await.code(), "program-unknown");

    site.publish_program(11, PER_TEN).await;
    let answer = site
        .publish_program(12, &PER_TEN.replace("id = 11\n", "id = 12\n"))
        .await;
    assert_eq!(
        (answer.status, answer.wrong()),
        (400, vec![("reference", "duplicate")])
    );
}
