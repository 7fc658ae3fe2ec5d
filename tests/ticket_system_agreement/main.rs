//! farelog and a ticket system that answers late, twice, out of order and sometimes with a failure. Orders are sold, changed,
//! exchanged, refunded and cancelled; both sides are killed now and then, and their broker goes away once. In the end the
//! two agree on every ticket.
//!
//! `FARELOG_AGREEMENT_ORDERS`, `FARELOG_AGREEMENT_STEPS` and `FARELOG_AGREEMENT_SEED` say how many orders, how long they live,
//! and which they are (`make agreement`).

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod agreement;
mod chance;
#[path = "../common/mod.rs"]
mod common;
mod market;
mod order;
mod ticket_system;

use clap::Parser;
use farelog_nod_simulator::command::{self, Command};
use farelog_nod_simulator::temper::Fault;

use agreement::Sides;
use chance::{Chance, number_from};
use market::{Market, Unrest};
use ticket_system::ARGUMENTS;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_agree_however_often_either_is_killed() {
    let orders = number_from("FARELOG_AGREEMENT_ORDERS", 400);
    let steps = number_from("FARELOG_AGREEMENT_STEPS", 6);
    let seed = number_from("FARELOG_AGREEMENT_SEED", 1);
    println!("{orders} orders of seed {seed} take {steps} steps each");
    let mut market = Market::open(seed, None).await;
    market.trade(orders, steps, Unrest::Kills).await;
    let sides = Sides::of(&mut market).await;
    println!("{}\n{}", market.counts(), sides.counts());
    assert_eq!(sides.disagreements(), Vec::<String>::new());
    assert!(market.kills_enough());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_is_a_disagreement() {
    let mut market = Market::open(2, Some(Fault::LoseAnswers)).await;
    market.trade(40, 4, Unrest::None).await;
    let disagreements = Sides::of(&mut market).await.disagreements();
    assert!(
        disagreements
            .iter()
            .any(|text| text.contains("REQUESTED for farelog and MADE there")),
        "{disagreements:#?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_void_ticket_that_is_still_there_is_a_disagreement() {
    let mut market = Market::open(3, Some(Fault::KeepCancelled)).await;
    market.trade(60, 6, Unrest::None).await;
    let disagreements = Sides::of(&mut market).await.disagreements();
    assert!(
        disagreements
            .iter()
            .any(|text| text.contains("CANCELLED for farelog and MADE there")),
        "{disagreements:#?}"
    );
}

/// The ticket system as a process of its own: the other tests start this one, by its name, in another process.
#[tokio::test]
#[ignore = "it is a part of the other tests and runs until it is killed"]
async fn ticket_system_process() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else {
        return;
    };
    let arguments: Vec<String> = serde_json::from_str(&arguments).unwrap();
    command::run(Command::parse_from(arguments)).await.unwrap();
}

#[test]
fn a_story_is_the_same_for_the_same_seed() {
    let tell = |seed| {
        let mut chance = Chance::new(seed);
        let mut order = order::Order::new("O1".to_owned());
        (0..8)
            .map(|_| order.next_step(&mut chance))
            .collect::<Vec<_>>()
    };
    assert_eq!(tell(7), tell(7));
    assert_ne!(tell(7), tell(8));
}
