//! Many claims: what a plan says, and what of it is recorded.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod common;

use common::{Desk, time};
use farelog_events::event::EventKind;
use farelog_events::log::EventLog as _;
use farelog_replay::claims::{
    self, AppliedClaim, AppliedOutcome, Claim, PlannedClaim, PlannedOutcome, settle_repeats,
};
use farelog_replay::registration::DecisionContext;
use proptest::prelude::*;

const PROGRAM: &str = r#"
    id = 1
    reference = "reis"
    name = "Reis"
    [[pointDefinitions]]
    id = 71
    reference = "ticket"
    trigger = "LineConfirmed"
    amount = '1'
"#;

const NOW: &str = "2026-03-01T08:00:00Z";

fn claim(line: u64, order: &str, customer: &str) -> Claim {
    Claim {
        line,
        program: "reis".to_owned(),
        order_id: common::order_id(order),
        order_line_id: "a".parse().unwrap(),
        customer_id: customer.parse().unwrap(),
    }
}

impl Desk {
    fn now(&self) -> DecisionContext {
        DecisionContext {
            head: self.log.head().position,
            now: time(NOW),
            correlation_id: None,
        }
    }

    fn plans(&self, list: &[Claim]) -> Vec<PlannedClaim> {
        let plan = |claim: &Claim| claims::plan(&self.projections, &self.now(), claim.clone());
        let mut planned: Vec<_> = list.iter().map(|claim| plan(claim).unwrap()).collect();
        settle_repeats(&mut planned);
        planned
    }

    fn applies(&mut self, planned: &PlannedClaim) -> AppliedClaim {
        let decided = claims::apply(&self.projections, &self.now(), planned.clone());
        let (event, applied) = decided.unwrap();
        assert_eq!(event.is_some(), applied.outcome == AppliedOutcome::Given);
        if let Some(event) = event {
            self.append(event);
        }
        applied
    }
}

/// Members C1 and C2, and orders O1 to O4 that nobody is named on.
fn given_sales() -> Desk {
    let mut desk = Desk::default();
    desk.program(PROGRAM);
    desk.member(EventKind::MemberEnrolled, "C1");
    desk.member(EventKind::MemberEnrolled, "C2");
    for order in ["O1", "O2", "O3", "O4"] {
        desk.sells(order, "2026-01-10T08:00:00Z");
    }
    desk
}

#[test]
fn of_equal_claims_the_first_stands_and_of_contrary_ones_none() {
    use PlannedOutcome as P;

    let desk = given_sales();
    let mut by_id = claim(4, "O1", "C1");
    by_id.program = "1".to_owned();
    let planned = desk.plans(&[
        claim(2, "O1", "C1"),
        claim(3, "O2", "C1"),
        by_id,
        claim(5, "O2", "C2"),
        claim(6, "O2", "C1"),
    ]);
    let outcomes: Vec<_> = planned.iter().map(|planned| planned.outcome).collect();
    assert_eq!(
        outcomes,
        [P::Gives, P::Refused, P::Repeats, P::Refused, P::Refused]
    );
    assert_eq!(planned[2].repeats_line, Some(2));
    for contested in [1, 3, 4] {
        let [reason] = planned[contested].reasons.as_slice() else {
            panic!("{:?}", planned[contested]);
        };
        assert_eq!(reason.code, claims::CLAIMED_BY_SEVERAL);
        assert!(
            reason.detail.starts_with("lines 3, 5, 6 "),
            "{}",
            reason.detail
        );
    }
}

#[test]
fn two_lines_of_one_order_don_t_move_the_log_under_each_other() {
    let mut desk = given_sales();
    let mut other = PROGRAM
        .replace("id = 1\n", "id = 2\n")
        .replace("reis", "other");
    other = other.replace("id = 71", "id = 72");
    desk.program(&other);
    let enrolled = serde_json::json!({"programId": 2, "customerId": "C1"});
    desk.event(EventKind::MemberEnrolled, "2026-01-02T00:00:00Z", &enrolled);
    desk.sells("O5", "2026-01-12T08:00:00Z");
    let mut in_other = claim(3, "O5", "C1");
    in_other.program = "other".to_owned();
    let planned = desk.plans(&[claim(2, "O5", "C1"), in_other]);
    for planned in &planned {
        assert_eq!(desk.applies(planned).outcome, AppliedOutcome::Given);
    }
}

#[test]
fn who_was_registered_in_between_keeps_the_points() {
    let mut desk = given_sales();
    let planned = desk.plans(&[claim(2, "O1", "C1")]);
    desk.register("O1", "C2", NOW).unwrap();
    let applied = desk.applies(&planned[0]);
    let codes: Vec<_> = applied
        .reasons
        .iter()
        .map(|reason| reason.code.as_str())
        .collect();
    assert_eq!(codes, [claims::LOG_MOVED, "registered-to-another"]);
}

#[test]
fn an_old_plan_does_not_bring_a_revoked_registration_back() {
    let mut desk = given_sales();
    let planned = desk.plans(&[claim(2, "O1", "C1")]);
    assert_eq!(desk.applies(&planned[0]).outcome, AppliedOutcome::Given);
    desk.revoke("O1", NOW).unwrap();
    let applied = desk.applies(&planned[0]);
    assert_eq!(applied.outcome, AppliedOutcome::Refused);
    assert_eq!(applied.reasons[0].code, claims::LOG_MOVED);
}

/// Each is planned as if it were the only one.
#[test]
fn a_claim_for_which_an_earlier_one_leaves_no_room_is_refused() {
    let mut desk = given_sales();
    desk.program(&format!(
        "{PROGRAM} cap = {{ amount = 1, per = \"MEMBER\" }}"
    ));
    for order in ["O5", "O6"] {
        desk.sells(order, "2026-01-20T08:00:00Z");
    }
    let planned = desk.plans(&[claim(2, "O5", "C1"), claim(3, "O6", "C1")]);
    assert_eq!(planned[1].outcome, PlannedOutcome::Gives);
    assert_eq!(desk.applies(&planned[0]).outcome, AppliedOutcome::Given);
    let applied = desk.applies(&planned[1]);
    let codes: Vec<_> = applied
        .reasons
        .iter()
        .map(|reason| reason.code.as_str())
        .collect();
    assert_eq!(codes, [claims::LOG_MOVED, "cap-reached"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Broken off anywhere, however often, and begun again: each claim is recorded once.
    #[test]
    fn a_plan_that_is_applied_in_pieces_is_applied_once(
        pieces in prop::collection::vec(0..5_usize, 0..5),
    ) {
        let mut desk = given_sales();
        let list: Vec<_> = ["O1", "O2", "O3", "O4"]
            .iter()
            .zip(2..)
            .map(|(order, line)| claim(line, order, "C1"))
            .collect();
        let planned = desk.plans(&list);
        let before = desk.log.head().position;
        for piece in pieces.into_iter().chain([4]) {
            for planned in planned.iter().take(piece) {
                let outcome = desk.applies(planned).outcome;
                prop_assert!(matches!(outcome, AppliedOutcome::Given | AppliedOutcome::DoneBefore));
            }
        }
        prop_assert_eq!(desk.log.head().position, before + 4);
        let live = ["O1", "O2", "O3", "O4"].map(|order| desk.transactions(order).len());
        prop_assert_eq!(live, [1, 1, 1, 1]);
    }
}
