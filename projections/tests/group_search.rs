//! A search finds what going through all groups would find, on every way through its pages.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

use chrono::{DateTime, TimeDelta, Utc};
use farelog_events::distribution::TravelCard;
use farelog_events::event::{EventKind, NewEvent, decode};
use farelog_events::id::OrderId;
use farelog_events::log::memory::MemoryLog;
use farelog_events::log::{Batch, Entry, EventLog};
use farelog_projections::Projections;
use farelog_projections::distribution::{
    Distribute, Generate, TicketDistributionGroup, decision::distribute, decision::generate,
};
use farelog_projections::search::{GroupFilters, GroupSearch, Start};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tempfile::TempDir;

const ORDERS: u64 = 30;

/// A log that grows and its projections; three records share a time, as those of one batch do.
struct Market {
    log: MemoryLog,
    projections: Projections,
    _directory: TempDir,
}

impl Market {
    fn open() -> Self {
        let log = MemoryLog::new();
        let directory = tempfile::tempdir().unwrap();
        let projections = Projections::open(&directory.path().join("first"), &log).unwrap();
        Self {
            log,
            projections,
            _directory: directory,
        }
    }

    /// Orders of two lines, generated, some of them distributed on travel cards, changed and cancelled, in turns.
    fn busy() -> Self {
        let mut market = Self::open();
        for n in 1..=ORDERS {
            market.sell(n);
        }
        for n in 1..=ORDERS {
            market.generate(n);
        }
        for n in (1..=ORDERS).filter(|n| n % 3 != 0) {
            let card = (n % 2 == 0).then(|| TravelCard {
                activate: false,
                payment_means_type: None,
                media_serial_number_id: format!("card-{}", n % 4),
            });
            market.distribute(n, card);
        }
        for n in (1..=ORDERS).rev().filter(|n| n % 5 == 0) {
            let cancelled = json!({"orderId": order(n), "orderVersion": 1});
            market.record(EventKind::OrderCancelled, &cancelled);
        }
        for n in (1..=ORDERS).rev().filter(|n| n % 7 == 0) {
            market.record(EventKind::OrderLineAdded, &line(n, 1, 2));
            market.record(
                EventKind::OrderConfirmed,
                &json!({"orderId": order(n), "orderVersion": 2}),
            );
            market.generate(n);
        }
        market
    }

    fn sell(&mut self, n: u64) {
        let created = json!({
            "orderId": order(n), "orderVersion": 1, "organisationId": n % 2 + 1, "currency": "NOK",
            "customerId": format!("owner-{}", n % 4)
        });
        self.record(EventKind::OrderCreated, &created);
        self.record(EventKind::OrderLineAdded, &line(n, 1, 1));
        self.record(EventKind::OrderLineAdded, &line(n, 2, 1));
        let confirmed = json!({"orderId": order(n), "orderVersion": 1});
        self.record(EventKind::OrderConfirmed, &confirmed);
    }

    fn generate(&mut self, n: u64) {
        let document = self.projections.order(&order(n)).unwrap().value.unwrap();
        let event = generate(
            &order(n),
            Some(&document.state()),
            &document.groups,
            Generate::default(),
        );
        self.record_decided(EventKind::TicketDistributionGroupsGenerated, event.unwrap());
    }

    fn distribute(&mut self, n: u64, travel_card: Option<TravelCard>) {
        let document = self.projections.order(&order(n)).unwrap().value.unwrap();
        let command = Distribute {
            travel_card,
            ..Distribute::default()
        };
        let event = distribute(
            &order(n),
            Some(&document.state()),
            &document.groups,
            command,
        );
        self.record_decided(EventKind::TicketDistributionRequested, event.unwrap());
    }

    fn record_decided(&mut self, kind: EventKind, event: Option<impl Serialize>) {
        if let Some(event) = event {
            self.record(kind, &serde_json::to_value(event).unwrap());
        }
    }

    fn record(&mut self, kind: EventKind, data: &Value) {
        let number = self.log.head().position + 1;
        let json = data.to_string();
        let event = NewEvent {
            source: "test".into(),
            id: format!("e{number}").into(),
            event_type: kind.name().into(),
            time: recorded_at(number),
            correlation_id: None,
            about: decode(kind, &json).unwrap().about(),
            data: RawValue::from_string(json).unwrap(),
        };
        self.log
            .append(Batch {
                entries: vec![Entry {
                    event,
                    origin: None,
                }],
                checkpoint: None,
                recorded_at: recorded_at(number),
            })
            .unwrap();
        self.projections.catch_up(&self.log).unwrap();
    }

    /// All groups, newest update first.
    fn groups(&self) -> Vec<TicketDistributionGroup> {
        let mut groups: Vec<_> = (1..=ORDERS)
            .filter_map(|n| self.projections.order(&order(n)).unwrap().value)
            .flat_map(|document| document.groups.to_view())
            .collect();
        groups.sort_by_key(|group| std::cmp::Reverse((group.updated_at, group.id)));
        groups
    }

    fn holds(&self, search: &GroupSearch) -> Result<(), TestCaseError> {
        let mut wanted = self.groups();
        wanted.retain(|group| search.filters.admit(group));
        let per_page = search.per_page;
        let mut by_page = Vec::new();
        for page in 0..=wanted.len().div_ceil(per_page) {
            let found = self.page(search, Start::Offset(page * per_page));
            prop_assert_eq!(found.total_items, wanted.len());
            prop_assert_eq!(found.total_pages, wanted.len().div_ceil(per_page));
            prop_assert!(!found.total_is_lower_bound);
            by_page.extend(found.items);
        }
        prop_assert_eq!(&by_page, &wanted);
        let mut by_cursor = Vec::new();
        let mut start = Start::Offset(0);
        loop {
            let found = self.page(search, start);
            prop_assert_eq!(found.total_items, wanted.len());
            by_cursor.extend(found.items);
            match found.cursor {
                Some(cursor) => start = Start::Cursor(cursor),
                None => break,
            }
        }
        prop_assert_eq!(&by_cursor, &wanted);
        Ok(())
    }

    fn page(&self, search: &GroupSearch, start: Start) -> farelog_projections::search::FoundGroups {
        let search = GroupSearch {
            start,
            ..search.clone()
        };
        self.projections.search_groups(&search).unwrap().value
    }
}

fn order(n: u64) -> OrderId {
    format!("ENT:Order:{n}").parse().unwrap()
}

fn line(order_number: u64, number: u64, version: u64) -> Value {
    json!({
        "orderId": order(order_number), "orderVersion": version, "orderLineId": format!("L{number}"),
        "orderLineVersion": version,
        "fareProducts": [{"id": "Single", "type": "SINGLE"}, {"id": "Boat", "type": "SINGLE"}],
        "price": {"amount": "39.00", "currency": "NOK"}, "customerId": format!("holder-{}", number * order_number % 5),
        "validity": {
            "start": recorded_at(order_number + version), "end": recorded_at(order_number * 2 + version)
        }
    })
}

fn recorded_at(position: u64) -> DateTime<Utc> {
    let minutes = i64::try_from(position / 3).unwrap();
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
}

/// Filters whose values are those of the market, or near.
fn filters(groups: &[TicketDistributionGroup]) -> impl Strategy<Value = Vec<(String, String)>> {
    let values: Vec<(&str, String)> = groups
        .iter()
        .flat_map(|group| {
            let ticket = &group.ticket_distributions[0];
            let time = |time: DateTime<Utc>| time.to_rfc3339();
            [
                ("id", group.id.to_string()),
                ("orderId", group.order_id.to_string()),
                ("orderVersion", group.order_version.to_string()),
                ("orderLineId", group.order_line_id.to_string()),
                (
                    "orderOwnerCustomerId",
                    group.order_owner_customer_id.as_ref().unwrap().to_string(),
                ),
                (
                    "distributionHolderCustomerId",
                    group
                        .distribution_holder_customer_id
                        .as_ref()
                        .unwrap()
                        .to_string(),
                ),
                ("organisationId", group.organisation_id.unwrap().to_string()),
                ("ticketDistributionId", ticket.id.to_string()),
                ("distributionStatus", ticket.status.to_string()),
                (
                    "mediaSerialNumberId",
                    ticket
                        .media_serial_number_id
                        .clone()
                        .unwrap_or("card-9".into()),
                ),
                ("createdAt", time(group.created_at)),
                ("updatedAt", time(group.updated_at)),
                ("startOfValidity", time(ticket.start_of_validity.unwrap())),
                ("endOfValidity", time(ticket.end_of_validity.unwrap())),
            ]
        })
        .collect();
    let fields = farelog_projections::search::FILTERS;
    let of_field = proptest::sample::select(fields.to_vec()).prop_flat_map(move |field| {
        let mine: Vec<String> = values
            .iter()
            .filter(|(name, _)| *name == field)
            .map(|(_, value)| value.clone())
            .collect();
        let one = proptest::sample::select(mine);
        let operators: &[&str] = if field == "distributionStatus" {
            &["", "eq:", "ne:", "in:", "nin:"]
        } else {
            &[
                "", "eq:", "ne:", "gt:", "gte:", "lt:", "lte:", "in:", "nin:",
            ]
        };
        (
            Just(field.to_owned()),
            proptest::sample::select(operators.to_vec()),
            proptest::collection::vec(one, 1..4),
        )
            .prop_map(|(field, operator, values)| {
                let value = if operator.contains("in") {
                    values.join(",")
                } else {
                    values[0].clone()
                };
                (field, format!("{operator}{value}"))
            })
    });
    proptest::collection::vec(of_field, 1..4)
}

#[test]
fn a_search_finds_what_a_filter_over_all_groups_finds() {
    let market = Market::busy();
    let groups = market.groups();
    assert_eq!(groups.len() as u64, 2 * ORDERS);
    let mut runner = TestRunner::new(Config::with_cases(400));
    runner
        .run(&(filters(&groups), 1_usize..30), |(asked, per_page)| {
            let mut filters = GroupFilters::default();
            for (name, text) in &asked {
                filters.add(name, text).unwrap();
            }
            market.holds(&GroupSearch {
                filters,
                start: Start::Offset(0),
                per_page,
            })
        })
        .unwrap();
}

#[test]
fn a_group_that_moved_is_found_where_it_is_and_nowhere_else() {
    let mut market = Market::open();
    market.sell(1);
    market.generate(1);
    let mut filters = GroupFilters::default();
    filters
        .add("updatedAt", "gte:1970-01-01T00:00:00Z")
        .unwrap();
    let search = GroupSearch {
        filters,
        start: Start::Offset(0),
        per_page: 10,
    };
    for _ in 0..3 {
        market.distribute(1, None);
        market.record(
            EventKind::OrderCancelled,
            &json!({"orderId": order(1), "orderVersion": 1}),
        );
        let found = market.page(&search, Start::Offset(0));
        let ids: Vec<_> = found.items.iter().map(|group| group.id).collect();
        assert_eq!(ids.len(), 2, "{ids:?}");
        assert_ne!(ids[0], ids[1]);
        assert_eq!(found.total_items, 2);
    }
}
