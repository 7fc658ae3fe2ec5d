//! The bounds of parameters and fields, for the description: what a name stands for is the same wherever it stands.
//!
//! A test asks every operation for values at these bounds and beyond them.

use farelog_events::id::{ID_CHARS_MAX, NUMERIC_ID_MAX};
use serde_json::Value;
use utoipa::Number;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    ArrayItems, KnownFormat, Object, Schema, SchemaFormat, SchemaType, Type,
};

use super::dead_letters::{STATE_DEFAULT, STATES};
use super::position::{WAIT_DEFAULT_MS, WAIT_MAX_MS};
use super::query::{PAGE_MAX, PER_PAGE_DEFAULT, PER_PAGE_MAX};
use super::rebuild::PROJECTIONS;

/// Ids of orders, order lines and customers.
const TEXT_IDS: [&str; 4] = ["orderId", "orderLineId", "orderLineIds", "customerId"];
/// What an id of an order, an order line or a customer is made of.
const ID_PATTERN: &str = "^[A-Za-z0-9_:-]+$";

/// Describes a parameter of this name.
pub fn describe_parameter(name: &str, schema: &mut Schema) {
    describe(name, schema);
    let Schema::Object(object) = schema else {
        return;
    };
    match name {
        "page" => set_range(object, 1, PAGE_MAX, 1),
        "perPage" => set_range(object, 1, PER_PAGE_MAX, PER_PAGE_DEFAULT),
        "timeoutMs" => set_range(object, 0, WAIT_MAX_MS, WAIT_DEFAULT_MS),
        "dryRun" => object.default = Some(Value::Bool(false)),
        "state" => set_choice(object, &STATES, STATE_DEFAULT),
        "projection" => set_choice(object, &PROJECTIONS, PROJECTIONS[0]),
        _ => {}
    }
}

/// Describes a field of this name.
pub fn describe(name: &str, schema: &mut Schema) {
    match schema {
        Schema::Object(object) if is(object, &Type::String) && TEXT_IDS.contains(&name) => {
            object.min_length = Some(1);
            object.max_length = Some(ID_CHARS_MAX);
            object.pattern = Some(ID_PATTERN.to_owned());
        }
        // The items of a list are what its name says.
        Schema::Array(list) => {
            if let ArrayItems::RefOrSchema(items) = &mut list.items
                && let RefOr::T(items) = items.as_mut()
            {
                describe(name, items);
            }
        }
        Schema::Object(object) if is(object, &Type::Integer) => match name {
            "id"
            | "programId"
            | "memberId"
            | "organisationId"
            | "pointDefinitionId"
            | "organisationsWithAccess" => {
                object.minimum = Some(Number::from(1));
                object.maximum = Some(Number::from(NUMERIC_ID_MAX));
            }
            "minStreamSequence" | "minPosition" | "fromPosition" | "number" => {
                object.minimum = Some(Number::from(0));
                object.format = Some(SchemaFormat::KnownFormat(KnownFormat::Int64));
            }
            _ => {}
        },
        _ => {}
    }
}

fn is(object: &Object, wanted: &Type) -> bool {
    match &object.schema_type {
        SchemaType::Type(is) => is == wanted,
        SchemaType::Array(each) => each.contains(wanted),
        SchemaType::AnyValue => false,
    }
}

/// What an operation says itself of its range stays.
fn set_range(object: &mut Object, minimum: u64, maximum: u64, default: u64) {
    object.minimum = Some(Number::from(minimum));
    object.maximum.get_or_insert(Number::from(maximum));
    object.default = Some(default.into());
}

fn set_choice(object: &mut Object, choices: &[&str], default: &str) {
    object.enum_values = Some(choices.iter().map(|choice| Value::from(*choice)).collect());
    object.default = Some(default.into());
}
