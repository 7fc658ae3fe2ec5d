//! Chance that can be had again, and how often it is tried.

use std::env;

/// Numbers without a pattern, the same for the same seed (SplitMix64).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// A sequence of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `max`.
    pub fn up_to(&mut self, max: u64) -> u64 {
        let number = self.number();
        max.checked_add(1).map_or(number, |count| number % count)
    }

    /// The same for a place in a list, or a count.
    pub fn index(&mut self, max: usize) -> usize {
        usize::try_from(self.up_to(max as u64)).unwrap()
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.up_to(times - 1) == 0
    }
}

/// How often a test goes through its rounds: as often as it says, or as `make torture` does.
pub fn rounds(usual: u64) -> u64 {
    number("FARELOG_TORTURE_ROUNDS").unwrap_or(usual)
}

/// The seed of a run, `FARELOG_TORTURE_SEED` where it is set. Every failure is to name it.
pub fn seed(usual: u64) -> u64 {
    number("FARELOG_TORTURE_SEED").unwrap_or(usual)
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().expect("a whole number"))
}
