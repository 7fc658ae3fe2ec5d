//! Versions of programs, and what may enter the log.

use std::sync::Arc;

use farelog_events::dead_letter::DeadLetterReason;
use farelog_events::event::{About, NewEvent};
use farelog_events::id::ProgramId;
use farelog_events::json::JsonText;
use farelog_events::log::writer::{Admission, Refused};
use farelog_events::member::Membership;
use serde_json::json;

use super::*;

fn id(number: i64) -> ProgramId {
    ProgramId::new(number).unwrap()
}

fn document(number: i64, reference: &str, amount: &str) -> String {
    json!({
        "id": number, "reference": reference, "name": "A program",
        "pointDefinitions": [{"id": 1, "reference": "d", "trigger": "LineConfirmed", "amount": amount}],
    })
    .to_string()
}

fn publish(catalog: &mut ProgramCatalog, number: i64, position: u64, json: &str) -> bool {
    catalog.publish(id(number), position, at("2026-01-01T12:00:00Z"), json)
}

fn version_at(catalog: &ProgramCatalog, number: i64, position: u64) -> Option<u32> {
    Some(catalog.standing_at(id(number), position)?.version)
}

#[test]
fn a_version_stands_from_its_place_until_the_next() {
    let mut catalog = ProgramCatalog::default();
    assert!(publish(&mut catalog, 7, 10, &document(7, "reis", "1")));
    assert!(publish(&mut catalog, 8, 15, &document(8, "other", "1")));
    assert!(publish(&mut catalog, 7, 20, &document(7, "reis", "2")));

    assert_eq!(version_at(&catalog, 7, 9), None);
    assert_eq!(version_at(&catalog, 7, 10), Some(1));
    assert_eq!(version_at(&catalog, 7, 19), Some(1));
    assert_eq!(version_at(&catalog, 7, 20), Some(2));
    assert_eq!(version_at(&catalog, 7, u64::MAX), Some(2));
    let standing = |position| -> Vec<(i64, u32)> {
        catalog
            .standing_everywhere_at(position)
            .map(|program| (program.compiled.program.id.get(), program.version))
            .collect()
    };
    assert_eq!(standing(12), [(7, 1)]);
    assert_eq!(standing(30), [(7, 2), (8, 1)]);
    assert_eq!(catalog.current(id(7)).unwrap().position, 20);
    assert_eq!(catalog.versions(id(7)).len(), 2);
    assert!(catalog.versions(id(9)).is_empty());
}

#[test]
fn the_same_document_again_is_no_version() {
    let mut catalog = ProgramCatalog::default();
    assert!(publish(&mut catalog, 7, 10, &document(7, "reis", "1")));
    let spelled_out = Program::from_json(&document(7, "reis", "1")).unwrap();
    assert!(!publish(&mut catalog, 7, 11, &spelled_out.to_json()));
    assert!(publish(&mut catalog, 7, 12, &document(7, "reis", "2")));
    assert!(publish(&mut catalog, 7, 13, &document(7, "reis", "1")));
    assert_eq!(version_at(&catalog, 7, 99), Some(3));
    assert!(
        !publish(&mut catalog, 7, 13, &document(7, "reis", "5")),
        "a place that is in already"
    );
}

#[test]
fn what_the_log_has_is_never_refused_but_gives_nothing() {
    let mut catalog = ProgramCatalog::default();
    for (number, json) in [
        (1, document(1, "a", "line.noSuchField")),
        (2, "[]".to_owned()),
        (3, "{}".to_owned()),
        (
            4,
            json!({"id": 4, "reference": "d", "name": "D", "later": true}).to_string(),
        ),
        (
            5,
            format!(
                "{{\"id\": 5, \"reference\": \"e\", \"name\": \"{}\"}}",
                "e".repeat(DOCUMENT_BYTES_MAX)
            ),
        ),
    ] {
        assert!(publish(&mut catalog, number, 10, &json));
        assert!(!publish(&mut catalog, number, 11, &json), "the same again");
        let standing = catalog.standing_at(id(number), 10).unwrap();
        assert_eq!(standing.version, 1);
        assert_eq!(standing.compiled.program.id, id(number));
        assert!(standing.compiled.all_definitions().is_empty());
    }
    let inert = |number| catalog.current(id(number)).unwrap().inert.is_some();
    assert!(inert(1) && inert(2) && inert(3) && inert(4));
    assert!(!inert(5), "limits on size are for what comes in");
    assert_eq!(
        catalog.by_reference("d").unwrap().compiled.program.name,
        "D"
    );

    // The next version mends it.
    assert!(publish(&mut catalog, 1, 20, &document(1, "a", "1")));
    let mended = catalog.current(id(1)).unwrap();
    assert_eq!((mended.version, mended.inert.is_none()), (2, true));
}

#[test]
fn a_moment_that_a_log_has_is_read_as_it_was() {
    let json = document(7, "reis", "1").replace(
        r#""amount":"#,
        r#""expiry":{"kind":"FIXED","at":"+262142-12-31 23:59:59 UTC"},"amount":"#,
    );
    assert!(CompiledProgram::from_json(&json).is_err());
    let mut catalog = ProgramCatalog::default();
    publish(&mut catalog, 7, 10, &json);
    assert!(catalog.current(id(7)).unwrap().inert.is_none());
}

fn membership(program_id: Option<i64>, reference: Option<&str>) -> Membership {
    let data = json!({"programId": program_id, "programReference": reference, "customerId": "c"});
    serde_json::from_value(data).unwrap()
}

#[test]
fn members_name_their_program_by_id_or_else_by_reference() {
    let mut catalog = ProgramCatalog::default();
    publish(&mut catalog, 7, 10, &document(7, "reis", "1"));
    publish(&mut catalog, 7, 20, &document(7, "travel", "1"));
    let resolve = |program_id, reference| catalog.resolve(&membership(program_id, reference));
    assert_eq!(resolve(Some(7), None), Some(id(7)));
    assert_eq!(resolve(None, Some("travel")), Some(id(7)));
    assert_eq!(
        resolve(Some(7), Some("other")),
        Some(id(7)),
        "the id counts"
    );
    assert_eq!(
        resolve(None, Some("reis")),
        None,
        "the reference of an old version"
    );
    assert_eq!(resolve(Some(8), Some("travel")), None);
    assert_eq!(resolve(None, None), None);
}

fn event(event_type: &str, data: &Value) -> NewEvent {
    NewEvent {
        source: "test".into(),
        id: "1".into(),
        event_type: event_type.into(),
        time: at("2026-01-01T12:00:00Z"),
        correlation_id: None,
        about: About::Nothing,
        data: JsonText::new(&data.to_string()).unwrap(),
    }
}

fn published(json: &str) -> NewEvent {
    event(
        "no.entur.ProgramPublished",
        &serde_json::from_str(json).unwrap(),
    )
}

fn enrolled(reference: &str) -> NewEvent {
    let data = json!({"programReference": reference, "customerId": "c"});
    event("MemberEnrolled", &data)
}

#[test]
fn a_member_event_that_names_two_programs_is_refused() {
    let mut gate = ProgramGate::new(&Arc::default());
    for (number, reference) in [(7, "reis"), (8, "other"), (7, "travel")] {
        let program = published(&document(number, reference, "1"));
        assert_eq!(gate.admit(&program), Ok(()));
    }
    let mut enrol = |id: i64, reference: &str| {
        let data = json!({"programId": id, "programReference": reference, "customerId": "c"});
        gate.admit(&event("MemberEnrolled", &data))
    };
    assert_eq!(enrol(7, "travel"), Ok(()));
    assert_eq!(
        enrol(7, "reis"),
        Ok(()),
        "an earlier reference of the same program"
    );
    assert_eq!(
        enrol(7, "other").unwrap_err().detail,
        "data.programReference: \"other\" is no reference of the program 7 that programId names"
    );
}

#[test]
fn a_member_is_let_in_behind_the_program_that_was_let_in() {
    let mut gate = ProgramGate::new(&Arc::default());
    assert_eq!(
        gate.admit(&enrolled("reis")),
        Err(Refused {
            reason: DeadLetterReason::UnknownProgram,
            detail: "no program with the reference \"reis\" is published; publish it, then retry"
                .to_owned(),
        })
    );
    assert_eq!(gate.admit(&published(&document(7, "reis", "1"))), Ok(()));
    assert_eq!(gate.admit(&enrolled("reis")), Ok(()));
    assert_eq!(
        gate.admit(&published(&document(7, "reis", "1"))),
        Ok(()),
        "the same again"
    );
    assert_eq!(gate.admit(&published(&document(7, "travel", "1"))), Ok(()));
    assert!(gate.admit(&enrolled("reis")).is_err());
    assert_eq!(gate.admit(&enrolled("travel")), Ok(()));
    for kind in ["MemberUpdated", "MemberWithdrawn"] {
        let by_id = |id| event(kind, &json!({"programId": id, "customerId": "c"}));
        assert_eq!(gate.admit(&by_id(7)), Ok(()));
        assert_eq!(
            gate.admit(&by_id(9)).unwrap_err().detail,
            "no program with the id 9 is published; publish it, then retry"
        );
    }
}

#[test]
fn a_program_that_would_be_refused_over_http_is_not_let_in() {
    let mut gate = ProgramGate::new(&Arc::default());
    assert_eq!(gate.admit(&published(&document(7, "reis", "1"))), Ok(()));
    assert_eq!(
        gate.admit(&published(&document(7, "reis", "line.x"))),
        Err(Refused {
            reason: DeadLetterReason::ProgramRefused,
            detail: "pointDefinitions[0].amount: line has no field `x`; it has orderId, orderVersion, orderLineId, orderLineVersion, fareProducts, price, userType, customerId, travellers, validity, travel, distributionDetails, extra (line 1, column 5 of the expression)".to_owned(),
        })
    );
    assert_eq!(
        gate.admit(&published(&document(8, "reis", "1")))
            .unwrap_err()
            .detail,
        "reference: the reference reis belongs to program 7; give this one its own"
    );
    assert_eq!(gate.admit(&published(&document(8, "other", "1"))), Ok(()));
}

#[test]
fn a_gate_knows_what_was_published_before_it_stood() {
    let mut catalog = ProgramCatalog::default();
    publish(&mut catalog, 7, 1_000, &document(7, "reis", "1"));
    let mut gate = ProgramGate::new(&Arc::new(catalog));
    assert_eq!(gate.admit(&enrolled("reis")), Ok(()));
    assert_eq!(gate.admit(&published(&document(7, "travel", "2"))), Ok(()));
    assert_eq!(gate.admit(&enrolled("travel")), Ok(()));
    assert!(gate.admit(&enrolled("reis")).is_err());
}

#[test]
fn other_events_pass() {
    let mut gate = ProgramGate::new(&Arc::default());
    assert_eq!(gate.admit(&event("OrderConfirmed", &json!({}))), Ok(()));
    assert_eq!(gate.admit(&event("SomethingElse", &json!({}))), Ok(()));
}

#[test]
fn a_member_event_that_can_not_be_read_is_malformed() {
    let mut gate = ProgramGate::new(&Arc::default());
    let refused = gate
        .admit(&event("MemberEnrolled", &json!({"programId": 7})))
        .unwrap_err();
    assert_eq!(refused.reason, DeadLetterReason::MalformedField);
    assert_eq!(refused.detail, "customerId: is missing");
}
