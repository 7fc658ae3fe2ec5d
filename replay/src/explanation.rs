//! Explanation: why a line's points are what they are, or why there are none.
//!
//! It is the fold with its reasons kept. The definitions are asked by the projections' own code
//! ([`farelog_projections::points::wants`]), with a witness that keeps each step; what came of it is read from the
//! chain of transactions that the fold left. Only the values that an expression saw are worked out on top, by the
//! interpreter that the fold uses. Nothing is recorded or told to anyone.
//!
//! Programs and members are looked up as they stood at a trigger's place, so what is explained for an earlier position is
//! what was found then. Members' sums, which caps count, are kept as they are now only: what a cap left then is read
//! from what was given.

mod asking;
mod derivation;
mod history;
mod sentence;
mod telling;
mod witness;

use farelog_events::event::About;
use farelog_events::id::{OrderId, OrderLineId, ProgramId, TransactionId};
use farelog_events::log::{EventLog, LogError, Position};
use farelog_projections::answer::Answer;
use farelog_projections::document::OrderDocument;
use farelog_projections::points::Transaction;
use farelog_projections::points::entitlement::Slot;
use farelog_projections::{ProjectionError, Projections};
use serde::Serialize;
use thiserror::Error;

pub use asking::{DEFINITIONS_TOLD_MAX, HISTORY_TOLD_MAX, LINES_TOLD_MAX};
pub use derivation::{
    AmountExplanation, CapExplanation, DefinitionExplanation, ExpressionExplanation,
    GivenTransaction, LineExplanation, LineStanding, PeriodExplanation, Points, RefundExplanation,
    RefusalExplanation, RegistrationExplanation, SeenValue, WhyNothing,
};
pub use history::{CountedEvent, EventRole};

use asking::{Asking, Selection};
use history::History;

/// Which order, and what of it.
#[derive(Debug, Clone)]
pub struct OrderQuestion {
    /// The order.
    pub order_id: OrderId,
    /// This line only.
    pub order_line_id: Option<OrderLineId>,
    /// This program only.
    pub program_id: Option<ProgramId>,
}

/// The points of an order, with their reasons, as they stand.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderExplanation {
    /// The order.
    pub order_id: OrderId,
    /// Its lines, by id, at most [`LINES_TOLD_MAX`].
    pub lines: Vec<LineExplanation>,
    /// How many lines are left out, since there are more; a question may name one.
    pub lines_left_out: usize,
}

/// A transaction, with its reasons.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TransactionExplanation {
    /// The transaction, as it stands.
    pub transaction: Transaction,
    /// Its line and definition as they stood when it was given: by the events up to that record.
    pub given: LineExplanation,
    /// The same as they stand now. Its chain shows what became of the transaction.
    pub now: LineExplanation,
}

/// Why there is no explanation.
#[derive(Debug, Error)]
pub enum ExplanationError {
    /// The log can't be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The projections can't be read.
    #[error(transparent)]
    Projections(#[from] ProjectionError),
}

/// Explains the points of an order; `None` for an order of which nothing is known. One of which only its tickets are
/// known has no lines.
///
/// # Errors
/// [`ExplanationError`].
pub fn explain_order(
    projections: &Projections,
    log: &dyn EventLog,
    question: &OrderQuestion,
) -> Result<Answer<Option<OrderExplanation>>, ExplanationError> {
    let Answer { position, value } = projections.order(&question.order_id)?;
    let Some(document) = value else {
        return Ok(Answer {
            position,
            value: None,
        });
    };
    let history = history(log, &document, position)?;
    let lines = projections.with_world(|world| {
        let asking = Asking {
            document: &document,
            history: &history,
            world,
            position,
            selection: Selection {
                line: question.order_line_id.as_ref(),
                program: question.program_id,
                definition: None,
                transaction: None,
            },
        };
        asking.lines(&document)
    })?;
    Ok(Answer {
        position,
        value: Some(OrderExplanation {
            order_id: question.order_id.clone(),
            lines: lines.told,
            lines_left_out: lines.left_out,
        }),
    })
}

/// Explains a transaction; `None` for an id that no transaction has.
///
/// # Errors
/// [`ExplanationError`].
pub fn explain_transaction(
    projections: &Projections,
    log: &dyn EventLog,
    id: TransactionId,
) -> Result<Answer<Option<TransactionExplanation>>, ExplanationError> {
    let unknown = |position| {
        Ok(Answer {
            position,
            value: None,
        })
    };
    // The id is made of the position of the record that gave it.
    let record = log.read(id.position(), 1)?.into_iter().next();
    let Some(About::Order(order)) = record.map(|record| record.about) else {
        return unknown(projections.position());
    };
    let Answer { position, value } = projections.order(&order)?;
    let Some((document, slot, transaction)) = value.and_then(|document| {
        let (slot, transaction) = find(&document, id)?;
        Some((document, slot, transaction))
    }) else {
        return unknown(position);
    };
    let history = history(log, &document, position)?;
    let (given, now) = projections.with_world(|world| {
        let as_of = |position: Position, seen: &OrderDocument| {
            let asking = Asking {
                document: &document,
                history: &history,
                world,
                position,
                selection: Selection {
                    line: Some(&slot.order_line_id),
                    program: Some(slot.program_id),
                    definition: Some((slot.point_definition_id, slot.trigger)),
                    transaction: Some(id),
                },
            };
            asking.lines(seen).told.pop()
        };
        let given = as_of(id.position(), &document.as_of(id.position()));
        (given, as_of(position, &document))
    })?;
    let value = given.zip(now).map(|(given, now)| TransactionExplanation {
        transaction,
        given,
        now,
    });
    Ok(Answer { position, value })
}

fn find(document: &OrderDocument, id: TransactionId) -> Option<(Slot, Transaction)> {
    document.ledger.chains().iter().find_map(|chain| {
        let mut transactions = chain.transactions().iter();
        let transaction = transactions.find(|transaction| transaction.id == Some(id))?;
        Some((chain.slot.clone(), transaction.clone()))
    })
}

/// The order's records that the projections have taken in.
fn history(
    log: &dyn EventLog,
    document: &OrderDocument,
    position: Position,
) -> Result<History, LogError> {
    let mut records = log.read_about(&About::Order(document.order_id.clone()))?;
    records.retain(|record| record.position <= position);
    Ok(History::new(&records))
}
