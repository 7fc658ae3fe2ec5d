//! Values at the bounds that the description names, and beyond them, sent to every operation.

use axum::http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{PER_TEN, Site};

/// Values that a schema admits, at its bounds, and values that it does not.
#[derive(Debug, Default)]
struct Probes {
    admitted: Vec<Value>,
    refused: Vec<Value>,
}

impl Probes {
    fn of(schema: &Value) -> Self {
        let mut probes = Self::default();
        let has = |name: &str| schema["type"] == name || types(schema).contains(&name);
        if let Some(choices) = schema["enum"].as_array() {
            probes.admitted = choices.clone();
            probes.refused = vec![json!("no-such-choice")];
        } else if has("boolean") {
            probes.admitted = vec![json!(true), json!(false)];
            probes.refused = vec![json!("yes")];
        } else if has("integer") {
            let [least, most] = ["minimum", "maximum"].map(|bound| schema[bound].as_i64());
            probes.admitted.extend(least.map(Value::from));
            probes.admitted.extend(most.map(Value::from));
            let beyond = [least.map(|least| least - 1), most.map(|most| most + 1)];
            probes.refused = beyond.into_iter().flatten().map(Value::from).collect();
            probes.refused.extend([json!("x"), json!("1.5")]);
        } else if has("string") && schema["format"] == "date-time" {
            probes.admitted = vec![json!("2026-01-31T12:00:00+01:00")];
            probes.refused = vec![json!("2026-01-31"), json!("31.1.2026")];
        } else if has("string") {
            let of_length = |length: u64| Value::from("1".repeat(usize::try_from(length).unwrap()));
            let [least, most] = ["minLength", "maxLength"].map(|bound| schema[bound].as_u64());
            probes.admitted.extend(least.map(of_length));
            probes.admitted.extend(most.map(of_length));
            let beyond = [least.map(|least| least - 1), most.map(|most| most + 1)];
            probes.refused = beyond.into_iter().flatten().map(of_length).collect();
            let has_pattern = schema["pattern"].is_string();
            probes.refused.extend(has_pattern.then(|| json!("æ b")));
        }
        probes
    }
}

fn types(schema: &Value) -> Vec<&str> {
    let names = schema["type"].as_array();
    names
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// Text as it stands in an address.
fn text(value: &Value) -> String {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string()
}

/// The description with its references followed.
struct Description(Value);

impl Description {
    fn follow<'d>(&'d self, schema: &'d Value) -> &'d Value {
        let schema = match schema["oneOf"].as_array() {
            Some(choices) => choices
                .iter()
                .find(|choice| choice["type"] != "null")
                .unwrap(),
            None => schema,
        };
        match schema["$ref"].as_str() {
            Some(reference) => {
                &self.0["components"]["schemas"][reference.rsplit('/').next().unwrap()]
            }
            None => schema,
        }
    }

    /// A value of a schema, with every field that there is.
    fn sample(&self, schema: &Value) -> Value {
        let schema = self.follow(schema);
        let has = |name: &str| schema["type"] == name || types(schema).contains(&name);
        if let Some(choices) = schema["enum"].as_array() {
            choices[0].clone()
        } else if let Some(fields) = schema["properties"].as_object() {
            let fields = fields.iter();
            fields
                .map(|(name, field)| (name.clone(), self.sample(field)))
                .collect()
        } else if has("array") {
            json!([self.sample(&schema["items"])])
        } else if has("integer") || has("number") {
            json!(1)
        } else if has("boolean") {
            json!(true)
        } else if schema["format"] == "date-time" {
            json!("2026-01-31T12:00:00Z")
        } else if schema["format"] == "uuid" {
            json!("00000000-0000-4000-8000-000000000000")
        } else if has("string") {
            json!("1")
        } else {
            json!({})
        }
    }

    /// Every way to break a bound within a value of a schema: the path of the field, and the value that breaks it.
    fn broken(&self, schema: &Value, path: &str) -> Vec<(String, String, Value)> {
        let schema = self.follow(schema);
        let within = |name: &str| match path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        let mut broken = Vec::new();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let path = within(name);
            let field = self.follow(field);
            let of_field = Probes::of(field).refused;
            let pointer = format!("/{}", path.replace(['.', '['], "/").replace(']', ""));
            broken.extend(
                of_field
                    .into_iter()
                    .map(|value| (path.clone(), pointer.clone(), value)),
            );
            for (bound, more) in [("minItems", 0), ("maxItems", 1)] {
                if let Some(items) = field[bound].as_u64() {
                    let length = if more == 0 { items - 1 } else { items + 1 };
                    let item = self.sample(&field["items"]);
                    let list = (0..length).map(|_| item.clone()).collect();
                    broken.push((path.clone(), pointer.clone(), list));
                }
            }
            broken.extend(self.broken(field, &path));
            if field["items"].is_object() {
                broken.extend(self.broken(&field["items"], &format!("{path}[0]")));
                let items = Probes::of(self.follow(&field["items"])).refused.into_iter();
                broken.extend(
                    items.map(|value| (format!("{path}[0]"), format!("{pointer}/0"), value)),
                );
            }
        }
        broken
    }
}

/// The address of an operation with `1` for everything that has to be named, but for one parameter.
fn address(path: &str, operation: &Value, named: &str, value: &str) -> String {
    let mut path = path.to_owned();
    let mut query = Vec::new();
    for parameter in operation["parameters"].as_array().unwrap() {
        let name = parameter["name"].as_str().unwrap();
        let value = if name == named { value } else { "1" };
        match parameter["in"].as_str().unwrap() {
            "path" => path = path.replace(&format!("{{{name}}}"), value),
            "query" if name == named || parameter["required"] == true => {
                query.push(format!("{name}={value}"));
            }
            // Not to wait, and to be within the reach of a search by page.
            "query" if name == "timeoutMs" => query.push("timeoutMs=0".to_owned()),
            "query" if name == "perPage" => query.push("perPage=1".to_owned()),
            _ => {}
        }
    }
    format!("{path}?{}", query.join("&"))
}

#[tokio::test]
async fn every_parameter_is_bounded_as_it_is_described() {
    let site = Site::open();
    let description = Description(site.conformance.openapi().clone());
    let mut asked = 0;
    for (path, method, operation) in site.conformance.operations() {
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        let body = description.sample(body);
        let ask = async |named: &str, value: &Value| {
            let method: Method = method.to_ascii_uppercase().parse().unwrap();
            let address = address(path, operation, named, &text(value));
            let json = [("content-type", "application/json")];
            let headers = if body == json!({}) { &json[..0] } else { &json };
            let body = if headers.is_empty() {
                String::new()
            } else {
                body.to_string()
            };
            site.ask(method, &address, headers, &body).await
        };
        for parameter in operation["parameters"].as_array().unwrap() {
            let name = parameter["name"].as_str().unwrap();
            // An empty segment of a path is another path.
            let is_possible = |value: &Value| parameter["in"] != "path" || value != "";
            if parameter["in"] == "header" {
                continue;
            }
            let probes = Probes::of(&parameter["schema"]);
            for value in probes.admitted {
                let answer = ask(name, &value).await;
                let wrong = answer.wrong();
                let is_wrong =
                    answer.status == 400 && wrong.iter().any(|(field, _)| *field == name);
                assert!(!is_wrong, "{method} {path} {name}={value}: {wrong:?}");
                asked += 1;
            }
            for value in probes.refused.into_iter().filter(is_possible) {
                let answer = ask(name, &value).await;
                let is_named = answer.wrong().iter().any(|(field, _)| *field == name);
                assert!(
                    answer.status == 400 && is_named,
                    "{method} {path} {name}={value}: {answer:?}"
                );
                asked += 1;
            }
        }
    }
    assert!(asked > 400, "{asked}");
}

#[tokio::test]
async fn every_field_of_a_body_is_bounded_as_it_is_described() {
    let site = Site::open();
    site.publish_program(1, &PER_TEN.replace("id = 11\n", "id = 1\n"))
        .await;
    let description = Description(site.conformance.openapi().clone());
    let mut asked = 0;
    for (path, method, operation) in site.conformance.operations() {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let sample = description.sample(schema);
        let method: Method = method.to_ascii_uppercase().parse().unwrap();
        // A program is checked by rules of its own, which say more than a schema can.
        if sample == json!({}) || method == Method::PUT {
            continue;
        }
        let address = address(path, operation, "", "");
        for (field, pointer, value) in description.broken(schema, "") {
            let mut body = sample.clone();
            *body.pointer_mut(&pointer).unwrap() = value;
            let answer = site.json(method.clone(), &address, &body).await;
            let is_named = answer.wrong().iter().any(|(named, _)| *named == field);
            assert!(
                answer.status == 400 && is_named,
                "{path} {field}: {body}: {answer:?}"
            );
            asked += 1;
        }
    }
    assert!(asked > 60, "{asked}");
}

#[tokio::test]
async fn a_program_is_read_as_it_is_described() {
    let site = Site::open();
    let description = Description(site.conformance.openapi().clone());
    let program = &description.0["components"]["schemas"]["Program"];
    let path = "/personalisation/v1/programs/1";
    // The fields are all there and no others; what stands in them is for the rules to say.
    let sample = description.sample(program);
    let answer = site.json(Method::PUT, path, &sample).await;
    let of_form = ["unknown-field", "missing-field"];
    let wrong = answer.wrong();
    assert!(
        wrong.iter().all(|(_, code)| !of_form.contains(code)),
        "{wrong:?}"
    );
    let mut whole = sample;
    whole["tables"] = json!({ "points": { "a": 1, "b": "x", "c": true } });
    whole["timezone"] = json!("Europe/Oslo");
    whole["registration"]["window"] = json!("P90D");
    let definition = &mut whole["pointDefinitions"][0];
    definition["when"] = json!("true");
    definition["customer"] = json!("line.customerId");
    definition["validFrom"] = json!("trigger.time");
    definition["expiry"] = json!({ "kind": "DURATION", "after": "P30D" });
    definition["period"] = json!({ "kind": "ROLLING_FROM_FIRST", "length": "P30D", "key": "1" });
    let answer = site.json(Method::PUT, path, &whole).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(site.get(path).await.json, answer.json);
}
