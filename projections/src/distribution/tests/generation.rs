//! Rule 1, first half: what generating gives.

use farelog_events::distribution::Language;
use farelog_events::id::{EFFECTS_PER_RECORD_MAX, OrganisationId, id_from_position};
use serde_json::{Value, json};

use crate::distribution::decision::{self, Distribute, DistributionRefusal, Generate};
use crate::distribution::fact::DistributionFact;
use crate::distribution::group::Groups;
use crate::distribution::testing::{
    History, LINE, ORDER, created, line, line_cancelled, order, refund, round, with,
};

#[test]
fn an_order_that_is_unknown_or_not_confirmed_is_refused() {
    let refusal = decision::generate(&order(), None, &Groups::default(), Generate::default());
    assert_eq!(refusal.as_ref().unwrap_err().code(), "order-unknown");
    assert_eq!(
        refusal.unwrap_err().to_string(),
        "order O1 is not known: check the id, or wait until its events have arrived"
    );

    let mut history = History::created();
    history.tell("OrderLineAdded", line(LINE, 1, 1, &["Single"]));
    let refusal = history.try_generate(Generate::default()).unwrap_err();
    assert_eq!(refusal.code(), "order-not-confirmed");
    assert!(history.groups.is_empty());
}

#[test]
fn each_confirmed_line_gets_a_group_and_each_main_product_a_ticket() {
    let mut history = History::created();
    history.tell("OrderLineAdded", line("L1", 1, 1, &["Single", "Zone"]));
    let with_supplement = json!({"fareProducts": [
        {"id": "Train", "type": "SINGLE"}, {"id": "Bicycle", "type": "SUPPLEMENT", "main": false}]});
    history.tell(
        "OrderLineAdded",
        with(line("L2", 1, 1, &[]), &with_supplement),
    );
    history.tell("OrderConfirmed", round(1));
    history.tell("OrderLineAdded", line("L3", 2, 1, &["Pending"]));

    assert!(history.generate());

    let lines: Vec<_> = history
        .views()
        .iter()
        .map(|group| group.order_line_id.to_string())
        .collect();
    assert_eq!(lines, ["L1", "L2"]);
    assert_eq!(
        history.tickets(),
        ["Single GENERATED", "Zone GENERATED", "Train GENERATED"]
    );
}

#[test]
fn a_group_is_answered_with_the_fields_of_the_interface() {
    let mut history = History::created();
    let details = json!({"customerId": "traveller", "distributionDetails": {
        "fulfillmentMethod": "ACCOUNT_BASED_TICKETING", "customerAccountRef": "account"}});
    history.tell(
        "OrderLineAdded",
        with(line(LINE, 1, 1, &["Single"]), &details),
    );
    history.tell("OrderConfirmed", round(1));
    history
        .try_generate(Generate {
            created_by_dci: Some("ENT:DistributionChannel:App".into()),
            pos: Some("App".into()),
            language: Language::Eng,
        })
        .unwrap();

    let position = 4;
    assert_eq!(
        serde_json::to_value(history.views()).unwrap(),
        json!([{
            "id": position * 4096,
            "orderId": ORDER,
            "orderLineId": LINE,
            "orderVersion": 1,
            "updatedForOrderLineVersion": 1,
            "createdByDCI": "ENT:DistributionChannel:App",
            "organisationId": 1,
            "distributedByDCI": null,
            "fulfillmentMethod": "ACCOUNT_BASED_TICKETING",
            "distributedByOrgId": null,
            "orderOwnerCustomerId": "owner",
            "distributionHolderCustomerId": "traveller",
            "createdAt": "2026-01-01T00:04:00Z",
            "updatedAt": "2026-01-01T00:04:00Z",
            "ticketDistributions": [{
                "id": position * 4096,
                "status": "GENERATED",
                "fareProductId": "Single",
                "startOfValidity": "2026-03-01T00:00:00Z",
                "endOfValidity": "2026-03-02T00:00:00Z",
                "deliverAfter": null,
                "qrChecksumType": null,
                "mediaSerialNumberId": null,
                "language": "eng",
                "fareContractRef": null,
                "customerAccountRef": "account",
                "createdAt": "2026-01-01T00:04:00Z",
                "updatedAt": "2026-01-01T00:04:00Z",
            }],
        }])
    );
}

#[test]
fn ids_number_the_groups_and_the_tickets_of_an_event_from_0() {
    let mut history = History::created();
    history.tell("OrderLineAdded", line("L1", 1, 1, &["A", "B"]));
    history.tell("OrderLineAdded", line("L2", 1, 1, &["C"]));
    history.tell("OrderConfirmed", round(1));
    history.generate();

    let id = |number| id_from_position(5, number).unwrap();
    let groups: Vec<_> = history.views().iter().map(|group| group.id.get()).collect();
    assert_eq!(groups, [id(0), id(1)]);
    let tickets: Vec<_> = (0..3).map(|n| history.ticket(n).id.get()).collect();
    assert_eq!(tickets, [id(0), id(1), id(2)]);
}

#[test]
fn the_holder_is_named_by_the_details_else_by_the_line_else_the_owner() {
    let holder = |more: Value| {
        let mut history = History::created();
        history.tell("OrderLineAdded", with(line(LINE, 1, 1, &["Single"]), &more));
        history.tell("OrderConfirmed", round(1));
        history.generate();
        let holder = history.group().distribution_holder_customer_id;
        holder.map(|customer| customer.to_string())
    };
    assert_eq!(
        holder(json!({"customerId": "traveller",
            "distributionDetails": {"distributionHolderCustomerId": "holder"}})),
        Some("holder".into())
    );
    assert_eq!(
        holder(json!({"customerId": "traveller", "distributionDetails": {}})),
        Some("traveller".into())
    );
    assert_eq!(holder(json!({})), Some("owner".into()));
}

#[test]
fn each_line_is_fulfilled_by_the_system_that_it_names() {
    let methods = ["NOD", "ACCOUNT_BASED_TICKETING", "INTERNATIONAL", "BIFROST"];
    let mut history = History::created();
    for (number, method) in methods.iter().enumerate() {
        let details = json!({"distributionDetails": {"fulfillmentMethod": method}});
        let id = format!("L{number}");
        history.tell(
            "OrderLineAdded",
            with(line(&id, 1, 1, &["Single"]), &details),
        );
    }
    history.tell("OrderConfirmed", round(1));
    history.generate();
    history.distribute(Distribute::default());

    let of_groups: Vec<_> = history
        .views()
        .iter()
        .map(|group| group.fulfillment_method.as_str())
        .collect();
    assert_eq!(of_groups, methods);
    let subjects: Vec<_> = history
        .facts
        .iter()
        .map(DistributionFact::subject)
        .collect();
    let expected = methods.map(|method| format!("farelog.distributions.{method}.{ORDER}"));
    assert_eq!(subjects, expected);
}

#[test]
fn generating_again_without_a_change_appends_nothing() {
    let mut history = History::generated_with(&["Single", "Single", "Zone"]);
    let before = history.groups.clone();

    assert!(!history.generate());
    // A language or a channel is the call's, not the order's.
    let other_caller = Generate {
        created_by_dci: Some("ENT:DistributionChannel:Web".into()),
        pos: None,
        language: Language::Nno,
    };
    assert!(!history.try_generate(other_caller).unwrap());
    // A round that leaves the line alone is no change of it.
    history.tell("OrderCreated", created(2));
    history.tell("OrderConfirmed", round(2));
    assert!(!history.generate());

    assert_eq!(history.groups, before);
}

#[test]
fn a_line_that_ended_or_is_paid_back_gets_no_group() {
    let ends: [&dyn Fn(&mut History); 4] = [
        &|history| {
            history.tell("OrderLineCancelled", line_cancelled(LINE));
        },
        &|history| {
            history.tell("OrderCancelled", round(1));
        },
        &|history| {
            history.tell("OrderLineRefunded", refund(LINE, "39.00", "NOK"));
        },
        &|history| {
            history.tell("OrderLineAdded", line("L0", 2, 1, &[]));
            history.tell(
                "OrderLinesReplaced",
                json!({"orderId": ORDER, "orderVersion": 2, "replacements": [
                    {"originalOrderLineIds": [LINE], "replacedByOrderLineIds": ["L0"]}]}),
            );
            history.tell("OrderConfirmed", round(2));
        },
    ];
    for end in ends {
        let mut history = History::confirmed();
        end(&mut history);
        history.generate();
        assert_eq!(history.tickets(), Vec::<String>::new());
    }
}

#[test]
fn a_line_of_supplements_only_has_a_group_without_tickets() {
    let mut history = History::confirmed_with(&[]);
    assert!(history.generate());
    assert_eq!(history.group().ticket_distributions, []);
    assert!(!history.generate());
}

#[test]
fn a_creation_that_comes_late_is_brought_in_by_generating_again() {
    let mut history = History::default();
    history.tell("OrderLineAdded", line(LINE, 1, 1, &["Single"]));
    history.tell("OrderConfirmed", round(1));
    history.generate();
    assert_eq!(history.group().organisation_id, None);
    let ticket = history.ticket(0);

    history.tell(
        "OrderCreated",
        with(created(1), &json!({"time": "2025-12-31T00:00:00Z"})),
    );
    assert!(history.generate());
    assert_eq!(history.group().organisation_id, OrganisationId::new(1));
    assert_eq!(history.ticket(0), ticket);
    assert!(!history.generate());
}

#[test]
fn more_tickets_at_once_than_there_are_ids_are_refused() {
    let most = EFFECTS_PER_RECORD_MAX as usize;
    let products = vec!["Single"; most + 1];
    let mut history = History::confirmed_with(&products);
    let refusal = history.try_generate(Generate::default()).unwrap_err();
    assert!(
        matches!(refusal, DistributionRefusal::TooManyTickets { tickets, .. } if tickets == most + 1)
    );

    assert!(History::confirmed_with(&products[..most]).generate());
}
