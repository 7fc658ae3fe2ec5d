//! The simulator has to keep to the page itself, or an agreement with it says nothing.

use std::fs::{self, OpenOptions};
use std::io::Write;

use chrono::{DateTime, TimeDelta, Utc};

use crate::books::{Books, Statement};
use crate::fact::{Fact, TicketId, TicketNamed};
use crate::journal::{self, Entry, Journal};
use crate::temper::{Fault, Temper};
use crate::ticket::TicketState;

const TEMPER: Temper = Temper {
    seed: 7,
    fault: None,
};

fn start() -> DateTime<Utc> {
    "2026-01-15T08:00:00Z".parse().unwrap()
}

fn named(id: TicketId) -> TicketNamed {
    TicketNamed {
        order_id: "O1".into(),
        order_line_id: "L1".into(),
        ticket_distribution_id: id,
        fulfillment_method: "NOD".into(),
        fare_product_id: Some("Single".into()),
        customer_account_ref: None,
    }
}

fn told(message: &str, fact: Fact) -> Entry {
    Entry::Told {
        message_id: message.into(),
        at: start(),
        fact,
    }
}

fn requested(message: &str, id: TicketId) -> Entry {
    told(message, Fact::TicketRequested(named(id)))
}

fn cancelled(message: &str, id: TicketId) -> Entry {
    told(message, Fact::TicketCancelled(named(id)))
}

/// The first ticket whose first try goes so.
fn ticket_that(fails: bool) -> TicketId {
    (1..1_000)
        .find(|id| TEMPER.fails(*id, 1) == fails && !TEMPER.makes_in_use(*id))
        .unwrap()
}

/// Lets the books say and do everything, however long it takes; gives the types and ids of what is said.
fn say_everything(books: &mut Books) -> Vec<String> {
    let end = start() + TimeDelta::hours(1);
    let mut said = Vec::new();
    loop {
        let mut entries = books.initiatives_due(end);
        for (answer, entry) in books.answers_due(end, usize::MAX) {
            said.push(format!(
                "{} {}",
                answer.event["type"].as_str().unwrap(),
                answer.id
            ));
            entries.push(entry);
        }
        if entries.is_empty() {
            return said;
        }
        for entry in &entries {
            books.take_in(entry);
        }
    }
}

fn books_of(entries: &[Entry]) -> Books {
    let mut books = Books::new(TEMPER);
    for entry in entries {
        books.take_in(entry);
    }
    books
}

#[test]
fn a_request_is_answered_and_its_repeat_is_not() {
    let id = ticket_that(false);
    let mut books = books_of(&[requested("m1", id), requested("m1", id)]);
    let said = say_everything(&mut books);
    assert!(said.contains(&format!("TicketDistributionAdded {id}-added")));
    let ticket = &books.statement().tickets[&id];
    assert_eq!((ticket.requests, ticket.requests_in_vain), (1, 0));
}

#[test]
fn what_failed_is_tried_again_and_what_is_there_is_not_made_again() {
    let id = ticket_that(true);
    let mut books = books_of(&[requested("m1", id)]);
    assert_eq!(books.statement().tickets[&id].state, TicketState::Failed);
    let mut tries = 1;
    while books.statement().tickets[&id].state == TicketState::Failed {
        tries += 1;
        books.take_in(&requested(&format!("m{tries}"), id));
    }
    books.take_in(&requested("once-more", id));
    let ticket = &books.statement().tickets[&id];
    assert_eq!(ticket.requests, ticket.failures + 2);
    assert_eq!(ticket.requests_in_vain, 1);
}

#[test]
fn a_ticket_that_was_cancelled_before_it_was_asked_for_is_not_made() {
    let id = ticket_that(false);
    let mut books = books_of(&[
        cancelled("m2", id),
        requested("m1", id),
        cancelled("m2", id),
    ]);
    let mut said = say_everything(&mut books);
    said.dedup();
    assert_eq!(
        said,
        [format!("TicketDistributionCancelled {id}-cancelled")]
    );
    let ticket = &books.statement().tickets[&id];
    assert_eq!(ticket.state, TicketState::Cancelled);
    assert_eq!((ticket.requests, ticket.requests_in_vain), (1, 0));
}

/// It was killed before it acknowledged the second request, and the broker delivered the cancellation before it delivered that
/// request again. The agreement test once took this for a ticket that farelog asked for too often.
#[test]
fn a_ticket_that_failed_and_was_cancelled_before_it_was_asked_for_again_is_not_made() {
    let id = ticket_that(true);
    let books = books_of(&[
        requested("m1", id),
        cancelled("m3", id),
        requested("m2", id),
    ]);
    let ticket = &books.statement().tickets[&id];
    assert_eq!(ticket.state, TicketState::Cancelled);
    assert_eq!(
        (ticket.requests, ticket.failures, ticket.requests_in_vain),
        (2, 1, 0)
    );
}

#[test]
fn the_books_after_a_kill_are_the_books_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let entries: Vec<Entry> = (1..60)
        .map(|id| requested(&format!("r{id}"), id))
        .chain(
            (1..60)
                .step_by(3)
                .map(|id| cancelled(&format!("c{id}"), id)),
        )
        .collect();
    let (mut journal, mut books) = Journal::open(&path, TEMPER).unwrap();
    journal.append(&entries).unwrap();
    for entry in &entries {
        books.take_in(entry);
    }
    for (_, said) in books.answers_due(start() + TimeDelta::milliseconds(50), 20) {
        journal.append(std::slice::from_ref(&said)).unwrap();
        books.take_in(&said);
    }
    let before: Statement = books.statement();
    assert!(before.answers_unsaid > 0);
    drop(journal);
    // The kill came in the middle of an entry.
    let whole_bytes = fs::metadata(&path).unwrap().len();
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{\"told\":{\"mess").unwrap();
    drop(file);

    assert_eq!(journal::read(&path).unwrap().statement(), before);
    let (mut journal, after) = Journal::open(&path, TEMPER).unwrap();
    assert_eq!(after.statement(), before);
    assert_eq!(fs::metadata(&path).unwrap().len(), whole_bytes);
    journal.append(&[requested("later", 100)]).unwrap();
    assert_eq!(
        journal::read(&path).unwrap().statement().messages,
        before.messages + 1
    );
}

#[test]
fn a_journal_is_gone_on_with_as_it_was_begun() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    drop(Journal::open(&path, TEMPER).unwrap());
    let other = Temper {
        fault: Some(Fault::LoseAnswers),
        ..TEMPER
    };
    let refused = Journal::open(&path, other).unwrap_err().to_string();
    assert!(refused.contains("another seed or fault"), "{refused}");
}
