//! Claims: many deferred registrations in one run, planned first and applied then.
//!
//! A plan says of each claim what it would give, or why nothing, and what that was decided on. Applying it decides each
//! claim again, by the same decision as a single registration ([`crate::registration`]), and records it only if the
//! outcome is the one that was planned and nothing has happened to the line since. So nobody is given what nobody
//! looked at. A claim that was applied before is found done, however often the plan is applied: it may be broken off
//! anywhere and run again.

mod plan;

use std::collections::HashMap;

use farelog_events::event::NewEvent;
use farelog_events::id::{CustomerId, OrderId, OrderLineId, ProgramId};
use farelog_events::log::Position;
use farelog_projections::document::OrderDocument;
use farelog_projections::program::ProgramCatalog;
use farelog_projections::{ProjectionError, Projections};

pub use plan::{
    AppliedClaim, AppliedOutcome, Claim, ClaimReason, ClaimsPlan, Grant, PLAN_FORMAT, PlannedClaim,
    PlannedOutcome,
};

use crate::registration::{
    DecisionContext, Registered, RegistrationCommand, RegistrationRefused, register,
};

/// Most claims in one file.
pub const CLAIMS_MAX: usize = 100_000;

/// Most claims that are planned or applied by one request: so many decisions run one after the other on the log's writer,
/// for some milliseconds.
pub const CLAIMS_AT_ONCE_MAX: usize = 100;

/// Reason: what the claim was planned on is not what stands any more.
pub const LOG_MOVED: &str = "log-moved";
/// Reason: other claims of the file are for another customer.
pub const CLAIMED_BY_SEVERAL: &str = "claimed-by-several";
/// Reason: no program has the reference or id.
pub const PROGRAM_UNKNOWN: &str = "program-unknown";

/// Plans a claim, as the projections are: decides it, and leaves the event aside.
///
/// # Errors
/// The projections could not be read. A refusal is an outcome.
pub fn plan(
    projections: &Projections,
    context: &DecisionContext,
    claim: Claim,
) -> Result<PlannedClaim, ProjectionError> {
    let programs = projections.programs();
    let Some(program_id) = program_named(&programs, &claim.program) else {
        let detail = format!("there is no program {}", claim.program);
        return Ok(PlannedClaim {
            program_id: None,
            decided_at: context.head,
            last_record: 0,
            outcome: PlannedOutcome::Refused,
            grants: Vec::new(),
            reasons: vec![ClaimReason::new(PROGRAM_UNKNOWN, detail)],
            repeats_line: None,
            claim,
        });
    };
    let document = projections.order(&claim.order_id)?.value;
    let last_record = document.map_or(0, |document| last_record(&document, program_id, &claim));
    let (outcome, grants, reasons) =
        match register(projections, context, &claim.command(program_id)) {
            Ok(Registered { event, granted }) => {
                let grants = granted.iter().map(Grant::from).collect();
                let outcome = if event.is_some() {
                    PlannedOutcome::Gives
                } else {
                    PlannedOutcome::Registered
                };
                (outcome, grants, Vec::new())
            }
            Err(refused) => (PlannedOutcome::Refused, Vec::new(), reasons(refused)?),
        };
    Ok(PlannedClaim {
        program_id: Some(program_id),
        decided_at: context.head,
        last_record,
        outcome,
        grants,
        reasons,
        repeats_line: None,
        claim,
    })
}

/// Marks claims of a file that are about the same line in the same program. Of equal ones the first stands. Those for
/// different customers are all refused: which of them is right is for a person to say.
pub fn settle_repeats(claims: &mut [PlannedClaim]) {
    let mut of_line: HashMap<(ProgramId, OrderId, OrderLineId), Vec<usize>> = HashMap::new();
    for (index, planned) in claims.iter().enumerate() {
        if let Some(program_id) = planned.program_id {
            let Claim {
                order_id,
                order_line_id,
                ..
            } = &planned.claim;
            let line = (program_id, order_id.clone(), order_line_id.clone());
            of_line.entry(line).or_default().push(index);
        }
    }
    for indexes in of_line.into_values().filter(|indexes| indexes.len() > 1) {
        let lines: Vec<String> = indexes
            .iter()
            .map(|&index| claims[index].claim.line.to_string())
            .collect();
        let customers = |index: &usize| claims[*index].claim.customer_id.clone();
        let is_contested = indexes
            .iter()
            .map(customers)
            .any(|c| c != customers(&indexes[0]));
        let mut first_of: HashMap<CustomerId, u64> = HashMap::new();
        for index in indexes {
            let planned = &mut claims[index];
            let line = planned.claim.line;
            let first = *first_of
                .entry(planned.claim.customer_id.clone())
                .or_insert(line);
            if is_contested {
                let detail = format!(
                    "lines {} of the file claim this order line for different customers; leave one of them in",
                    lines.join(", ")
                );
                planned.refuse(ClaimReason::new(CLAIMED_BY_SEVERAL, detail));
            } else if first != line {
                planned.outcome = PlannedOutcome::Repeats;
                planned.repeats_line = Some(first);
                planned.grants.clear();
                planned.reasons.clear();
            }
        }
    }
}

/// Decides a planned claim again, with the event to record if it is as it was planned.
///
/// # Errors
/// The projections could not be read. A refusal is an outcome.
pub fn apply(
    projections: &Projections,
    context: &DecisionContext,
    planned: PlannedClaim,
) -> Result<(Option<NewEvent>, AppliedClaim), ProjectionError> {
    if let Some(left_out) = planned.left_out() {
        return Ok((None, left_out));
    }
    let Some(program_id) = planned.program_id else {
        let reason = ClaimReason::new(PROGRAM_UNKNOWN, "the plan names no program");
        return Ok((None, planned.refused(vec![reason])));
    };
    let decided = register(projections, context, &planned.claim.command(program_id));
    let Registered { event, granted } = match decided {
        Ok(registered) => registered,
        Err(refused) => {
            let detail = "what the plan was made on has changed, and nothing is given any more";
            let mut all = vec![ClaimReason::new(LOG_MOVED, detail)];
            all.extend(reasons(refused)?);
            return Ok((None, planned.refused(all)));
        }
    };
    let grants: Vec<Grant> = granted.iter().map(Grant::from).collect();
    let Some(event) = event else {
        return Ok((None, planned.applied(AppliedOutcome::DoneBefore, grants)));
    };
    let document = projections.order(&planned.claim.order_id)?.value;
    let last = document.map_or(0, |document| {
        last_record(&document, program_id, &planned.claim)
    });
    let moved = if last > planned.last_record {
        Some(format!(
            "the record at position {last} changed the order or the line's registration after the plan was made"
        ))
    } else if grants != planned.grants {
        Some("it would give other points than was planned".to_owned())
    } else {
        None
    };
    Ok(match moved {
        Some(what) => {
            let detail = format!("{what}; plan the claim again");
            let reason = ClaimReason::new(LOG_MOVED, detail);
            (None, planned.refused(vec![reason]))
        }
        None => (Some(event), planned.applied(AppliedOutcome::Given, grants)),
    })
}

impl Claim {
    fn command(&self, program_id: ProgramId) -> RegistrationCommand {
        RegistrationCommand {
            program_id,
            order_id: self.order_id.clone(),
            order_line_id: self.order_line_id.clone(),
            customer_id: self.customer_id.clone(),
        }
    }
}

/// The program with this reference now, or with this id.
fn program_named(programs: &ProgramCatalog, named: &str) -> Option<ProgramId> {
    if let Some(published) = programs.by_reference(named) {
        return Some(published.compiled.program.id);
    }
    let id = named.parse().ok().and_then(ProgramId::new)?;
    programs.current(id).map(|_| id)
}

/// The last record that can have changed what a claim of the line gives, as far as the order is concerned: one that says
/// where the order's lines stand, or one about the line's registration in this program.
fn last_record(document: &OrderDocument, program: ProgramId, claim: &Claim) -> Position {
    let events = document.events.iter().map(|event| event.position);
    let registrations = document
        .registrations
        .iter()
        .filter(|registration| {
            registration.program_id == program && registration.order_line_id == claim.order_line_id
        })
        .map(|registration| registration.revoked.unwrap_or(registration.accepted));
    events.chain(registrations).max().unwrap_or(0)
}

fn reasons(refused: RegistrationRefused) -> Result<Vec<ClaimReason>, ProjectionError> {
    match refused {
        RegistrationRefused::Reasons(reasons) => {
            Ok(reasons.into_iter().map(ClaimReason::from).collect())
        }
        RegistrationRefused::Projections(error) => Err(error),
        refused @ (RegistrationRefused::UnknownProgram(_) | RegistrationRefused::NotRegistered) => {
            Ok(vec![ClaimReason::new(PROGRAM_UNKNOWN, refused.to_string())])
        }
    }
}
