//! Rule 8: until when points count.

use crate::common::time;
use crate::stage::{a_point_per_krone, buys, live, refund};

#[test]
fn each_kind_of_expiry_ends_points_at_its_own_moment() {
    for (expiry, end) in [
        (r#"{ kind = "NEVER" }"#, None),
        (
            r#"{ kind = "DURATION", after = "P1M" }"#,
            Some("2026-02-28T09:00:00Z"),
        ),
        (
            r#"{ kind = "FIXED", at = 2026-12-31T23:00:00Z }"#,
            Some("2026-12-31T23:00:00Z"),
        ),
        (r#"{ kind = "PERIOD_END" }"#, Some("2026-12-31T23:00:00Z")),
    ] {
        let (mut story, ..) = a_point_per_krone(&format!(
            "expiry = {expiry}\nperiod = {{ kind = \"CALENDAR_YEAR\" }}"
        ));
        buys(&mut story, "a", "kari", "10.00", "2026-01-31T09:00:00Z");
        assert_eq!(
            live(&story, "a").unwrap().expire_at,
            end.map(time),
            "{expiry}"
        );
    }
}

#[test]
fn what_replaces_points_of_a_period_or_under_a_cap_ends_when_they_did() {
    for definition in [
        r#"period = { kind = "CALENDAR_YEAR" }"#,
        r#"cap = { amount = 1000, per = "MEMBER" }"#,
    ] {
        let (mut story, ..) = a_point_per_krone(&format!(
            "{definition}\nexpiry = {{ kind = \"DURATION\", after = \"P30D\" }}"
        ));
        buys(&mut story, "a", "kari", "10.00", "2026-01-01T09:00:00Z");
        refund(&mut story, "a", "5.00", "2026-01-20T09:00:00Z");
        let replacement = live(&story, "a").unwrap();
        assert_eq!(replacement.valid_from, time("2026-01-20T09:00:00Z"));
        assert_eq!(replacement.expire_at, Some(time("2026-01-31T09:00:00Z")));
    }
}
