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

#[tokio::test]
async fn a_reader_who_has_the_current_version_is_not_sent_it_again() {
    let site = Site::open();
    let put = async |headers: &[(&str, &str)]| {
        let headers = [&[("content-type", "application/toml")], headers].concat();
        site.ask(Method::PUT, PROGRAM, &headers, PER_TEN).await
    };
    let only_new = [("if-none-match", "*")];
    assert_eq!(put(&only_new).await.status, 201);
    let refused = put(&only_new).await;
    assert_eq!((refused.status, refused.code()), (412, "version-mismatch"));
    for (known, status) in [("\"1\"", 304), ("W/\"1\"", 304), ("\"2\"", 200), ("1", 200)] {
        let answer = site
            .ask(Method::GET, PROGRAM, &[("if-none-match", known)], "")
            .await;
        assert_eq!(
            (answer.status, answer.header("etag")),
            (status, "\"1\""),
            "{known}"
        );
        assert_eq!(answer.text.is_empty(), status == 304, "{known}");
        assert_eq!(answer.header("farelog-position"), "1");
    }
}

// `identity` was once known in small letters only, and an empty header was an encoding.
#[tokio::test]
async fn a_document_that_names_no_encoding_is_read() {
    let site = Site::open();
    for encoding in ["identity", "Identity", "", " , identity"] {
        let headers = [
            ("content-type", "application/toml"),
            ("content-encoding", encoding),
        ];
        let answer = site.ask(Method::PUT, PROGRAM, &headers, PER_TEN).await;
        assert!(answer.status < 300, "{encoding:?}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_compressed_document_is_refused_by_its_name() {
    let site = Site::open();
    let headers = [
        ("content-type", "application/toml"),
        ("content-encoding", "gzip"),
    ];
    let answer = site.ask(Method::PUT, PROGRAM, &headers, PER_TEN).await;
    assert_eq!(
        (answer.status, answer.code()),
        (415, "media-type-unsupported")
    );
    assert!(
        answer.json["detail"]
            .as_str()
            .unwrap()
            .contains("Content-Encoding")
    );
    assert_eq!(answer.header("accept-encoding"), "identity");
}
