//! The report of a simulation, as the server answers it and as it is shown.

use comfy_table::Table;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cli::output;

/// The report. Amounts are shown as they came, digit for digit.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    position: u64,
    stands_from: u64,
    programs: Vec<Program>,
    totals: Totals,
    winners: Vec<Member>,
    losers: Vec<Member>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Program {
    #[serde(rename = "programId")]
    id: i64,
    reference: String,
    is_published: bool,
    members: u64,
    definitions: Vec<Definition>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Definition {
    point_definition_id: i64,
    point_definition_reference: Option<String>,
    published: Figures,
    candidate: Figures,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    members: u64,
    transactions: u64,
    points_given: Box<RawValue>,
    points_live: Box<RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Totals {
    published: Figures,
    candidates: Figures,
    members_with_more: u64,
    members_with_less: u64,
    rule_errors_published: u64,
    rule_errors_candidates: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Member {
    program_id: i64,
    #[serde(rename = "memberId")]
    id: i64,
    customer_id: Option<String>,
    published: Box<RawValue>,
    candidate: Box<RawValue>,
    difference: Box<RawValue>,
}

impl Report {
    /// What a person should know besides the figures.
    pub fn notes(&self) -> Vec<String> {
        let records = output::counted(self.position, "record", "records");
        let mut notes = vec![match self.stands_from {
            1 => format!("{records} gone through; the candidates stand from the first on"),
            from if from > self.position => format!(
                "{records} gone through; all were recorded before the candidates stand, so nothing differs"
            ),
            from => format!(
                "{records} gone through; the candidates stand from position {} on",
                output::grouped(from)
            ),
        }];
        for program in &self.programs {
            let Program { id, reference, .. } = program;
            notes.push(if program.is_published {
                let members = output::counted(program.members, "member", "members");
                format!("program {reference} ({id}) has {members}")
            } else {
                format!(
                    "there is no program with the id {id} ({reference}), so the candidate has no members and gives nothing; \
                     to try it with another program's members, give a copy of it that program's id"
                )
            });
        }
        notes
    }
}

/// What stood before and what would, in one cell where they are the same.
fn change(published: &str, candidate: &str) -> String {
    if published == candidate {
        published.to_owned()
    } else {
        format!("{published} → {candidate}")
    }
}

impl Figures {
    fn given(&self) -> String {
        output::decimal(&self.points_given)
    }

    fn live(&self) -> String {
        output::decimal(&self.points_live)
    }

    /// Members, transactions, points given and live.
    fn changes(&self, candidate: &Self) -> [String; 4] {
        [
            change(
                &output::grouped(self.members),
                &output::grouped(candidate.members),
            ),
            change(
                &output::grouped(self.transactions),
                &output::grouped(candidate.transactions),
            ),
            change(&self.given(), &candidate.given()),
            change(&self.live(), &candidate.live()),
        ]
    }

    fn columns(&self, candidate: &Self) -> [String; 8] {
        [
            self.members.to_string(),
            candidate.members.to_string(),
            self.transactions.to_string(),
            candidate.transactions.to_string(),
            self.given(),
            candidate.given(),
            self.live(),
            candidate.live(),
        ]
    }
}

/// The report for a person: what stands → what would.
pub fn tables(report: &Report) -> String {
    let mut parts = vec![
        definitions(report).to_string(),
        totals(&report.totals).to_string(),
    ];
    for (title, members) in [
        ("Most more", &report.winners),
        ("Most less", &report.losers),
    ] {
        if !members.is_empty() {
            parts.push(format!("{title}:\n{}", named(members)));
        }
    }
    parts.join("\n")
}

fn definitions(report: &Report) -> Table {
    let mut table = output::table([
        "Program",
        "Definition",
        "Members with any",
        "Transactions",
        "Points given",
        "Points live",
    ]);
    for program in &report.programs {
        for definition in &program.definitions {
            let id = definition.point_definition_id;
            let name = definition.point_definition_reference.clone();
            let [members, transactions, given, live] =
                definition.published.changes(&definition.candidate);
            table.add_row([
                format!("{} ({})", program.reference, program.id),
                name.unwrap_or_else(|| id.to_string()),
                members,
                transactions,
                given,
                live,
            ]);
        }
    }
    let [members, transactions, given, live] =
        report.totals.published.changes(&report.totals.candidates);
    table.add_row([
        "all".to_owned(),
        String::new(),
        members,
        transactions,
        given,
        live,
    ]);
    table
}

fn totals(totals: &Totals) -> Table {
    output::properties([
        (
            "Members with more",
            Some(output::grouped(totals.members_with_more)),
        ),
        (
            "Members with less",
            Some(output::grouped(totals.members_with_less)),
        ),
        (
            "Rule errors",
            Some(change(
                &output::grouped(totals.rule_errors_published),
                &output::grouped(totals.rule_errors_candidates),
            )),
        ),
    ])
}

fn named(members: &[Member]) -> Table {
    let mut table = output::table(["Customer", "Member", "Program", "Points live", "Difference"]);
    for member in members {
        table.add_row([
            output::optional(member.customer_id.clone()),
            member.id.to_string(),
            member.program_id.to_string(),
            change(
                &output::decimal(&member.published),
                &output::decimal(&member.candidate),
            ),
            output::decimal(&member.difference),
        ]);
    }
    table
}

/// The report for a spreadsheet: a row for each definition, one for all of them, and one for each member who is named;
/// `kind` says which it is.
pub fn rows(report: &Report) -> Vec<Vec<String>> {
    let text = |names: &[&str]| {
        names
            .iter()
            .map(|&name| name.to_owned())
            .collect::<Vec<_>>()
    };
    let mut rows = vec![text(&[
        "kind",
        "programId",
        "definition",
        "customerId",
        "memberId",
        "membersPublished",
        "membersCandidate",
        "transactionsPublished",
        "transactionsCandidate",
        "pointsGivenPublished",
        "pointsGivenCandidate",
        "pointsLivePublished",
        "pointsLiveCandidate",
    ])];
    for program in &report.programs {
        for definition in &program.definitions {
            let id = definition.point_definition_id;
            let name = definition.point_definition_reference.clone();
            let mut row = text(&["definition", &program.id.to_string()]);
            row.push(name.unwrap_or_else(|| id.to_string()));
            row.extend(text(&["", ""]));
            row.extend(definition.published.columns(&definition.candidate));
            rows.push(row);
        }
    }
    let mut all = text(&["total", "", "", "", ""]);
    all.extend(report.totals.published.columns(&report.totals.candidates));
    rows.push(all);
    for (kind, members) in [("more", &report.winners), ("less", &report.losers)] {
        for member in members {
            let customer = member.customer_id.as_deref().unwrap_or_default();
            let mut row = text(&[kind, &member.program_id.to_string(), "", customer]);
            row.push(member.id.to_string());
            row.extend(text(&["", "", "", "", "", ""]));
            row.push(output::decimal(&member.published));
            row.push(output::decimal(&member.candidate));
            rows.push(row);
        }
    }
    rows
}
