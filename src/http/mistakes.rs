//! Every mistake of a body at once.
//!
//! A type is read up to the first mistake. So that a client hears of all, each is mended in a copy, which is read again:
//! what is not known goes, and what is missing or malformed goes or gets a value that its type takes.

use farelog_events::json::{self, JsonError, JsonFault, path};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Most mistakes that are looked for, and the largest body, in bytes, in which they are: each costs several readings.
const MISTAKES_MAX: usize = 20;
const BODY_BYTES_MAX: usize = 16 * 1024;

/// All mistakes of a body that is no `T`, of which the first is known.
pub fn all<T: DeserializeOwned>(text: &str, first: JsonError) -> Vec<JsonError> {
    let mut mistakes = vec![first];
    if text.len() > BODY_BYTES_MAX {
        return mistakes;
    }
    let Ok(mut body) = serde_json::from_str::<Value>(text) else {
        return mistakes;
    };
    while let Some(last) = mistakes.last()
        && let Some(next) = mend::<T>(&mut body, last)
        && mistakes.len() < MISTAKES_MAX
    {
        let Err(next) = next else { break };
        // One that can't be mended hides the rest.
        if mistakes.iter().any(|known| known.field == next.field) {
            break;
        }
        mistakes.push(next);
    }
    mistakes
}

/// Takes a mistake out of a body; gives what the body reads as then. `None` where no value is known that mends it.
fn mend<T: DeserializeOwned>(
    body: &mut Value,
    mistake: &JsonError,
) -> Option<Result<(), JsonError>> {
    let replacements = match mistake.fault {
        JsonFault::NotJson(_) => return None,
        JsonFault::Unknown => vec![None],
        JsonFault::Missing | JsonFault::Malformed(_) => replacements(),
    };
    replacements.into_iter().find_map(|replacement| {
        let mut mended = body.clone();
        path::put(&mut mended, &mistake.field, replacement)?;
        let read = json::read::<T>(&mended.to_string()).map(|_| ());
        let is_mended = match &read {
            Ok(()) => true,
            Err(next) => !is_within(&next.field, &mistake.field),
        };
        is_mended.then(|| {
            *body = mended;
            read
        })
    })
}

/// What may mend a field: a value of one of the kinds that bodies have, or else to leave it out. That stands last, for what
/// must be there would only be missed behind the next mistake.
fn replacements() -> Vec<Option<Value>> {
    let time = "2026-01-31T12:00:00Z";
    let uuid = "00000000-0000-4000-8000-000000000000";
    let values = [
        json!("1"),
        json!(1),
        json!(true),
        json!([]),
        json!({}),
        json!(time),
        json!(uuid),
    ];
    values.map(Some).into_iter().chain([None]).collect()
}

fn is_within(field: &str, place: &str) -> bool {
    field
        .strip_prefix(place)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use farelog_events::id::OrderId;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Body {
        order_id: OrderId,
        lines: Vec<OrderId>,
        at: DateTime<Utc>,
        number: Option<u32>,
        card: Card,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Card {
        activate: bool,
    }

    fn fields(body: &Value) -> Vec<String> {
        let text = body.to_string();
        let Err(first) = json::read::<Body>(&text) else {
            return Vec::new();
        };
        let mut fields: Vec<String> = all::<Body>(&text, first)
            .into_iter()
            .map(|e| e.field)
            .collect();
        fields.sort();
        fields
    }

    fn good() -> Value {
        json!({"orderId": "O1", "lines": ["L1"], "at": "2026-01-01T00:00:00Z", "card": {"activate": true}})
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        assert_eq!(fields(&good()), [""; 0]);
        assert_eq!(fields(&json!({})), ["at", "card", "lines", "orderId"]);
        let mut many = good();
        many["orderId"] = json!("a b");
        many["lines"] = json!(["L1", 7]);
        many["number"] = json!("many");
        many["card"] = json!({"activate": "yes", "colour": "red"});
        many["orderID"] = json!("O1");
        let expected = [
            "card.activate",
            "card.colour",
            "lines[1]",
            "number",
            "orderID",
            "orderId",
        ];
        assert_eq!(fields(&many), expected);
    }

    #[test]
    fn what_can_not_be_mended_is_told_itself() {
        assert_eq!(fields(&json!([])), [""]);
        let mut odd = good();
        odd["a.b"] = json!(1);
        assert_eq!(fields(&odd), ["a.b"]);
        let mut large = json!({});
        large["orderId"] = json!("x".repeat(BODY_BYTES_MAX));
        assert_eq!(fields(&large).len(), 1);
    }

    #[test]
    fn as_many_mistakes_are_told_as_are_looked_for() {
        let mut many = good();
        for number in 0..=MISTAKES_MAX {
            many[format!("x{number}")] = json!(1);
        }
        assert_eq!(fields(&many).len(), MISTAKES_MAX);
    }
}
