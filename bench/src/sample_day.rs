//! The events that are measured with: the sample day over and over, each day with orders, customers and event ids of
//! its own. The same messages come out on every machine.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use farelog_events::envelope;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::names::{DAYS_OF_CUSTOMERS, Day, Names, Pattern};

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
        self.programs.iter().cloned().chain(self.days(0))
    }

    /// All messages behind the first ones, so many.
    pub fn messages_behind(&self, skipped: u64) -> impl Iterator<Item = Message> + Send + '_ {
        let days = self.whole_days(skipped);
        let before: u64 = (0..days).map(|day| self.length(day)).sum();
        let programs = self.programs.iter().cloned();
        let (programs, rest) = match skipped.checked_sub(self.programs.len() as u64) {
            Some(of_days) => (programs.skip(self.programs.len()), of_days - before),
            None => (
                programs.skip(usize::try_from(skipped).unwrap_or(usize::MAX)),
                0,
            ),
        };
        let rest = usize::try_from(rest).unwrap_or(usize::MAX);
        programs.chain(self.days(days).skip(rest))
    }

    fn days(&self, first: u64) -> impl Iterator<Item = Message> + Send + '_ {
        (first..).flat_map(|day| {
            let place = Day::number(day);
            self.templates(day).map(move |template| template.on(&place))
        })
    }

    fn templates(&self, day: u64) -> impl Iterator<Item = &Template> {
        let with_members = day < DAYS_OF_CUSTOMERS;
        self.messages
            .iter()
            .enumerate()
            .filter(move |(place, _)| with_members || !self.members.contains(place))
            .map(|(_, template)| template)
    }

    /// How many messages a day has.
    fn length(&self, day: u64) -> u64 {
        let without = if day < DAYS_OF_CUSTOMERS {
            0
        } else {
            self.members.len()
        };
        (self.messages.len() - without) as u64
    }

    /// How many days are whole within the first messages, so many.
    pub fn whole_days(&self, messages: u64) -> u64 {
        let mut left = messages.saturating_sub(self.programs.len() as u64);
        let mut days = 0;
        loop {
            let length = self.length(days).max(1);
            if length > left {
                return days;
            }
            left -= length;
            days += 1;
        }
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

#[cfg(test)]
mod tests {
    use regex::bytes::Regex;

    use super::*;

    fn day() -> SampleDay {
        SampleDay::load(Path::new("../samples")).unwrap()
    }

    #[test]
    fn each_day_has_orders_customers_and_event_ids_of_its_own() {
        let day = day();
        let length = day.messages.len();
        let messages: Vec<Message> = day
            .messages()
            .skip(day.programs.len())
            .take(2 * length)
            .collect();
        let (first, second) = messages.split_at(length);
        let orders = |messages: &[Message]| -> HashSet<String> {
            messages
                .iter()
                .map(|message| message.subject.clone())
                .collect()
        };
        assert!(orders(first).is_disjoint(&orders(second)));
        let event_ids = Regex::new(r#""id":"([0-9a-f-]{36})""#).unwrap();
        let ids = |messages: &[Message]| -> HashSet<Vec<u8>> {
            let found = messages
                .iter()
                .flat_map(|message| event_ids.captures_iter(&message.payload));
            found.map(|id| id[1].to_vec()).collect()
        };
        assert!(!ids(first).is_empty());
        assert!(ids(first).is_disjoint(&ids(second)));
    }

    #[test]
    fn what_is_behind_some_messages_is_what_comes_after_them() {
        let day = day();
        for skipped in [0, 3, 4, 1_900, 5_000] {
            let place = usize::try_from(skipped).unwrap();
            let next: Vec<Message> = day.messages_behind(skipped).take(5).collect();
            assert_eq!(next, day.messages().skip(place).take(5).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_day_is_whole_when_its_last_message_is_there() {
        let day = day();
        let length = (day.programs.len() + day.messages.len()) as u64;
        assert_eq!(day.whole_days(length - 1), 0);
        assert_eq!(day.whole_days(length), 1);
    }

    #[test]
    fn members_enrol_once() {
        let day = day();
        let later: Vec<&Template> = day.templates(DAYS_OF_CUSTOMERS).collect();
        assert_eq!(later.len(), day.messages.len() - day.members.len());
    }
}
