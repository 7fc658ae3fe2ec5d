//! An explanation as text: a block for each line, and in it one for each definition.

use std::fmt::{self, Display, Formatter};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cli::output::{self, local_time};

/// Why an order's points are what they are.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderExplanation {
    order_id: String,
    /// Its lines.
    pub lines: Vec<Line>,
    lines_left_out: u64,
}

/// Why a transaction is what it is.
#[derive(Debug, Deserialize)]
pub struct TransactionExplanation {
    transaction: Transaction,
    given: Line,
    now: Line,
}

/// A line, and what came of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    order_line_id: String,
    standing: String,
    price: Option<Money>,
    refunded: Option<Money>,
    events: Vec<Event>,
    events_left_out: u64,
    registrations: Vec<Registration>,
    registrations_left_out: u64,
    definitions: Vec<Definition>,
    definitions_left_out: u64,
}

#[derive(Debug, Deserialize)]
struct Money {
    amount: String,
    currency: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    position: u64,
    id: String,
    #[serde(rename = "type")]
    kind: String,
    time: DateTime<Utc>,
    role: Option<String>,
    refund: Option<Money>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Registration {
    program_id: i64,
    customer_id: String,
    member_id: i64,
    accepted: u64,
    accepted_at: DateTime<Utc>,
    revoked: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Definition {
    program_reference: String,
    program_version: u32,
    point_definition_reference: String,
    trigger: String,
    place: Option<u64>,
    summary: String,
    expressions: Vec<Expression>,
    period: Option<Period>,
    cap: Option<Cap>,
    transactions: Vec<ChainLink>,
    transactions_left_out: u64,
    later_transactions_left_out: u64,
}

#[derive(Debug, Deserialize)]
struct Expression {
    field: String,
    source: String,
    value: Option<String>,
    problem: Option<String>,
    seen: Vec<Seen>,
}

#[derive(Debug, Deserialize)]
struct Seen {
    path: String,
    value: Option<String>,
    problem: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Period {
    id: Option<i64>,
    key: String,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cap {
    amount: Box<RawValue>,
    per: String,
    wanted: Box<RawValue>,
    cut: Box<RawValue>,
    counted_now: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChainLink {
    transaction: Transaction,
    given_by: Option<Event>,
    cancelled_by: Option<Event>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transaction {
    id: i64,
    amount: Box<RawValue>,
    member_id: i64,
    valid_from: DateTime<Utc>,
    expire_at: Option<DateTime<Utc>>,
    cancelled_at: Option<DateTime<Utc>>,
}

impl Display for OrderExplanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "Order {}", self.order_id)?;
        for line in &self.lines {
            write!(f, "\n{line}")?;
        }
        if self.lines_left_out > 0 {
            let more = output::counted(self.lines_left_out, "line is", "lines are");
            writeln!(f, "\n{more} left out; --line tells of one")?;
        }
        Ok(())
    }
}

impl Display for TransactionExplanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            transaction,
            given,
            now,
        } = self;
        writeln!(f, "Transaction {}", transaction.id)?;
        writeln!(f, "\nWhen it was given\n\n{given}")?;
        write!(f, "Now\n\n{now}")
    }
}

impl Display for Line {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Line {}: ", self.order_line_id)?;
        f.write_str(&in_words(&self.standing))?;
        if let Some(price) = &self.price {
            write!(f, ", {price}")?;
        }
        if let Some(refunded) = &self.refunded {
            write!(f, ", of which {refunded} were paid back")?;
        }
        writeln!(f)?;
        left_out(f, "  ", self.events_left_out, "earlier refund")?;
        for event in &self.events {
            let role = event.role.as_deref().map(in_words).unwrap_or_default();
            write!(f, "  {role:<12} {}", event.named())?;
            if let Some(refund) = &event.refund {
                write!(f, ": {refund}")?;
            }
            writeln!(f)?;
        }
        left_out(f, "  ", self.registrations_left_out, "earlier registration")?;
        for registration in &self.registrations {
            writeln!(f, "  {registration}")?;
        }
        for definition in &self.definitions {
            write!(f, "\n{definition}")?;
        }
        if self.definitions_left_out > 0 {
            writeln!(f)?;
        }
        left_out(f, "  ", self.definitions_left_out, "definition")
    }
}

/// A line that says how many of something are left out, if any are.
fn left_out(f: &mut Formatter<'_>, indent: &str, count: u64, noun: &str) -> fmt::Result {
    if count == 0 {
        return Ok(());
    }
    let [one, more] = [format!("{noun} is"), format!("{noun}s are")];
    let what = output::counted(count, &one, &more);
    writeln!(f, "{indent}{what} left out")
}

impl Display for Money {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

impl Display for Registration {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "registered   to customer {} (member {}) in program {} on {}, position {}",
            self.customer_id,
            self.member_id,
            self.program_id,
            local_time(self.accepted_at),
            self.accepted
        )?;
        match self.revoked {
            Some(position) => write!(f, "; taken back at position {position}"),
            None => Ok(()),
        }
    }
}

impl Event {
    /// The event as it is called in running text.
    fn named(&self) -> String {
        format!(
            "{} {} at {}, position {}",
            self.kind,
            self.id,
            local_time(self.time),
            self.position
        )
    }
}

impl Display for Definition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "  {} of {}, version {}, at {}",
            self.point_definition_reference,
            self.program_reference,
            self.program_version,
            self.trigger
        )?;
        match self.place {
            Some(place) => writeln!(f, " (position {place})")?,
            None => writeln!(f)?,
        }
        writeln!(f, "    {}", self.summary)?;
        for expression in &self.expressions {
            let Expression { field, source, .. } = expression;
            let gave = or_problem(expression.value.as_ref(), expression.problem.as_ref());
            writeln!(f, "    {field}: {} → {gave}", one_line(source))?;
            for seen in &expression.seen {
                let value = or_problem(seen.value.as_ref(), seen.problem.as_ref());
                writeln!(f, "      {} = {value}", seen.path)?;
            }
        }
        if let Some(period) = &self.period {
            writeln!(f, "    {period}")?;
        }
        if let Some(cap) = &self.cap {
            writeln!(f, "    {cap}")?;
        }
        left_out(f, "    ", self.transactions_left_out, "earlier transaction")?;
        for link in &self.transactions {
            writeln!(f, "    {link}")?;
        }
        let later = self.later_transactions_left_out;
        left_out(f, "    ", later, "later transaction")
    }
}

impl Display for Period {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.id {
            Some(id) => write!(f, "period: {id}")?,
            None => f.write_str("period: not opened")?,
        }
        if let (Some(from), Some(to)) = (self.from, self.to) {
            write!(f, ", from {} until {}", local_time(from), local_time(to))?;
        }
        if self.key.is_empty() {
            return Ok(());
        }
        write!(f, ", key {}", self.key)
    }
}

impl Display for Cap {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cap: {} per {}; wanted {}, cut off {}",
            output::decimal(&self.amount),
            in_words(&self.per),
            output::decimal(&self.wanted),
            output::decimal(&self.cut)
        )?;
        match &self.counted_now {
            Some(counted) => write!(f, "; {} are counted now", output::decimal(counted)),
            None => Ok(()),
        }
    }
}

impl Display for ChainLink {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Transaction {
            id,
            amount,
            member_id,
            valid_from,
            expire_at,
            cancelled_at,
        } = &self.transaction;
        write!(
            f,
            "transaction {id}: {} to member {member_id} from {}",
            output::decimal(amount),
            local_time(*valid_from)
        )?;
        if let Some(expire_at) = expire_at {
            write!(f, " until {}", local_time(*expire_at))?;
        }
        if let Some(event) = &self.given_by {
            write!(f, "\n      given by {}", event.named())?;
        }
        if let Some(cancelled_at) = cancelled_at {
            write!(f, "\n      cancelled from {}", local_time(*cancelled_at))?;
            if let Some(event) = &self.cancelled_by {
                write!(f, " by {}", event.named())?;
            }
        }
        Ok(())
    }
}

fn or_problem(value: Option<&String>, problem: Option<&String>) -> String {
    match (value, problem) {
        (Some(value), _) => value.clone(),
        (None, Some(problem)) => format!("no value: {problem}"),
        (None, None) => "no value".to_owned(),
    }
}

/// An expression may be written over several lines.
fn one_line(source: &str) -> String {
    source.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A word of the interface for a person: `NOT_CONFIRMED` is "not confirmed".
fn in_words(word: &str) -> String {
    word.to_lowercase().replace('_', " ")
}
