//! The books: all tickets, and what is still to be said and done. They are a fold of the journal's entries and hold nothing
//! else, so they are after a kill what they were before.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::fact::{Fact, Message, TicketId};
use crate::journal::Entry;
use crate::temper::{Initiative, Temper};
use crate::ticket::{Ticket, Word};

/// The books.
#[derive(Debug)]
pub struct Books {
    temper: Temper,
    tickets: BTreeMap<TicketId, Ticket>,
    messages: HashSet<String>,
    /// By when it is due.
    unsaid: BTreeMap<(DateTime<Utc>, String, u8), Answer>,
    /// When each answer that is not said is due, by its id and copy.
    due: BTreeMap<(String, u8), DateTime<Utc>>,
    initiatives: BTreeMap<TicketId, (DateTime<Utc>, Initiative)>,
}

/// The books as they are printed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// All tickets, by `ticketDistributionId`.
    pub tickets: BTreeMap<TicketId, Ticket>,
    /// How many messages were taken in.
    pub messages: usize,
    /// How many answers, repetitions counted, are still to be sent.
    pub answers_unsaid: usize,
    /// How many tickets the system still has something in mind with.
    pub initiatives_to_come: usize,
}

impl Books {
    /// Empty books.
    pub fn new(temper: Temper) -> Self {
        Self {
            temper,
            tickets: BTreeMap::new(),
            messages: HashSet::new(),
            unsaid: BTreeMap::new(),
            due: BTreeMap::new(),
            initiatives: BTreeMap::new(),
        }
    }

    /// How the system behaves.
    pub fn temper(&self) -> &Temper {
        &self.temper
    }

    /// Whether the message was taken in already.
    pub fn knows(&self, message: &Message) -> bool {
        self.messages.contains(&message.id)
    }

    /// The answers that are due, at most so many, each with the entry that notes that it was said.
    pub fn answers_due(&self, now: DateTime<Utc>, max: usize) -> Vec<(Answer, Entry)> {
        self.unsaid
            .iter()
            .take_while(|((due, ..), _)| *due <= now)
            .take(max)
            .map(|((_, _, copy), answer)| {
                let said = Entry::Said {
                    answer_id: answer.id.clone(),
                    copy: *copy,
                };
                (answer.clone(), said)
            })
            .collect()
    }

    /// The initiatives whose time has come, as entries.
    pub fn initiatives_due(&self, now: DateTime<Utc>) -> Vec<Entry> {
        self.initiatives
            .iter()
            .filter(|(_, (due, _))| *due <= now)
            .map(|(ticket, (due, _))| Entry::Acted {
                ticket: *ticket,
                at: *due,
            })
            .collect()
    }

    /// Folds an entry. Taken in twice, it is that entry once.
    pub fn take_in(&mut self, entry: &Entry) {
        match entry {
            Entry::Begun(_) => {}
            Entry::Told {
                message_id,
                at,
                fact,
            } => {
                if self.messages.insert(message_id.clone()) {
                    self.tell(fact, *at);
                }
            }
            Entry::Acted { ticket, at } => {
                let Some((_, initiative)) = self.initiatives.remove(ticket) else {
                    return;
                };
                let word = self
                    .tickets
                    .get_mut(ticket)
                    .and_then(|ticket| ticket.acts(initiative));
                self.plan_to_say(*ticket, word, *at);
            }
            Entry::Said { answer_id, copy } => {
                if let Some(due) = self.due.remove(&(answer_id.clone(), *copy)) {
                    self.unsaid.remove(&(due, answer_id.clone(), *copy));
                }
            }
        }
    }

    fn tell(&mut self, fact: &Fact, at: DateTime<Utc>) {
        let named = fact.ticket();
        let id = named.ticket_distribution_id;
        let ticket = self
            .tickets
            .entry(id)
            .or_insert_with(|| Ticket::named(named));
        let word = match fact {
            Fact::TicketRequested(named) => ticket.requested(id, named, &self.temper),
            Fact::TicketCancelled(_) => ticket.cancelled(id, &self.temper),
        };
        if matches!(word, Some(Word::Added | Word::AddedInUse))
            && let Some((initiative, after)) = self.temper.initiative(id)
        {
            self.initiatives.insert(id, (at + after, initiative));
        }
        self.plan_to_say(id, word, at);
    }

    fn plan_to_say(&mut self, id: TicketId, word: Option<Word>, at: DateTime<Utc>) {
        let (Some(ticket), Some(word)) = (self.tickets.get(&id), word) else {
            return;
        };
        let answer = Answer::new(id, ticket, word, at);
        for copy in 0..self.temper.copies(&answer.id) {
            let due = at + self.temper.delay(&answer.id, copy);
            self.due.insert((answer.id.clone(), copy), due);
            self.unsaid
                .insert((due, answer.id.clone(), copy), answer.clone());
        }
    }

    /// The books for others to read.
    pub fn statement(&self) -> Statement {
        Statement {
            tickets: self.tickets.clone(),
            messages: self.messages.len(),
            answers_unsaid: self.unsaid.len(),
            initiatives_to_come: self.initiatives.len(),
        }
    }
}
