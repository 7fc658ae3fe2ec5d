//! Three programs of three definitions each, of the kinds that real ones are of.

use std::error::Error;

use chrono::DateTime;
use farelog_events::log::Position;
use farelog_projections::program::{Program, ProgramCatalog};

/// Points of rolling months, of days in a row, and of money that may be paid back.
const PROGRAMS: [&str; 3] = [
    r#"
        id = 1
        reference = "month"
        name = "A month of discounts"
        organisationId = 1
        timezone = "Europe/Oslo"

        [[pointDefinitions]]
        id = 11
        reference = "month-single"
        name = { eng = "Single tickets" }
        trigger = "LineConfirmed"
        when = 'line.fareProducts.exists(p, p.type == "SINGLE") && line.userType == "ADULT"'
        amount = '1'
        period = { kind = "ROLLING_FROM_FIRST", length = "P30D", key = '{"userType": line.userType}' }
        expiry = { kind = "PERIOD_END" }
        cap = { amount = 10, per = "PERIOD" }

        [[pointDefinitions]]
        id = 12
        reference = "month-child"
        name = { eng = "Tickets of children" }
        trigger = "LineConfirmed"
        when = 'line.userType in ["CHILD", "YOUTH"]'
        amount = '2'

        [[pointDefinitions]]
        id = 13
        reference = "month-journey"
        name = { eng = "Journeys begun" }
        trigger = "LineActivated"
        when = 'line.fareProducts.exists(p, p.type == "SINGLE")'
        amount = 'line.fareProducts.filter(p, p.main).size()'
        reversal = { onCancel = "KEEP", onRefund = "KEEP" }
    "#,
    r#"
        id = 2
        reference = "products"
        name = "Points per product"
        organisationId = 1
        timezone = "Europe/Oslo"

        [tables.productPoints]
        "ENT:PreassignedFareProduct:AdultSingle" = 5
        "ENT:PreassignedFareProduct:ChildSingle" = 3
        "ENT:PreassignedFareProduct:NightTrainSleeper" = 100

        [[pointDefinitions]]
        id = 21
        reference = "products-ticket"
        name = { eng = "Ticket points" }
        trigger = "LineConfirmed"
        when = 'line.fareProducts.all(p, p.type != "SUPPLEMENT")'
        amount = 'tables.productPoints[line.fareProducts[0].id]'
        validFrom = 'has(line.travel.departureTime) ? line.travel.departureTime : trigger.time'

        [[pointDefinitions]]
        id = 22
        reference = "products-back"
        name = { eng = "Journeys of the last thirty days" }
        trigger = "LineConfirmed"
        when = 'line.userType == "ADULT" && line.fareProducts[0].type == "SINGLE"'
        amount = '1'
        expiry = { kind = "DURATION", after = "P30D" }

        [[pointDefinitions]]
        id = 23
        reference = "products-use"
        name = { eng = "Period tickets in use" }
        trigger = "LineActivated"
        when = 'line.fareProducts[0].type == "PERIOD"'
        amount = '20'
    "#,
    r#"
        id = 3
        reference = "kroner"
        name = "Points per krone"
        organisationId = 1
        timezone = "Europe/Oslo"

        [[pointDefinitions]]
        id = 31
        reference = "kroner-purchase"
        name = { eng = "Points for purchases" }
        trigger = "LineConfirmed"
        when = 'line.price.currency == "NOK"'
        amount = 'double(line.price.amount) / 10.0'
        reversal = { onCancel = "CANCEL", onRefund = "PROPORTIONAL" }

        [[pointDefinitions]]
        id = 32
        reference = "kroner-paid"
        name = { eng = "Points for what is paid" }
        trigger = "PaymentCaptured"
        when = 'line.price.currency == "NOK" && line.price.minorUnits >= 10000'
        amount = 'line.price.minorUnits / 10000'

        [[pointDefinitions]]
        id = 33
        reference = "kroner-app"
        name = { eng = "Extra in the app" }
        trigger = "PaymentCaptured"
        when = 'order.distributionChannelId == "ENT:DistributionChannel:App"'
        amount = '1'
        cap = { amount = 3, per = "DAY" }
    "#,
];

/// The programs, published at the log's first positions, and the last of these.
pub fn published() -> Result<(ProgramCatalog, Position), Box<dyn Error>> {
    let mut catalog = ProgramCatalog::default();
    let mut position = 0;
    for toml in PROGRAMS {
        position += 1;
        let program = Program::from_toml(toml)?;
        let json = serde_json::to_string(&program)?;
        catalog.publish(program.id, position, DateTime::UNIX_EPOCH, &json);
        let refused = catalog.current(program.id).and_then(|it| it.inert.clone());
        if let Some(refused) = refused {
            return Err(refused.into());
        }
    }
    Ok((catalog, position))
}
