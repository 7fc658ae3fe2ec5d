//! Rule 3: what distributing sends.

use farelog_events::distribution::{Language, TravelCard};
use farelog_events::id::OrganisationId;
use serde_json::json;

use crate::distribution::decision::{self, Distribute, DistributionRefusal, Generate, Reach};
use crate::distribution::group::Groups;
use crate::distribution::testing::{
    History, LINE, ORDER, created, line, line_cancelled, order, round, with,
};

fn of_lines(lines: &[&str]) -> Distribute {
    Distribute {
        order_line_ids: Some(lines.iter().map(|line| line.parse().unwrap()).collect()),
        ..Distribute::default()
    }
}

fn deprecated() -> Distribute {
    Distribute {
        reach: Reach::FirstVersionNod,
        ..Distribute::default()
    }
}

fn two_lines() -> History {
    let mut history = History::created();
    history.tell("OrderLineAdded", line("L1", 1, 1, &["Single"]));
    let account = json!({"distributionDetails": {"fulfillmentMethod": "ACCOUNT_BASED_TICKETING"}});
    history.tell(
        "OrderLineAdded",
        with(line("L2", 1, 1, &["Train"]), &account),
    );
    history.tell("OrderConfirmed", round(1));
    history
}

#[test]
fn groups_come_before_their_distribution() {
    let refusal = decision::distribute(&order(), None, &Groups::default(), Distribute::default());
    assert_eq!(refusal.unwrap_err().code(), "order-unknown");

    for command in [Distribute::default(), deprecated(), of_lines(&[LINE])] {
        let refusal = History::confirmed().try_distribute(command).unwrap_err();
        assert_eq!(refusal, DistributionRefusal::NotGenerated(order()));
        assert_eq!(refusal.code(), "not-generated");
    }
}

#[test]
fn each_ticket_goes_out_with_all_that_its_system_needs() {
    let mut history = two_lines();
    history
        .try_generate(Generate {
            language: Language::Eng,
            ..Generate::default()
        })
        .unwrap();
    let sent = history.distribute(Distribute {
        order_line_ids: Some(vec!["L1".parse().unwrap()]),
        deliver_after: Some("2026-02-28T00:00:00Z".parse().unwrap()),
        qr_checksum_type: Some("SHA256".into()),
        travel_card: Some(TravelCard {
            activate: true,
            payment_means_type: Some("T_CARD".into()),
            media_serial_number_id: "card".into(),
        }),
        distributed_by_dci: Some("ENT:DistributionChannel:App".into()),
        caller_organisation_id: OrganisationId::new(7),
        pos: Some("App".into()),
        ..Distribute::default()
    });
    assert!(sent);

    assert_eq!(history.tickets(), ["Single REQUESTED", "Train GENERATED"]);
    let group = &history.views()[0];
    let ticket = &group.ticket_distributions[0];
    assert_eq!(ticket.qr_checksum_type.as_deref(), Some("SHA256"));
    assert_eq!(ticket.media_serial_number_id.as_deref(), Some("card"));
    assert_eq!(group.distributed_by_org_id, OrganisationId::new(7));
    assert_eq!(history.views()[1].distributed_by_org_id, None);
    assert_eq!(
        serde_json::to_value(&history.facts).unwrap(),
        json!([{"type": "TicketRequested", "data": {
            "orderId": ORDER,
            "orderVersion": 1,
            "orderLineId": "L1",
            "orderLineVersion": 1,
            "ticketDistributionGroupId": group.id,
            "ticketDistributionId": ticket.id,
            "fulfillmentMethod": "NOD",
            "fareProductId": "Single",
            "startOfValidity": "2026-03-01T00:00:00Z",
            "endOfValidity": "2026-03-02T00:00:00Z",
            "language": "eng",
            "deliverAfter": "2026-02-28T00:00:00Z",
            "qrChecksumType": "SHA256",
            "travelCard": {"activate": true, "paymentMeansType": "T_CARD", "mediaSerialNumberId": "card"},
            "fareContractRef": null,
            "customerAccountRef": null,
            "orderOwnerCustomerId": "owner",
            "distributionHolderCustomerId": "owner",
            "organisationId": 1,
            "distributedByDCI": "ENT:DistributionChannel:App",
            "distributedByOrgId": 7,
            "pos": "App",
            "requestedAt": "2026-01-01T00:06:00Z",
        }}])
    );
    assert_eq!(history.facts[0].name(), "TicketRequested");
}

#[test]
fn a_caller_without_an_organisation_acts_for_that_of_the_order() {
    let history = History::distributed_with(&["Single"]);
    assert_eq!(
        history.group().distributed_by_org_id,
        OrganisationId::new(1)
    );
}

#[test]
fn a_language_that_is_named_again_wins() {
    let mut history = History::generated_with(&["Single"]);
    assert_eq!(history.ticket(0).language, Language::Nob);
    history.distribute(Distribute {
        language: Some(Language::Nno),
        ..Distribute::default()
    });
    assert_eq!(history.ticket(0).language, Language::Nno);
}

#[test]
fn nothing_is_sent_twice() {
    let mut history = History::distributed_with(&["Single", "Zone"]);
    let groups = history.groups.clone();
    for command in [Distribute::default(), deprecated(), of_lines(&[LINE])] {
        assert!(!history.distribute(command));
    }
    history.ticket_system("TicketDistributionAdded", 0, &json!({}));
    assert!(!history.distribute(Distribute::default()));
    assert_eq!(history.requests_sent().len(), 2);
    assert_eq!(
        history.group().distributed_by_dci,
        groups.to_view()[0].distributed_by_dci
    );
}

#[test]
fn two_requests_that_were_decided_at_once_send_once() {
    let mut history = History::generated_with(&["Single"]);
    let decided = decision::distribute(
        &order(),
        Some(&history.state()),
        &history.groups,
        Distribute::default(),
    )
    .unwrap()
    .unwrap();
    history.tell("TicketDistributionRequested", &decided);
    let groups = history.groups.clone();
    history.tell("TicketDistributionRequested", &decided);
    assert_eq!(history.requests_sent().len(), 1);
    assert_eq!(history.groups, groups);
}

#[test]
fn what_failed_is_sent_again_and_nothing_else() {
    let mut history = History::distributed_with(&["Single", "Zone"]);
    history.ticket_system("TicketDistributionFailed", 1, &json!({"reason": "no card"}));
    let failed = history.ticket(1).id;
    assert!(history.distribute(Distribute::default()));
    assert_eq!(history.tickets(), ["Single REQUESTED", "Zone REQUESTED"]);
    assert_eq!(history.requests_sent()[2..], [failed]);
}

#[test]
fn lines_can_be_named() {
    let mut history = two_lines();
    history.generate();
    assert!(history.distribute(of_lines(&["L2"])));
    assert_eq!(history.tickets(), ["Single GENERATED", "Train REQUESTED"]);
    assert!(!history.distribute(of_lines(&[])));

    let refusal = history.try_distribute(of_lines(&["L1", "L9"])).unwrap_err();
    assert_eq!(refusal.code(), "order-line-unknown");
    assert_eq!(
        refusal.to_string(),
        "order O1 has no line L9: name lines of this order, or none for all"
    );
    assert_eq!(history.tickets(), ["Single GENERATED", "Train REQUESTED"]);
}

#[test]
fn a_line_that_has_no_group_yet_is_not_sent_by_name() {
    let mut history = History::generated_with(&["Single"]);
    history.tell("OrderLineAdded", line("L2", 2, 1, &["Train"]));
    history.tell("OrderConfirmed", round(2));
    let refusal = history.try_distribute(of_lines(&["L2"])).unwrap_err();
    assert_eq!(
        refusal,
        DistributionRefusal::LineNotGenerated("L2".parse().unwrap())
    );
    // Without a name it is what was generated that goes.
    assert!(history.distribute(Distribute::default()));
    assert_eq!(history.tickets(), ["Single REQUESTED"]);
}

#[test]
fn a_ticket_for_what_a_line_no_longer_is_is_not_sent() {
    let mut history = History::generated_with(&["Single"]);
    history.tell("OrderCreated", created(2));
    history.tell("OrderLineChanged", line(LINE, 2, 2, &["Train"]));
    history.tell("OrderConfirmed", round(2));
    let refusal = history.try_distribute(Distribute::default()).unwrap_err();
    assert_eq!(refusal.code(), "not-generated");
    assert_eq!(history.facts, []);

    history.generate();
    assert!(history.distribute(Distribute::default()));
    assert_eq!(history.tickets(), ["Single CANCELLED", "Train REQUESTED"]);
}

#[test]
fn the_deprecated_operations_handle_nod_in_the_first_version_only() {
    let mut history = two_lines();
    history.generate();
    assert!(history.distribute(deprecated()));
    assert_eq!(history.tickets(), ["Single REQUESTED", "Train GENERATED"]);
    assert!(!history.distribute(deprecated()));

    history.tell("OrderCreated", created(2));
    history.tell("OrderLineChanged", line("L1", 2, 2, &["Single"]));
    history.tell("OrderConfirmed", round(2));
    let refusal = history.try_distribute(deprecated()).unwrap_err();
    assert_eq!(refusal.code(), "order-version-not-supported");
    assert!(history.distribute(Distribute::default()));
}

#[test]
fn the_deprecated_operations_have_nothing_to_do_without_a_group_of_nod() {
    let mut history = two_lines();
    history.tell("OrderLineCancelled", line_cancelled("L1"));
    history.generate();
    let refusal = history.try_distribute(deprecated()).unwrap_err();
    assert_eq!(refusal.code(), "nothing-to-distribute");
    assert!(history.distribute(Distribute::default()));
}
