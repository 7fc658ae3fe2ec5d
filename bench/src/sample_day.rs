//! The events that are measured with: the sample day over and over, each day with orders, customers and event ids of
//! its own. The same messages come out on every machine.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, bail};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use farelog_events::envelope;
use regex::bytes::Regex;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Days with customers of their own, who become members then. After these the first ones come again.
const DAYS_OF_CUSTOMERS: u64 = 1_000;

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it is published.
    pub subject: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub payload: Bytes,
}

/// The sample day, ready to be repeated.
pub struct SampleDay {
    programs: Vec<Message>,
    messages: Vec<Template>,
    /// Places in `messages` of what is about members: left out on days whose customers are members already.
    members: HashSet<usize>,
    names: Names,
    /// `(order, line)` of each line that was added, as in the sample.
    lines: Vec<(String, String)>,
    /// A customer of the sample who is a member, with the program.
    members_of: Vec<(i64, String)>,
}

impl SampleDay {
    /// Reads `day.ndjson` and `programs/` in a directory.
    ///
    /// # Errors
    /// A file is missing or is no sample.
    pub fn load(directory: &Path) -> anyhow::Result<Self> {
        let file = directory.join("day.ndjson");
        let text = fs::read_to_string(&file)
            .with_context(|| format!("{} can't be read", file.display()))?;
        let names = Names::of(&text)?;
        let mut day = Self {
            programs: programs(&directory.join("programs"))?,
            messages: Vec::new(),
            members: HashSet::new(),
            lines: Vec::new(),
            members_of: Vec::new(),
            names,
        };
        for line in text.lines() {
            let message = read(line).with_context(|| format!("{line} is no message"))?;
            if message.subject.starts_with("members.") {
                day.members.insert(day.messages.len());
            }
            day.note(&message.payload);
            day.messages.push(Template::of(message, &day.names));
        }
        Ok(day)
    }

    /// Remembers lines and members.
    fn note(&mut self, payload: &[u8]) {
        let Ok(event) = serde_json::from_slice::<Value>(payload) else {
            return;
        };
        let data = event.get("data").unwrap_or(&event);
        let text = |name: &str| data[name].as_str().map(str::to_owned);
        if data.get("fareProducts").is_some()
            && let (Some(order), Some(line)) = (text("orderId"), text("orderLineId"))
        {
            self.lines.push((order, line));
        }
        let is_enrolment = event["type"]
            .as_str()
            .is_some_and(|name| name.ends_with("MemberEnrolled"));
        if is_enrolment
            && let (Some(program), Some(customer)) =
                (data["programId"].as_i64(), text("customerId"))
        {
            self.members_of.push((program, customer));
        }
    }

    /// All messages without an end, from the first: the programs, then day after day.
    pub fn messages(&self) -> impl Iterator<Item = Message> + Send + '_ {
        let days = (0..).flat_map(|day| {
            let place = Day::number(day);
            self.templates(day).map(move |template| template.on(&place))
        });
        self.programs.iter().cloned().chain(days)
    }

    fn templates(&self, day: u64) -> impl Iterator<Item = &Template> {
        let with_members = day < DAYS_OF_CUSTOMERS;
        self.messages
            .iter()
            .enumerate()
            .filter(move |(place, _)| with_members || !self.members.contains(place))
            .map(|(_, template)| template)
    }

    /// How many days are whole within the first messages, so many.
    pub fn whole_days(&self, messages: u64) -> u64 {
        let mut left = messages.saturating_sub(self.programs.len() as u64);
        (0..)
            .take_while(|&day| {
                let length = self.templates(day).count() as u64;
                let fits = length <= left;
                left = left.saturating_sub(length);
                fits
            })
            .count() as u64
    }

    /// The lines of a day, with their orders.
    pub fn lines(&self, day: u64) -> impl Iterator<Item = (String, String)> + '_ {
        let place = Day::number(day);
        self.lines.iter().map(move |(order, line)| {
            let renamed = |name: &str| Template::text(name, &self.names).text_on(&place);
            (renamed(order), renamed(line))
        })
    }

    /// Customers of a day who enrolled in a program.
    pub fn members(&self, program: i64, day: u64) -> impl Iterator<Item = String> + '_ {
        let place = Day::number(day);
        self.members_of
            .iter()
            .filter(move |(of, _)| *of == program)
            .map(move |(_, customer)| Template::text(customer, &self.names).text_on(&place))
    }
}

/// What names of a day end with.
struct Day {
    order: String,
    customer: String,
}

impl Day {
    fn number(day: u64) -> Self {
        Self {
            order: format!("{day:05}"),
            customer: format!("{:03}", day % DAYS_OF_CUSTOMERS),
        }
    }
}

/// The names in the sample that differ from day to day.
struct Names {
    orders: HashSet<Vec<u8>>,
    customers: HashSet<Vec<u8>>,
    any: Regex,
}

/// How a name is changed.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// The day's number is put behind it.
    Order,
    /// The number of the day's customers is put behind it.
    Customer,
    /// Its end is replaced by the day's number.
    Event,
}

impl Names {
    fn of(text: &str) -> anyhow::Result<Self> {
        let found = |pattern: &str| -> anyhow::Result<HashSet<Vec<u8>>> {
            let pattern = Regex::new(pattern)?;
            let names = pattern.captures_iter(text.as_bytes());
            Ok(names.map(|found| found[1].to_vec()).collect())
        };
        Ok(Self {
            orders: found(r#"(?:orders\.|sale-|"orderId":")([A-Z0-9]{8})\b"#)?,
            customers: found(r#""(?:customerId|mergedIntoCustomerId)":"([0-9]{7})""#)?,
            any: Regex::new(
                r"\b(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[A-Z0-9]{8}|[0-9]{7})\b",
            )?,
        })
    }

    /// Where names stand in a text, and how each changes.
    fn places(&self, text: &[u8]) -> Vec<(Range<usize>, Change)> {
        let changes = self.any.find_iter(text).filter_map(|name| {
            let change = match name.len() {
                8 => self
                    .orders
                    .contains(name.as_bytes())
                    .then_some(Change::Order),
                7 => self
                    .customers
                    .contains(name.as_bytes())
                    .then_some(Change::Customer),
                _ => Some(Change::Event),
            };
            Some((name.range(), change?))
        });
        changes.collect()
    }
}

/// A message with places for names.
struct Template {
    subject: Pattern,
    headers: Vec<(String, Pattern)>,
    payload: Pattern,
}

impl Template {
    fn of(message: Message, names: &Names) -> Self {
        let pattern = |text: &[u8]| Pattern::new(text, names);
        Self {
            subject: pattern(message.subject.as_bytes()),
            headers: message
                .headers
                .into_iter()
                .map(|(name, value)| (name, pattern(value.as_bytes())))
                .collect(),
            payload: pattern(&message.payload),
        }
    }

    fn text(text: &str, names: &Names) -> Pattern {
        Pattern::new(text.as_bytes(), names)
    }

    fn on(&self, day: &Day) -> Message {
        Message {
            subject: self.subject.text_on(day),
            headers: self
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), value.text_on(day)))
                .collect(),
            payload: self.payload.on(day).into(),
        }
    }
}

/// A text with places for names: parts that stay, each followed by a change.
struct Pattern {
    parts: Vec<(Vec<u8>, Change)>,
    rest: Vec<u8>,
}

impl Pattern {
    fn new(text: &[u8], names: &Names) -> Self {
        let mut parts = Vec::new();
        let mut from = 0;
        for (name, change) in names.places(text) {
            let kept = match change {
                Change::Order | Change::Customer => name.end,
                // As many as a day's number has.
                Change::Event => name.end - 5,
            };
            parts.push((text[from..kept].to_vec(), change));
            from = name.end;
        }
        Self {
            parts,
            rest: text[from..].to_vec(),
        }
    }

    fn on(&self, day: &Day) -> Vec<u8> {
        let length: usize = self.parts.iter().map(|(part, _)| part.len() + 5).sum();
        let mut text = Vec::with_capacity(length + self.rest.len());
        for (part, change) in &self.parts {
            text.extend_from_slice(part);
            text.extend_from_slice(match change {
                Change::Order | Change::Event => day.order.as_bytes(),
                Change::Customer => day.customer.as_bytes(),
            });
        }
        text.extend_from_slice(&self.rest);
        text
    }

    fn text_on(&self, day: &Day) -> String {
        String::from_utf8_lossy(&self.on(day)).into_owned()
    }
}

/// A line that is spelt out as a message, as `farelog publish` takes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SpeltOut<'a> {
    subject: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    body_base64: Option<String>,
}

fn read(line: &str) -> anyhow::Result<Message> {
    if let Ok(spelt_out) = serde_json::from_str::<SpeltOut>(line) {
        let payload = match (spelt_out.body, spelt_out.body_base64) {
            // Of a string its text is sent: a body that is no JSON.
            (Some(body), None) => serde_json::from_str::<String>(body.get()).map_or_else(
                |_| Bytes::copy_from_slice(body.get().as_bytes()),
                Bytes::from,
            ),
            (None, Some(base64)) => BASE64_STANDARD.decode(base64)?.into(),
            _ => bail!("it has no body, or two"),
        };
        return Ok(Message {
            subject: spelt_out.subject,
            headers: spelt_out.headers.into_iter().collect(),
            payload,
        });
    }
    let outgoing = envelope::from_line(line)?;
    Ok(Message {
        subject: outgoing.subject,
        headers: outgoing
            .headers
            .into_iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
        payload: outgoing.payload,
    })
}

/// The sample programs, as messages that publish them.
fn programs(directory: &Path) -> anyhow::Result<Vec<Message>> {
    let files: Result<Vec<_>, _> = fs::read_dir(directory)
        .with_context(|| format!("{} can't be read", directory.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect();
    let mut files = files?;
    files.sort();
    let messages = files.iter().map(|file| {
        let document: toml::Value = toml::from_str(&fs::read_to_string(file)?)?;
        let program = json_of(document);
        let event = json!({
            "specversion": "1.0", "id": format!("program-{}", program["id"]), "source": "/loyalty",
            "type": "ProgramPublished", "time": "2026-01-01T00:00:00Z", "data": {"program": program},
        });
        read(&event.to_string()).with_context(|| format!("{} is no program", file.display()))
    });
    messages.collect()
}

fn json_of(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(values) => values.into_iter().map(json_of).collect(),
        toml::Value::Table(table) => table
            .into_iter()
            .map(|(name, value)| (name, json_of(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}
