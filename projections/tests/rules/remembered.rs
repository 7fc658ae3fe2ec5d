//! What an order remembers of its definitions from event to event changes nothing: each history is folded twice, once with
//! everything forgotten after every event. Between the events, customers enrol, leave, are updated and merged, programs
//! are published, and lines are registered.

use farelog_events::id::ProgramId;
use farelog_projections::member::{MemberChangeKind, Members};
use farelog_projections::stored_order;
use proptest::prelude::*;
use serde_json::json;

use crate::any_history::histories;
use crate::common::{Story, Told, customer as name};

const CUSTOMERS: [&str; 3] = ["kari", "ola", "stranger"];

/// A program in one of several versions. Its definitions look at all that expressions see: the order, the line, the
/// trigger and the member; one or the other of them comes and goes from version to version.
#[derive(Debug, Clone, Copy)]
struct Version {
    id: u8,
    is_active: bool,
    kroner_a_point: u8,
    has_periods: bool,
}

impl Version {
    fn toml(self) -> String {
        let Self {
            id,
            is_active,
            kroner_a_point,
            has_periods,
        } = self;
        let with_periods = r#"
            [[pointDefinitions]]
            id = 14
            reference = "of-a-period"
            trigger = "LineConfirmed"
            amount = 'double(line.price.amount)'
            validFrom = 'trigger.time + duration(line.orderLineId == "L1" ? "0h" : "24h")'
            period = { kind = "ROLLING_FROM_FIRST", length = "PT4M", key = '{"owner": order.customerId}' }
            expiry = { kind = "PERIOD_END" }
            cap = { amount = 400, per = "PERIOD" }
            [[pointDefinitions]]
            id = 15
            reference = "of-an-order"
            trigger = "PaymentCaptured"
            when = 'line.orderLineVersion > 1 || order.orderVersion > 1'
            amount = '5'
            reversal = { onCancel = "KEEP", onRefund = "CANCEL" }
            cap = { amount = 12, per = "ORDER" }
            "#;
        format!(
            r#"
            id = {id}
            reference = "p{id}"
            name = "P{id}"
            active = {is_active}
            [[pointDefinitions]]
            id = 11
            reference = "of-the-line"
            trigger = "LineConfirmed"
            when = 'member.metadata.level != "none"'
            amount = 'double(line.price.amount) / {kroner_a_point}.0'
            [[pointDefinitions]]
            id = 12
            reference = "of-the-owner"
            trigger = "LineConfirmed"
            customer = 'order.customerId'
            when = 'order.orderVersion < 3'
            amount = 'double(order.orderVersion * 10 + line.orderLineVersion)'
            reversal = {{ onCancel = "KEEP", onRefund = "PROPORTIONAL" }}
            [[pointDefinitions]]
            id = 13
            reference = "of-the-activation"
            trigger = "LineActivated"
            amount = 'member.metadata.level == "gold" ? 3 : 2'
            validFrom = 'trigger.time + duration("1h")'
            expiry = {{ kind = "DURATION", after = "P30D" }}
            {}
            "#,
            if has_periods { with_periods } else { "" }
        )
    }
}

/// Something that happens between the events of orders.
#[derive(Debug, Clone)]
enum Happening {
    Order(Told),
    /// Who was never a member enrols, whatever the kind.
    Membership {
        program: u8,
        kind: MemberChangeKind,
        customer: &'static str,
        level: Option<&'static str>,
    },
    Merge(&'static str, &'static str),
    Publication(Version),
}

impl Happening {
    fn happen_in(&self, story: &mut Story) {
        match self {
            Self::Order(told) => story.tell(told),
            Self::Membership {
                program,
                kind,
                customer,
                level,
            } => {
                let program = ProgramId::new((*program).into()).unwrap();
                let is_member = story.members.own_member(program, &name(customer)).is_some();
                let kind = if is_member {
                    *kind
                } else {
                    MemberChangeKind::Enrolled
                };
                let metadata = level.map(|level| [("level".to_owned(), json!(level))].into_iter());
                story.member_with(program, kind, customer, metadata.map(Iterator::collect));
            }
            Self::Merge(from, into) => story.merge(from, into),
            Self::Publication(version) => {
                story.publish(&version.toml());
            }
        }
    }
}

fn customer() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&CUSTOMERS[..])
}

fn version() -> impl Strategy<Value = Version> {
    (1..3_u8, prop::bool::weighted(0.8), 1..4_u8, any::<bool>()).prop_map(
        |(id, is_active, kroner_a_point, has_periods)| Version {
            id,
            is_active,
            kroner_a_point,
            has_periods,
        },
    )
}

fn membership() -> impl Strategy<Value = Happening> {
    use MemberChangeKind::{Enrolled, Updated, Withdrawn};
    let kind = prop::sample::select(&[Enrolled, Updated, Withdrawn][..]);
    let level = prop::option::of(prop::sample::select(&["gold", "none"][..]));
    (1..3_u8, kind, customer(), level).prop_map(|(program, kind, customer, level)| {
        Happening::Membership {
            program,
            kind,
            customer,
            level,
        }
    })
}

fn happening_between() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => membership(),
        1 => (customer(), customer()).prop_map(|(from, into)| Happening::Merge(from, into)),
        2 => version().prop_map(Happening::Publication),
    ]
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let between = prop::collection::vec(happening_between(), 0..16);
    (histories(), between)
        .prop_map(|(histories, between)| {
            let of_orders = histories.into_iter().map(Happening::Order);
            of_orders.chain(between).collect::<Vec<_>>()
        })
        .prop_shuffle()
}

/// Both programs, and in each of them kari and ola.
fn stage() -> Story {
    let mut story = Story::default();
    for id in [1, 2] {
        let version = Version {
            id,
            is_active: true,
            kroner_a_point: 10,
            has_periods: id == 1,
        };
        let program = story.program(&version.toml());
        story.enroll(program, "kari");
        story.enroll(program, "ola");
    }
    story
}

/// All orders as they are stored, transactions and all.
fn stored(story: &Story) -> Vec<Vec<u8>> {
    let orders = story.orders.values();
    orders
        .map(|order| stored_order::encode(order).unwrap())
        .collect()
}

fn forget(story: &mut Story) {
    for order in story.orders.values_mut() {
        *order = stored_order::decode(&stored_order::encode(order).unwrap()).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn what_is_remembered_from_event_to_event_makes_no_difference(happenings in happenings()) {
        let mut remembering = stage();
        let mut forgetful = stage();
        for happening in &happenings {
            happening.happen_in(&mut remembering);
            happening.happen_in(&mut forgetful);
            forget(&mut forgetful);
        }
        prop_assert!(stored(&remembering) == stored(&forgetful));
    }
}
