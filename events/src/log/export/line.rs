//! The lines of an export, each a CloudEvent in structured mode.

use std::borrow::Cow;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{EXPORT_FORMAT_VERSION, ExportEnd, ExportHeader};
use crate::event::{About, OWN_SOURCE};
use crate::json::JsonText;
use crate::log::{Position, Record, StreamOrigin};

const SPECVERSION: &str = "1.0";
const JSON: &str = "application/json";
const HEADER_TYPE: &str = "LogExport";
const END_TYPE: &str = "LogExportEnd";

/// A line that is not what it should be; says in a sentence why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::log) struct LineProblem(pub(super) String);

impl From<serde_json::Error> for LineProblem {
    fn from(error: serde_json::Error) -> Self {
        let text = error.to_string();
        // The line within the line is always 1.
        let (text, column) = match text.rfind(" at line ") {
            Some(at) => (&text[..at], error.column()),
            None => (&*text, 0),
        };
        Self(format!("{text} (column {column})"))
    }
}

fn problem(text: impl Into<String>) -> LineProblem {
    LineProblem(text.into())
}

/// The line of a record. The attributes stand in the order in which they help a reader.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordLine<'a> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    #[serde(borrow)]
    position: Cow<'a, str>,
    recordedtime: DateTime<Utc>,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    event_type: Cow<'a, str>,
    time: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlationid: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aboutorder: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aboutcustomer: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aboutprogram: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stream: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    streamsequence: Option<Cow<'a, str>>,
    #[serde(borrow)]
    datacontenttype: Cow<'a, str>,
    /// null is data too; serde would take it for none.
    #[serde(
        borrow,
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    data: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data_base64: Option<Cow<'a, str>>,
}

/// A value that is there, be it null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Appends the line of a record.
pub(in crate::log) fn put_record(out: &mut Vec<u8>, record: &Record) {
    let data = record.data.get();
    // Between the values of JSON a line may end, within a line of NDJSON it may not.
    let breaks = data.contains(['\n', '\r']);
    let value = serde_json::from_str(data).ok().filter(|_| !breaks);
    let about_text = |text| Some(Cow::Borrowed(text));
    let (aboutorder, aboutcustomer, aboutprogram) = match &record.about {
        About::Order(id) => (about_text(id.as_str()), None, None),
        About::Customer(id) => (None, about_text(id.as_str()), None),
        About::Program(id) => (None, None, Some(id.to_string().into())),
        About::Nothing => (None, None, None),
    };
    let origin = record.origin.as_ref();
    put(
        out,
        &RecordLine {
            specversion: SPECVERSION.into(),
            position: record.position.to_string().into(),
            recordedtime: record.recorded_at,
            source: (*record.source).into(),
            id: (*record.id).into(),
            event_type: (*record.event_type).into(),
            time: record.time,
            correlationid: record.correlation_id.as_deref().map(Cow::Borrowed),
            aboutorder,
            aboutcustomer,
            aboutprogram,
            stream: origin.map(|origin| Cow::Borrowed(&*origin.stream)),
            streamsequence: origin.map(|origin| origin.sequence.to_string().into()),
            datacontenttype: JSON.into(),
            data: value,
            data_base64: value.is_none().then(|| BASE64_STANDARD.encode(data).into()),
        },
    );
}

/// Reads the line of a record.
pub(in crate::log) fn record(line: &str) -> Result<Record, LineProblem> {
    let line: RecordLine<'_> = serde_json::from_str(line)?;
    check_specversion(&line.specversion)?;
    if line.datacontenttype != JSON {
        return Err(problem(format!("datacontenttype is not {JSON}")));
    }
    let data = match (line.data, line.data_base64) {
        (Some(data), None) => JsonText::from(data),
        (None, Some(base64)) => from_base64(&base64)?,
        (Some(_), Some(_)) => return Err(problem("data and data_base64 stand beside each other")),
        (None, None) => return Err(problem("data is missing")),
    };
    let origin = match (line.stream, line.streamsequence) {
        (Some(stream), Some(sequence)) => Some(StreamOrigin {
            stream: stream.into(),
            sequence: number("streamsequence", &sequence)?,
        }),
        (None, None) => None,
        _ => {
            return Err(problem(
                "stream and streamsequence don't stand beside each other",
            ));
        }
    };
    Ok(Record {
        position: number("position", &line.position)?,
        recorded_at: line.recordedtime,
        origin,
        source: line.source.into(),
        id: line.id.into(),
        event_type: line.event_type.into(),
        time: line.time,
        correlation_id: line.correlationid.map(Into::into),
        about: about(
            line.aboutorder.as_deref(),
            line.aboutcustomer.as_deref(),
            line.aboutprogram.as_deref(),
        )?,
        data,
    })
}

fn about(
    order: Option<&str>,
    customer: Option<&str>,
    program: Option<&str>,
) -> Result<About, LineProblem> {
    let wrong = |name: &str, error: &dyn std::fmt::Display| problem(format!("{name}: {error}"));
    match (order, customer, program) {
        (Some(id), None, None) => id
            .parse()
            .map(About::Order)
            .map_err(|error| wrong("aboutorder", &error)),
        (None, Some(id), None) => id
            .parse()
            .map(About::Customer)
            .map_err(|error| wrong("aboutcustomer", &error)),
        (None, None, Some(id)) => id
            .parse()
            .map(About::Program)
            .map_err(|error| wrong("aboutprogram", &error)),
        (None, None, None) => Ok(About::Nothing),
        _ => Err(problem("it is about more than one thing")),
    }
}

fn number(field: &str, text: &str) -> Result<Position, LineProblem> {
    text.parse()
        .map_err(|_| problem(format!("{field} is not a whole number: {text:?}")))
}

fn from_base64(base64: &str) -> Result<JsonText, LineProblem> {
    BASE64_STANDARD
        .decode(base64)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| JsonText::new(&text).ok())
        .ok_or_else(|| problem("data_base64 does not hold JSON"))
}

fn check_specversion(specversion: &str) -> Result<(), LineProblem> {
    if specversion == SPECVERSION {
        Ok(())
    } else {
        Err(problem(format!("specversion is not {SPECVERSION}")))
    }
}

/// The first and the last line.
#[derive(Serialize, Deserialize)]
struct FrameLine<'a, T> {
    specversion: Cow<'a, str>,
    source: Cow<'a, str>,
    id: Cow<'a, str>,
    #[serde(rename = "type")]
    event_type: Cow<'a, str>,
    datacontenttype: Cow<'a, str>,
    data: T,
}

/// The first line of an export.
pub(super) fn header(header: &ExportHeader) -> Vec<u8> {
    frame(HEADER_TYPE, header.log_id, header)
}

/// The last line of an export.
pub(super) fn end(end: &ExportEnd, log_id: Uuid) -> Vec<u8> {
    frame(END_TYPE, log_id, end)
}

fn frame<T: Serialize>(event_type: &str, log_id: Uuid, data: T) -> Vec<u8> {
    let mut out = Vec::new();
    put(
        &mut out,
        &FrameLine {
            specversion: SPECVERSION.into(),
            source: OWN_SOURCE.into(),
            id: log_id.to_string().into(),
            event_type: event_type.into(),
            datacontenttype: JSON.into(),
            data,
        },
    );
    out
}

/// Reads the first line of an export. A newer form is told from a line that is wrong.
pub(super) fn read_header(line: &str) -> Result<ExportHeader, LineProblem> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Versioned {
        format_version: u32,
    }
    let Versioned {
        format_version: found,
    } = read_frame(HEADER_TYPE, line)?;
    if found > EXPORT_FORMAT_VERSION {
        return Err(problem(format!(
            "the export has form {found}, this farelog knows up to {EXPORT_FORMAT_VERSION}; use the farelog that wrote \
             it, or a newer one"
        )));
    }
    read_frame(HEADER_TYPE, line)
}

/// Reads the last line of an export.
pub(super) fn read_end(line: &str) -> Result<ExportEnd, LineProblem> {
    read_frame(END_TYPE, line)
}

fn read_frame<T: DeserializeOwned>(event_type: &str, line: &str) -> Result<T, LineProblem> {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(borrow, rename = "type")]
        event_type: Option<Cow<'a, str>>,
    }
    let typed: Typed<'_> = serde_json::from_str(line)?;
    if typed.event_type.as_deref() != Some(event_type) {
        return Err(problem(format!(
            "a line of type {event_type} is expected here"
        )));
    }
    let frame: FrameLine<'_, T> = serde_json::from_str(line)?;
    check_specversion(&frame.specversion)?;
    Ok(frame.data)
}

/// Appends a value as a line.
fn put<T: Serialize>(out: &mut Vec<u8>, value: &T) {
    // A vector takes every byte, and all of these values are JSON.
    let written = serde_json::to_writer(&mut *out, value);
    debug_assert!(written.is_ok());
    out.push(b'\n');
}
