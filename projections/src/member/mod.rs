//! Customers as members of programs, with their history: what a look-up gives depends on the log position that it is made
//! for.

mod cache;
mod identity;
mod membership;
mod people;
mod query;
pub mod status;

pub use cache::MemberCache;
pub use identity::{Identity, Merge};
pub use membership::{Member, MemberChange, MemberChangeKind};
pub use people::{CUSTOMERS_OF_ONE_MAX, Members, MergeIgnored};
pub use query::{CustomerMemberships, MemberCustomers, TransactionFilter};
