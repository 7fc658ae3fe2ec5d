//! Decisions and dead letters that are tried again.

use super::*;

#[tokio::test]
async fn a_decision_sees_the_head_and_what_it_records_is_durable() {
    let scene = Scene::new();
    scene.ingest(vec![arrival(1, event("o", "a"))]).await;
    let decided = scene
        .writer
        .decide(|moment| record(vec![event("o", "b")], moment.clone()))
        .await
        .unwrap();
    assert_eq!(decided.answer.head.position, 1);
    assert_eq!(decided.head, 2);
    assert_eq!(decided.records[0].recorded_at, decided.answer.now);
    assert!(decided.records[0].origin.is_none());
    assert_eq!(scene.log.head().checkpoint, Some(behind(1)));

    // Nothing to record is an answer too; and an event that is there already is left out.
    let again = scene
        .writer
        .decide(|_| record(vec![event("o", "b")], "again"));
    let again = again.await.unwrap();
    assert_eq!(
        (again.answer, again.records.len(), again.head),
        ("again", 0, 2)
    );
}

#[tokio::test]
async fn a_decision_with_a_refused_event_records_nothing() {
    let scene = Scene::refusing(&["no"]);
    let events = vec![event("o", "a"), event("o", "b"), event("o", "no")];
    let refused = scene.writer.decide(|_| record(events, ())).await;
    assert!(matches!(refused, Err(WriterError::Refused(_))));
    assert_eq!(scene.log.head().position, 0);
    assert_eq!(
        *scene.gate.asked.lock().unwrap(),
        ["a", "b", "no", "not b", "not a"]
    );

    let events = vec![event("o", "a"), with_data("o", "a", "{}")];
    let Err(WriterError::Refused(refused)) = scene.writer.decide(|_| record(events, ())).await
    else {
        panic!("a conflict was taken in");
    };
    assert_eq!(refused.reason, DeadLetterReason::ConflictingDuplicate);
    assert_eq!(scene.log.head().position, 0);
}

#[tokio::test]
async fn a_retried_dead_letter_is_taken_in_with_word_of_it() {
    let scene = Scene::refusing(&["no"]);
    scene.ingest(vec![arrival(1, event("o", "no"))]).await;
    let retried = || settled(EventKind::DeadLetterRetried, 1);
    let retry = |event| scene.writer.retry(arrival(1, event), retried());
    let refused = retry(event("o", "no")).await;
    assert!(matches!(refused, Err(WriterError::Refused(_))));
    let unread = scene.writer.retry(unreadable(1), retried()).await;
    assert!(matches!(unread, Err(WriterError::Refused(_))));
    assert_eq!(scene.log.head().position, 1);

    // Now it may enter: the sequence is behind the checkpoint, which is no matter for a retry.
    let taken_in = retry(event("o", "yes")).await.unwrap();
    assert_eq!((taken_in.answer, taken_in.head), (TakenIn::Appended, 3));
    assert_eq!(taken_in.records[0].origin.as_ref().unwrap().sequence, 1);
    assert_eq!(
        taken_in.records[1].kind(),
        Some(EventKind::DeadLetterRetried)
    );

    let again = retry(event("o", "yes")).await.unwrap();
    assert_eq!((again.answer, again.head), (TakenIn::Settled, 3));
}

#[tokio::test]
async fn a_dead_letter_whose_event_came_by_another_way_is_settled_alone() {
    let scene = Scene::new();
    scene
        .ingest(vec![unreadable(1), arrival(2, event("o", "a"))])
        .await;
    let retried = settled(EventKind::DeadLetterRetried, 1);
    let retry = scene.writer.retry(arrival(1, event("o", "a")), retried);
    let retry = retry.await.unwrap();
    assert_eq!((retry.answer, retry.head), (TakenIn::Repeat, 3));
    assert_eq!(retry.records[0].kind(), Some(EventKind::DeadLetterRetried));
}

/// Whoever looks at an open dead letter may find it settled when the writer's turn comes: both had been recorded once,
/// and the event of a discarded dead letter with them.
#[tokio::test]
async fn a_dead_letter_is_retried_or_discarded_and_never_both() {
    let scene = Scene::new();
    scene.ingest(vec![unreadable(1), unreadable(2)]).await;
    let discard = |number| {
        let discarded = settled(EventKind::DeadLetterDiscarded, number);
        scene.writer.decide(|_| record(vec![discarded], ()))
    };
    let retry = |number, event| {
        let retried = settled(EventKind::DeadLetterRetried, number);
        scene.writer.retry(arrival(number, event), retried)
    };

    discard(1).await.unwrap();
    let late = retry(1, event("o", "a")).await.unwrap();
    assert_eq!((late.answer, late.records.len()), (TakenIn::Settled, 0));
    assert_eq!(late.head, 3);

    retry(2, event("o", "b")).await.unwrap();
    let Err(WriterError::Refused(late)) = discard(2).await else {
        panic!("discarded after it was taken in");
    };
    assert_eq!(late.reason, DeadLetterReason::ConflictingDuplicate);
    assert_eq!(scene.log.head().position, 5);
    assert_eq!(
        scene.ids()[2..],
        ["dead-letter-settled:1", "b", "dead-letter-settled:2"]
    );
}
