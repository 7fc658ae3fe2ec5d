//! What expressions see: order, line, trigger, member, program and tables (domain, section 2).
//!
//! Names have the fields of section 1 of the domain; an absent one is null, unknown ones stand under `extra`. The
//! values of an order and its line are made once per line and serve every definition of every program.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use cel::common::types::{CelBool, CelList};
use cel::common::value::Val;
use chrono::{DateTime, Utc};
use farelog_events::id::{CustomerId, OrderId};
use farelog_events::money::Money;
use farelog_events::order::{DistributionDetails, FareProduct, OrderCreated, OrderLine, Travel};
use serde_json::value::RawValue;

use super::document::Program;
use super::meter::Meter;
use super::value::{
    Anything, Fields, Key, Owned, Step, entries_from_json, from_json, int, or_null, text, time,
};
use crate::member::MemberChange;
use crate::order::state::Confirmation;
use crate::order::{OrderState, TriggerKind};

/// Fields of an order, as expressions see them.
const ORDER_FIELDS: &[&str] = &[
    "orderId",
    "orderVersion",
    "organisationId",
    "distributionChannelId",
    "pos",
    "customerId",
    "currency",
    // Carries organisationId and pos in the domain-event envelope.
    "meta",
];

/// Fields of a line.
const LINE_FIELDS: &[&str] = &[
    "orderId",
    "orderVersion",
    "orderLineId",
    "orderLineVersion",
    "fareProducts",
    "price",
    "userType",
    "customerId",
    "travellers",
    "validity",
    "travel",
    "distributionDetails",
];

/// Fields of a fare product.
const PRODUCT_FIELDS: &[&str] = &["id", "type", "name", "main"];

/// Fields of a journey.
const TRAVEL_FIELDS: &[&str] = &["fromStopPlace", "toStopPlace", "departureTime"];

/// Fields of distribution details.
const DISTRIBUTION_FIELDS: &[&str] = &[
    "fulfillmentMethod",
    "customerAccountRef",
    "distributionHolderCustomerId",
];

/// `order` and `line`, for every definition and trigger of one line.
#[derive(Debug, Clone)]
pub struct LineScope {
    order: Fields,
    line: Fields,
    customer: Option<CustomerId>,
}

impl LineScope {
    /// The line as last confirmed, in its order.
    ///
    /// `line.customerId` is whom the line is for: the customer of the line, or where it names none the order's owner;
    /// for a deferred registration, `registered_customer` instead of both.
    pub fn new(
        order: &OrderState<'_>,
        order_id: &OrderId,
        confirmation: &Confirmation<'_>,
        registered_customer: Option<&CustomerId>,
    ) -> Self {
        let customer = registered_customer
            .or(confirmation.line.customer_id.as_ref())
            .or(order.owner());
        let travellers = or_null(confirmation.line.travellers.as_ref(), |travellers| {
            from_json("line.travellers", travellers)
        });
        let created = order.order_created().zip(order.created);
        Self {
            order: order_fields(
                created.map(|(created, event)| (created, &*event.json)),
                order_id,
            ),
            line: line_fields(
                confirmation.line,
                customer,
                travellers,
                &confirmation.line_event.json,
            ),
            customer: customer.cloned(),
        }
    }

    /// A line of which everything is known but what publishers write in forms of their own.
    pub(super) fn sample(order: (&OrderCreated, &RawValue), line: (&OrderLine, &RawValue)) -> Self {
        let customer = line.0.customer_id.as_ref();
        Self {
            order: order_fields(Some(order), &order.0.order_id),
            line: line_fields(line.0, customer, Box::new(Anything), line.1),
            customer: customer.cloned(),
        }
    }

    /// Whom the line is for: what a definition without `customer` gives its points to.
    pub fn customer(&self) -> Option<&CustomerId> {
        self.customer.as_ref()
    }
}

fn order_fields(created: Option<(&OrderCreated, &RawValue)>, order_id: &OrderId) -> Fields {
    let extra = match created {
        Some((_, json)) => Fields::rest(
            "order.extra",
            Arc::from(json.to_owned()),
            Vec::new(),
            ORDER_FIELDS,
        ),
        None => Fields::map("order.extra", BTreeMap::new()),
    };
    let created = created.map(|(created, _)| created);
    Fields::object(
        "order",
        vec![
            ("orderId", text(order_id.as_str())),
            (
                "orderVersion",
                or_null(created, |order| int(order.order_version.get().into())),
            ),
            (
                "organisationId",
                or_null(created.and_then(OrderCreated::organisation_id), |id| {
                    int(id.get())
                }),
            ),
            (
                "distributionChannelId",
                or_null(
                    created.and_then(|order| order.distribution_channel_id.as_deref()),
                    text,
                ),
            ),
            ("pos", or_null(created.and_then(OrderCreated::pos), text)),
            (
                "customerId",
                or_null(
                    created.and_then(|order| order.customer_id.as_ref()),
                    |customer| text(customer.as_str()),
                ),
            ),
            (
                "currency",
                or_null(created, |order| text(order.currency.as_str())),
            ),
            ("extra", Box::new(extra)),
        ],
    )
}

fn line_fields(
    line: &OrderLine,
    customer: Option<&CustomerId>,
    travellers: Owned,
    json: &RawValue,
) -> Fields {
    let json: Arc<RawValue> = Arc::from(json.to_owned());
    let products: Vec<Owned> = line
        .fare_products
        .iter()
        .enumerate()
        .map(|(index, product)| Box::new(product_fields(product, index, &json)) as Owned)
        .collect();
    let extra = Fields::rest("line.extra", Arc::clone(&json), Vec::new(), LINE_FIELDS);
    Fields::object(
        "line",
        vec![
            ("orderId", text(line.order_id.as_str())),
            ("orderVersion", int(line.order_version.get().into())),
            ("orderLineId", text(line.order_line_id.as_str())),
            (
                "orderLineVersion",
                int(line.order_line_version.get().into()),
            ),
            ("fareProducts", Box::new(CelList::from(products))),
            ("price", Box::new(price_fields(&line.price))),
            ("userType", or_null(line.user_type.as_deref(), text)),
            (
                "customerId",
                or_null(customer, |customer| text(customer.as_str())),
            ),
            ("travellers", travellers),
            (
                "validity",
                or_null(line.validity, |validity| {
                    Box::new(Fields::object(
                        "line.validity",
                        vec![("start", time(validity.start)), ("end", time(validity.end))],
                    ))
                }),
            ),
            (
                "travel",
                or_null(line.travel.as_ref(), |travel| {
                    Box::new(travel_fields(travel, &json))
                }),
            ),
            (
                "distributionDetails",
                or_null(line.distribution_details.as_ref(), |details| {
                    Box::new(distribution_fields(details, &json))
                }),
            ),
            ("extra", Box::new(extra)),
        ],
    )
}

fn price_fields(price: &Money) -> Fields {
    Fields::object(
        "line.price",
        vec![
            ("amount", text(&price.amount.to_string())),
            ("currency", text(price.currency.as_str())),
            ("minorUnits", or_null(price.minor_units(), int)),
        ],
    )
}

fn product_fields(product: &FareProduct, index: usize, json: &Arc<RawValue>) -> Fields {
    let path = vec![Step::Field("fareProducts"), Step::Index(index)];
    let extra = Fields::rest("extra", Arc::clone(json), path, PRODUCT_FIELDS);
    Fields::object(
        "",
        vec![
            ("id", text(&product.id)),
            ("type", text(&product.product_type)),
            ("name", or_null(product.name.as_deref(), text)),
            ("main", Box::new(CelBool::from(product.main))),
            ("extra", Box::new(extra)),
        ],
    )
}

fn travel_fields(travel: &Travel, json: &Arc<RawValue>) -> Fields {
    let path = vec![Step::Field("travel")];
    let extra = Fields::rest("line.travel.extra", Arc::clone(json), path, TRAVEL_FIELDS);
    Fields::object(
        "line.travel",
        vec![
            (
                "fromStopPlace",
                or_null(travel.from_stop_place.as_deref(), text),
            ),
            (
                "toStopPlace",
                or_null(travel.to_stop_place.as_deref(), text),
            ),
            ("departureTime", or_null(travel.departure_time, time)),
            ("extra", Box::new(extra)),
        ],
    )
}

fn distribution_fields(details: &DistributionDetails, json: &Arc<RawValue>) -> Fields {
    let path = vec![Step::Field("distributionDetails")];
    let extra = Fields::rest(
        "line.distributionDetails.extra",
        Arc::clone(json),
        path,
        DISTRIBUTION_FIELDS,
    );
    Fields::object(
        "line.distributionDetails",
        vec![
            (
                "fulfillmentMethod",
                text(details.fulfillment_method.as_str()),
            ),
            (
                "customerAccountRef",
                or_null(details.customer_account_ref.as_deref(), text),
            ),
            (
                "distributionHolderCustomerId",
                or_null(
                    details.distribution_holder_customer_id.as_ref(),
                    |customer| text(customer.as_str()),
                ),
            ),
            ("extra", Box::new(extra)),
        ],
    )
}

/// `trigger`: what happened to the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TriggerScope {
    /// Which trigger.
    pub kind: TriggerKind,
    /// When it came; `None` where it has not come, and `trigger.time` is null then.
    pub time: Option<DateTime<Utc>>,
}

impl TriggerScope {
    fn fields(self) -> Fields {
        Fields::object(
            "trigger",
            vec![
                ("type", text(self.kind.name())),
                ("time", or_null(self.time, time)),
            ],
        )
    }
}

/// `member`: who would get the points.
#[derive(Debug, Clone, Copy)]
pub struct MemberScope<'m> {
    /// The customer.
    pub customer_id: &'m CustomerId,
    /// The membership as it stands at the trigger's place.
    pub change: &'m MemberChange,
}

impl MemberScope<'_> {
    fn fields(self) -> Fields {
        let change = self.change;
        let metadata = Fields::map("member.metadata", entries_from_json(&change.metadata));
        Fields::object(
            "member",
            vec![
                ("customerId", text(self.customer_id.as_str())),
                (
                    "externalReference",
                    or_null(change.external_reference.as_deref(), text),
                ),
                ("metadata", Box::new(metadata)),
            ],
        )
    }
}

/// `program` and `tables`: what a version of a program says of itself.
#[derive(Debug)]
pub(super) struct ProgramScope {
    program: Fields,
    tables: Fields,
}

impl ProgramScope {
    pub(super) fn new(program: &Program) -> Self {
        let organisations: Vec<Owned> = program
            .organisations_with_access
            .iter()
            .map(|id| int(id.get()))
            .collect();
        let tables = program
            .tables
            .iter()
            .map(|(name, table)| {
                let entries = table
                    .iter()
                    .map(|(key, value)| (Key::Text(key.as_str().into()), from_json("", value)))
                    .collect();
                let table = Fields::map(&format!("{TABLE_PREFIX}{name}"), entries);
                (Key::Text(name.as_str().into()), Box::new(table) as Owned)
            })
            .collect();
        Self {
            program: Fields::object(
                "program",
                vec![
                    ("id", int(program.id.get())),
                    ("reference", text(&program.reference)),
                    ("name", text(&program.name)),
                    ("preset", text(program.preset.as_str())),
                    (
                        "organisationId",
                        or_null(program.organisation_id, |id| int(id.get())),
                    ),
                    (
                        "organisationsWithAccess",
                        Box::new(CelList::from(organisations)),
                    ),
                    ("active", Box::new(CelBool::from(program.active))),
                    ("timezone", text(&program.timezone)),
                ],
            ),
            tables: Fields::map("tables", tables),
        }
    }
}

/// What the name of a table begins with in the error of a key that it does not have.
const TABLE_PREFIX: &str = "tables.";

/// The table and the key, if this is what [`Fields`] says of a key that is in no table of a program.
pub(super) fn missing_table_key(said: &str) -> Option<(&str, &str)> {
    said.strip_prefix(TABLE_PREFIX)?
        .strip_suffix(']')?
        .split_once('[')
}

/// The names of one evaluation, looked up by the interpreter. Trigger and member become values when they are first
/// asked for: most expressions see the line only.
pub(super) struct Names<'n> {
    line: &'n LineScope,
    program: &'n ProgramScope,
    trigger: TriggerScope,
    member: Option<MemberScope<'n>>,
    trigger_value: OnceLock<Fields>,
    member_value: OnceLock<Owned>,
    meter: Meter,
}

impl<'n> Names<'n> {
    pub(super) fn new(
        line: &'n LineScope,
        program: &'n ProgramScope,
        trigger: TriggerScope,
        member: Option<MemberScope<'n>>,
    ) -> Self {
        Self {
            line,
            program,
            trigger,
            member,
            trigger_value: OnceLock::new(),
            member_value: OnceLock::new(),
            meter: Meter::full(),
        }
    }

    /// The value of a name.
    pub(super) fn value(&self, name: &str) -> Option<&dyn Val> {
        Some(match name {
            "line" => &self.line.line,
            "order" => &self.line.order,
            "trigger" => self.trigger_value.get_or_init(|| self.trigger.fields()),
            "member" => self
                .member_value
                .get_or_init(|| or_null(self.member, |member| Box::new(member.fields())))
                .as_ref(),
            "program" => &self.program.program,
            "tables" => &self.program.tables,
            Meter::NAME => &self.meter,
            _ => return None,
        })
    }
}
