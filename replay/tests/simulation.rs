//! What candidates for programs would have given, against what stands.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod common;

use std::ops::ControlFlow;
use std::sync::Arc;

use common::{Desk, time};
use farelog_events::event::EventKind;
use farelog_events::log::EventLog as _;
use farelog_projections::program::CompiledProgram;
use farelog_replay::simulation::{
    CandidatesRefused, Figures, SimulationCommand, SimulationReport, check_candidates, simulate,
};
use rust_decimal::Decimal;
use serde_json::json;

/// A program that gives so many points for a line.
fn giving(points: u32, more: &str) -> String {
    format!(
        r#"
        id = 1
        reference = "reis"
        name = "Reis"
        {more}
        [[pointDefinitions]]
        id = 71
        reference = "ticket"
        trigger = "LineConfirmed"
        amount = '{points}'
        "#
    )
}

fn compiled(toml: &str) -> Arc<CompiledProgram> {
    Arc::new(CompiledProgram::from_toml(toml).unwrap())
}

fn command(candidates: &[&str], from: Option<&str>) -> SimulationCommand {
    SimulationCommand {
        candidates: candidates.iter().map(|toml| compiled(toml)).collect(),
        from: from.map(time),
        named_members: 2,
    }
}

impl Desk {
    fn sells_to(&mut self, customer: &str, order: &str, at: &str) {
        let line = json!({
            "orderId": order, "orderVersion": 1, "orderLineId": "a", "orderLineVersion": 1, "customerId": customer,
            "fareProducts": [{"id": "ENT:PreassignedFareProduct:AdultSingle", "type": "SINGLE"}],
            "price": {"amount": "399.00", "currency": "NOK"}
        });
        self.event(EventKind::OrderLineAdded, at, &line);
        let confirmed = json!({"orderId": order, "orderVersion": 1});
        self.event(EventKind::OrderConfirmed, at, &confirmed);
    }

    fn simulates(&self, candidates: &[&str], from: Option<&str>) -> SimulationReport {
        let command = command(candidates, from);
        simulate(&self.projections, &*self.log, &command, |_| {
            ControlFlow::Continue(())
        })
        .unwrap()
        .unwrap()
    }
}

/// Two members, one of whom buys twice; a point for each line.
fn given_sales() -> Desk {
    let mut desk = Desk::default();
    desk.program(&giving(1, ""));
    desk.member(EventKind::MemberEnrolled, "C1");
    desk.member(EventKind::MemberEnrolled, "C2");
    desk.sells_to("C1", "O1", "2026-01-10T08:00:00Z");
    desk.sells_to("C1", "O2", "2026-01-20T08:00:00Z");
    desk.sells_to("C2", "O3", "2026-01-30T08:00:00Z");
    desk.sells_to("C3", "O4", "2026-01-31T08:00:00Z");
    desk
}

fn figures(members: u64, transactions: u64, points: i64) -> Figures {
    Figures {
        members,
        transactions,
        points_given: points.into(),
        points_live: points.into(),
    }
}

#[test]
fn a_candidate_stands_in_the_place_of_the_program_with_its_id() {
    let desk = given_sales();
    let report = desk.simulates(&[&giving(3, "")], None);
    let [program] = report.programs.as_slice() else {
        panic!("{report:?}");
    };
    assert!(program.is_published);
    assert_eq!(program.members, 2);
    let [definition] = program.definitions.as_slice() else {
        panic!("{program:?}");
    };
    assert_eq!(definition.published, figures(2, 3, 3));
    assert_eq!(definition.candidate, figures(2, 3, 9));
    assert_eq!(report.totals.candidates, figures(2, 3, 9));
    assert_eq!(
        (
            report.totals.members_with_more,
            report.totals.members_with_less
        ),
        (2, 0)
    );
    let winners: Vec<_> = report
        .winners
        .iter()
        .map(|winner| {
            (
                winner.customer_id.as_ref().unwrap().as_str(),
                winner.difference,
            )
        })
        .collect();
    assert_eq!(
        winners,
        [("C1", Decimal::from(4)), ("C2", Decimal::from(2))]
    );
    assert!(report.losers.is_empty());
}

#[test]
fn a_candidate_that_is_what_stands_makes_no_difference() {
    let desk = given_sales();
    let report = desk.simulates(&[&giving(1, "")], None);
    assert_eq!(report.totals.published, report.totals.candidates);
    assert!(report.winners.is_empty() && report.losers.is_empty());
}

#[test]
fn a_candidate_may_stand_from_a_date_on() {
    let desk = given_sales();
    let report = desk.simulates(
        &[&giving(0, "active = false")],
        Some("2026-01-20T08:00:00Z"),
    );
    assert_eq!(report.totals.published, figures(2, 3, 3));
    assert_eq!(report.totals.candidates, figures(1, 1, 1));
    let losers: Vec<_> = report.losers.iter().map(|loser| loser.difference).collect();
    assert_eq!(losers, [Decimal::from(-1), Decimal::from(-1)]);
    // The line of the second order stands first at or after that time.
    assert_eq!(report.stands_from, 6);

    let report = desk.simulates(&[&giving(9, "")], Some("2027-01-01T00:00:00Z"));
    assert_eq!(report.stands_from, report.position + 1);
    assert_eq!(report.totals.published, report.totals.candidates);
}

#[test]
fn what_is_published_later_does_not_take_the_candidates_place() {
    let mut desk = given_sales();
    let renamed = giving(5, "").replace(r#""reis""#, r#""reise""#);
    desk.program(&renamed);
    // Members are found by the reference that was published, whatever the candidate's is.
    let by_reference = json!({"programReference": "reise", "customerId": "C5"});
    desk.event(
        EventKind::MemberEnrolled,
        "2026-02-01T08:00:00Z",
        &by_reference,
    );
    desk.sells_to("C5", "O5", "2026-02-02T08:00:00Z");
    let report = desk.simulates(&[&giving(2, "")], None);
    assert_eq!(report.totals.published, figures(3, 4, 8));
    assert_eq!(report.totals.candidates, figures(3, 4, 8));
    assert_eq!(report.programs[0].members, 3);
    assert_eq!(report.totals.members_with_more, 2);
    assert_eq!(report.totals.members_with_less, 1);
}

#[test]
fn a_program_that_was_never_published_has_no_members() {
    let desk = given_sales();
    let unknown = giving(3, "")
        .replace("id = 1\n", "id = 2\n")
        .replace("reis\"", "fly\"");
    let report = desk.simulates(&[&unknown], None);
    assert!(!report.programs[0].is_published);
    assert_eq!(report.programs[0].members, 0);
    assert_eq!(report.totals.candidates, Figures::default());
}

#[test]
fn registrations_and_refunds_count_as_they_do_in_a_fold() {
    let mut desk = given_sales();
    desk.sells("O9", "2026-02-01T08:00:00Z");
    desk.register("O9", "C1", "2026-02-02T08:00:00Z").unwrap();
    let half = json!({"refund": {"amount": "199.50", "currency": "NOK"}});
    desk.on_line(
        EventKind::OrderLineRefunded,
        "O3",
        "2026-02-03T08:00:00Z",
        &half,
    );
    let report = desk.simulates(&[&giving(4, "")], None);
    let definition = &report.programs[0].definitions[0];
    assert_eq!(definition.published.points_live, Decimal::from(3));
    // 4 each for three lines, and 2 that a refund left of 4.
    assert_eq!(definition.candidate.points_live, Decimal::from(14));
    assert_eq!(definition.candidate.points_given, Decimal::from(18));
    assert_eq!(definition.candidate.transactions, 5);
}

/// A candidate is worth what it would have been worth, had it been published when it begins to stand; caps and periods count
/// what members had before.
#[test]
fn a_candidate_gives_what_it_would_have_given_had_it_been_published_then() {
    let capped = giving(2, "")
        + r#"
        period = { kind = "CALENDAR_MONTH" }
        cap = { amount = 5, per = "PERIOD" }
        "#;
    let sales = |desk: &mut Desk, from: u32, to: u32| {
        for day in from..to {
            let customer = ["C1", "C2", "C1"][(day % 3) as usize];
            let at = format!("2026-{:02}-{:02}T08:00:00Z", 1 + day / 20, 1 + day % 20);
            desk.sells_to(customer, &format!("S{day}"), &at);
        }
    };
    let start = || {
        let mut desk = Desk::default();
        desk.program(&giving(1, ""));
        desk.member(EventKind::MemberEnrolled, "C1");
        desk.member(EventKind::MemberEnrolled, "C2");
        desk
    };
    let mut as_it_was = start();
    sales(&mut as_it_was, 0, 40);
    let report = as_it_was.simulates(&[&capped], Some("2026-01-08T08:00:00Z"));

    let mut as_it_would_be = start();
    sales(&mut as_it_would_be, 0, 7);
    as_it_would_be.program(&capped);
    sales(&mut as_it_would_be, 7, 40);
    let live: Decimal = (0..40)
        .flat_map(|day| as_it_would_be.transactions(&format!("S{day}")))
        .filter(farelog_projections::points::Transaction::is_live)
        .map(|transaction| transaction.amount)
        .sum();
    assert_eq!(report.totals.candidates.points_live, live);
    assert_eq!(report.totals.published.points_live, Decimal::from(40));
    assert!(live < Decimal::from(40), "nothing was capped: {live}");
}

#[test]
fn a_simulation_leaves_no_trace() {
    let desk = given_sales();
    let head = desk.log.head();
    let before = desk.transactions("O1");
    desk.simulates(&[&giving(3, "")], None);
    assert_eq!(desk.log.head(), head);
    assert_eq!(desk.transactions("O1"), before);
    assert_eq!(
        desk.projections
            .programs()
            .versions(common::program_id())
            .len(),
        1
    );
    assert!(!desk.trial_directory().exists());
}

#[test]
fn a_simulation_that_is_broken_off_leaves_no_trace_either() {
    let desk = given_sales();
    let mut told = 0;
    let report = simulate(
        &desk.projections,
        &*desk.log,
        &command(&[&giving(3, "")], None),
        |progress| {
            told += 1;
            assert_eq!(progress.last_position, desk.log.head().position);
            ControlFlow::Break(())
        },
    );
    assert!(report.unwrap().is_none());
    assert_eq!(told, 1);
    assert!(!desk.trial_directory().exists());
}

#[test]
fn candidates_are_checked_as_publication_would_and_against_each_other() {
    let desk = given_sales();
    let check = |candidates: &[&str]| {
        let candidates: Vec<_> = candidates.iter().map(|toml| compiled(toml)).collect();
        check_candidates(
            &desk.projections.programs(),
            candidates.iter().map(AsRef::as_ref),
        )
    };
    assert_eq!(check(&[&giving(2, "")]), Ok(()));
    assert_eq!(check(&[]), Err((0, CandidatesRefused::None)));
    let many = vec![giving(2, ""); 40];
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(check(&many), Err((0, CandidatesRefused::TooMany(40))));
    let twice = check(&[&giving(2, ""), &giving(3, "")]);
    assert_eq!(
        twice,
        Err((1, CandidatesRefused::SameProgram(common::program_id())))
    );
    let other = giving(2, "").replace("id = 1\n", "id = 2\n");
    let Err((0, CandidatesRefused::NotPublishable(refused))) = check(&[&other]) else {
        panic!("a reference that belongs to another program was taken");
    };
    assert_eq!(refused.problems[0].field, "reference");
}
