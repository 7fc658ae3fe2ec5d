//! The sentences of an explanation, for a person at a service desk.

use std::fmt::Write as _;

use farelog_events::id::{CustomerId, EFFECTS_PER_RECORD_MAX};
use farelog_events::log::Position;
use farelog_projections::order::state::{End, EndKind};
use farelog_projections::points::RegistrationKind;
use farelog_projections::points::registration::{RefusedDefinition, Registration};
use farelog_projections::program::{
    CapScope, ExpressionField, OnCancel, OnRefund, PublishedProgram, RoundingMode, RuleFault,
};
use rust_decimal::Decimal;

use super::derivation::{
    AmountExplanation, CapExplanation, DefinitionExplanation, RefundExplanation, WhyNothing,
};

/// Why a definition gives nothing, with what there is to say of it.
pub(super) enum Nothing<'n> {
    NotConfirmed,
    NotTriggered,
    /// Published where, and the trigger's place.
    ProgramNotPublished(Position, Position),
    /// The version that brought it, and the trigger's place.
    DefinitionNotPublished(&'n PublishedProgram, Position),
    ProgramInactive(&'n PublishedProgram),
    RefusedByRegistration(&'n Registration, &'n RefusedDefinition),
    NoCustomer,
    /// Who, and the trigger's place.
    NotMember(&'n CustomerId, Position),
    NotMatched,
    Fault(&'n RuleFault),
    NoAmount,
    /// By what, and what the definition does then.
    LineEnded(Option<End<'n>>, OnCancel),
    Refunded,
    CapReached,
    Postponed,
}

impl Nothing<'_> {
    /// The reason without what is said of it.
    pub(super) fn why(&self) -> WhyNothing {
        match self {
            Self::NotConfirmed => WhyNothing::NotConfirmed,
            Self::NotTriggered => WhyNothing::NotTriggered,
            Self::ProgramNotPublished(..) => WhyNothing::ProgramNotPublished,
            Self::DefinitionNotPublished(..) => WhyNothing::DefinitionNotPublished,
            Self::ProgramInactive(_) => WhyNothing::ProgramInactive,
            Self::RefusedByRegistration(..) => WhyNothing::RefusedByRegistration,
            Self::NoCustomer => WhyNothing::NoCustomer,
            Self::NotMember(..) => WhyNothing::NotMember,
            Self::NotMatched => WhyNothing::NotMatched,
            Self::Fault(RuleFault::MissingTableKey { .. }) => WhyNothing::MissingTableKey,
            Self::Fault(RuleFault::Error(_)) => WhyNothing::RuleError,
            Self::NoAmount => WhyNothing::NoAmount,
            Self::LineEnded(..) => WhyNothing::LineEnded,
            Self::Refunded => WhyNothing::Refunded,
            Self::CapReached => WhyNothing::CapReached,
            Self::Postponed => WhyNothing::Postponed,
        }
    }

    /// The reason in a sentence. What is `told` so far is taken into it.
    pub(super) fn sentence(&self, told: &DefinitionExplanation) -> String {
        let trigger = told.trigger.name();
        match self {
            Self::NotConfirmed => "Nothing: the line is not confirmed.".to_owned(),
            Self::NotTriggered => {
                format!("Nothing yet: it waits for {trigger}, which has not come.")
            }
            Self::ProgramNotPublished(published, place) => format!(
                "Nothing: the program was published at position {published}, after the line's {trigger} at {place}."
            ),
            Self::DefinitionNotPublished(bringing, place) => format!(
                "Nothing: version {} of the program, which brought it, was published at position {}, after the line's \
                 {trigger} at {place}.",
                bringing.version, bringing.position
            ),
            Self::ProgramInactive(program) if program.inert.is_some() => format!(
                "Nothing: version {} of the program does not pass the checks of this version of farelog.",
                program.version
            ),
            Self::ProgramInactive(program) if told.place.is_none() => format!(
                "Nothing: version {} of the program is inactive, and {trigger} has not come.",
                program.version
            ),
            Self::ProgramInactive(program) => format!(
                "Nothing: version {} of the program, which stood when {trigger} came, is inactive.",
                program.version
            ),
            Self::RefusedByRegistration(registration, refused) => format!(
                "Nothing: when the line was registered to customer {} this was refused for good ({}): {}.",
                registration.customer_id, refused.code, refused.detail
            ),
            Self::NoCustomer if has_customer_expression(told) => {
                "Nothing: `customer` gave null, so the points would be nobody's.".to_owned()
            }
            Self::NoCustomer => {
                "Nothing: neither the line nor the order names a customer.".to_owned()
            }
            Self::NotMember(customer, place) => format!(
                "Nothing: customer {customer} was not a member of the program when {trigger} came, at position {place}."
            ),
            Self::NotMatched => "Nothing: `when` does not hold for the line.".to_owned(),
            Self::Fault(fault @ RuleFault::MissingTableKey { .. }) => format!("Nothing: {fault}."),
            Self::Fault(RuleFault::Error(problem)) => {
                format!("Nothing: the rule can't be worked out for the line: {problem}.")
            }
            Self::NoAmount => match &told.amount {
                Some(amount) => format!("Nothing: {}.", of_amount(amount)),
                None => "Nothing: `amount` gave 0.".to_owned(),
            },
            Self::LineEnded(end, on_cancel) => {
                let end = of_end(*end);
                let outcome = match (on_cancel, told.place) {
                    (OnCancel::Cancel, Some(_)) => {
                        ", and the definition keeps nothing of it".to_owned()
                    }
                    (OnCancel::Keep, Some(_)) => format!(" before {trigger} came"),
                    (OnCancel::Cancel, None) => {
                        format!(" before {trigger} came, so nothing will come of it")
                    }
                    (OnCancel::Keep, None) => format!(
                        " before {trigger} came, so nothing will come of it unless one from before that is still to arrive"
                    ),
                };
                format!("Nothing: {end}{outcome}.")
            }
            Self::Refunded => match &told.refunds {
                Some(refunds) => {
                    let amount = told.amount.as_ref().map(of_amount);
                    let ways: Vec<String> =
                        amount.into_iter().chain([of_refunds(refunds)]).collect();
                    format!("Nothing: {}.", ways.join("; "))
                }
                None => "Nothing: the line was paid back.".to_owned(),
            },
            Self::CapReached => match &told.cap {
                Some(cap) => format!(
                    "Nothing: the cap of {} had no room for {}.",
                    of_cap(cap),
                    points(cap.wanted)
                ),
                None => "Nothing: the cap had no room.".to_owned(),
            },
            Self::Postponed => format!(
                "Nothing yet: one record can give at most {EFFECTS_PER_RECORD_MAX} transactions and periods, and the \
                 order's next event gives this one."
            ),
        }
    }
}

fn has_customer_expression(told: &DefinitionExplanation) -> bool {
    let mut fields = told.expressions.iter().map(|expression| expression.field);
    fields.any(|field| field == ExpressionField::Customer)
}

/// Points that count, and how their number came about.
pub(super) fn of_points(told: &DefinitionExplanation) -> String {
    let mut sentence = format!("It gives {}", points(told.points));
    if let Some(member) = told.member_id {
        let _ = write!(sentence, " to member {member}");
    }
    if let Some(customer) = &told.customer_id {
        let _ = write!(sentence, ", customer {customer}");
        if told.registration == Some(RegistrationKind::Deferred) {
            sentence.push_str(", to whom the line is registered");
        }
    }
    let cut = told.cap.as_ref().filter(|cap| !cap.cut.is_zero());
    let ways = [
        told.amount.as_ref().map(of_amount),
        told.refunds.as_ref().map(of_refunds),
        cut.map(|cap| {
            format!(
                "the cap of {} had room for {} of {}",
                of_cap(cap),
                told.points,
                cap.wanted
            )
        }),
    ];
    let ways: Vec<String> = ways.into_iter().flatten().collect();
    format!("{sentence}: {}.", ways.join("; "))
}

fn of_amount(amount: &AmountExplanation) -> String {
    if amount.exact == amount.rounded {
        return format!("`amount` gave {}", amount.rounded);
    }
    let decimals = match amount.scale {
        0 => String::new(),
        1 => " to 1 decimal".to_owned(),
        scale => format!(" to {scale} decimals"),
    };
    let way = match amount.mode {
        RoundingMode::Floor => "down",
        RoundingMode::Ceiling => "up",
        RoundingMode::HalfUp => "to the nearest, halves up",
        RoundingMode::HalfEven => "to the nearest, halves to even",
    };
    format!(
        "`amount` gave {}, rounded {way}{decimals} to {}",
        amount.exact, amount.rounded
    )
}

fn of_refunds(refunds: &RefundExplanation) -> String {
    let RefundExplanation {
        price,
        refunded,
        other_currency,
        on_refund,
        left,
    } = refunds;
    let effect = match on_refund {
        _ if refunded.amount.is_zero() => "which changes nothing".to_owned(),
        OnRefund::Keep => "and all is kept".to_owned(),
        OnRefund::Cancel => "and any refund takes all".to_owned(),
        OnRefund::Proportional if refunded.amount >= price.amount => {
            "which leaves nothing".to_owned()
        }
        OnRefund::Proportional if left.is_zero() => {
            "and what that leaves is rounded to nothing".to_owned()
        }
        OnRefund::Proportional => format!("which leaves {left}"),
    };
    let mut said = format!(
        "{} of {} {} were paid back, {effect}",
        refunded.amount, price.amount, price.currency
    );
    if *other_currency {
        said.push_str("; what was paid back in another currency does not count");
    }
    said
}

fn of_cap(cap: &CapExplanation) -> String {
    let per = match cap.per {
        CapScope::Period => "a period",
        CapScope::Day => "a day",
        CapScope::Order => "an order",
        CapScope::Member => "a member",
    };
    format!("{} {per}", points(cap.amount))
}

/// That a line ended, when, and by which event.
fn of_end(end: Option<End<'_>>) -> String {
    let what = match end.map(|end| end.kind) {
        Some(EndKind::Replaced) => "the line was exchanged",
        Some(EndKind::OrderCancelled) => "the order was cancelled",
        Some(EndKind::Cancelled) | None => "the line was cancelled",
    };
    match end {
        Some(End { event, .. }) => format!(
            "{what} at {} ({} {}, position {})",
            event.effective_time(),
            event.kind.name(),
            event.id,
            event.position
        ),
        None => what.to_owned(),
    }
}

fn points(amount: Decimal) -> String {
    let amount = amount.normalize();
    if amount == Decimal::ONE {
        "1 point".to_owned()
    } else {
        format!("{amount} points")
    }
}
