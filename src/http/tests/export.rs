//! The log as text, and a new log of it.

use farelog_events::log::EventLog as _;
use farelog_events::log::export::Restore;
use farelog_events::log::sled_log::SledLog;

use super::{PER_TEN, Site, sale};

#[tokio::test]
async fn an_exported_log_can_be_restored_and_says_how_far_it_is() {
    let mut site = Site::open();
    site.publish_program(11, PER_TEN).await;
    site.arrive(&sale("O1", Some("C1"), "399.00")).await;
    site.arrive_raw("orders.O2", "{\"half\":").await;

    let answer = site.get("/v1/operate/log/export").await;

    assert_eq!(
        (answer.status, answer.header("farelog-position")),
        (200, "5")
    );
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let directory = tempfile::tempdir().unwrap();
    let log = SledLog::open(directory.path()).unwrap();
    let mut restore = Restore::new(&log).unwrap();
    for line in answer.text.lines() {
        restore.take(line.as_bytes()).unwrap();
    }
    restore.finish(|_| {}).unwrap();
    assert_eq!(log.head(), site.server.log().head());

    let refused = site.get("/v1/operate/log/export?from=3").await;
    assert_eq!(
        (refused.status, refused.wrong()),
        (400, vec![("from", "unknown-field")])
    );
}
