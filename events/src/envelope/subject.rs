//! What an event is about where its type does not tell: by the names in its data, then by the NATS subject.

use std::str::FromStr;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::event::About;
use crate::id::OrderId;

/// The names that are looked for in data of an unknown type, each as it came: one that is malformed is passed over,
/// since nobody said that the publisher means by it what farelog does.
#[derive(Deserialize)]
struct Names<'a> {
    #[serde(borrow, rename = "orderId")]
    order: Option<&'a RawValue>,
    #[serde(borrow, rename = "customerId")]
    customer: Option<&'a RawValue>,
    #[serde(borrow, rename = "programId")]
    program: Option<&'a RawValue>,
}

/// What an event of an unknown type is about: the order, customer or program that its data names, else the order in
/// the subject.
pub(super) fn about(data: &str, subject: &str) -> About {
    named_in_data(data)
        .or_else(|| order_in_subject(subject).map(About::Order))
        .unwrap_or(About::Nothing)
}

fn named_in_data(data: &str) -> Option<About> {
    let names = names(data)?;
    id(names.order)
        .map(About::Order)
        .or_else(|| id(names.customer).map(About::Customer))
        .or_else(|| id(names.program).map(About::Program))
}

/// The order that the data names, if it can be told.
pub(super) fn order_in_data(data: &str) -> Option<OrderId> {
    id(names(data)?.order)
}

/// The names in an object; no other value has any, though serde would take a list for one, its fields by position.
fn names(data: &str) -> Option<Names<'_>> {
    if !data.starts_with('{') {
        return None;
    }
    serde_json::from_str(data).ok()
}

/// The order of a subject `orders.<orderId>`.
pub(super) fn order_in_subject(subject: &str) -> Option<OrderId> {
    OrderId::from_str(subject.strip_prefix("orders.")?).ok()
}

/// The subject that an event about this is published on; `None` for one that is about nothing.
pub(super) fn of(about: &About) -> Option<String> {
    match about {
        About::Order(id) => Some(format!("orders.{id}")),
        About::Customer(id) => Some(format!("members.{id}")),
        About::Program(id) => Some(format!("programs.{id}")),
        About::Nothing => None,
    }
}

fn id<'a, T: Deserialize<'a>>(json: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(json?.get()).ok()
}
