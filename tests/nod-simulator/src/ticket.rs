//! One ticket in the books.

use serde::{Deserialize, Serialize};

use crate::fact::{TicketId, TicketNamed};
use crate::temper::{Initiative, Temper};

/// How far a ticket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TicketState {
    /// The last try to make it failed. It may be asked for again.
    Failed,
    /// It is there.
    Made,
    /// It was taken into use.
    Activated,
    /// It is void, since farelog said so; perhaps before it was ever asked for.
    Cancelled,
    /// It is void by the system's own doing.
    CancelledExternally,
}

/// A ticket, and what the books know of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ticket {
    /// The order.
    pub order_id: String,
    /// The line.
    pub order_line_id: String,
    /// The ticket system that it is in: this program stands for all of them.
    pub fulfillment_method: String,
    /// The product; unknown while nothing but its cancellation has come.
    pub fare_product_id: Option<String>,
    /// How far it is.
    pub state: TicketState,
    /// Its contract, once it was made.
    pub fare_contract_ref: Option<String>,
    /// The customer's account that it is on, where farelog names one.
    pub customer_account_ref: Option<String>,
    /// How many different messages asked for it.
    pub requests: u32,
    /// How many tries failed.
    pub failures: u32,
    /// How many different messages asked for it while it was there or void. Nobody should; but what came after farelog's
    /// cancellation is not counted, since it may have been sent before it.
    pub requests_in_vain: u32,
    /// Whether farelog said that it is void.
    pub cancellation_asked: bool,
}

/// What the system has to say of a ticket now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// It is there.
    Added,
    /// It is there, and in use from the start.
    AddedInUse,
    /// It could not be made.
    Failed,
    /// It is void as farelog asked.
    Cancelled,
    /// It is in use now.
    Activated,
    /// It is void by the system's own doing.
    CancelledExternally,
}

impl Ticket {
    /// A ticket of which nothing is known but its name.
    pub fn named(named: &TicketNamed) -> Self {
        Self {
            order_id: named.order_id.clone(),
            order_line_id: named.order_line_id.clone(),
            fulfillment_method: named.fulfillment_method.clone(),
            fare_product_id: None,
            state: TicketState::Failed,
            fare_contract_ref: None,
            customer_account_ref: None,
            requests: 0,
            failures: 0,
            requests_in_vain: 0,
            cancellation_asked: false,
        }
    }

    /// Whether a traveller could travel on it.
    pub fn is_live(&self) -> bool {
        matches!(self.state, TicketState::Made | TicketState::Activated)
    }

    /// farelog asks for the ticket, in a message that did not come before.
    pub fn requested(
        &mut self,
        id: TicketId,
        named: &TicketNamed,
        temper: &Temper,
    ) -> Option<Word> {
        self.requests += 1;
        self.fare_product_id.clone_from(&named.fare_product_id);
        self.customer_account_ref
            .clone_from(&named.customer_account_ref);
        if self.state != TicketState::Failed {
            // Void before it was asked for, or asked for again: the broker delivers again what was not acknowledged, behind
            // what came after it. It is not made, and that it is void was said already.
            let may_be_overtaken = self.cancellation_asked;
            self.requests_in_vain += u32::from(!may_be_overtaken);
            return None;
        }
        if temper.fails(id, self.requests) {
            self.failures += 1;
            return Some(Word::Failed);
        }
        self.fare_contract_ref = Some(format!("NOD:FareContract:{id}"));
        if temper.makes_in_use(id) {
            self.state = TicketState::Activated;
            Some(Word::AddedInUse)
        } else {
            self.state = TicketState::Made;
            Some(Word::Added)
        }
    }

    /// farelog says that the ticket is void. Said twice, it is answered once.
    pub fn cancelled(&mut self, id: TicketId, temper: &Temper) -> Option<Word> {
        if self.cancellation_asked {
            return None;
        }
        self.cancellation_asked = true;
        if self.state != TicketState::CancelledExternally && !temper.keeps(id) {
            self.state = TicketState::Cancelled;
        }
        Some(Word::Cancelled)
    }

    /// The time of the initiative has come. Nothing happens to a ticket that is void by now.
    pub fn acts(&mut self, initiative: Initiative) -> Option<Word> {
        match (initiative, self.state) {
            (Initiative::Activate, TicketState::Made) => {
                self.state = TicketState::Activated;
                Some(Word::Activated)
            }
            (Initiative::CancelExternally, TicketState::Made | TicketState::Activated) => {
                self.state = TicketState::CancelledExternally;
                Some(Word::CancelledExternally)
            }
            _ => None,
        }
    }
}
