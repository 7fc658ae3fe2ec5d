//! `farelog member`: members of a program.

mod status;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use farelog_events::id::OrganisationId;
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::client::{Client, PageArgs, Paged, ServerArgs};
use super::exit::Failure;
use super::output::{self, Output};
use super::transaction::{self, TransactionView};
use status::StatusArgs;

/// What to do with members.
#[derive(Debug, clap::Subcommand)]
pub enum MemberCommand {
    /// Makes a customer a member; one who is a member already stays one
    #[command(
        after_help = "Example:\n  farelog member enroll --program points-per-krone --customer 2000002 \\\n    --external-reference R-500102 --metadata level=GOLD"
    )]
    Enroll {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        kept: Kept,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Changes what is kept about a member; what is not named stays
    #[command(
        after_help = "Example:\n  farelog member update --program points-per-krone --customer 2000002 --metadata level=SILVER"
    )]
    Update {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        kept: Kept,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Ends a membership; the points that were given stay
    #[command(
        after_help = "Example:\n  farelog member withdraw --program points-per-krone --customer 2000002"
    )]
    Withdraw {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Shows a member's points, newest first
    #[command(
        after_help = "Example:\n  farelog member transactions --program points-per-krone --customer 2000001"
    )]
    Transactions {
        #[command(flatten)]
        who: Who,
        /// Only those of this order
        #[arg(long, value_name = "ID")]
        order: Option<String>,
        #[command(flatten)]
        page: PageArgs,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Shows what a customer has at a time: what counts, what is pending, what expires next
    #[command(
        after_help = "Examples:\n  farelog member status --customer 2000001\n  farelog member status --customer 2000001 --program points-per-krone --at 2026-03-01T00:00:00+01:00"
    )]
    Status {
        #[command(flatten)]
        status: StatusArgs,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Lists the members of a program
    #[command(
        after_help = "Examples:\n  farelog member list --program points-per-krone\n  farelog member list --program 11 --customer 2000001 --output json"
    )]
    List {
        /// The program's reference or id
        #[arg(long, value_name = "REF")]
        program: String,
        /// Only this customer
        #[arg(long, value_name = "ID")]
        customer: Option<String>,
        #[command(flatten)]
        page: PageArgs,
        #[command(flatten)]
        server: ServerArgs,
    },
}

/// A customer and a program.
#[derive(Debug, clap::Args)]
pub struct Who {
    /// The program's reference or id
    #[arg(long, value_name = "REF")]
    program: String,
    /// The customer
    #[arg(long, value_name = "ID")]
    customer: String,
}

/// What is kept about a member.
#[derive(Debug, clap::Args)]
pub struct Kept {
    /// The member's number in another system
    #[arg(long, value_name = "NUMBER")]
    external_reference: Option<String>,
    /// The organisation that enrols the customer
    #[arg(long, value_name = "ID")]
    organisation: Option<OrganisationId>,
    /// Something that the program's expressions see as member.metadata; may stand several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    metadata: Vec<(String, Value)>,
}

/// A value that reads as JSON is that, anything else is a text.
fn key_and_value(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text
        .split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .ok_or("write it as KEY=VALUE")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((key.to_owned(), value))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MembershipBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organisation_id: Option<OrganisationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<BTreeMap<String, Value>>,
}

impl Kept {
    fn is_nothing(&self) -> bool {
        self.external_reference.is_none() && self.organisation.is_none() && self.metadata.is_empty()
    }

    fn into_body(self, customer_id: Option<&str>) -> MembershipBody<'_> {
        MembershipBody {
            customer_id,
            external_reference: self.external_reference,
            organisation_id: self.organisation,
            metadata: (!self.metadata.is_empty()).then(|| self.metadata.into_iter().collect()),
        }
    }
}

/// A member, as the server shows it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MemberView {
    id: i64,
    customer_id: String,
    #[serde(default)]
    external_reference: Option<String>,
    status: String,
    #[serde(default)]
    enrolled_at: Option<DateTime<Utc>>,
    #[serde(default)]
    withdrawn_at: Option<DateTime<Utc>>,
    #[serde(default)]
    metadata: Option<serde_json::Map<String, Value>>,
}

/// Runs the command.
pub async fn run(command: MemberCommand) -> Result<(), Failure> {
    match command {
        MemberCommand::Enroll { who, kept, server } => enroll(&who, kept, &server).await,
        MemberCommand::Update { who, kept, server } => update(&who, kept, &server).await,
        MemberCommand::Withdraw { who, server } => withdraw(&who, &server).await,
        MemberCommand::Transactions {
            who,
            order,
            page,
            server,
        } => transactions(&who, order.as_deref(), &page, &server).await,
        MemberCommand::Status { status, server } => status::run(status, &server).await,
        MemberCommand::List {
            program,
            customer,
            page,
            server,
        } => list(&program, customer.as_deref(), &page, &server).await,
    }
}

async fn enroll(who: &Who, kept: Kept, args: &ServerArgs) -> Result<(), Failure> {
    let client = Client::new(args)?;
    let program = client.program_id(&who.program).await?;
    let body = kept.into_body(Some(&who.customer));
    let reply = client
        .send_json(Method::POST, &members_of(&program), &[], &body)
        .await?;
    client.close().await?;
    if reply.status != StatusCode::CREATED {
        output::note(format!(
            "customer {} was a member already; nothing was changed",
            who.customer
        ));
    }
    show(&reply.body, reply.json()?, args.output)
}

async fn update(who: &Who, kept: Kept, args: &ServerArgs) -> Result<(), Failure> {
    if kept.is_nothing() {
        return Err(Failure::Usage(
            "nothing is to be changed; give at least one of --external-reference, --organisation and --metadata"
                .to_owned(),
        ));
    }
    let client = Client::new(args)?;
    let program = client.program_id(&who.program).await?;
    let member = find(&client, &program, who).await?.id.to_string();
    let reply = client
        .send_json(
            Method::PATCH,
            &[members_of(&program).as_slice(), &[&member]].concat(),
            &[],
            &kept.into_body(None),
        )
        .await?;
    client.close().await?;
    show(&reply.body, reply.json()?, args.output)
}

async fn withdraw(who: &Who, args: &ServerArgs) -> Result<(), Failure> {
    let client = Client::new(args)?;
    let program = client.program_id(&who.program).await?;
    let member = find(&client, &program, who).await?.id.to_string();
    let path = [members_of(&program).as_slice(), &[&member]].concat();
    client.act(Method::DELETE, &path).await?;
    let reply = client.get(&path, &[]).await?;
    client.close().await?;
    show(&reply.body, reply.json()?, args.output)
}

async fn transactions(
    who: &Who,
    order: Option<&str>,
    page: &PageArgs,
    args: &ServerArgs,
) -> Result<(), Failure> {
    let client = Client::new(args)?;
    let program = client.program_id(&who.program).await?;
    let member = find(&client, &program, who).await?.id.to_string();
    let mut query = page.query();
    query.extend(order.map(|order| ("orderId", order.to_owned())));
    let path = [members_of(&program).as_slice(), &[&member, "transactions"]].concat();
    let reply = client.get(&path, &query).await?;
    client.close().await?;
    if args.output == Output::Json {
        return output::print(&reply.body);
    }
    let transactions: Paged<TransactionView> = reply.json()?;
    if let Some(more) = transactions.more(page.page) {
        output::note(more);
    }
    output::print(&transaction::table(&transactions.items).to_string())
}

async fn list(
    program: &str,
    customer: Option<&str>,
    page: &PageArgs,
    args: &ServerArgs,
) -> Result<(), Failure> {
    let client = Client::new(args)?;
    let program = client.program_id(program).await?;
    let mut query = page.query();
    query.extend(customer.map(|customer| ("customerId", customer.to_owned())));
    let reply = client.get(&members_of(&program), &query).await?;
    client.close().await?;
    if args.output == Output::Json {
        return output::print(&reply.body);
    }
    let members: Paged<MemberView> = reply.json()?;
    if let Some(more) = members.more(page.page) {
        output::note(more);
    }
    output::print(&table(&members.items).to_string())
}

fn members_of(program: &str) -> [&str; 5] {
    ["personalisation", "v1", "programs", program, "members"]
}

async fn find(client: &Client, program: &str, who: &Who) -> Result<MemberView, Failure> {
    let members: Paged<MemberView> = client
        .get(
            &members_of(program),
            &[("customerId", who.customer.clone())],
        )
        .await?
        .json()?;
    members.items.into_iter().next().ok_or_else(|| {
        Failure::Failed(format!(
            "customer {} is no member of the program {}; enrol the customer with `farelog member enroll`",
            who.customer, who.program
        ))
    })
}

fn show(json: &str, member: MemberView, output: Output) -> Result<(), Failure> {
    match output {
        Output::Json => output::print(json),
        Output::Table => output::print(&table(&[member]).to_string()),
    }
}

fn table(members: &[MemberView]) -> comfy_table::Table {
    let mut table = output::table([
        "Member",
        "Customer",
        "Status",
        "Enrolled",
        "Withdrawn",
        "Reference",
        "Metadata",
    ]);
    for member in members {
        let metadata = member.metadata.iter().flatten();
        let metadata: Vec<String> = metadata
            .map(|(key, value)| match value {
                Value::String(text) => format!("{key}={text}"),
                other => format!("{key}={other}"),
            })
            .collect();
        table.add_row([
            member.id.to_string(),
            member.customer_id.clone(),
            member.status.to_lowercase(),
            output::optional_time(member.enrolled_at),
            output::optional_time(member.withdrawn_at),
            output::optional(member.external_reference.as_deref()),
            metadata.join(" "),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    #[tokio::test]
    async fn an_update_that_changes_nothing_is_wrong_usage() {
        let line = "farelog member update --program reis --customer C1";
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let Command::Member(command) = cli.command else {
            panic!("another command");
        };
        let refused = run(command).await.unwrap_err();
        assert!(matches!(refused, Failure::Usage(_)), "{refused:?}");
    }

    #[test]
    fn metadata_is_json_where_it_reads_as_such_and_text_otherwise() {
        assert_eq!(
            key_and_value("level=GOLD"),
            Ok(("level".into(), "GOLD".into()))
        );
        assert_eq!(key_and_value("age=41"), Ok(("age".into(), 41.into())));
        assert_eq!(key_and_value("note=a=b"), Ok(("note".into(), "a=b".into())));
        assert!(key_and_value("level").is_err());
        assert!(key_and_value("=GOLD").is_err());
    }
}
