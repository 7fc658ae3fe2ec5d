//! Lines of a file, and how they are published.

use farelog_events::dead_letter::DeadLetterReason as Reason;
use farelog_events::envelope::from_line;

use crate::sample::with;

#[test]
fn a_line_says_how_it_is_published() {
    let subject = |line: &str| from_line(line).map(|outgoing| outgoing.subject);
    let line = with("data", Some(r#"{"orderId":"o1","orderVersion":1}"#));
    let outgoing = from_line(&format!("  {line}\r\n")).unwrap();
    assert_eq!(outgoing.subject, "orders.o1");
    assert_eq!(
        outgoing.headers,
        [("content-type", "application/cloudevents+json")]
    );
    assert_eq!(outgoing.payload, line.as_bytes());

    let domain =
        r#"{"type":"MemberEnrolled","event":{"MemberEnrolled":{"programId":7,"customerId":"c1"}}}"#;
    let outgoing = from_line(domain).unwrap();
    assert_eq!(outgoing.subject, "members.c1");
    assert_eq!(outgoing.headers, [("content-type", "application/json")]);

    let program =
        with("type", Some("\"ProgramPublished\"")).replace(r#""orderVersion""#, r#""id""#);
    assert_eq!(subject(&program).as_deref(), Ok("programs.1"));

    let error = from_line(&with("data", Some("{}"))).unwrap_err();
    assert_eq!(error.to_string(), "data.orderId: is missing");
    let unknown = with("type", Some("\"OrderWeighed\"")).replace("orderId", "weighedId");
    assert_eq!(
        from_line(&unknown).unwrap_err().to_string(),
        "data: names no order, customer or program to publish the event under"
    );
    assert_eq!(from_line("").unwrap_err().reason, Reason::NotReadable);
}
