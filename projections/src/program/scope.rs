//! What expressions see of the log: order, line, trigger and member (domain, section 2).
//!
//! Names have the fields of section 1 of the domain; an absent one is null, unknown ones stand under `extra`. The
//! values of an order and its line are made once per line and serve every definition of every program.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use cel::common::types::{CelBool, CelList};
use chrono::{DateTime, Utc};
use farelog_events::event::EventData;
use farelog_events::id::{CustomerId, OrderId};
use farelog_events::json::JsonText;
use farelog_events::money::Money;
use farelog_events::order::{DistributionDetails, FareProduct, OrderCreated, OrderLine, Travel};

use super::sample::Anything;
use super::schema;
use super::value::{Fields, Owned, Step, entries_from_json, from_json, int, or_null, text, time};
use crate::member::MemberChange;
use crate::order::state::Confirmation;
use crate::order::{OrderEvent, OrderState, TriggerKind};

/// `order` and `line`, for every definition and trigger of one line. They become values when an expression first asks for
/// them: most lines are for nobody who is a member, and no expression sees them.
#[derive(Debug, Clone)]
pub struct LineScope {
    /// What they are made of; `None` on samples, which have them from the beginning.
    source: Option<LineSource>,
    order: OnceLock<Fields>,
    line: OnceLock<Fields>,
    customer: Option<CustomerId>,
    /// Whether nothing is known of what publishers write in forms of their own.
    pub(super) is_sample: bool,
}

#[derive(Debug, Clone)]
struct LineSource {
    order_id: OrderId,
    /// What opened the order.
    created: Option<OrderEvent>,
    /// The addition or change that made the line what it is.
    line: OrderEvent,
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
        Self {
            source: Some(LineSource {
                order_id: order_id.clone(),
                created: order.created.cloned(),
                line: confirmation.line_event.clone(),
            }),
            order: OnceLock::new(),
            line: OnceLock::new(),
            customer: customer.cloned(),
            is_sample: false,
        }
    }

    /// A line of which everything is known but what publishers write in forms of their own.
    pub(super) fn sample(order: (&OrderCreated, &JsonText), line: (&OrderLine, &JsonText)) -> Self {
        let customer = line.0.customer_id.as_ref();
        let fields = line_fields(line.0, customer, Box::new(Anything), line.1, true);
        Self {
            source: None,
            order: OnceLock::from(order_fields(Some(order), &order.0.order_id, true)),
            line: OnceLock::from(fields),
            customer: customer.cloned(),
            is_sample: true,
        }
    }

    /// The value of `order`.
    pub(super) fn order(&self) -> Option<&Fields> {
        if let Some(known) = self.order.get() {
            return Some(known);
        }
        let source = self.source.as_ref()?;
        let created = source.created.as_ref().and_then(|event| match &event.data {
            EventData::OrderCreated(created) => Some((created, &event.json)),
            _ => None,
        });
        let fields = order_fields(created, &source.order_id, false);
        Some(self.order.get_or_init(|| fields))
    }

    /// The value of `line`.
    pub(super) fn line(&self) -> Option<&Fields> {
        if let Some(known) = self.line.get() {
            return Some(known);
        }
        let event = &self.source.as_ref()?.line;
        let (EventData::OrderLineAdded(line) | EventData::OrderLineChanged(line)) = &event.data
        else {
            return None;
        };
        let travellers = or_null(line.travellers.as_ref(), |travellers| {
            from_json("line.travellers", travellers)
        });
        let fields = line_fields(line, self.customer(), travellers, &event.json, false);
        Some(self.line.get_or_init(|| fields))
    }

    /// Whom the line is for: what a definition without `customer` gives its points to.
    pub fn customer(&self) -> Option<&CustomerId> {
        self.customer.as_ref()
    }
}

fn order_fields(
    created: Option<(&OrderCreated, &JsonText)>,
    order_id: &OrderId,
    is_sample: bool,
) -> Fields {
    let extra = match created {
        Some((_, json)) => Fields::rest(
            "order.extra",
            json.clone(),
            Vec::new(),
            &schema::ORDER,
            is_sample,
        ),
        None => Fields::open("order.extra", BTreeMap::new(), is_sample),
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
    json: &JsonText,
    is_sample: bool,
) -> Fields {
    let products: Vec<Owned> = line
        .fare_products
        .iter()
        .enumerate()
        .map(|(index, product)| Box::new(product_fields(product, index, json, is_sample)) as Owned)
        .collect();
    let extra = Fields::rest(
        "line.extra",
        json.clone(),
        Vec::new(),
        &schema::LINE,
        is_sample,
    );
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
                    Box::new(travel_fields(travel, json, is_sample))
                }),
            ),
            (
                "distributionDetails",
                or_null(line.distribution_details.as_ref(), |details| {
                    Box::new(distribution_fields(details, json, is_sample))
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

fn product_fields(product: &FareProduct, index: usize, json: &JsonText, is_sample: bool) -> Fields {
    let path = vec![Step::Field("fareProducts"), Step::Index(index)];
    let extra = Fields::rest("extra", json.clone(), path, &schema::PRODUCT, is_sample);
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

fn travel_fields(travel: &Travel, json: &JsonText, is_sample: bool) -> Fields {
    let path = vec![Step::Field("travel")];
    let extra = Fields::rest(
        "line.travel.extra",
        json.clone(),
        path,
        &schema::TRAVEL,
        is_sample,
    );
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

fn distribution_fields(details: &DistributionDetails, json: &JsonText, is_sample: bool) -> Fields {
    let path = vec![Step::Field("distributionDetails")];
    let extra = Fields::rest(
        "line.distributionDetails.extra",
        json.clone(),
        path,
        &schema::DISTRIBUTION,
        is_sample,
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
    pub(super) fn fields(self) -> Fields {
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
    pub(super) fn fields(self, is_sample: bool) -> Fields {
        let change = self.change;
        let metadata = entries_from_json(&change.metadata);
        let metadata = Fields::open("member.metadata", metadata, is_sample);
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
