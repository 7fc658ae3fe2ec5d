//! The sentences of a timeline, for a person at a service desk.

use chrono::{DateTime, Utc};
use farelog_events::dead_letter::DeadLetterReason;
use farelog_events::distribution::TicketSystemStatus;
use farelog_events::event::{EventData, short_type};
use farelog_events::id::{CustomerId, MemberId, OrderLineId};
use farelog_events::log::Record;
use farelog_events::order::Replacement;
use farelog_projections::distribution::fact::CancellationCause;
use farelog_projections::distribution::{
    DistributionFact, DistributionStatus, Ignored, IgnoredReason, TicketDistributionGroup,
};
use farelog_projections::outbox::points::PointsChanged;
use farelog_projections::points::Transaction;
use rust_decimal::Decimal;

/// What a record says, in a sentence.
pub fn of_record(record: &Record) -> String {
    let data = match record.decode() {
        Some(Ok(data)) => data,
        Some(Err(_)) => return format!("{} can't be read by this version.", record.event_type),
        None => {
            return format!(
                "{} arrived, which is of a type that is not known.",
                short_type(&record.event_type)
            );
        }
    };
    match &data {
        EventData::OrderCreated(e) => {
            let what = match e.order_version.get() {
                1 => "The order".to_owned(),
                version => format!("Version {version} of the order"),
            };
            match &e.customer_id {
                Some(customer) => format!("{what} was opened by customer {customer}."),
                None => format!("{what} was opened."),
            }
        }
        EventData::OrderLineAdded(e) => format!(
            "Line {} was added: {}, {} {}.",
            e.order_line_id,
            products(&e.fare_products),
            e.price.amount,
            e.price.currency
        ),
        EventData::OrderLineChanged(e) => format!(
            "Line {} was changed to version {}: {}, {} {}.",
            e.order_line_id,
            e.order_line_version,
            products(&e.fare_products),
            e.price.amount,
            e.price.currency
        ),
        EventData::OrderConfirmed(e) => {
            format!("Version {} of the order was confirmed.", e.order_version)
        }
        EventData::OrderPartiallyConfirmed(e) => format!(
            "{} of version {} of the order {} confirmed.",
            counted(e.order_line_ids.len(), "line"),
            e.order_version,
            was_or_were(e.order_line_ids.len())
        ),
        EventData::OrderReset(e) => format!(
            "What was not confirmed of version {} of the order was dropped.",
            e.order_version
        ),
        EventData::OrderCancelled(_) => "The order was cancelled.".to_owned(),
        EventData::OrderLineCancelled(e) => format!("Line {} was cancelled.", e.order_line_id),
        EventData::OrderLineRefunded(e) => format!(
            "{} {} of line {} were paid back.",
            e.refund.amount, e.refund.currency, e.order_line_id
        ),
        EventData::OrderLinesReplaced(e) => {
            let exchanges: Vec<String> = e.replacements.iter().map(exchange).collect();
            format!(
                "An exchange was asked for, to act when version {} is confirmed: {}.",
                e.order_version,
                exchanges.join("; ")
            )
        }
        EventData::TicketActivated(e) => match e.ticket_distribution_id {
            Some(id) => format!("Ticket distribution {id} was taken into use."),
            None => format!("A ticket of line {} was taken into use.", e.order_line_id),
        },
        EventData::PaymentTransactionCaptured(e) => {
            format!("Payment {} was captured.", e.payment_transaction_id)
        }
        EventData::PaymentTransactionCancelled(e) => {
            format!("Payment {} was cancelled.", e.payment_transaction_id)
        }
        EventData::PaymentTransactionRejected(e) => {
            format!("Payment {} was rejected.", e.payment_transaction_id)
        }
        other => sentence_of_own(other, record),
    }
}

/// What a record about tickets, registrations and dead letters says.
fn sentence_of_own(data: &EventData, record: &Record) -> String {
    match data {
        EventData::TicketDistributionAdded(e) => {
            let contract = match &e.fare_contract_ref {
                Some(contract) => format!(" under {contract}"),
                None => String::new(),
            };
            let in_use = match e.status {
                Some(TicketSystemStatus::Activated) => ", in use",
                _ => "",
            };
            format!(
                "The ticket system has ticket distribution {}{contract}{in_use}.",
                e.ticket_distribution_id
            )
        }
        EventData::TicketDistributionCancelled(e) => format!(
            "The ticket system cancelled ticket distribution {} as it was asked to{}.",
            e.ticket_distribution_id,
            given(e.reason.as_deref())
        ),
        EventData::TicketDistributionCancelledExternally(e) => format!(
            "The ticket system cancelled ticket distribution {} by itself{}.",
            e.ticket_distribution_id,
            given(e.reason.as_deref())
        ),
        EventData::TicketDistributionFailed(e) => format!(
            "The ticket system could not make ticket distribution {}{}.",
            e.ticket_distribution_id,
            given(e.reason.as_deref())
        ),
        EventData::TicketDistributionGroupsGenerated(e) => format!(
            "Ticket distributions were generated for version {} of the order.",
            e.order_version
        ),
        EventData::TicketDistributionRequested(e) => format!(
            "Distribution of {} was asked for.",
            counted(e.ticket_distribution_ids.len(), "ticket")
        ),
        EventData::DeferredRegistrationAccepted(e) => format!(
            "Line {} was registered to customer {} in program {}.",
            e.order_line_id, e.customer_id, e.program_id
        ),
        EventData::DeferredRegistrationRevoked(e) => format!(
            "The registration of line {} to customer {} in program {} was taken back.",
            e.order_line_id, e.customer_id, e.program_id
        ),
        EventData::DeadLetterRecorded(e) => format!(
            "A message {} and is dead letter {}.",
            not_taken(e.reason),
            record.position
        ),
        EventData::DeadLetterRetried(e) => format!("Dead letter {} was taken in.", e.number),
        EventData::DeadLetterDiscarded(e) => format!("Dead letter {} was discarded.", e.number),
        _ => format!("{} was recorded.", short_type(&record.event_type)),
    }
}

/// Why a message was not taken in, to stand behind "A message".
fn not_taken(reason: DeadLetterReason) -> &'static str {
    match reason {
        DeadLetterReason::TooLarge => "is too large",
        DeadLetterReason::NotReadable => "could not be read",
        DeadLetterReason::NoType => "does not say what it is",
        DeadLetterReason::MalformedField => "is incomplete or malformed",
        DeadLetterReason::ReservedType => "is of a type that only farelog records",
        DeadLetterReason::ConflictingDuplicate => {
            "says something else than the event that came before with its id"
        }
        DeadLetterReason::UnknownProgram => "names a program that was not published",
        DeadLetterReason::ProgramRefused => "publishes a program that is not valid",
        DeadLetterReason::OrderTooLarge => "came when the order had more events than it may have",
    }
}

/// A reason, to stand behind what it is for.
fn given(reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!(": {}", reason.trim_end_matches('.')),
        None => String::new(),
    }
}

fn exchange(replacement: &Replacement) -> String {
    let named = |lines: &[OrderLineId]| {
        let names: Vec<&str> = lines.iter().map(OrderLineId::as_str).collect();
        names.join(" and ")
    };
    format!(
        "{} in place of {}",
        named(&replacement.replaced_by_order_line_ids),
        named(&replacement.original_order_line_ids)
    )
}

fn products(products: &[farelog_events::order::FareProduct]) -> String {
    let names: Vec<&str> = products
        .iter()
        .map(|product| product.name.as_deref().unwrap_or(&product.id))
        .collect();
    match names.as_slice() {
        [] => "no product".to_owned(),
        names => names.join(" and "),
    }
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

fn was_or_were(count: usize) -> &'static str {
    if count == 1 { "was" } else { "were" }
}

/// That a group was generated, and how far its tickets are now.
pub fn of_group(group: &TicketDistributionGroup) -> String {
    let tickets = &group.ticket_distributions;
    let statuses: Vec<String> = tickets
        .iter()
        .map(|ticket| in_words(ticket.status))
        .collect();
    let now = match statuses.as_slice() {
        [] => String::new(),
        statuses => format!(", now {}", statuses.join(", ")),
    };
    format!(
        "Ticket distribution group {} was generated for line {} with {}{now}.",
        group.id,
        group.order_line_id,
        counted(tickets.len(), "ticket"),
    )
}

/// What a ticket system was told, or is to be.
pub fn of_ticket_fact(fact: &DistributionFact, is_sent: bool) -> String {
    let was = if is_sent { "was" } else { "is to be" };
    match fact {
        DistributionFact::TicketRequested(e) => format!(
            "{} {was} asked for ticket distribution {} of line {}: {}.",
            e.fulfillment_method.as_str(),
            e.ticket_distribution_id,
            e.order_line_id,
            e.fare_product_id
        ),
        DistributionFact::TicketCancelled(e) => format!(
            "{} {was} told that ticket distribution {} is void: {}.",
            e.fulfillment_method.as_str(),
            e.ticket_distribution_id,
            because(e.cause)
        ),
    }
}

fn because(cause: CancellationCause) -> &'static str {
    match cause {
        CancellationCause::OrderLineCancelled => "its line was cancelled",
        CancellationCause::OrderLineReplaced => "its line was exchanged",
        CancellationCause::OrderCancelled => "the order was cancelled",
        CancellationCause::OrderLineRefunded => "its line was paid back in full",
        CancellationCause::OrderLineChanged => "its line was changed",
        CancellationCause::OrderLineNotConfirmed => "its line is not confirmed after all",
    }
}

/// Why what a ticket system said was not followed, to stand behind what it said.
pub fn of_ignored(ignored: &Ignored) -> String {
    match (ignored.reason, ignored.status) {
        (IgnoredReason::UnknownTicket, _) => format!(
            "That was not followed: line {} has no such ticket.",
            ignored.order_line_id
        ),
        (IgnoredReason::StatusDoesNotFit, Some(status)) => {
            format!(
                "That was not followed: the ticket is {} and stays so.",
                in_words(status)
            )
        }
        (IgnoredReason::StatusDoesNotFit, None) => format!(
            "That was not followed: line {} has no ticket that could be in use.",
            ignored.order_line_id
        ),
    }
}

/// Who has points: a customer, or where the member is all that is known, the member.
pub fn holder(member: MemberId, customer: Option<&CustomerId>) -> String {
    match customer {
        Some(customer) => format!("customer {customer}"),
        None => format!("member {member}"),
    }
}

/// That points were given at a time, and in place of which, with who had those. Of points that count later, pending
/// ones, also from when on.
pub fn of_given(
    transaction: &Transaction,
    holder: &str,
    given_at: DateTime<Utc>,
    former: Option<(&Transaction, &str)>,
) -> String {
    let instead = match former {
        Some((former, of)) if of == holder => {
            format!(" instead of {}", former.amount.normalize())
        }
        Some((former, of)) => format!(" instead of {of}, who had {}", former.amount.normalize()),
        None => String::new(),
    };
    let later = (transaction.valid_from > given_at).then_some(transaction.valid_from);
    let from = match later {
        Some(valid_from) => format!(" from {} on", valid_from.format("%-d %B %Y")),
        None => String::new(),
    };
    let got = format!(
        "{holder} got {}{from} for line {}{instead} ({}).",
        points(transaction.amount),
        transaction.metadata.order_line_id,
        definition(transaction)
    );
    capitalized(&got)
}

/// That points were cancelled.
pub fn of_cancelled(transaction: &Transaction, holder: &str) -> String {
    let amount = transaction.amount;
    format!(
        "{} of {holder} for line {} {} cancelled ({}).",
        points(amount),
        transaction.metadata.order_line_id,
        if amount == Decimal::ONE {
            "was"
        } else {
            "were"
        },
        definition(transaction)
    )
}

fn definition(transaction: &Transaction) -> String {
    let reference = transaction.point_definition_reference.as_deref();
    format!(
        "{} of program {}",
        reference.unwrap_or("a definition"),
        transaction.program_id
    )
}

/// With a capital letter at its beginning.
fn capitalized(sentence: &str) -> String {
    let mut letters = sentence.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn points(amount: Decimal) -> String {
    let amount = amount.normalize();
    let noun = if amount == Decimal::ONE {
        "point"
    } else {
        "points"
    };
    format!("{amount} {noun}")
}

/// A status in a sentence.
fn in_words(status: DistributionStatus) -> String {
    status.as_str().to_lowercase().replace('_', " ")
}

/// What other systems were told of a member's points, or are to be.
pub fn of_points_fact(fact: &PointsChanged<'_>, is_sent: bool) -> String {
    let sum = |transactions: &[&Transaction]| {
        let amounts = transactions.iter().map(|transaction| transaction.amount);
        amounts.fold(Decimal::ZERO, Decimal::saturating_add)
    };
    let changes = [(&fact.cancelled, "cancelled"), (&fact.given, "given")];
    let changes: Vec<String> = changes
        .into_iter()
        .filter(|(transactions, _)| !transactions.is_empty())
        .map(|(transactions, what)| format!("{} {what}", sum(transactions).normalize()))
        .collect();
    format!(
        "Other systems {} told that {} has {} of this order in program {}: {}.",
        if is_sent { "were" } else { "are to be" },
        holder(fact.member_id, fact.customer_id.as_ref()),
        points(fact.order_points),
        fact.program_id,
        changes.join(", ")
    )
}
