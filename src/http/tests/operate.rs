//! Operation 17: dead letters and figures.

use std::sync::mpsc::channel;
use std::time::Duration;

use farelog_events::log::writer::Decision;
use serde_json::json;

use super::{PER_TEN, Site, sale};
use crate::http::problem::Problem;

const DEAD_LETTERS: &str = "/v1/operate/dead-letters";

fn enrolment(number: u32) -> serde_json::Value {
    json!({
        "specversion": "1.0", "id": format!("enrolment-{number}"), "source": "/tests", "type": "MemberEnrolled",
        "time": "2026-01-15T08:00:00Z",
        "data": { "programId": 11, "customerId": format!("C{number}") },
    })
}

#[tokio::test]
async fn a_dead_letter_is_kept_whole() {
    let mut site = Site::open();
    site.arrive_raw("orders.O1", "{\"half\":").await;
    let list = site.get(DEAD_LETTERS).await;
    assert_eq!(list.json["totalItems"], 1);
    assert_eq!(list.json["items"][0]["reason"], "not-readable");
    let letter = site.get(&format!("{DEAD_LETTERS}/1")).await;
    assert_eq!(letter.json["payloadText"], "{\"half\":");
    assert_eq!(letter.json["payloadBase64"], "eyJoYWxmIjo=");
    assert_eq!(letter.json["headers"], json!([["Trace", "a"]]));
    assert_eq!(
        (&letter.json["orderId"], &letter.json["state"]),
        (&json!("O1"), &json!("OPEN"))
    );
    assert_eq!(letter.json.get("headersBase64"), None);
    site.arrive_garbled("orders.O1", b"NATS/1.0\r\nA \xf8\r\n\r\n", "{}")
        .await;
    let letter = site.get(&format!("{DEAD_LETTERS}/2")).await;
    assert_eq!(letter.json["headersBase64"], "TkFUUy8xLjANCkEg+A0KDQo=");
    assert_eq!(letter.json["headers"], json!([]));
    let answer = site.get(&format!("{DEAD_LETTERS}/3")).await;
    assert_eq!((answer.status, answer.code()), (404, "dead-letter-unknown"));
    let answer = site.get(&format!("{DEAD_LETTERS}?state=closed")).await;
    assert_eq!(
        (answer.status, answer.wrong()),
        (400, vec![("state", "malformed")])
    );
}

#[tokio::test]
async fn a_dead_letter_whose_cause_is_gone_is_taken_in() {
    let mut site = Site::open();
    site.arrive(&[enrolment(1)]).await;
    let retry = format!("{DEAD_LETTERS}/1/retry");
    let refused = site.act(&retry).await;
    assert_eq!(
        (refused.status, &refused.json["outcome"]),
        (200, &json!("REFUSED"))
    );
    assert!(refused.json["detail"].as_str().unwrap().contains("program"));
    site.publish_program(11, PER_TEN).await;
    let taken = site.act(&retry).await;
    assert_eq!(taken.json["outcome"], "TAKEN_IN");
    let members = site.get("/personalisation/v1/programs/11/members").await;
    assert_eq!(members.json["items"][0]["customerId"], "C1");
    let again = site.act(&retry).await;
    assert_eq!((again.status, again.code()), (409, "dead-letter-settled"));
    assert_eq!(site.get(DEAD_LETTERS).await.json["totalItems"], 0);
    let settled = site.get(&format!("{DEAD_LETTERS}?state=settled")).await;
    assert_eq!(settled.json["items"][0]["state"], "RETRIED");
    assert_eq!(
        site.act(&format!("{DEAD_LETTERS}/9/retry")).await.status,
        404
    );
}

#[tokio::test]
async fn all_dead_letters_are_retried_and_those_that_stay_are_counted() {
    let mut site = Site::open();
    site.arrive(&[enrolment(1), enrolment(2), enrolment(3)])
        .await;
    site.arrive_raw("orders.O1", "{").await;
    site.arrive(&[enrolment(4)]).await;
    site.publish_program(11, PER_TEN).await;
    let all = site.act(&format!("{DEAD_LETTERS}/retry-all")).await;
    assert_eq!(all.json, json!({ "taken": 4, "refused": 1, "left": 0 }));
    assert_eq!(site.get(DEAD_LETTERS).await.json["totalItems"], 1);
}

#[tokio::test]
async fn a_dead_letter_can_be_given_up() {
    let mut site = Site::open();
    site.arrive_raw("orders.O1", "{").await;
    let discard = format!("{DEAD_LETTERS}/1/discard");
    let discarded = site.act(&discard).await;
    assert_eq!(
        (discarded.status, &discarded.json["state"]),
        (200, &json!("DISCARDED"))
    );
    let again = site.act(&discard).await;
    assert_eq!((again.status, &again.json), (200, &discarded.json));
    assert_eq!(
        again.header("farelog-position"),
        discarded.header("farelog-position")
    );
    assert_eq!(
        site.act(&format!("{DEAD_LETTERS}/1/retry")).await.status,
        409
    );
    assert_eq!(
        site.act(&format!("{DEAD_LETTERS}/7/discard")).await.status,
        404
    );
    let letter = site.get(&format!("{DEAD_LETTERS}/1")).await;
    assert_eq!(letter.json["payloadText"], "{");

    site.arrive(&[enrolment(1)]).await;
    site.publish_program(11, PER_TEN).await;
    site.act(&format!("{DEAD_LETTERS}/3/retry")).await;
    let answer = site.act(&format!("{DEAD_LETTERS}/3/discard")).await;
    assert_eq!((answer.status, answer.code()), (409, "dead-letter-settled"));
}

/// Both had been recorded once, where the retry had looked at the dead letter before the discard's turn came.
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_was_under_way_does_not_undo_a_discard() {
    let mut site = Site::open();
    site.arrive(&[enrolment(1)]).await;
    site.publish_program(11, PER_TEN).await;
    let (release, held) = channel::<()>();
    let engine = site.server.engine().clone();
    let busy = engine.decide(move |_, _| {
        held.recv().unwrap();
        Ok::<_, Problem>(Decision {
            events: Vec::new(),
            answer: (),
        })
    });
    let (retry, discard) = (
        format!("{DEAD_LETTERS}/1/retry"),
        format!("{DEAD_LETTERS}/1/discard"),
    );
    let release = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        release.send(()).unwrap();
    };
    let (busy, discarded, retried, ()) =
        tokio::join!(biased; busy, site.act(&discard), site.act(&retry), release);
    assert!(busy.is_ok());
    assert_eq!(discarded.json["state"], "DISCARDED");
    assert_eq!(
        (retried.status, retried.code()),
        (409, "dead-letter-settled")
    );
    assert!(
        retried.json["detail"]
            .as_str()
            .unwrap()
            .contains("was discarded")
    );
    let members = site.get("/personalisation/v1/programs/11/members").await;
    assert_eq!(members.json["totalItems"], 0);
    assert_eq!(site.server.log().head().position, 3);
}

#[tokio::test]
async fn figures_tell_how_far_each_part_is() {
    let mut site = Site::open();
    site.arrive(&sale("O1", None, "39.00")).await;
    let stats = site.get("/v1/operate/log/stats").await;
    assert_eq!(stats.json["lastPosition"], 3);
    assert_eq!(stats.json["checkpoint"]["sequence"], 3);
    assert_eq!(stats.json["projections"]["position"], 3);
    assert_eq!(stats.json["projections"]["orders"], 1);
    assert_eq!(stats.json["ingestion"]["state"], "RUNNING");
}
