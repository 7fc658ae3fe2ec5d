//! Holds answers against the description of the interface.

use axum::http::Method;
use serde_json::Value;

use super::Answer;
use crate::http::problem::PROBLEM_JSON;
use crate::http::{described, operations};

/// The description, and what may be answered by it.
pub struct Conformance {
    openapi: Value,
}

impl Conformance {
    /// What this version describes.
    pub fn of_this_interface() -> Self {
        Self {
            openapi: serde_json::to_value(described(operations("")).1).unwrap(),
        }
    }

    /// The description as JSON.
    pub fn openapi(&self) -> &Value {
        &self.openapi
    }

    /// Every operation: path, method, description.
    pub fn operations(&self) -> Vec<(&str, &str, &Value)> {
        let paths = self.openapi["paths"].as_object().unwrap();
        paths
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().unwrap().iter();
                methods
                    .filter(|(method, _)| *method != "parameters")
                    .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
            })
            .collect()
    }

    /// Panics where the description does not allow an answer. A path that it does not name is no operation's.
    pub fn check(&self, method: &Method, path: &str, answer: &Answer) {
        let method = method.as_str().to_ascii_lowercase();
        // The most literal path is the one that is meant, as for the router.
        let operation = self
            .operations()
            .into_iter()
            .filter(|(template, of_method, _)| matches(template, path) && *of_method == method)
            .min_by_key(|(template, ..)| template.matches('{').count());
        assert_ne!(answer.header("x-correlation-id"), "no header", "{path}");
        let Some((template, _, operation)) = operation else {
            return;
        };
        let place = format!("{method} {template} -> {}", answer.status);
        let response = &operation["responses"][answer.status.to_string()];
        assert!(response.is_object(), "{place} is not described");
        if let Some(headers) = response["headers"].as_object() {
            for name in headers.keys().filter(|name| *name != "Idempotent-Replayed") {
                let name = name.to_ascii_lowercase();
                assert_ne!(answer.header(&name), "no header", "{place}: {name}");
            }
        }
        let Some(content) = response["content"].as_object() else {
            assert_eq!(answer.text, "", "{place} has a body");
            return;
        };
        let media_type = answer.header("content-type");
        let media_type = media_type.split(';').next().unwrap();
        let described = content.get(media_type);
        let described = described.unwrap_or_else(|| panic!("{place}: {media_type}"));
        if answer.status >= 400 {
            assert_eq!(media_type, PROBLEM_JSON, "{place}");
            let codes = response["description"].as_str().unwrap();
            let code = format!("`{}`", answer.code());
            assert!(codes.contains(&code), "{place}: {code} is not described");
        }
        let is_one_value = media_type == "application/json" || media_type == PROBLEM_JSON;
        if is_one_value {
            self.check_value(&described["schema"], &answer.json, &place);
        }
    }

    fn check_value(&self, schema: &Value, value: &Value, place: &str) {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap();
            let named = &self.openapi["components"]["schemas"][name];
            assert!(named.is_object(), "{place}: there is no schema {name}");
            // A problem may have members of its own.
            let is_open = name == "Problem";
            return self.check_object(named, value, is_open, &format!("{place} {name}"));
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            if !value.is_null() {
                let choice = choices.iter().find(|choice| choice["type"] != "null");
                self.check_value(choice.unwrap(), value, place);
            }
            return;
        }
        self.check_object(schema, value, false, place);
    }

    fn check_object(&self, schema: &Value, value: &Value, is_open: bool, place: &str) {
        let types: Vec<&str> = match &schema["type"] {
            Value::String(name) => vec![name],
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let is = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let fits = types.is_empty()
            || types.contains(&is)
            || (is == "integer" && types.contains(&"number"));
        assert!(fits, "{place}: {value} is none of {types:?}");
        if let (Some(known), Value::String(text)) = (schema["enum"].as_array(), value) {
            assert!(known.iter().any(|known| known == text), "{place}: {text}");
        }
        match value {
            Value::Array(items) => {
                for item in items {
                    self.check_value(&schema["items"], item, place);
                }
            }
            Value::Object(fields) => {
                for required in schema["required"].as_array().unwrap_or(&Vec::new()) {
                    let required = required.as_str().unwrap();
                    assert!(fields.contains_key(required), "{place}: no {required}");
                }
                let Some(properties) = schema["properties"].as_object() else {
                    return;
                };
                for (name, field) in fields {
                    match properties.get(name) {
                        Some(property) => {
                            self.check_value(property, field, &format!("{place}.{name}"));
                        }
                        None => assert!(is_open, "{place}: {name} is not described"),
                    }
                }
            }
            _ => {}
        }
    }
}

fn matches(template: &str, path: &str) -> bool {
    let (mut template, mut path) = (template.split('/'), path.split('/'));
    loop {
        match (template.next(), path.next()) {
            (None, None) => return true,
            (Some(part), Some(named)) if part == named => {}
            (Some(part), Some(named)) if part.starts_with('{') && !named.is_empty() => {}
            _ => return false,
        }
    }
}
