//! Headers: which form an envelope has, and the attributes of a CloudEvent in binary mode.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::value::RawValue;

use super::attribute::{check_specversion, checked, time};
use super::{
    CORRELATION_ID_BYTES_MAX, EVENT_ID_BYTES_MAX, Envelope, SOURCE_BYTES_MAX, TYPE_BYTES_MAX,
    Unreadable, json,
};

/// A header of a message: its name and its value.
type Header = (String, String);

/// What the headers say of the envelope's form.
pub(super) enum Mode<'a> {
    /// A CloudEvent whose attributes are headers.
    Binary(BinaryAttributes<'a>),
    /// A CloudEvent whole in the body.
    Structured,
    /// Nothing; the body tells.
    InBody,
}

/// Tells the form by the headers. The media type counts before `ce-` headers do (CloudEvents, HTTP binding, section
/// 3, which the NATS binding follows).
pub(super) fn mode(headers: &[Header]) -> Result<Mode<'_>, Unreadable> {
    if let Some(content_type) = find(headers, "content-type") {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        match strip_prefix_ignoring_case(media_type, "application/cloudevents") {
            Some(format) if format.is_empty() || format.eq_ignore_ascii_case("+json") => {
                return Ok(Mode::Structured);
            }
            Some(_) => {
                let shown: String = media_type.chars().take(64).collect();
                return Err(Unreadable::not_readable(format!(
                    "content-type: {shown:?} is not understood, send application/cloudevents+json"
                )));
            }
            None => {}
        }
    }
    let mut attributes = BinaryAttributes::default();
    let mut any = false;
    for (name, value) in headers {
        if let Some(attribute) = strip_prefix_ignoring_case(name, "ce-") {
            any |= attributes.set(attribute, value)?;
        }
    }
    Ok(if any {
        Mode::Binary(attributes)
    } else {
        Mode::InBody
    })
}

/// The value of a header by its name in any case.
pub(super) fn find<'a>(headers: &'a [Header], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// How many bytes headers take in a NATS message: the version line, a line each, and an empty line.
pub(super) fn wire_bytes<T: AsRef<str>>(headers: &[(T, T)]) -> usize {
    if headers.is_empty() {
        return 0;
    }
    let lines: usize = headers
        .iter()
        .map(|(name, value)| name.as_ref().len() + ": ".len() + value.as_ref().len() + "\r\n".len())
        .sum();
    "NATS/1.0\r\n".len() + lines + "\r\n".len()
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// The attributes of a CloudEvent in binary mode, as their headers have them.
#[derive(Default)]
pub(super) struct BinaryAttributes<'a> {
    specversion: Option<&'a str>,
    id: Option<&'a str>,
    source: Option<&'a str>,
    event_type: Option<&'a str>,
    time: Option<&'a str>,
    correlation_id: Option<&'a str>,
}

impl<'a> BinaryAttributes<'a> {
    /// Takes a header in; false for an attribute that farelog has no use for.
    fn set(&mut self, attribute: &str, value: &'a str) -> Result<bool, Unreadable> {
        let slots = [
            ("specversion", &mut self.specversion),
            ("id", &mut self.id),
            ("source", &mut self.source),
            ("type", &mut self.event_type),
            ("time", &mut self.time),
            ("correlationid", &mut self.correlation_id),
        ];
        for (name, slot) in slots {
            if attribute.eq_ignore_ascii_case(name) {
                // Which of two would count must not depend on the order in which a client hands headers out.
                if slot.replace(value).is_some_and(|other| other != value) {
                    return Err(Unreadable::field(
                        &format!("ce-{name}"),
                        "stands twice with different values",
                    ));
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The envelope of these attributes around a body that is the data.
    pub(super) fn into_envelope(self, body: &'a str) -> Result<Envelope<'a>, Unreadable> {
        let event_type = match self.event_type {
            Some(value) if !value.is_empty() => decoded("ce-type", value)?,
            _ => return Err(Unreadable::no_type("ce-type")),
        };
        check_specversion(
            "ce-specversion",
            required("ce-specversion", self.specversion)?,
        )?;
        let id = decoded("ce-id", required("ce-id", self.id)?)?;
        let source = decoded("ce-source", required("ce-source", self.source)?)?;
        let correlation_id = match self.correlation_id {
            Some(value) if !value.is_empty() => Some(checked(
                "ce-correlationid",
                decoded("ce-correlationid", value)?,
                CORRELATION_ID_BYTES_MAX,
            )?),
            _ => None,
        };
        let data = if body.is_empty() {
            RawValue::NULL
        } else {
            json::parse_raw(body)?
        };
        Ok(Envelope {
            id: checked("ce-id", id, EVENT_ID_BYTES_MAX)?,
            source: checked("ce-source", source, SOURCE_BYTES_MAX)?,
            event_type: checked("ce-type", event_type, TYPE_BYTES_MAX)?,
            time: match self.time {
                Some(value) => Some(time("ce-time", &decoded("ce-time", value)?)?),
                None => None,
            },
            correlation_id,
            data: Cow::<RawValue>::Borrowed(data),
            data_place: Cow::Borrowed("data"),
        })
    }
}

fn required<'a>(field: &str, value: Option<&'a str>) -> Result<&'a str, Unreadable> {
    value.ok_or_else(|| Unreadable::field(field, "is missing"))
}

/// A header's value as the attribute's: out of double quotes, then percent-decoded once (CloudEvents, HTTP binding,
/// section 3.1.3.2). A percent sign that begins no escape stands for itself.
fn decoded<'a>(field: &str, value: &'a str) -> Result<Cow<'a, str>, Unreadable> {
    let unquoted = unquoted(value);
    let decode = |text: &str| {
        percent_decode_str(text)
            .decode_utf8()
            .map(Cow::into_owned)
            .map_err(|_| Unreadable::field(field, "has percent escapes that are not UTF-8"))
    };
    match unquoted {
        Cow::Borrowed(text) if !text.contains('%') => Ok(Cow::Borrowed(text)),
        text => decode(&text).map(Cow::Owned),
    }
}

fn unquoted(value: &str) -> Cow<'_, str> {
    let Some(inner) = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return Cow::Borrowed(value);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        text.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    Cow::Owned(text)
}
