//! Bodies: a CloudEvent in structured mode, and a domain event.

use std::borrow::Cow;
use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_128;

use super::attribute::{check_specversion, checked, kind, text, time, timestamp};
use super::{
    CORRELATION_ID_BYTES_MAX, EVENT_ID_BYTES_MAX, Envelope, SOURCE_BYTES_MAX, TYPE_BYTES_MAX,
    Unreadable, header, json,
};
use crate::dead_letter::RawMessage;
use crate::json::wording;

/// The fields of both forms that a body can have, each as it came: one pass finds them, and each is read only by
/// the form that has it. A field that is null counts as absent.
#[derive(Deserialize)]
pub(super) struct Body<'a> {
    #[serde(borrow)]
    specversion: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    event_type: Option<&'a RawValue>,
    #[serde(borrow)]
    time: Option<&'a RawValue>,
    #[serde(borrow, rename = "correlationid")]
    correlation_extension: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    data_base64: Option<&'a RawValue>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow, rename = "correlationId")]
    correlation_id: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
}

impl<'a> Body<'a> {
    /// Reads a body that must be a JSON object.
    pub(super) fn parse(body: &'a str) -> Result<Self, Unreadable> {
        if !body.trim_ascii_start().starts_with('{') {
            let json = json::parse_raw(body)?;
            return Err(Unreadable::not_readable(format!(
                "the message is {}, an event is a JSON object",
                kind(json)
            )));
        }
        serde_json::from_str(body).map_err(|error| json::not_json(&error))
    }

    /// Whether the body itself says that it is a CloudEvent.
    pub(super) fn is_cloud_event(&self) -> bool {
        self.specversion.is_some()
    }

    /// The envelope of the form that the body has.
    pub(super) fn into_envelope(
        self,
        body: &'a str,
        message: &'a RawMessage,
    ) -> Result<Envelope<'a>, Unreadable> {
        if self.is_cloud_event() {
            return self.into_cloud_event();
        }
        if self.event.is_none() && self.data.is_some() {
            self.event_type()?;
            return Err(Unreadable::field("specversion", "is missing"));
        }
        let id = match header::find(&message.headers, "nats-msg-id") {
            Some(id) if !id.is_empty() => Cow::Borrowed(id),
            _ => Cow::Owned(digest(body)),
        };
        self.into_domain_event(id, Cow::Borrowed(&message.subject))
    }

    /// The envelope of a CloudEvent in structured mode.
    pub(super) fn into_cloud_event(self) -> Result<Envelope<'a>, Unreadable> {
        let event_type = self.event_type()?;
        let specversion = required("specversion", self.specversion)?;
        check_specversion("specversion", &text("specversion", specversion)?)?;
        let id = text("id", required("id", self.id)?)?;
        let source = text("source", required("source", self.source)?)?;
        let time = match self.time {
            Some(json) => Some(time("time", &text("time", json)?)?),
            None => None,
        };
        Ok(Envelope {
            id: checked("id", id, EVENT_ID_BYTES_MAX)?,
            source: checked("source", source, SOURCE_BYTES_MAX)?,
            event_type,
            time,
            correlation_id: correlation("correlationid", self.correlation_extension)?,
            data: match (self.data, self.data_base64) {
                (Some(_), Some(_)) => {
                    return Err(Unreadable::field(
                        "data_base64",
                        "stands beside data, send one of them",
                    ));
                }
                (Some(data), None) => Cow::Borrowed(data),
                (None, Some(base64)) => Cow::Owned(from_base64(&text("data_base64", base64)?)?),
                (None, None) => Cow::Borrowed(RawValue::NULL),
            },
            data_place: Cow::Borrowed("data"),
        })
    }

    /// The envelope of a domain event. Its id and source are not in the body.
    pub(super) fn into_domain_event(
        self,
        id: Cow<'a, str>,
        source: Cow<'a, str>,
    ) -> Result<Envelope<'a>, Unreadable> {
        let event_type = self.event_type()?;
        let event = required("event", self.event)?;
        let ClassAndData { class, data } = ClassAndData::parse(event)?;
        let time = match self.timestamp {
            Some(json) => Some(timestamp("timestamp", json)?),
            None => None,
        };
        Ok(Envelope {
            id: checked("Nats-Msg-Id", id, EVENT_ID_BYTES_MAX)?,
            source: checked("subject", source, SOURCE_BYTES_MAX)?,
            event_type,
            time,
            correlation_id: correlation("correlationId", self.correlation_id)?,
            data: Cow::Borrowed(data),
            data_place: Cow::Owned(format!("event.{class}")),
        })
    }

    fn event_type(&self) -> Result<Cow<'a, str>, Unreadable> {
        let Some(json) = self.event_type else {
            return Err(Unreadable::no_type("type"));
        };
        let event_type = text("type", json)?;
        if event_type.is_empty() {
            return Err(Unreadable::no_type("type"));
        }
        checked("type", event_type, TYPE_BYTES_MAX)
    }
}

/// The id of a domain event that came without one: the same bytes have the same id, now and in any later version.
pub(super) fn digest(body: &str) -> String {
    format!("{:032x}", xxh3_128(body.as_bytes()))
}

/// The data within a body, as far as it can be told: to name the order of a message that is no event.
pub(super) fn data_of_unreadable<'a>(
    body: &'a str,
    headers: &[(String, String)],
) -> Option<Cow<'a, str>> {
    if matches!(header::mode(headers), Ok(header::Mode::Binary(_))) {
        return Some(Cow::Borrowed(body));
    }
    let body = Body::parse(body).ok()?;
    if let Some(event) = body.event {
        let data = ClassAndData::parse(event).ok()?.data;
        return Some(Cow::Borrowed(data.get()));
    }
    if let Some(base64) = body.data_base64 {
        let data = from_base64(&text("data_base64", base64).ok()?).ok()?;
        return Some(Cow::Owned(data.get().to_owned()));
    }
    body.data.map(|data| Cow::Borrowed(data.get()))
}

fn required<'a>(field: &str, json: Option<&'a RawValue>) -> Result<&'a RawValue, Unreadable> {
    json.ok_or_else(|| Unreadable::field(field, "is missing"))
}

fn correlation<'a>(
    field: &str,
    json: Option<&'a RawValue>,
) -> Result<Option<Cow<'a, str>>, Unreadable> {
    let Some(json) = json else { return Ok(None) };
    let id = text(field, json)?;
    if id.is_empty() {
        return Ok(None);
    }
    checked(field, id, CORRELATION_ID_BYTES_MAX).map(Some)
}

fn from_base64(base64: &str) -> Result<Box<RawValue>, Unreadable> {
    let bytes = BASE64_STANDARD.decode(base64).map_err(|_| {
        Unreadable::field(
            "data_base64",
            "must be base64 with its padding, like e30= (RFC 4648, section 4)",
        )
    })?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Unreadable::field("data_base64", "does not decode to UTF-8 text"))?;
    // By reference first: that takes white space around the value away.
    serde_json::from_str::<&RawValue>(&text)
        .map(ToOwned::to_owned)
        .map_err(|error| {
            Unreadable::field(
                "data_base64",
                format_args!("does not decode to JSON: {}", wording::not_json(&error)),
            )
        })
}

/// What stands in `event`: `{"<ClassName>": {…}}`.
struct ClassAndData<'a> {
    class: Cow<'a, str>,
    data: &'a RawValue,
}

impl<'a> ClassAndData<'a> {
    fn parse(event: &'a RawValue) -> Result<Self, Unreadable> {
        if !event.get().starts_with('{') {
            return Err(Unreadable::field(
                "event",
                format_args!(
                    "must be an object with the event's class name in it, not {}",
                    kind(event)
                ),
            ));
        }
        let OneEntry(entry) = serde_json::from_str(event.get())
            .map_err(|_| Unreadable::field("event", "must name one class"))?;
        let (class, data) = entry.ok_or_else(|| {
            Unreadable::field("event", "must name one class with the event's data in it")
        })?;
        Ok(Self {
            class: checked("event", class, TYPE_BYTES_MAX)?,
            data,
        })
    }
}

/// The entry of a JSON object that has exactly one; `None` when it has none or several.
struct OneEntry<'a>(Option<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for OneEntry<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = OneEntry<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OneEntry<'de>, A::Error> {
                let mut entry = None;
                let mut count = 0;
                while let Some(next) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    count += 1;
                    entry = Some((next.0.0, next.1));
                }
                Ok(OneEntry(entry.filter(|_| count == 1)))
            }
        }

        #[derive(Deserialize)]
        struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

        deserializer.deserialize_map(Entries)
    }
}
