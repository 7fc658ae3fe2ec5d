//! How soon a commit follows on the one before it.
//!
//! A commit costs nearly the same for a few messages as for one: it wakes the store's threads, the projections and whoever
//! waits for them. And each message that is read as it comes wakes the connection and the reader. Where some messages came
//! during the last commit more are on their way, so ingestion rests while that commit is made, and then reads what has
//! come meanwhile at once. See docs/decisions/0138-ingestion-has-a-thread-of-its-own.md.

use std::ops::Range;
use std::time::Duration;

/// Messages of a commit that is rested behind. Fewer may be all that come, and a lone one waits for nothing; with more,
/// what is done for each commit is little beside what is done for each message.
const SOME_MESSAGES: Range<usize> = 3..64;

/// From the request for a commit until what came meanwhile is read. A commit of some messages takes half of it.
const REST: Duration = Duration::from_millis(1);

/// How long to rest once a commit of so many messages was asked for.
pub(super) fn rest_behind(messages: usize) -> Option<Duration> {
    SOME_MESSAGES.contains(&messages).then_some(REST)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At 10,000 events a second each commit was of a few messages, and woke a dozen threads: the processors were busy with
    /// it, and whatever stood still for a moment was caught up with slowly.
    #[test]
    fn some_messages_are_rested_behind_and_a_lone_one_or_many_are_not() {
        let rests = |messages: usize| rest_behind(messages).is_some();
        assert_eq!(
            [1, 2, 3, 63, 64, 4096].map(rests),
            [false, false, true, true, false, false]
        );
    }
}
