//! Whatever happens in whatever order, each fact is in the stream once and in order.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::sleep;

use super::stage::Stage;

#[derive(Debug, Clone)]
enum Happening {
    /// So many events are recorded.
    Record(u32),
    /// So many milliseconds pass.
    Pass(u64),
    Kill,
    End,
    KillBroker,
    /// The broker is down, and what it has is on its disk for good.
    SyncBroker,
    /// Power fails: the outbox ends, and the broker comes back with what is on its disk. Then someone else writes so many
    /// messages.
    FailPower(u32),
    /// Someone else writes to the stream.
    OthersWrite,
    /// Someone else writes what the client can't read.
    OthersGarble,
    /// Connections are cut.
    Cut,
    /// Answers to what is sent from now on are lost, or no longer.
    LoseAnswers(bool),
    /// What is sent from now on is held on the way, or no longer.
    HoldBack(bool),
    /// What was held comes.
    DeliverHeld,
    /// What runs not is started.
    StartAll,
    /// The outbox ends, and the file is lost.
    LosePosition,
    /// The outbox ends, and the projections are made anew.
    Rebuild,
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening as H;
    prop_oneof![
        4 => (0..400_u32).prop_map(H::Record),
        3 => (0..20_u32).prop_map(H::Record),
        5 => (0..30_u64).prop_map(H::Pass),
        5 => Just(H::StartAll),
        2 => Just(H::Kill),
        1 => Just(H::End),
        2 => Just(H::KillBroker),
        1 => Just(H::SyncBroker),
        1 => (0..40_u32).prop_map(H::FailPower),
        2 => Just(H::OthersWrite),
        1 => Just(H::OthersGarble),
        1 => Just(H::Cut),
        1 => any::<bool>().prop_map(H::LoseAnswers),
        1 => any::<bool>().prop_map(H::HoldBack),
        2 => Just(H::DeliverHeld),
        1 => Just(H::LosePosition),
        1 => Just(H::Rebuild),
    ]
}

/// Subjects of facts.
const FACTS: &str = "farelog.";

/// Goes through a history with a stream that knows a repeat by its id for so long.
async fn live_through(duplicate_window: Duration, history: Vec<Happening>) {
    let mut stage = Stage::without_outbox();
    stage.make_stream(duplicate_window).await;
    stage.go_by_a_way().await;
    stage.start().await;
    // The position can't be lost before the stream has a fact: then neither would tell.
    stage.record(1);
    stage.all_is_sent().await;
    stage.broker_keeps_what_it_has().await;
    for happening in history {
        match happening {
            Happening::Record(events) => stage.record(events),
            Happening::Pass(ms) => sleep(Duration::from_millis(ms)).await,
            Happening::Kill => stage.kill().await,
            Happening::End => stage.end().await,
            Happening::KillBroker => {
                stage.broker.kill();
                // What is on a connection ends with either side of it.
                stage.way().lose_held();
            }
            Happening::SyncBroker => {
                stage.broker.kill();
                stage.way().lose_held();
                stage.keep_broker_files();
            }
            Happening::FailPower(others) => {
                stage.kill().await;
                stage.broker.kill();
                stage.way().lose_held();
                stage.lose_broker_files();
                stage.broker.start_again();
                for _ in 0..others {
                    stage.others_write().await;
                }
            }
            Happening::OthersWrite => stage.others_write().await,
            Happening::OthersGarble if stage.broker.is_up() => stage.others_garble().await,
            Happening::Cut => stage.way().cut(),
            Happening::LoseAnswers(are_lost) => stage.way().lose_answers(are_lost.then_some(FACTS)),
            Happening::HoldBack(is_held) => stage.way().hold_back(is_held.then_some(FACTS)),
            Happening::DeliverHeld if stage.broker.is_up() => stage.way().deliver_held().await,
            // It is down.
            Happening::OthersGarble | Happening::DeliverHeld => {}
            Happening::StartAll => start_all(&mut stage).await,
            Happening::LosePosition => {
                stage.end().await;
                stage.delete_position();
                stage.start().await;
            }
            Happening::Rebuild => {
                stage.end().await;
                stage.rebuild();
            }
        }
    }
    stage.way().lose_answers(None);
    stage.way().hold_back(None);
    start_all(&mut stage).await;
    stage.all_is_sent().await;
    stage.way().deliver_held().await;
    stage.stream_has_all_from(1).await;
}

async fn start_all(stage: &mut Stage) {
    if !stage.broker.is_up() {
        stage.broker.start_again();
    }
    if !stage.runs() {
        stage.start().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn each_fact_is_sent_once_and_in_order(
        forgets_at_once: bool,
        history in prop::collection::vec(happening(), 1..25),
    ) {
        let duplicate_window = Duration::from_millis(if forgets_at_once { 100 } else { 120_000 });
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(live_through(duplicate_window, history));
    }
}
