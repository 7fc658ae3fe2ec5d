//! `farelog member status`: what a customer has, over all programs or in one.

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::cli::argument;
use crate::cli::client::{Client, ServerArgs};
use crate::cli::exit::Failure;
use crate::cli::output::{self, Output};

/// Whose status, and when.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// The customer; points of customers that it was merged with are added
    #[arg(long, value_name = "ID")]
    customer: String,
    /// Only this program, by its reference or id
    #[arg(long, value_name = "REF")]
    program: Option<String>,
    /// At this time, past or future: a day (UTC), or a time with its offset from UTC; now when absent
    #[arg(long, value_name = "TIME", value_parser = argument::day_or_time)]
    at: Option<DateTime<Utc>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusBody<'a> {
    customer_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    program_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_at: Option<DateTime<Utc>>,
}

/// A status, as far as a person wants to see it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusView {
    customer_ids: Vec<String>,
    status_at: DateTime<Utc>,
    programs: Vec<ProgramView>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProgramView {
    program_reference: String,
    memberships: Vec<MembershipView>,
    point_definitions: Vec<DefinitionView>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MembershipView {
    member_id: i64,
    status: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DefinitionView {
    #[serde(default)]
    point_definition_reference: Option<String>,
    counting: Box<RawValue>,
    pending: Box<RawValue>,
    #[serde(default)]
    next_expiry: Option<ExpiryView>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExpiryView {
    expire_at: DateTime<Utc>,
    amount: Box<RawValue>,
}

/// Runs the command.
pub async fn run(status: StatusArgs, args: &ServerArgs) -> Result<(), Failure> {
    let client = Client::new(args)?;
    let program_id = match &status.program {
        Some(program) => Some(client.program_id(program).await?),
        None => None,
    };
    let body = StatusBody {
        customer_id: &status.customer,
        program_id,
        status_at: status.at,
    };
    let path = ["personalisation", "v1", "customers", "status"];
    let reply = client.send_json(Method::POST, &path, &[], &body).await?;
    client.close().await?;
    if args.output == Output::Json {
        return output::print(&reply.body);
    }
    let view: StatusView = reply.json()?;
    output::note(format!("at {}", output::local_time(view.status_at)));
    if view.customer_ids.len() > 1 {
        output::note(format!(
            "merged customers: {}",
            view.customer_ids.join(", ")
        ));
    }
    if view.programs.is_empty() {
        output::note(format!(
            "customer {} is and was no member of {}",
            status.customer,
            status.program.as_deref().unwrap_or("any program")
        ));
    }
    output::print(&table(&view.programs).to_string())
}

fn table(programs: &[ProgramView]) -> comfy_table::Table {
    let mut table = output::table([
        "Program",
        "Member",
        "Definition",
        "Counts",
        "Pending",
        "Expires next",
        "Points",
    ]);
    for program in programs {
        let members = program.memberships.iter().map(|member| {
            let status = member.status.to_lowercase();
            format!("{} {status}", member.member_id)
        });
        let members = members.collect::<Vec<_>>().join(", ");
        for definition in &program.point_definitions {
            let next = definition.next_expiry.as_ref();
            table.add_row([
                program.program_reference.clone(),
                members.clone(),
                output::optional(definition.point_definition_reference.as_deref()),
                output::decimal(&definition.counting),
                output::decimal(&definition.pending),
                output::optional_time(next.map(|next| next.expire_at)),
                output::optional(next.map(|next| output::decimal(&next.amount))),
            ]);
        }
    }
    table
}
