//! How long look-ups of single keys take, which says where the next ones are to take place.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// One that takes longer has waited for the disk; or for a processor, as a few do on a busy machine.
const QUICK_TIME_MAX: Duration = Duration::from_millis(1);
/// How many quick ones make up for a slow one: look-ups of which one in so many is slow are quick on the whole.
const WEIGHT_OF_SLOW: u32 = 16;
/// The weight from which on look-ups are slow on the whole.
const SLOW_FROM: u32 = 4 * WEIGHT_OF_SLOW;
/// The most that is remembered.
const WEIGHT_MAX: u32 = 2 * SLOW_FROM;

/// The look-ups that were made last.
#[derive(Debug, Default)]
pub struct LookUps {
    /// What the slow ones weigh that quick ones have not made up for. It is no exact count: of two threads that change it
    /// at once, one may not count.
    weight: AtomicU32,
}

impl LookUps {
    /// Makes a look-up and remembers how long it took.
    pub fn make<T>(&self, look_up: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let found = look_up();
        self.remember(started.elapsed());
        found
    }

    /// Whether they were slow on the whole.
    pub fn are_slow(&self) -> bool {
        self.weight.load(Ordering::Relaxed) >= SLOW_FROM
    }

    fn remember(&self, took: Duration) {
        let before = self.weight.load(Ordering::Relaxed);
        let weight = if took > QUICK_TIME_MAX {
            (before + WEIGHT_OF_SLOW).min(WEIGHT_MAX)
        } else {
            before.saturating_sub(1)
        };
        // All threads look at it, and mostly it stays at nothing.
        if weight != before {
            self.weight.store(weight, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_micros(3);
    const SLOW: Duration = Duration::from_millis(4);

    #[test]
    fn a_few_slow_ones_among_quick_ones_are_no_sign_of_a_slow_disk() {
        let look_ups = LookUps::default();
        for number in 1..=10_000 {
            look_ups.remember(if number % 20 == 0 { SLOW } else { QUICK });
            assert!(!look_ups.are_slow(), "{number}");
        }
    }

    #[test]
    fn a_slow_disk_is_noticed_soon_and_its_end_too() {
        let look_ups = LookUps::default();
        for _ in 0..100 {
            look_ups.remember(SLOW);
            look_ups.remember(QUICK);
        }
        assert!(look_ups.are_slow());
        for _ in 0..WEIGHT_MAX {
            look_ups.remember(QUICK);
        }
        assert!(!look_ups.are_slow());
    }
}
