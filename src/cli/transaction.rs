//! Points transactions as a table.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::output;

/// A transaction, as far as a person wants to see it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransactionView {
    /// Its id; none in a dry run.
    #[serde(default)]
    pub id: Option<i64>,
    /// The member.
    pub member_id: i64,
    /// The definition that gave it.
    #[serde(default)]
    pub point_definition_reference: Option<String>,
    /// The points, digit for digit.
    pub amount: Box<RawValue>,
    /// From when on it counts.
    pub valid_from: DateTime<Utc>,
    /// Until when.
    #[serde(default)]
    pub expire_at: Option<DateTime<Utc>>,
    /// When it was taken back.
    #[serde(default)]
    pub cancelled_at: Option<DateTime<Utc>>,
}

impl TransactionView {
    /// Where it stands at `now` (domain, section 3, rule 11).
    fn standing(&self, now: DateTime<Utc>) -> String {
        if self.cancelled_at.is_some_and(|cancelled| cancelled <= now) {
            format!("cancelled {}", output::optional_time(self.cancelled_at))
        } else if self.expire_at.is_some_and(|expires| expires <= now) {
            format!("expired {}", output::optional_time(self.expire_at))
        } else if now < self.valid_from {
            "pending".to_owned()
        } else {
            "counts".to_owned()
        }
    }
}

/// The transactions, a row each.
pub fn table<'a>(
    transactions: impl IntoIterator<Item = &'a TransactionView>,
) -> comfy_table::Table {
    let now = Utc::now();
    let mut table = output::table([
        "Points",
        "Definition",
        "Member",
        "Valid from",
        "Expires",
        "Now",
        "Transaction",
    ]);
    for transaction in transactions {
        table.add_row([
            output::decimal(&transaction.amount),
            output::optional(transaction.point_definition_reference.as_deref()),
            transaction.member_id.to_string(),
            output::local_time(transaction.valid_from),
            transaction
                .expire_at
                .map_or_else(|| "never".to_owned(), output::local_time),
            transaction.standing(now),
            output::optional(transaction.id),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transaction(expire_at: &str, cancelled_at: &str) -> TransactionView {
        serde_json::from_str(&format!(
            r#"{{"id":4096,"memberId":8192,"amount":39,"validFrom":"2026-01-10T08:00:00Z",
                "expireAt":{expire_at},"cancelledAt":{cancelled_at}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn a_transaction_stands_where_the_rule_says() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let forever = transaction("null", "null");
        assert_eq!(forever.standing(at("2026-01-10T07:59:59Z")), "pending");
        assert_eq!(forever.standing(at("2026-01-10T08:00:00Z")), "counts");
        let expiring = transaction("\"2026-02-09T08:00:00Z\"", "null");
        assert_eq!(expiring.standing(at("2026-02-09T07:59:59Z")), "counts");
        assert!(
            expiring
                .standing(at("2026-02-09T08:00:00Z"))
                .starts_with("expired")
        );
        let cancelled = transaction("\"2026-02-09T08:00:00Z\"", "\"2026-01-25T08:00:00Z\"");
        assert_eq!(cancelled.standing(at("2026-01-24T08:00:00Z")), "counts");
        assert!(
            cancelled
                .standing(at("2026-03-01T08:00:00Z"))
                .starts_with("cancelled")
        );
    }
}
