//! Members and merged customers over the store, and the fold of what happens to them.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use farelog_events::id::{CustomerId, MemberId, ProgramId, id_from_position};
use farelog_events::log::{Position, Record};
use farelog_events::member::{CustomersMerged, Membership};
use foldhash::{HashMap, HashSet};

use super::identity::{Identity, Merge};
use super::membership::{Member, MemberChangeKind};
use super::people::{Members, MergeIgnored};
use crate::batch::WriteBatch;
use crate::key_filter::KeyFilter;
use crate::store::{self, ProjectionError, Store};

/// A customer's members of all programs, by program: read and written together, since most customers are members of none,
/// and who asks for one program asks for the others next.
type KnownMembers = HashMap<CustomerId, Vec<Arc<Member>>>;

/// Members by program and customer, and merges by customer: those that a batch has changed, before what is stored.
pub struct MemberCache<'s> {
    store: &'s Store,
    members: RefCell<KnownMembers>,
    identities: RefCell<HashMap<CustomerId, Option<Arc<Identity>>>>,
    /// All customers who are in the store or have changed; `None` where it was not empty at first.
    ever: Option<KeyFilter>,
    /// Whether any customers were ever merged. Where none were, nobody is looked for.
    has_merges: Cell<bool>,
    changed_members: HashSet<CustomerId>,
    changed_identities: HashSet<CustomerId>,
    /// The first look-up that failed: a fold in between knows no errors, so it is asked for afterwards.
    failure: RefCell<Option<ProjectionError>>,
}

impl<'s> MemberCache<'s> {
    /// A view of what is stored.
    pub fn new(store: &'s Store) -> Self {
        let cache = Self {
            store,
            members: RefCell::default(),
            identities: RefCell::default(),
            ever: None,
            has_merges: Cell::new(false),
            changed_members: HashSet::default(),
            changed_identities: HashSet::default(),
            failure: RefCell::default(),
        };
        match store.scan::<Identity>(store::IDENTITIES).next().transpose() {
            Ok(first) => cache.has_merges.set(first.is_some()),
            Err(error) => cache.fail(error),
        }
        cache
    }

    /// The same with the filter of a store that is empty: who is not in it is not looked for.
    #[must_use]
    pub fn with_filter(self, ever: Option<KeyFilter>) -> Self {
        Self { ever, ..self }
    }

    /// Fails if any look-up since the last call did: what was folded with it must not be used.
    pub fn check(&self) -> Result<(), ProjectionError> {
        self.failure.take().map_or(Ok(()), Err)
    }

    fn fail(&self, error: ProjectionError) {
        self.failure.borrow_mut().get_or_insert(error);
    }

    /// Takes in what happened to a customer's membership. Gives the member where the customer became one for the first
    /// time.
    ///
    /// An enrolment or update is about the membership that counts for the customer at its place; a first enrolment is of the
    /// customer that others were merged into. Who leaves has left with every membership that is in force.
    pub fn change(
        &mut self,
        kind: MemberChangeKind,
        program: ProgramId,
        membership: &Membership,
        record: &Record,
    ) -> Option<Arc<Member>> {
        let customer = &membership.customer_id;
        let place = record.position;
        let mut changed = Vec::new();
        if kind == MemberChangeKind::Withdrawn {
            changed = self.memberships_at(program, customer, place);
            changed.retain(|member| member.in_force_at(place).is_some());
        }
        if changed.is_empty() {
            changed.extend(self.member_at(program, customer, place));
        }
        let added = (changed.is_empty() && kind == MemberChangeKind::Enrolled)
            .then(|| self.enrol(program, customer, place))
            .flatten();
        let is_new = added.is_some();
        changed.extend(added);
        for member in &mut changed {
            Arc::make_mut(member).change(kind, place, record.recorded_at, membership);
            self.remember(member);
            self.changed_members.insert(member.customer_id.clone());
            if let Some(ever) = &mut self.ever {
                ever.put(&member.customer_id);
            }
        }
        changed.pop().filter(|_| is_new)
    }

    /// A member without history, for who is none yet.
    fn enrol(
        &self,
        program: ProgramId,
        customer: &CustomerId,
        place: Position,
    ) -> Option<Arc<Member>> {
        let customer_id = self.aliases_at(customer, place).pop()?;
        Some(Arc::new(Member {
            id: id_from_position(place, 0).and_then(MemberId::new)?,
            program_id: program,
            customer_id,
            history: Vec::new(),
        }))
    }

    /// Takes in that a customer was merged into another. One that would close a circle, or make too many customers one,
    /// is left out, and so is one that holds already.
    pub fn merge(&mut self, merged: &CustomersMerged, place: Position) {
        let (customer, into) = (&merged.customer_id, &merged.merged_into_customer_id);
        match self.check_merge_at(customer, into, place) {
            Ok(()) => {}
            Err(why @ MergeIgnored::TooMany) => {
                tracing::warn!(position = place, %why, "a merge of customers is left out");
                return;
            }
            Err(why) => {
                tracing::debug!(position = place, %why, "a merge of customers changes nothing");
                return;
            }
        }
        self.has_merges.set(true);
        let with = |customer_id: &CustomerId| Merge {
            position: place,
            customer_id: customer_id.clone(),
        };
        self.change_identity(customer, |identity| identity.merge_into(with(into)));
        self.change_identity(into, |identity| identity.merge_from(with(customer)));
    }

    fn change_identity(&mut self, customer: &CustomerId, change: impl FnOnce(&mut Identity)) {
        let mut identity = self.identity(customer).unwrap_or_default();
        change(Arc::make_mut(&mut identity));
        self.identities
            .borrow_mut()
            .insert(customer.clone(), Some(identity));
        self.changed_identities.insert(customer.clone());
    }

    /// Puts a member among its customer's.
    fn remember(&self, member: &Arc<Member>) {
        // Has the others looked up, where that was not done.
        self.own_member(member.program_id, &member.customer_id);
        let mut known = self.members.borrow_mut();
        let of_customer = known.entry(member.customer_id.clone()).or_default();
        match of_customer.binary_search_by_key(&member.program_id, |it| it.program_id) {
            Ok(index) => of_customer[index] = Arc::clone(member),
            Err(index) => of_customer.insert(index, Arc::clone(member)),
        }
    }

    /// Adds all that changed since the last call to a batch.
    pub fn write(&mut self, batch: &mut WriteBatch) -> Result<(), ProjectionError> {
        let members = self.members.get_mut();
        for customer in self.changed_members.drain() {
            if let Some(of_customer) = members.get(&customer) {
                batch.insert(store::members_key(&customer), store::encode(of_customer)?);
            }
        }
        let identities = self.identities.get_mut();
        for customer in self.changed_identities.drain() {
            if let Some(Some(identity)) = identities.get(&customer) {
                batch.insert(store::identity_key(&customer), store::encode(&**identity)?);
            }
        }
        Ok(())
    }

    /// Bounds what is kept in memory: so many customers with their members, and as many customers' merges. Called when what
    /// changed is written.
    pub fn forget_old(&mut self, kept_max: usize) {
        if self.members.get_mut().len() >= kept_max {
            self.members.get_mut().clear();
        }
        if self.identities.get_mut().len() >= kept_max {
            self.identities.get_mut().clear();
        }
    }
}

/// The member of a program among a customer's, which stand by program.
fn of_program(of_customer: &[Arc<Member>], program: ProgramId) -> Option<Arc<Member>> {
    let found = of_customer.binary_search_by_key(&program, |member| member.program_id);
    found.ok().map(|index| Arc::clone(&of_customer[index]))
}

impl Members for MemberCache<'_> {
    fn own_member(&self, program: ProgramId, customer: &CustomerId) -> Option<Arc<Member>> {
        if let Some(of_customer) = self.members.borrow().get(customer) {
            return of_program(of_customer, program);
        }
        let is_new = self.ever.as_ref().is_some_and(|it| !it.may_have(customer));
        let stored = if is_new {
            Ok(None)
        } else {
            self.store.read(&store::members_key(customer), "members")
        };
        let of_customer: Vec<Arc<Member>> = match stored {
            Ok(stored) => stored.unwrap_or_default(),
            Err(error) => {
                self.fail(error);
                return None;
            }
        };
        let member = of_program(&of_customer, program);
        self.members
            .borrow_mut()
            .insert(customer.clone(), of_customer);
        member
    }

    fn identity(&self, customer: &CustomerId) -> Option<Arc<Identity>> {
        if !self.has_merges.get() {
            return None;
        }
        if let Some(known) = self.identities.borrow().get(customer) {
            return known.clone();
        }
        let stored = self
            .store
            .read::<Identity>(&store::identity_key(customer), "merged customers");
        let identity = match stored {
            Ok(identity) => identity.map(Arc::new),
            Err(error) => {
                self.fail(error);
                return None;
            }
        };
        self.identities
            .borrow_mut()
            .insert(customer.clone(), identity.clone());
        identity
    }
}
