//! Members' accounts over the store: those that a batch has changed, before what is stored.

use std::cell::RefCell;

use farelog_events::id::{MemberId, PointDefinitionId};
use foldhash::{HashMap, HashSet};
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;

use crate::batch::WriteBatch;
use crate::points::Transaction;
use crate::points::account::{AccountChanges, Accounts, TallyOf};
use crate::points::period::{Period, PeriodsOf};
use crate::store::{self, ProjectionError, Store};

/// Periods and sums of members. Their transactions are seen as the last batch left them, so a batch ends with each
/// publication of a program: nothing that a new cap is to count is in it, then, when it is first counted.
pub struct AccountCache<'s> {
    store: &'s Store,
    periods: RefCell<HashMap<PeriodsOf, Vec<Period>>>,
    tallies: RefCell<HashMap<TallyOf, Option<Decimal>>>,
    changed_periods: HashSet<PeriodsOf>,
    changed_tallies: HashSet<TallyOf>,
    /// The first look-up that failed: a fold in between knows no errors, so it is asked for afterwards.
    failure: RefCell<Option<ProjectionError>>,
}

impl<'s> AccountCache<'s> {
    /// A view of what is stored.
    pub fn new(store: &'s Store) -> Self {
        Self {
            store,
            periods: RefCell::default(),
            tallies: RefCell::default(),
            changed_periods: HashSet::default(),
            changed_tallies: HashSet::default(),
            failure: RefCell::default(),
        }
    }

    /// Fails if any look-up since the last call did: what was folded with it must not be used.
    pub fn check(&self) -> Result<(), ProjectionError> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Takes in what a step changed.
    pub fn take_in(&mut self, changes: &AccountChanges) {
        for (of, opened) in &changes.opened {
            let mut periods = self.periods(of);
            periods.extend(opened);
            self.periods.get_mut().insert(of.clone(), periods);
            self.changed_periods.insert(of.clone());
        }
        for (of, sum) in &changes.tallies {
            self.tallies.get_mut().insert(*of, Some(*sum));
            self.changed_tallies.insert(*of);
        }
    }

    /// Adds all that changed since the last call to a batch.
    pub fn write(&mut self, batch: &mut WriteBatch) -> Result<(), ProjectionError> {
        let periods = self.periods.get_mut();
        for of in self.changed_periods.drain() {
            if let Some(periods) = periods.get(&of) {
                batch.insert(store::periods_key(&of), store::encode(periods)?);
            }
        }
        let tallies = self.tallies.get_mut();
        for of in self.changed_tallies.drain() {
            if let (Some(key), Some(Some(sum))) = (store::tally_key(&of), tallies.get(&of)) {
                batch.insert(key, store::encode(sum)?);
            }
        }
        Ok(())
    }

    /// Bounds what is kept in memory: so many lists of periods, and as many sums. Called when what changed is written.
    pub fn forget_old(&mut self, kept_max: usize) {
        if self.periods.get_mut().len() >= kept_max {
            self.periods.get_mut().clear();
        }
        if self.tallies.get_mut().len() >= kept_max {
            self.tallies.get_mut().clear();
        }
    }

    fn read<T: DeserializeOwned>(&self, key: &[u8], what: &str) -> Option<T> {
        self.store.read(key, what).unwrap_or_else(|error| {
            self.fail(error);
            None
        })
    }

    fn fail(&self, error: ProjectionError) {
        self.failure.borrow_mut().get_or_insert(error);
    }
}

impl Accounts for AccountCache<'_> {
    fn periods(&self, of: &PeriodsOf) -> Vec<Period> {
        if let Some(known) = self.periods.borrow().get(of) {
            return known.clone();
        }
        let stored: Vec<Period> = self
            .read(&store::periods_key(of), "periods")
            .unwrap_or_default();
        self.periods.borrow_mut().insert(of.clone(), stored.clone());
        stored
    }

    fn period(
        &self,
        member: MemberId,
        definition: PointDefinitionId,
        id: i64,
    ) -> Option<(PeriodsOf, Period)> {
        let prefix = store::periods_prefix(member, definition);
        for entry in self.store.scan::<Vec<Period>>(&prefix) {
            let (key, periods) = entry.map_err(|error| self.fail(error)).ok()?;
            if let Some(period) = periods.into_iter().find(|period| period.id == id) {
                let key = String::from_utf8_lossy(&key[prefix.len()..]).into_owned();
                let of = PeriodsOf {
                    member_id: member,
                    point_definition_id: definition,
                    key,
                };
                return Some((of, period));
            }
        }
        None
    }

    fn tally(&self, of: &TallyOf) -> Option<Decimal> {
        if let Some(known) = self.tallies.borrow().get(of) {
            return *known;
        }
        let stored = store::tally_key(of).and_then(|key| self.read(&key, "points"));
        self.tallies.borrow_mut().insert(*of, stored);
        stored
    }

    fn transactions(&self, member: MemberId, definition: PointDefinitionId) -> Vec<Transaction> {
        let prefix = store::transactions_prefix(member);
        let of_definition = |transaction: &Result<Transaction, _>| {
            transaction
                .as_ref()
                .map_or(true, |it| it.point_definition_id == definition)
        };
        let all = self.store.transactions(&prefix).filter(of_definition);
        all.collect::<Result<_, _>>().unwrap_or_else(|error| {
            self.fail(error);
            Vec::new()
        })
    }
}
