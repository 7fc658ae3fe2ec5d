//! What the system does by chance. A draw is a hash of the seed and of what is drawn for, so it is the same whenever it is
//! asked, before a kill and after it.

use chrono::TimeDelta;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::fact::TicketId;

/// How the system behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Temper {
    /// What all draws begin from.
    pub seed: u64,
    /// What it does wrong, so that a test can show that it would notice.
    pub fault: Option<Fault>,
}

/// A way to break the agreement with farelog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// Of ten answers one is never sent.
    LoseAnswers,
    /// Of four tickets that are to be cancelled one stays, and the answer says that it does not.
    KeepCancelled,
}

/// What the system does with a ticket by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initiative {
    /// The traveller takes it into use.
    Activate,
    /// The system makes it void.
    CancelExternally,
}

impl Temper {
    /// Whether this try to make the ticket fails.
    pub fn fails(&self, ticket: TicketId, attempt: u32) -> bool {
        self.draw(&format!("fail {ticket} {attempt}"), 100) < 12
    }

    /// Whether the ticket is in use from the start.
    pub fn makes_in_use(&self, ticket: TicketId) -> bool {
        self.draw(&format!("in use {ticket}"), 100) < 6
    }

    /// What becomes of a ticket once it is made, and how long after.
    pub fn initiative(&self, ticket: TicketId) -> Option<(Initiative, TimeDelta)> {
        let initiative = match self.draw(&format!("initiative {ticket}"), 100) {
            0..18 => Initiative::Activate,
            18..28 => Initiative::CancelExternally,
            _ => return None,
        };
        let after = self.draw(&format!("initiative after {ticket}"), 1_500);
        Some((initiative, milliseconds(after)))
    }

    /// How long an answer, or its repetition, is held back. Most are quick, and some are overtaken by all that follows.
    pub fn delay(&self, answer: &str, copy: u8) -> TimeDelta {
        let longest = if self.draw(&format!("slow {answer} {copy}"), 12) == 0 {
            2_500
        } else {
            120
        };
        milliseconds(self.draw(&format!("delay {answer} {copy}"), longest))
    }

    /// How many times an answer is sent.
    pub fn copies(&self, answer: &str) -> u8 {
        if self.draw(&format!("copies {answer}"), 6) == 0 {
            2
        } else {
            1
        }
    }

    /// Whether the answer is one that the fault loses.
    pub fn loses(&self, answer: &str) -> bool {
        self.fault == Some(Fault::LoseAnswers) && self.draw(&format!("lose {answer}"), 10) == 0
    }

    /// Whether the ticket is one that the fault keeps when it is to be cancelled.
    pub fn keeps(&self, ticket: TicketId) -> bool {
        self.fault == Some(Fault::KeepCancelled) && self.draw(&format!("keep {ticket}"), 4) == 0
    }

    /// A number below a bound, the same whenever it is drawn for the same.
    fn draw(&self, what: &str, below: u64) -> u64 {
        xxh3_64_with_seed(what.as_bytes(), self.seed) % below
    }
}

fn milliseconds(number: u64) -> TimeDelta {
    TimeDelta::milliseconds(number.try_into().unwrap_or(i64::MAX))
}
