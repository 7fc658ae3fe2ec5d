//! A search finds what going through all groups would find, on every way through its pages.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use farelog_events::distribution::TravelCard;
use farelog_events::event::{EventKind, NewEvent, decode};
use farelog_events::id::OrderId;
use farelog_events::json::JsonText;
use farelog_events::log::memory::MemoryLog;
use farelog_events::log::{Batch, Entry, EventLog};
use farelog_projections::Projections;
use farelog_projections::distribution::{
    Distribute, Generate, TicketDistributionGroup, decision::distribute, decision::generate,
};
use farelog_projections::search::{FoundGroups, GroupFilters, GroupSearch, Limits, Start};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde::Serialize;
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

    /// The ticket system could not make the tickets, so that they can be asked for again.
    fn fail(&mut self, n: u64) {
        let document = self.projections.order(&order(n)).unwrap().value.unwrap();
        for group in document.groups.to_view() {
            for ticket in group.ticket_distributions {
                let failed = json!({
                    "orderId": order(n), "orderLineId": group.order_line_id, "ticketDistributionId": ticket.id
                });
                self.record(EventKind::TicketDistributionFailed, &failed);
            }
        }
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
            data: JsonText::new(&json).unwrap(),
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

    /// Pages follow one another by number and by cursor as if all groups had been filtered and sorted.
    fn holds(&self, asked: &Asked, limits: Limits) -> Result<(), TestCaseError> {
        let groups = self.groups();
        let filters = asked.filters();
        let mut wanted = groups.clone();
        wanted.retain(|group| filters.admit(group));
        let is_exact =
            wanted.len() <= limits.total_exact_max && asked.has_a_short_way(&groups, limits);
        let counts_well = |found: &FoundGroups| {
            prop_assert!(found.total_items <= wanted.len().min(limits.total_exact_max));
            prop_assert!(found.total_is_lower_bound || found.total_items == wanted.len());
            prop_assert!(!is_exact || !found.total_is_lower_bound);
            let pages = found.total_items.div_ceil(asked.per_page);
            prop_assert_eq!(found.total_pages, pages);
            Ok(())
        };
        let search = |start| {
            let search = GroupSearch {
                filters: filters.clone(),
                start,
                per_page: asked.per_page,
            };
            let found = self.projections.search_groups_within(limits, &search);
            found.unwrap().value
        };

        for offset in (0..=wanted.len()).step_by(asked.per_page) {
            let found = search(Start::Offset(offset));
            counts_well(&found)?;
            let page = wanted[offset..].iter().take(asked.per_page);
            let page: Vec<_> = page.cloned().collect();
            if found.items != page {
                // It stopped short, and says so.
                prop_assert!(!is_exact && found.cursor.is_some());
                prop_assert_eq!(&found.items[..], &page[..found.items.len()]);
            }
        }

        let mut by_cursor = Vec::new();
        let mut start = Start::Offset(0);
        loop {
            let found = search(start);
            counts_well(&found)?;
            by_cursor.extend(found.items);
            match found.cursor.map(Start::Cursor) {
                Some(next) if next != start => start = next,
                Some(_) => prop_assert!(false, "a cursor leads to where it stands"),
                None => break,
            }
        }
        prop_assert_eq!(&by_cursor, &wanted);
        Ok(())
    }

    fn page(&self, search: &GroupSearch, start: Start) -> FoundGroups {
        let search = GroupSearch {
            start,
            ..search.clone()
        };
        self.projections.search_groups(&search).unwrap().value
    }
}

/// What a search asks for, as a request writes it.
#[derive(Debug, Clone)]
struct Asked {
    filters: Vec<(String, String)>,
    per_page: usize,
}

impl Asked {
    fn filters(&self) -> GroupFilters {
        let mut filters = GroupFilters::default();
        for (name, text) in &self.filters {
            filters.add(name, text).unwrap();
        }
        filters
    }

    /// Whether one of the filters alone has keys that lead to few groups: then the total is exact.
    fn has_a_short_way(&self, groups: &[TicketDistributionGroup], limits: Limits) -> bool {
        self.filters.iter().any(|(name, text)| {
            let names_all = !["ne:", "nin:", "gt:", "gte:", "lt:", "lte:"]
                .iter()
                .any(|operator| text.starts_with(operator));
            let is_range = !text.starts_with("ne:") && !text.starts_with("nin:");
            let has_keys = match name.as_str() {
                "organisationId" | "orderVersion" | "distributionStatus" => {
                    limits.facets_max == Limits::USUAL.facets_max
                }
                "id" | "createdAt" | "updatedAt" | "startOfValidity" | "endOfValidity" => is_range,
                _ => names_all,
            };
            let mut alone = GroupFilters::default();
            alone.add(name, text).unwrap();
            let admitted = groups.iter().filter(|group| alone.admit(group)).count();
            has_keys && admitted <= limits.total_exact_max
        })
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

/// Searches whose values are those of the market, or near.
fn asked(groups: &[TicketDistributionGroup]) -> impl Strategy<Value = Asked> {
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
    (proptest::collection::vec(of_field, 1..4), 1_usize..30)
        .prop_map(|(filters, per_page)| Asked { filters, per_page })
}

fn any_search_holds(limits: Limits) {
    let market = Market::busy();
    let groups = market.groups();
    assert_eq!(groups.len() as u64, 2 * ORDERS);
    TestRunner::new(Config::with_cases(400))
        .run(&asked(&groups), |asked| market.holds(&asked, limits))
        .unwrap();
}

#[test]
fn a_search_finds_what_a_filter_over_all_groups_finds() {
    any_search_holds(Limits::USUAL);
}

#[test]
fn a_search_finds_the_same_where_it_is_cut_short_again_and_again() {
    any_search_holds(Limits {
        total_exact_max: 7,
        keys_read_max: 150,
        ..Limits::USUAL
    });
}

#[test]
fn a_search_finds_the_same_where_there_are_too_many_facets() {
    any_search_holds(Limits {
        total_exact_max: 20,
        keys_read_max: 150,
        facets_max: 2,
    });
}

/// The first of two lists led to all of its own groups, and the total stopped at those.
#[test]
fn of_two_lists_of_a_field_what_both_name_leads_to_the_groups() {
    let market = Market::busy();
    let limits = Limits {
        total_exact_max: 20,
        keys_read_max: 150,
        ..Limits::USUAL
    };
    let name = "distributionHolderCustomerId";
    for both in [
        ["in:holder-3,holder-2", "holder-2"],
        ["in:holder-1,holder-2", "holder-3"],
    ] {
        let asked = Asked {
            filters: both.map(|text| (name.to_owned(), text.to_owned())).into(),
            per_page: 2,
        };
        market.holds(&asked, limits).unwrap();
    }
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

/// A search reads many keys. Were a batch applied between two of them, it would find a group at the place that it had left
/// and at the one that it had gone to, or at neither.
#[test]
fn groups_that_move_while_they_are_searched_are_each_found_once() {
    let mut market = Market::busy();
    let all = market.groups().len();
    let projections = market.projections.clone();
    let named = ["updatedAt", "distributionStatus", "createdAt"].map(|name| {
        let mut filters = GroupFilters::default();
        let text = if name == "distributionStatus" {
            "nin:ACTIVATED"
        } else {
            "lt:9999-01-01T00:00:00Z"
        };
        filters.add(name, text).unwrap();
        filters
    });
    // Few enough are counted that a list is never made of all groups.
    let limits = [Limits::USUAL.total_exact_max, all + 1, all].map(|total_exact_max| Limits {
        total_exact_max,
        ..Limits::USUAL
    });
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let searching = scope.spawn(|| {
            let mut positions = BTreeSet::new();
            while !ended.load(Ordering::Relaxed) {
                for (filters, limits) in named.iter().zip(limits.iter().cycle()) {
                    let search = GroupSearch {
                        filters: filters.clone(),
                        start: Start::Offset(0),
                        per_page: all + 10,
                    };
                    let found = projections.search_groups_within(*limits, &search).unwrap();
                    positions.insert(found.position);
                    let groups = found.value.items;
                    assert_eq!(found.value.total_items, all);
                    assert_eq!(groups.len(), all);
                    let place =
                        |group: &TicketDistributionGroup| Reverse((group.updated_at, group.id));
                    assert!(groups.is_sorted_by_key(place), "newest update first");
                    let ids: BTreeSet<_> = groups.iter().map(|group| group.id).collect();
                    assert_eq!(ids.len(), all, "each once");
                }
            }
            positions.len()
        });
        for _ in 0..6 {
            for n in (1..=ORDERS).filter(|n| n % 5 != 0) {
                market.distribute(n, None);
                market.fail(n);
            }
        }
        ended.store(true, Ordering::Relaxed);
        assert!(searching.join().unwrap() > 1, "nothing moved meanwhile");
    });
}
