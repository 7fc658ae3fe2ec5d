//! Look-ups of members: who a customer is at a place of the log, and which membership counts for them there.

use std::sync::Arc;

use farelog_events::id::{CustomerId, ProgramId};
use farelog_events::log::Position;
use thiserror::Error;

use super::identity::{Identity, Merge};
use super::membership::Member;

/// Most customers that merges can make one. A merge beyond it is left out, so that no look-up takes long.
pub const CUSTOMERS_OF_ONE_MAX: usize = 64;

/// Why a merge changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MergeIgnored {
    /// The first customer is merged into the second already.
    #[error("it holds already")]
    Holds,
    /// The second is merged into the first, or they are the same.
    #[error("it would close a circle")]
    Circle,
    /// More than [`CUSTOMERS_OF_ONE_MAX`] would become one.
    #[error("it would make more than {CUSTOMERS_OF_ONE_MAX} customers one")]
    TooMany,
}

/// Members and merged customers, as they stood at any place of the log.
///
/// What is stored is asked with [`own_member`](Self::own_member) and [`identity`](Self::identity); rules ask with
/// [`member_at`](Self::member_at), which heeds merges (domain, section 3, rule 12).
pub trait Members {
    /// The membership that this very customer has or had, whatever it was merged into.
    fn own_member(&self, program: ProgramId, customer: &CustomerId) -> Option<Arc<Member>>;

    /// The customer's merges; `None` for a customer without any.
    fn identity(&self, customer: &CustomerId) -> Option<Arc<Identity>>;

    /// The membership that counts for a customer at a place, in force there or not: of all that the merged customers
    /// have in the program, the first that is in force there, else the first. They stand in the order of
    /// [`customers_at`](Self::customers_at), so that a customer's own comes before those of customers merged into it.
    fn member_at(
        &self,
        program: ProgramId,
        customer: &CustomerId,
        place: Position,
    ) -> Option<Arc<Member>> {
        // Nearly every customer is nobody else.
        if self.identity(customer).is_none() {
            return self.own_member_at(program, customer, place);
        }
        let memberships = self.memberships_at(program, customer, place);
        let in_force = memberships
            .iter()
            .find(|member| member.in_force_at(place).is_some());
        in_force.or(memberships.first()).cloned()
    }

    /// Every membership in the program, in force or not, that the customer has at a place or one that is merged with it
    /// there.
    fn memberships_at(
        &self,
        program: ProgramId,
        customer: &CustomerId,
        place: Position,
    ) -> Vec<Arc<Member>> {
        let customers = self.customers_at(customer, place);
        let own = |customer| self.own_member_at(program, customer, place);
        customers.iter().filter_map(own).collect()
    }

    /// The membership that this very customer has at a place or had before, in force or not.
    fn own_member_at(
        &self,
        program: ProgramId,
        customer: &CustomerId,
        place: Position,
    ) -> Option<Arc<Member>> {
        self.own_member(program, customer)
            .filter(|member| member.at(place).is_some())
    }

    /// All customers that are one with this one at a place: first the one that the others were merged into, then those,
    /// the one that was merged first before the next, and each before those that were merged into it.
    fn customers_at(&self, customer: &CustomerId, place: Position) -> Vec<CustomerId> {
        let last = self.aliases_at(customer, place).pop();
        self.merged_into_at(&last.unwrap_or_else(|| customer.clone()), place)
    }

    /// The customer, the one that it is merged into at a place, the one that this is merged into, and so on.
    fn aliases_at(&self, customer: &CustomerId, place: Position) -> Vec<CustomerId> {
        let mut chain = vec![customer.clone()];
        let mut identity = self.identity(customer);
        while let Some(merge) = identity.as_ref().and_then(|it| it.merged_into_at(place)) {
            chain.push(merge.customer_id.clone());
            identity = self.identity(&merge.customer_id);
        }
        chain
    }

    /// The customer, and all that were merged into it or into one of them, and still are at a place.
    fn merged_into_at(&self, customer: &CustomerId, place: Position) -> Vec<CustomerId> {
        let mut customers = Vec::new();
        let mut open = vec![customer.clone()];
        while let Some(customer) = open.pop() {
            if let Some(identity) = self.identity(&customer) {
                let holds = |merge: &&Merge| {
                    self.identity(&merge.customer_id).is_some_and(|other| {
                        other
                            .merged_into_at(place)
                            .is_some_and(|latest| latest.position == merge.position)
                    })
                };
                let merged = identity.merged_from_until(place).iter().rev();
                open.extend(merged.filter(holds).map(|merge| merge.customer_id.clone()));
            }
            customers.push(customer);
        }
        customers
    }

    /// Looks whether a merge of the first customer into the second changes anything at a place.
    ///
    /// # Errors
    /// Why it doesn't.
    fn check_merge_at(
        &self,
        customer: &CustomerId,
        into: &CustomerId,
        place: Position,
    ) -> Result<(), MergeIgnored> {
        if self.aliases_at(customer, place).get(1) == Some(into) {
            return Err(MergeIgnored::Holds);
        }
        if self.aliases_at(into, place).contains(customer) {
            return Err(MergeIgnored::Circle);
        }
        let mut customers = self.customers_at(into, place);
        for merged in self.merged_into_at(customer, place) {
            if !customers.contains(&merged) {
                customers.push(merged);
            }
        }
        if customers.len() > CUSTOMERS_OF_ONE_MAX {
            return Err(MergeIgnored::TooMany);
        }
        Ok(())
    }
}
