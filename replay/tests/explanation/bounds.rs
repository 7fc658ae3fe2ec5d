//! Orders of which there is more to tell, or to give, than one answer or one record can hold.

use farelog_events::event::EventKind;
use farelog_replay::explanation::{
    DEFINITIONS_TOLD_MAX, EventRole, HISTORY_TOLD_MAX, OrderExplanation, OrderQuestion, WhyNothing,
    explain_order, explain_transaction,
};
use serde_json::json;

use crate::common::{Desk, order_id};
use crate::given::{AT, LATER, desk, line, program, refunds, sells_to, told};

/// A desk at which C1 bought these lines under a program of so many definitions, `more` in each.
fn given(lines: usize, definitions: usize, more: &str) -> Desk {
    let first = program(&format!("trigger = 'LineConfirmed'\namount = '1'\n{more}"));
    let others = (1..definitions).map(|number| {
        let id = 11 + number;
        format!(
            "[[pointDefinitions]]\nid = {id}\nreference = 'of-one-{id}'\ntrigger = 'LineConfirmed'\namount = '1'\n{more}\n"
        )
    });
    let mut desk = desk(&(first + &others.collect::<String>()));
    let created = json!({
        "orderId": "O1", "orderVersion": 1, "organisationId": 1, "currency": "NOK", "customerId": "C1"
    });
    desk.event(EventKind::OrderCreated, AT, &created);
    for number in 0..lines {
        let line = json!({
            "orderLineId": format!("L{number:03}"),
            "fareProducts": [{"id": "ENT:PreassignedFareProduct:AdultSingle", "type": "SINGLE"}],
            "price": {"amount": "399.00", "currency": "NOK"}, "userType": "ADULT"
        });
        desk.on_line(EventKind::OrderLineAdded, "O1", AT, &line);
    }
    let round = json!({"orderId": "O1", "orderVersion": 1});
    desk.event(EventKind::OrderConfirmed, AT, &round);
    desk
}

fn explained(desk: &Desk, line: Option<&str>) -> OrderExplanation {
    let question = OrderQuestion {
        order_id: order_id("O1"),
        order_line_id: line.map(|line| line.parse().unwrap()),
        program_id: None,
    };
    let answer = explain_order(&desk.projections, &*desk.log, &question).unwrap();
    answer.value.unwrap()
}

/// Each line, definition and period takes a number of its record, and a record has 4,096.
#[test]
fn what_one_record_can_t_give_is_postponed_to_the_orders_next_event() {
    let period = "period = { kind = 'CALENDAR_MONTH', key = 'line.orderLineId' }";
    let mut desk = given(21, 100, period);
    let last = explained(&desk, Some("L020")).lines.remove(0);
    let why: Vec<_> = last.definitions.iter().map(|it| it.why_nothing).collect();
    // Lines are settled definition by definition: 97 of them have room in each line, and one more in the first lines.
    assert_eq!(why[96], None);
    assert_eq!(why[97..], [Some(WhyNothing::Postponed); 3]);
    assert_eq!(
        last.definitions[99].summary,
        "Nothing yet: one record can give at most 4096 transactions and periods, and the order's next event gives this one."
    );

    let change = json!({ "orderId": "O1", "orderVersion": 2 });
    desk.event(EventKind::OrderReset, LATER, &change);
    let last = explained(&desk, Some("L020")).lines.remove(0);
    assert!(last.definitions.iter().all(|it| it.points == 1.into()));
}

#[test]
fn definitions_are_told_up_to_a_limit_and_counted_beyond_it() {
    let desk = given(12, 100, "");
    let lines = explained(&desk, None).lines;
    let told: Vec<(usize, usize)> = lines
        .iter()
        .map(|line| (line.definitions.len(), line.definitions_left_out))
        .collect();
    assert_eq!(told[..10], [(100, 0); 10]);
    assert_eq!(told[10..], [(0, 100); 2]);
    let sum: usize = told.iter().map(|(told, _)| told).sum();
    assert_eq!(sum, DEFINITIONS_TOLD_MAX);

    // A question may name a line that was left out.
    let line = explained(&desk, Some("L011")).lines.remove(0);
    assert_eq!(
        (line.definitions.len(), line.definitions_left_out),
        (100, 0)
    );
}

#[test]
fn of_a_long_history_the_last_is_told() {
    let mut desk = desk(&program(
        "trigger = 'LineConfirmed'\namount = 'line.price.minorUnits'",
    ));
    sells_to(&mut desk, "O1", "C1");
    let refunded = HISTORY_TOLD_MAX + 20;
    for _ in 0..refunded {
        refunds(&mut desk, "O1", "1.00", "NOK");
    }
    let line = line(&desk, "O1");
    let roles: Vec<_> = line.events.iter().filter_map(|event| event.role).collect();
    // Once the refunds took their room.
    let first = [EventRole::Order, EventRole::Line, EventRole::Confirmation];
    assert_eq!(roles[..3], first);
    assert_eq!(roles[3..], [EventRole::Refund; HISTORY_TOLD_MAX]);
    assert_eq!(line.events_left_out, 20);
    let told = told(&desk, "O1");
    assert_eq!(told.points, 27_900.into());
    assert_eq!(told.transactions.len(), HISTORY_TOLD_MAX);
    assert_eq!(told.transactions_left_out, 1 + 20);
    let last = told.transactions.last().unwrap();
    assert_eq!(last.transaction.amount, told.points);
}

/// Only the last of a chain were once told, so that an old transaction was explained by a chain that it was not in.
#[test]
fn a_transaction_that_is_asked_for_is_told_however_many_came_after_it() {
    let mut desk = desk(&program(
        "trigger = 'LineConfirmed'\namount = 'line.price.minorUnits'",
    ));
    sells_to(&mut desk, "O1", "C1");
    let given = told(&desk, "O1").transactions[0].transaction.id.unwrap();
    for _ in 0..=HISTORY_TOLD_MAX {
        refunds(&mut desk, "O1", "1.00", "NOK");
    }
    let all = HISTORY_TOLD_MAX + 2;
    let first_of_last = told(&desk, "O1").transactions[0].transaction.id.unwrap();

    for (asked, earlier, later) in [(given, 0, 2), (first_of_last, 2, 0)] {
        let answer = explain_transaction(&desk.projections, &*desk.log, asked).unwrap();
        let explained = answer.value.unwrap();
        let told = &explained.now.definitions[0];
        assert_eq!(told.transactions[0].transaction.id, Some(asked));
        assert_eq!(told.transactions.len() + earlier + later, all);
        assert_eq!(told.transactions_left_out, earlier);
        assert_eq!(told.later_transactions_left_out, later);
    }
}
