//! Measures the search for ticket distribution groups among many of them.
//!
//! ```text
//! cargo run --release -p farelog-projections --example group_search -- [groups, 1000000 by default]
//! ```
//!
//! Orders of ten lines are confirmed and generated, each batch of them a minute after the one before; every tenth goes out
//! on a travel card. Each search is asked for with other values a hundred times, and told is how long one takes:
//! the middle one, the slowest of a hundred, and how many groups it found.

use std::error::Error;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use farelog_events::event::{EventKind, NewEvent, decode};
use farelog_events::id::id_from_position;
use farelog_events::log::memory::MemoryLog;
use farelog_events::log::{Batch, Entry, EventLog};
use farelog_projections::Projections;
use farelog_projections::search::{FoundGroups, GroupFilters, GroupSearch, Start};
use serde_json::value::RawValue;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The filters of the nth search of a kind.
type AskedBy<'a> = dyn Fn(u64) -> Vec<(&'static str, String)> + 'a;

const GROUPS_DEFAULT: u64 = 1_000_000;
const LINES: u64 = 10;
const ORDERS_PER_BATCH: u64 = 200;
const CUSTOMERS: u64 = 10_000;
const SEARCHES: u64 = 100;
const PER_PAGE: usize = 20;

fn main() -> Result<()> {
    let groups = std::env::args()
        .nth(1)
        .map_or(Ok(GROUPS_DEFAULT), |text| text.parse())?;
    let orders = groups / LINES;
    let scratch = tempfile::tempdir()?;
    let log = MemoryLog::new();
    let projections = Projections::open(&scratch.path().join("projections"), &log)?;
    let started = Instant::now();
    let mut generated = Vec::new();
    for first in (0..orders).step_by(usize::try_from(ORDERS_PER_BATCH)?) {
        sell(
            &log,
            first..orders.min(first + ORDERS_PER_BATCH),
            &mut generated,
        )?;
    }
    projections.catch_up(&log)?;
    let records = log.head().position;
    println!(
        "{groups} groups of {orders} orders, {records} records, made in {:.0} s",
        started.elapsed().as_secs_f64()
    );

    let of = |n: u64| n * 7_919 % orders;
    let minute = |n: u64| time_of(n / ORDERS_PER_BATCH).to_rfc3339();
    let id =
        |n: u64| id_from_position(generated[usize::try_from(of(n)).unwrap_or(0)], 3).unwrap_or(1);
    let searches: [(&str, &AskedBy<'_>); 13] = [
        ("orderId", &|n| {
            vec![("orderId", format!("ENT:Order:{}", of(n)))]
        }),
        ("id", &|n| vec![("id", id(n).to_string())]),
        ("ticketDistributionId", &|n| {
            vec![("ticketDistributionId", id(n).to_string())]
        }),
        ("orderOwnerCustomerId", &|n| {
            vec![("orderOwnerCustomerId", owner(of(n)))]
        }),
        ("distributionHolderCustomerId", &|n| {
            vec![("distributionHolderCustomerId", holder(of(n)))]
        }),
        ("holder of a tenth of all", &|_| {
            vec![("distributionHolderCustomerId", "everyone".to_owned())]
        }),
        ("mediaSerialNumberId", &|n| {
            vec![("mediaSerialNumberId", card(of(n) / 10 * 10))]
        }),
        ("createdAt, a minute", &|n| {
            vec![
                ("createdAt", format!("gte:{}", minute(of(n)))),
                ("createdAt", format!("lte:{}", minute(of(n)))),
            ]
        }),
        ("createdAt, all from a time on", &|n| {
            vec![("createdAt", format!("gte:{}", minute(of(n) / 2)))]
        }),
        ("createdAt, the older half", &|n| {
            vec![("createdAt", format!("lt:{}", minute(orders / 2 - n)))]
        }),
        ("updatedAt, all from a time on", &|n| {
            vec![("updatedAt", format!("gte:{}", minute(of(n) / 2)))]
        }),
        ("owner and status", &|n| {
            vec![
                ("orderOwnerCustomerId", owner(of(n))),
                ("distributionStatus", "GENERATED".to_owned()),
            ]
        }),
        ("organisationId, no key, none found", &|n| {
            vec![("organisationId", (n + 2).to_string())]
        }),
    ];
    for (name, filters) in searches {
        let mut times = Vec::new();
        let mut last = None;
        for n in 0..SEARCHES {
            let search = search(&filters(n), Start::Offset(0))?;
            let asked = Instant::now();
            let found = projections.search_groups(&search)?.value;
            times.push(asked.elapsed());
            last = Some(found);
        }
        report(name, times, last.as_ref());
    }
    let mut times = Vec::new();
    let mut found = None;
    for n in 0..SEARCHES {
        let asked = Instant::now();
        let filters = vec![("updatedAt", format!("gte:{}", minute(0)))];
        let offset = usize::try_from(n)? * PER_PAGE + 7_000;
        found = Some(
            projections
                .search_groups(&search(&filters, Start::Offset(offset))?)?
                .value,
        );
        times.push(asked.elapsed());
    }
    report("updatedAt, pages 351 to 450", times, found.as_ref());
    Ok(())
}

/// Confirms and generates orders, with their positions of generation.
fn sell(log: &MemoryLog, orders: std::ops::Range<u64>, generated: &mut Vec<u64>) -> Result<()> {
    let at = time_of(orders.start / ORDERS_PER_BATCH);
    let mut entries = Vec::new();
    let mut position = log.head().position;
    let mut tell = |kind, data: Value| -> Result<u64> {
        position += 1;
        entries.push(entry(kind, &data, position, at)?);
        Ok(position)
    };
    for n in orders {
        let order = format!("ENT:Order:{n}");
        tell(
            EventKind::OrderCreated,
            json!({
                "orderId": order, "orderVersion": 1, "organisationId": 1, "currency": "NOK", "customerId": owner(n)
            }),
        )?;
        for line in 0..LINES {
            let customer = if line == 0 {
                "everyone".to_owned()
            } else {
                holder(n)
            };
            tell(
                EventKind::OrderLineAdded,
                json!({
                    "orderId": order, "orderVersion": 1, "orderLineId": format!("L{line}"), "orderLineVersion": 1,
                    "fareProducts": [{"id": "ENT:PreassignedFareProduct:AdultSingle", "type": "SINGLE"}],
                    "price": {"amount": "39.00", "currency": "NOK"}, "customerId": customer
                }),
            )?;
        }
        let round = json!({"orderId": order, "orderVersion": 1});
        tell(EventKind::OrderConfirmed, round)?;
        let place = tell(
            EventKind::TicketDistributionGroupsGenerated,
            json!({"orderId": order, "orderVersion": 1, "language": "nob"}),
        )?;
        generated.push(place);
        if n % 10 == 0 {
            let tickets: Vec<_> = (0..20).filter_map(|n| id_from_position(place, n)).collect();
            tell(
                EventKind::TicketDistributionRequested,
                json!({
                    "orderId": order, "ticketDistributionIds": tickets,
                    "travelCard": {"activate": false, "mediaSerialNumberId": card(n)}
                }),
            )?;
        }
    }
    log.append(Batch {
        entries,
        checkpoint: None,
        recorded_at: at,
    })?;
    Ok(())
}

fn entry(kind: EventKind, data: &Value, position: u64, at: DateTime<Utc>) -> Result<Entry> {
    let json = data.to_string();
    let event = NewEvent {
        source: "group_search".into(),
        id: position.to_string().into(),
        event_type: kind.name().into(),
        time: at,
        correlation_id: None,
        about: decode(kind, &json)?.about(),
        data: RawValue::from_string(json)?,
    };
    Ok(Entry {
        event,
        origin: None,
    })
}

fn time_of(batch: u64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(batch.cast_signed())
}

fn owner(order: u64) -> String {
    format!("owner-{}", order % CUSTOMERS)
}

fn holder(order: u64) -> String {
    format!("holder-{}", order % CUSTOMERS)
}

fn card(order: u64) -> String {
    format!("card-{order}")
}

fn search(filters: &[(&'static str, String)], start: Start) -> Result<GroupSearch> {
    let mut all = GroupFilters::default();
    for (name, text) in filters {
        all.add(name, text)?;
    }
    Ok(GroupSearch {
        filters: all,
        start,
        per_page: PER_PAGE,
    })
}

fn report(name: &str, mut times: Vec<Duration>, found: Option<&FoundGroups>) {
    times.sort();
    let milliseconds = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1e3);
    println!(
        "{name}: p50 {:.2} ms, p99 {:.2} ms; {}{} found, {} on the page",
        milliseconds(times.get(times.len() / 2)),
        milliseconds(times.get(times.len() * 99 / 100)),
        if found.is_some_and(|found| found.total_is_lower_bound) {
            "at least "
        } else {
            ""
        },
        found.map_or(0, |found| found.total_items),
        found.map_or(0, |found| found.items.len()),
    );
}
