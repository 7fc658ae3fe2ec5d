//! Operation 9.

use axum::http::Method;
use serde_json::{Value, json};

use super::{PER_TEN, Site};

const MEMBERS: &str = "/personalisation/v1/programs/11/members";

async fn published() -> Site {
    let site = Site::open();
    site.publish_program(11, PER_TEN).await;
    site
}

#[tokio::test]
async fn a_customer_enrols_leaves_and_comes_back_as_the_same_member() {
    let site = published().await;
    let body =
        json!({ "customerId": "C1", "externalReference": "R-1", "metadata": { "level": "GOLD" } });
    let enrolled = site.post(MEMBERS, &body).await;
    assert_eq!(enrolled.status, 201);
    assert_eq!(enrolled.json["status"], "ACTIVE");
    assert_eq!(enrolled.json["metadata"]["level"], "GOLD");
    assert_eq!(enrolled.json["withdrawnAt"], json!(null));

    let again = site.post(MEMBERS, &json!({ "customerId": "C1" })).await;
    assert_eq!((again.status, &again.json), (200, &enrolled.json));
    assert_eq!(
        again.header("farelog-position"),
        enrolled.header("farelog-position")
    );

    let member = format!("{MEMBERS}/{}", enrolled.json["id"]);
    for _ in 0..2 {
        let withdrawn = site.ask(Method::DELETE, &member, &[], "").await;
        assert_eq!((withdrawn.status, withdrawn.text.as_str()), (204, ""));
    }
    let shown = site.get(&member).await;
    assert_eq!(shown.json["status"], "WITHDRAWN");
    assert!(shown.json["withdrawnAt"].is_string());
    assert_eq!(shown.header("farelog-position"), "3");

    let back = site.post(MEMBERS, &json!({ "customerId": "C1" })).await;
    assert_eq!(back.status, 201);
    assert_eq!(back.json["id"], enrolled.json["id"]);
    assert_eq!(back.json["externalReference"], "R-1");
    assert_eq!(back.json["withdrawnAt"], json!(null));
}

#[tokio::test]
async fn a_change_leaves_what_it_does_not_name() {
    let site = published().await;
    let body = json!({ "customerId": "C1", "externalReference": "R-1", "organisationId": 5 });
    let enrolled = site.post(MEMBERS, &body).await;
    let member = format!("{MEMBERS}/{}", enrolled.json["id"]);
    let change = json!({ "externalReference": "R-2" });
    let changed = site.json(Method::PATCH, &member, &change).await;
    assert_eq!(
        (changed.status, &changed.json["externalReference"]),
        (200, &json!("R-2"))
    );
    assert_eq!(changed.json["organisationId"], 5);
    let again = site.json(Method::PATCH, &member, &change).await;
    assert_eq!(again.json, changed.json);
    assert_eq!(
        again.header("farelog-position"),
        changed.header("farelog-position")
    );

    let answer = site.json(Method::PATCH, &member, &json!({})).await;
    assert_eq!(
        (answer.status, answer.wrong()),
        (400, vec![("body", "missing")])
    );
    let answer = site
        .json(Method::PATCH, &member, &json!({ "externalReference": "" }))
        .await;
    assert_eq!(answer.wrong(), [("externalReference", "out-of-range")]);
    let answer = site
        .json(Method::PATCH, &member, &json!({ "customerId": "C2" }))
        .await;
    assert_eq!(answer.wrong(), [("customerId", "unknown-field")]);
}

/// Null was once taken for a field that is left out: who meant to clear one was told 200, and it stayed.
#[tokio::test]
async fn what_is_kept_about_a_member_can_not_be_cleared_and_that_is_said() {
    let site = published().await;
    let id = site.enrol(11, "C1").await;
    let member = format!("{MEMBERS}/{id}");
    for field in ["externalReference", "organisationId", "metadata"] {
        let mut change = json!({ "externalReference": "R-2" });
        change[field] = Value::Null;
        let answer = site.json(Method::PATCH, &member, &change).await;
        assert_eq!(
            (answer.status, answer.wrong()),
            (400, vec![(field, "malformed")])
        );
        let detail = answer.json["detail"].as_str().unwrap();
        assert!(detail.contains("can't be cleared"), "{detail}");
    }
}

#[tokio::test]
async fn members_are_listed_by_page_and_by_customer() {
    let site = published().await;
    for customer in ["C1", "C2", "C3"] {
        site.enrol(11, customer).await;
    }
    let page = site.get(&format!("{MEMBERS}?perPage=2&page=2")).await;
    assert_eq!(page.json["items"][0]["customerId"], "C3");
    assert_eq!(
        (&page.json["totalItems"], &page.json["totalPages"]),
        (&json!(3), &json!(2))
    );
    let one = site.get(&format!("{MEMBERS}?customerId=C2")).await;
    assert_eq!(
        (&one.json["items"][0]["customerId"], &one.json["totalItems"]),
        (&json!("C2"), &json!(1))
    );
    let none = site.get(&format!("{MEMBERS}?customerId=C4")).await;
    assert_eq!((none.status, &none.json["totalPages"]), (200, &json!(0)));
    let answer = site.get(&format!("{MEMBERS}?customer=C2")).await;
    assert_eq!(
        (answer.status, answer.wrong()),
        (400, vec![("customer", "unknown-field")])
    );
}

#[tokio::test]
async fn a_member_that_is_not_there_is_a_404_everywhere() {
    let site = published().await;
    let change = json!({ "externalReference": "R" }).to_string();
    let json_type = [("content-type", "application/json")];
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        for (path, code) in [
            (format!("{MEMBERS}/1"), "member-unknown"),
            (
                "/personalisation/v1/programs/12/members/1".to_owned(),
                "program-unknown",
            ),
        ] {
            let answer = site.ask(method.clone(), &path, &json_type, &change).await;
            assert_eq!(
                (answer.status, answer.code()),
                (404, code),
                "{method} {path}"
            );
        }
        let answer = site
            .ask(method, &format!("{MEMBERS}/C1"), &json_type, &change)
            .await;
        assert_eq!(
            (answer.status, answer.wrong()),
            (400, vec![("memberId", "malformed")])
        );
    }
    let unknown = "/personalisation/v1/programs/12/members";
    assert_eq!(site.get(unknown).await.code(), "program-unknown");
    let answer = site.post(unknown, &json!({ "customerId": "C1" })).await;
    assert_eq!((answer.status, answer.code()), (404, "program-unknown"));
    let answer = site.post(MEMBERS, &json!({ "customerId": "C 1" })).await;
    assert_eq!(answer.wrong(), [("customerId", "malformed")]);
}
