//! What a customer has to do with merges: into whom it was merged, and who was merged into it.

use farelog_events::id::CustomerId;
use farelog_events::log::Position;
use serde::{Deserialize, Serialize};

/// A merge, as one of the two customers sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Merge {
    /// The record that brought it; it holds from there on.
    pub position: Position,
    /// The other customer.
    pub customer_id: CustomerId,
}

/// A customer's merges, those of both directions (domain, section 3, rule 12). Nothing is ever taken out, so that what
/// held at a place of the log can be asked at any time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// Merges of this customer into others, in log order. The last one at a place holds there.
    into: Vec<Merge>,
    /// Merges of others into this customer, in log order. Some of those may have been merged elsewhere since.
    from: Vec<Merge>,
}

impl Identity {
    /// The merge that makes this customer another at `place`.
    pub fn merged_into_at(&self, place: Position) -> Option<&Merge> {
        let after = self.into.partition_point(|merge| merge.position <= place);
        self.into.get(after.checked_sub(1)?)
    }

    /// The merges of others into this customer up to `place`, the first one first. Whether one still holds there, the
    /// other customer's [`merged_into_at`](Self::merged_into_at) says.
    pub fn merged_from_until(&self, place: Position) -> &[Merge] {
        let after = self.from.partition_point(|merge| merge.position <= place);
        &self.from[..after]
    }

    /// Takes in that this customer was merged into another; merges come in log order.
    pub fn merge_into(&mut self, merge: Merge) {
        self.into.push(merge);
    }

    /// Takes in that another was merged into this customer; merges come in log order.
    pub fn merge_from(&mut self, merge: Merge) {
        self.from.push(merge);
    }
}
