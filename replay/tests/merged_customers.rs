//! Deferred registrations of customers that were merged (domain, section 3, rule 12, and section 4).

#![allow(clippy::unwrap_used, reason = "a test that can't be set up is to fail")]

mod common;

use common::Desk;
use farelog_events::event::EventKind::{
    CustomersMerged, MemberEnrolled, MemberWithdrawn, TicketActivated,
};
use farelog_events::id::MemberId;
use farelog_projections::points::registration::ReasonCode as R;
use serde_json::json;

const PROGRAM: &str = r#"
    id = 1
    reference = "p"
    name = "P"
    [[pointDefinitions]]
    id = 11
    reference = "bought"
    name = { eng = "Bought" }
    trigger = "LineConfirmed"
    amount = '10'
    [[pointDefinitions]]
    id = 12
    reference = "activated"
    name = { eng = "Activated" }
    trigger = "LineActivated"
    amount = '5'
    "#;

const SOLD: &str = "2026-01-01T10:00:00Z";
const NOW: &str = "2026-01-15T10:00:00Z";

fn desk<const N: usize>(members: [&str; N]) -> Desk {
    let mut desk = Desk::default();
    desk.program(PROGRAM);
    for customer in members {
        desk.member(MemberEnrolled, customer);
    }
    desk
}

fn merge(desk: &mut Desk, customer: &str, into: &str) {
    let data = json!({"customerId": customer, "mergedIntoCustomerId": into});
    desk.event(CustomersMerged, NOW, &data);
}

fn activate(desk: &mut Desk, order: &str) {
    let data = json!({"orderId": order, "orderLineId": "a", "activatedAt": NOW});
    desk.event(TicketActivated, NOW, &data);
}

fn member(desk: &Desk, customer: &str) -> MemberId {
    let customer = customer.parse().unwrap();
    let member = desk.projections.member_of(common::program_id(), &customer);
    member.unwrap().value.unwrap().id
}

/// Who has an order's points, each with the definition.
fn holders(desk: &Desk, order: &str) -> Vec<(i64, MemberId)> {
    let transactions = desk.transactions(order).into_iter();
    transactions
        .filter(farelog_projections::points::Transaction::is_live)
        .map(|it| (it.point_definition_id.get(), it.member_id))
        .collect()
}

#[test]
fn a_claim_of_an_alias_gives_to_the_membership_that_counts_at_its_place() {
    let mut desk = desk(["ola", "kari"]);
    let kari = member(&desk, "kari");
    desk.sells("o", SOLD);
    merge(&mut desk, "ola", "kari");
    let granted = desk.register("o", "ola", NOW).unwrap();
    assert_eq!(granted[0].transactions[0].member_id, kari);

    // Where the second has no membership, a claim in its name is the first's.
    let mut desk = self::desk(["ola"]);
    let ola = member(&desk, "ola");
    desk.sells("o", SOLD);
    assert_eq!(
        desk.refusal("o", "kari", NOW),
        [(R::CustomerNotMember, None)]
    );
    merge(&mut desk, "ola", "kari");
    let granted = desk.register("o", "kari", NOW).unwrap();
    assert_eq!(granted[0].transactions[0].member_id, ola);
}

#[test]
fn the_same_registration_in_the_name_of_a_merged_customer_is_the_same() {
    let mut desk = desk(["ola", "kari", "per"]);
    desk.sells("o", SOLD);
    let first = desk.register("o", "ola", NOW).unwrap();
    assert_eq!(
        desk.refusal("o", "kari", NOW),
        [(R::RegisteredToAnother, None)]
    );
    merge(&mut desk, "ola", "kari");
    for customer in ["ola", "kari"] {
        let again = desk.dry_run("o", customer, NOW).unwrap();
        assert!(again.event.is_none());
        assert_eq!(again.granted, first);
    }
    assert_eq!(
        desk.refusal("o", "per", NOW),
        [(R::RegisteredToAnother, None)]
    );
}

#[test]
fn a_registered_line_stays_the_members_whoever_the_customer_is_merged_into_later() {
    let mut desk = desk(["ola", "kari"]);
    let ola = member(&desk, "ola");
    desk.sells("o", SOLD);
    desk.register("o", "ola", NOW).unwrap();
    merge(&mut desk, "ola", "kari");
    activate(&mut desk, "o");
    assert_eq!(holders(&desk, "o"), [(11, ola), (12, ola)]);
    // Also where the member has left by then: the registration says whose the line's points are.
    desk.sells("p", SOLD);
    desk.register("p", "kari", NOW).unwrap();
    let kari = member(&desk, "kari");
    desk.member(MemberWithdrawn, "kari");
    activate(&mut desk, "p");
    assert_eq!(holders(&desk, "p"), [(11, kari), (12, kari)]);
}

#[test]
fn membership_at_the_trigger_is_that_of_the_member_who_would_get_the_points() {
    let mut desk = Desk::default();
    let required = "[registration]\nrequireMembershipAtTrigger = true\n[[pointDefinitions]]";
    desk.program(&PROGRAM.replacen("[[pointDefinitions]]", required, 1));
    desk.member(MemberEnrolled, "ola");
    desk.sells("o", SOLD);
    desk.member(MemberEnrolled, "kari");
    // Kari became a member after the purchase; Ola, who was one before, is merged into her.
    merge(&mut desk, "ola", "kari");
    let refusal = desk.refusal("o", "ola", NOW);
    assert!(
        refusal.contains(&(R::NotMemberAtTrigger, Some("bought".to_owned()))),
        "{refusal:?}"
    );

    // Eva was a member before the purchase, and has no membership but hers.
    desk.member(MemberEnrolled, "eva");
    desk.sells("p", SOLD);
    merge(&mut desk, "eva", "lisa");
    assert!(desk.dry_run("p", "lisa", NOW).is_ok());
}
