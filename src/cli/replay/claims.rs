//! `farelog replay register --from-file` and `--apply`: many claims, planned first and applied then.

use std::path::Path;

use chrono::Utc;
use comfy_table::Table;
use farelog_replay::claims::{
    AppliedClaim, AppliedOutcome, CLAIMS_AT_ONCE_MAX, Claim, ClaimReason, ClaimsPlan, Grant,
    PLAN_FORMAT, PlannedClaim, PlannedOutcome, settle_repeats,
};
use indicatif::ProgressBar;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::claims_file;
use crate::cli::client::{Client, ServerArgs};
use crate::cli::exit::Failure;
use crate::cli::log::progress::with_rate;
use crate::cli::output::{self, RowsOutput};

#[derive(Serialize)]
struct PlanRequest<'c> {
    claims: &'c [Claim],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PlanAnswer {
    log_id: Uuid,
    claims: Vec<PlannedClaim>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApplyRequest<'c> {
    log_id: Uuid,
    claims: Vec<&'c PlannedClaim>,
}

#[derive(Serialize, Deserialize)]
struct Applied {
    claims: Vec<AppliedClaim>,
}

/// Plans the claims of a file, shows the plan and writes it into another.
pub async fn plan(
    file: &Path,
    plan_file: Option<&Path>,
    args: &ServerArgs<RowsOutput>,
) -> Result<(), Failure> {
    let plan_file = plan_file.map_or_else(|| claims_file::plan_path(file), Path::to_owned);
    claims_file::check_is_free(&plan_file)?;
    let claims = claims_file::read_claims(file)?;
    let client = Client::new(args)?;
    let bar = bar("planning", claims.len());
    let mut plan = ClaimsPlan {
        format: PLAN_FORMAT,
        log_id: Uuid::nil(),
        planned_at: Utc::now(),
        claims: Vec::with_capacity(claims.len()),
    };
    for some in claims.chunks(CLAIMS_AT_ONCE_MAX) {
        let path = ["v1", "operate", "claims", "plan"];
        let request = PlanRequest { claims: some };
        let reply = client.send_json(Method::POST, &path, &[], &request).await?;
        let mut answer: PlanAnswer = reply.json()?;
        plan.log_id = answer.log_id;
        plan.claims.append(&mut answer.claims);
        bar.inc(some.len() as u64);
    }
    bar.finish_and_clear();
    client.close().await?;
    settle_repeats(&mut plan.claims);
    claims_file::write_plan(&plan_file, &plan)?;
    match args.output {
        RowsOutput::Json => output::print(&crate::cli::to_json(&plan)?)?,
        RowsOutput::Csv => output::print(&output::csv(rows(plan.claims.iter().map(planned_row)))?)?,
        RowsOutput::Table => {
            output::print(&table(plan.claims.iter().map(planned_row)).to_string())?;
        }
    }
    let count = |outcome| count(plan.claims.iter().map(|planned| planned.outcome == outcome));
    output::note(format_args!(
        "{} would give points, {} registered already, {} refused, {} repeated; nothing was recorded",
        count(PlannedOutcome::Gives),
        count(PlannedOutcome::Registered),
        count(PlannedOutcome::Refused),
        count(PlannedOutcome::Repeats),
    ));
    output::note(format_args!(
        "the plan is in {}; `farelog replay register --apply` with it records what it says",
        plan_file.display()
    ));
    refusal(count(PlannedOutcome::Refused), plan.claims.len())
}

/// Applies a plan.
pub async fn apply(plan_file: &Path, args: &ServerArgs<RowsOutput>) -> Result<(), Failure> {
    let plan = claims_file::read_plan(plan_file)?;
    let client = Client::new(args)?;
    let bar = bar("applying", plan.claims.len());
    let mut applied = Applied { claims: Vec::new() };
    for some in plan.claims.chunks(CLAIMS_AT_ONCE_MAX) {
        let done = apply_some(&client, plan.log_id, some).await;
        let mut claims = done.inspect_err(|_| {
            bar.finish_and_clear();
            output::note(format_args!(
                "{} of {} claims were gone through; apply the plan again to go on, what was recorded stays and is not \
                 recorded twice",
                applied.claims.len(),
                plan.claims.len()
            ));
        })?;
        applied.claims.append(&mut claims);
        bar.inc(some.len() as u64);
    }
    bar.finish_and_clear();
    client.close().await?;
    let claims = &applied.claims;
    match args.output {
        RowsOutput::Json => output::print(&crate::cli::to_json(&applied)?)?,
        RowsOutput::Csv => output::print(&output::csv(rows(claims.iter().map(applied_row)))?)?,
        RowsOutput::Table => output::print(&table(claims.iter().map(applied_row)).to_string())?,
    }
    let count = |outcome| count(claims.iter().map(|applied| applied.outcome == outcome));
    output::note(format_args!(
        "{} recorded, {} done before, {} refused, {} repeated",
        count(AppliedOutcome::Given),
        count(AppliedOutcome::DoneBefore),
        count(AppliedOutcome::Refused),
        count(AppliedOutcome::Repeats),
    ));
    refusal(count(AppliedOutcome::Refused), claims.len())
}

/// Has those claims applied that are to be. Refused ones don't go over the wire: their reasons may be long.
async fn apply_some(
    client: &Client,
    log_id: Uuid,
    planned: &[PlannedClaim],
) -> Result<Vec<AppliedClaim>, Failure> {
    let claims: Vec<&PlannedClaim> = planned
        .iter()
        .filter(|planned| planned.left_out().is_none())
        .collect();
    let mut answer = Applied { claims: Vec::new() };
    if !claims.is_empty() {
        let path = ["v1", "operate", "claims", "apply"];
        let request = ApplyRequest { log_id, claims };
        let reply = client.send_json(Method::POST, &path, &[], &request).await?;
        answer = reply.json()?;
    }
    let mut answered = answer.claims.into_iter();
    let applied: Option<Vec<_>> = planned
        .iter()
        .map(|planned| planned.left_out().or_else(|| answered.next()))
        .collect();
    applied.ok_or_else(|| {
        Failure::Failed("the server answered for fewer claims than it was sent".to_owned())
    })
}

fn count(matches: impl Iterator<Item = bool>) -> usize {
    matches.filter(|matches| *matches).count()
}

/// The failure of a run in which any claim was refused; the others were dealt with.
fn refusal(refused: usize, all: usize) -> Result<(), Failure> {
    if refused == 0 {
        return Ok(());
    }
    Err(Failure::Refused(format!(
        "{} of {} refused; their reasons stand beside them",
        output::grouped(refused as u64),
        output::counted(all as u64, "claim was", "claims were")
    )))
}

fn bar(doing: &'static str, claims: usize) -> ProgressBar {
    with_rate(
        ProgressBar::new(claims as u64).with_message(doing),
        "claims",
    )
}

/// A claim as a row: line, program, order, order line, customer, outcome, points, why.
type Row = [String; 8];

const TITLES: [&str; 8] = [
    "line",
    "program",
    "orderId",
    "orderLineId",
    "customerId",
    "outcome",
    "points",
    "why",
];

fn planned_row(planned: &PlannedClaim) -> Row {
    let outcome = match planned.outcome {
        PlannedOutcome::Gives => "gives",
        PlannedOutcome::Registered => "registered",
        PlannedOutcome::Refused => "refused",
        PlannedOutcome::Repeats => "repeats",
    };
    let PlannedClaim {
        claim,
        grants,
        reasons,
        repeats_line,
        ..
    } = planned;
    row(claim, outcome, grants, why(reasons, *repeats_line))
}

fn applied_row(applied: &AppliedClaim) -> Row {
    let outcome = match applied.outcome {
        AppliedOutcome::Given => "given",
        AppliedOutcome::DoneBefore => "done before",
        AppliedOutcome::Refused => "refused",
        AppliedOutcome::Repeats => "repeats",
    };
    let AppliedClaim {
        claim,
        grants,
        reasons,
        repeats_line,
        ..
    } = applied;
    row(claim, outcome, grants, why(reasons, *repeats_line))
}

fn row(claim: &Claim, outcome: &str, grants: &[Grant], why: String) -> Row {
    let points: Vec<String> = grants
        .iter()
        .map(|grant| {
            let id = grant.point_definition_id;
            let definition = grant.point_definition_reference.clone();
            format!(
                "{} {}",
                grant.amount,
                definition.unwrap_or_else(|| id.to_string())
            )
        })
        .collect();
    [
        claim.line.to_string(),
        claim.program.clone(),
        claim.order_id.to_string(),
        claim.order_line_id.to_string(),
        claim.customer_id.to_string(),
        outcome.to_owned(),
        points.join("; "),
        why,
    ]
}

fn why(reasons: &[ClaimReason], repeats_line: Option<u64>) -> String {
    if let Some(line) = repeats_line {
        return format!("says the same as line {line}");
    }
    let reasons: Vec<String> = reasons
        .iter()
        .map(|reason| format!("{}: {}", reason.code, reason.detail))
        .collect();
    reasons.join("; ")
}

fn rows(claims: impl Iterator<Item = Row>) -> impl Iterator<Item = Vec<String>> {
    std::iter::once(TITLES.map(str::to_owned))
        .chain(claims)
        .map(Vec::from)
}

fn table(claims: impl Iterator<Item = Row>) -> Table {
    let mut table = output::table([
        "Line",
        "Program",
        "Order",
        "Order line",
        "Customer",
        "Outcome",
        "Points",
        "Why",
    ]);
    for row in claims {
        table.add_row(row);
    }
    table
}
