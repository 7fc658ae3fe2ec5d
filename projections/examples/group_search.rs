//! Measures the search for ticket distribution groups among many of them.
//!
//! ```text
//! cargo run --release -p farelog-projections --example group_search -- [groups, 1000000 by default]
//! ```
//!
//! Orders of ten lines are confirmed and generated, each batch of them a minute after the one before; every tenth goes out
//! on a travel card, and a hundredth of those fails. Each search is asked for with other values a hundred times, and
//! told is how long one takes: the middle one, the slowest of a hundred, and how many groups it found. In the end batches
//! are applied, first alone and then beside searches that look at as much as they may.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use farelog_events::event::{EventKind, NewEvent, decode};
use farelog_events::id::id_from_position;
use farelog_events::json::JsonText;
use farelog_events::log::memory::MemoryLog;
use farelog_events::log::{Batch, Entry, EventLog};
use farelog_projections::search::{FoundGroups, GroupFilters, GroupSearch, Start};
use farelog_projections::{ProjectionError, Projections};
use farelog_test_support::directory::bytes_in;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A kind of search: its name, and the filters of the nth search.
type Kind<'a> = (&'static str, Box<dyn Fn(u64) -> Asked + 'a>);

type Asked = Vec<(&'static str, String)>;

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
    let directory = scratch.path().join("projections");
    let projections = Projections::open(&directory, &log)?;
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

    let sales = Sales {
        orders,
        generated: &generated,
    };
    let searches = by_ids(sales)
        .into_iter()
        .chain(by_times(sales))
        .chain(by_fields(sales));
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
    println!("on disk: {} bytes a group", bytes_in(&directory) / groups);
    apply_batches(&log, &projections, orders, &mut generated)
}

/// The orders that were sold, for values to search by.
#[derive(Clone, Copy)]
struct Sales<'s> {
    orders: u64,
    /// The positions of generation.
    generated: &'s [u64],
}

impl Sales<'_> {
    /// An order, another one for each n.
    fn of(self, n: u64) -> u64 {
        n * 7_919 % self.orders
    }

    /// The id of a group and of a ticket.
    fn id(self, n: u64) -> i64 {
        let order = usize::try_from(self.of(n)).unwrap_or(0);
        id_from_position(self.generated[order], 3).unwrap_or(1)
    }
}

fn by_ids(sales: Sales<'_>) -> Vec<Kind<'_>> {
    vec![
        (
            "orderId",
            Box::new(move |n| vec![("orderId", format!("ENT:Order:{}", sales.of(n)))]),
        ),
        (
            "id",
            Box::new(move |n| vec![("id", sales.id(n).to_string())]),
        ),
        (
            "ticketDistributionId",
            Box::new(move |n| vec![("ticketDistributionId", sales.id(n).to_string())]),
        ),
        (
            "orderOwnerCustomerId",
            Box::new(move |n| vec![("orderOwnerCustomerId", owner(sales.of(n)))]),
        ),
        (
            "distributionHolderCustomerId",
            Box::new(move |n| vec![("distributionHolderCustomerId", holder(sales.of(n)))]),
        ),
        (
            "holder of a tenth of all",
            Box::new(|_| vec![("distributionHolderCustomerId", "everyone".to_owned())]),
        ),
        (
            "mediaSerialNumberId",
            Box::new(move |n| vec![("mediaSerialNumberId", card(sales.of(n) / 10 * 10))]),
        ),
    ]
}

fn by_times(sales: Sales<'_>) -> Vec<Kind<'_>> {
    vec![
        (
            "createdAt, a minute",
            Box::new(move |n| {
                vec![
                    ("createdAt", format!("gte:{}", minute(sales.of(n)))),
                    ("createdAt", format!("lte:{}", minute(sales.of(n)))),
                ]
            }),
        ),
        (
            "createdAt, all from a time on",
            Box::new(move |n| vec![("createdAt", format!("gte:{}", minute(sales.of(n) / 2)))]),
        ),
        (
            "createdAt, the older half",
            Box::new(move |n| vec![("createdAt", format!("lt:{}", minute(sales.orders / 2 - n)))]),
        ),
        (
            "updatedAt, all from a time on",
            Box::new(move |n| vec![("updatedAt", format!("gte:{}", minute(sales.of(n) / 2)))]),
        ),
        (
            "owner and status",
            Box::new(move |n| {
                vec![
                    ("orderOwnerCustomerId", owner(sales.of(n))),
                    ("distributionStatus", "GENERATED".to_owned()),
                ]
            }),
        ),
    ]
}

fn by_fields(sales: Sales<'_>) -> Vec<Kind<'_>> {
    vec![
        (
            "orderLineId",
            Box::new(move |n| vec![("orderLineId", line_id(sales.of(n), 3))]),
        ),
        (
            "organisationId, none",
            Box::new(move |n| vec![("organisationId", (n + 3).to_string())]),
        ),
        (
            "organisationId, a thousandth of all",
            Box::new(|_| vec![("organisationId", "2".to_owned())]),
        ),
        (
            "distributionStatus, a thousandth",
            Box::new(|_| vec![("distributionStatus", "FAILED".to_owned())]),
        ),
        (
            "distributionStatus, nearly all",
            Box::new(|_| vec![("distributionStatus", "nin:FAILED,REQUESTED".to_owned())]),
        ),
        (
            "orderVersion, none",
            Box::new(|_| vec![("orderVersion", "gt:1".to_owned())]),
        ),
        (
            "startOfValidity, a minute",
            Box::new(move |n| {
                vec![
                    ("startOfValidity", format!("gte:{}", minute(sales.of(n)))),
                    ("startOfValidity", format!("lte:{}", minute(sales.of(n)))),
                ]
            }),
        ),
        (
            "endOfValidity, the older half",
            Box::new(move |n| {
                vec![(
                    "endOfValidity",
                    format!("lt:{}", minute(sales.orders / 2 - n)),
                )]
            }),
        ),
        (
            "createdAt, the older half, and status",
            Box::new(move |n| {
                vec![
                    ("createdAt", format!("lt:{}", minute(sales.orders / 2 - n))),
                    ("distributionStatus", "REQUESTED".to_owned()),
                ]
            }),
        ),
        (
            "orderId gt, and many of a holder and of a status",
            Box::new(|_| {
                vec![
                    ("distributionHolderCustomerId", "everyone".to_owned()),
                    ("distributionStatus", "GENERATED".to_owned()),
                    ("orderId", "gt:ENT:Order:99998".to_owned()),
                ]
            }),
        ),
    ]
}

/// Applies small batches, alone and beside searches.
fn apply_batches(
    log: &MemoryLog,
    projections: &Projections,
    orders: u64,
    generated: &mut Vec<u64>,
) -> Result<()> {
    let mut order = orders.next_multiple_of(ORDERS_PER_BATCH);
    let mut apply = || -> Result<Vec<Duration>> {
        let mut times = Vec::new();
        for _ in 0..SEARCHES {
            sell(log, order..order + 1, generated)?;
            order += 1;
            let applied = Instant::now();
            projections.catch_up(log)?;
            times.push(applied.elapsed());
        }
        Ok(times)
    };
    report("a batch of an order", apply()?, None);
    let widest = vec![
        ("orderId", "ne:ENT:Order:1".to_owned()),
        ("orderLineId", "ne:L".to_owned()),
        ("orderOwnerCustomerId", "lt:a".to_owned()),
    ];
    let widest = search(&widest, Start::Offset(0))?;
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let searching = scope.spawn(|| {
            let mut times = Vec::new();
            while !ended.load(Ordering::Relaxed) {
                let asked = Instant::now();
                projections.search_groups(&widest)?;
                times.push(asked.elapsed());
            }
            Ok::<_, ProjectionError>(times)
        });
        let beside = apply();
        ended.store(true, Ordering::Relaxed);
        report("a batch of an order, beside searches", beside?, None);
        let times = searching.join().map_err(|_| "a search panicked")??;
        report("the searches beside", times, None);
        Ok(())
    })
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
                "orderId": order, "orderVersion": 1, "organisationId": if n % 1_000 == 0 { 2 } else { 1 },
                "currency": "NOK", "customerId": owner(n)
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
                    "orderId": order, "orderVersion": 1, "orderLineId": line_id(n, line), "orderLineVersion": 1,
                    "validity": {"start": at, "end": at + TimeDelta::minutes(90)},
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
        if n % 1_000 == 0 {
            for (line, ticket) in (0..).zip(0..LINES) {
                tell(
                    EventKind::TicketDistributionFailed,
                    json!({
                        "orderId": order, "orderLineId": line_id(n, ticket),
                        "ticketDistributionId": id_from_position(place, line)
                    }),
                )?;
            }
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
        data: JsonText::new(&json)?,
    };
    Ok(Entry {
        event,
        origin: None,
    })
}

fn time_of(batch: u64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(batch.cast_signed())
}

/// When an order was sold.
fn minute(order: u64) -> String {
    time_of(order / ORDERS_PER_BATCH).to_rfc3339()
}

fn owner(order: u64) -> String {
    format!("owner-{}", order % CUSTOMERS)
}

fn holder(order: u64) -> String {
    format!("holder-{}", order % CUSTOMERS)
}

/// In no order, as ids of lines are.
fn line_id(order: u64, line: u64) -> String {
    format!(
        "{:08x}-{line}",
        order.wrapping_mul(2_654_435_761) % (1 << 32)
    )
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
