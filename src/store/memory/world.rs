//! What the store in memory holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::domain::account::AccountIdentity;
use crate::domain::admission::AccountState;
use crate::domain::attempt::Attempt;
use crate::domain::discrepancy::Discrepancy;
use crate::domain::event::Event;
use crate::domain::guard::Guard;
use crate::domain::history::History;
use crate::domain::id::{AccountName, AttemptId, CallerName, RefundId, RequestId};
use crate::domain::refund::{Refund, StateKind};
use crate::domain::timestamp::Timestamp;
use crate::store::history::{Sealed, opened};
use crate::store::row::{EsimKey, GuardKey, Row, Written, is_past};
use crate::store::wake::Wakes;
use crate::store::{Error, Result};

/// The tables.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) rows: BTreeMap<RefundId, Row>,
    /// When who of an account is due, those that were never sent apart: the index that claims go by.
    pub(super) due: BTreeMap<(AccountName, bool), BTreeSet<(Timestamp, RefundId)>>,
    /// When those of an account that were never sent may not be sent any more.
    ends: BTreeMap<AccountName, BTreeSet<(Timestamp, RefundId)>>,
    pub(super) keys: HashMap<(CallerName, RequestId), RefundId>,
    pub(super) guards: BTreeMap<GuardKey, Guard>,
    /// Which refund has which eSIM.
    pub(super) claims: BTreeMap<EsimKey, RefundId>,
    pub(super) attempts: BTreeMap<AttemptId, Attempt>,
    pub(super) chains: BTreeMap<RefundId, Vec<Sealed>>,
    pub(super) discrepancies: BTreeMap<(RefundId, i64), Discrepancy>,
    /// When which final refund of an account is looked at again.
    follows: BTreeMap<AccountName, BTreeSet<(Timestamp, RefundId)>>,
    /// Per refund, in order; `unplaced` tells in which order they came.
    pub(super) events: BTreeMap<RefundId, Vec<Event>>,
    unplaced: Vec<(RefundId, i64)>,
    /// In the order of their positions, from 1.
    placed: Vec<(RefundId, i64)>,
    accounts: BTreeMap<AccountName, (AccountIdentity, AccountState)>,
    pub(super) buckets: HashMap<String, Timestamp>,
}

impl World {
    /// Writes a row.
    pub(super) fn put(&mut self, row: Row) {
        let id = row.refund.id;
        let (due, queue) = (row.due, queue_of(&row));
        let ends = self.ends.entry(queue.0.clone()).or_default();
        // The time of a refund never changes.
        if queue.1 {
            ends.insert((row.refund.send_before, id));
        } else {
            ends.remove(&(row.refund.send_before, id));
        }
        let follow = row.refund.follow.map(|at| (at, id));
        self.follows.entry(queue.0.clone()).or_default().extend(follow);
        let old = self.rows.insert(id, row);
        if let Some(was) = old.as_ref().and_then(|old| old.refund.follow).map(|at| (at, id))
            && Some(was) != follow
        {
            self.follows.entry(queue.0.clone()).or_default().remove(&was);
        }
        if let Some((old_due, old)) = old.and_then(|old| Some((old.due?, old)))
            && let Some(queue) = self.due.get_mut(&queue_of(&old))
        {
            queue.remove(&(old_due, id));
        }
        if let Some(due) = due {
            self.due.entry(queue).or_default().insert((due, id));
        }
    }

    /// The rows of an account that are due, by when they were; those that were never sent, or the others.
    pub(super) fn due(
        &self,
        account: &AccountName,
        unsent: bool,
        now: Timestamp,
    ) -> impl Iterator<Item = &Row> {
        self.queue(account, unsent).take_while(move |row| row.due <= Some(now))
    }

    /// Final refunds of an account that are to be looked at again, by when.
    pub(super) fn followed(&self, account: &AccountName, now: Timestamp) -> impl Iterator<Item = &Row> {
        let due = self.follows.get(account).into_iter().flatten().take_while(move |(at, _)| *at <= now);
        due.filter_map(|(_, id)| self.rows.get(id))
    }

    /// What of an account was never sent, is due, and may not be sent any more.
    pub(super) fn past(&self, account: &AccountName, now: Timestamp) -> impl Iterator<Item = &Row> {
        let ends = self.ends.get(account).into_iter().flatten().take_while(move |(end, _)| *end <= now);
        let rows = ends.filter_map(|(_, id)| self.rows.get(id));
        rows.filter(move |row| row.due <= Some(now) && is_past(&row.refund, now))
    }

    /// Whether a call of refunds of an account that were never sent is being made ready.
    pub(super) fn makes_ready(&self, account: &AccountName, now: Timestamp) -> bool {
        let later = self.queue(account, true).rev().take_while(|row| row.due > Some(now));
        later.into_iter().any(|row| row.held.is_some())
    }

    /// How many refunds of an account are open.
    fn open(&self, account: &AccountName) -> u64 {
        let queues =
            [true, false].map(|unsent| self.due.get(&(account.clone(), unsent)).map_or(0, BTreeSet::len));
        u64::try_from(queues.iter().sum::<usize>()).unwrap_or(u64::MAX)
    }

    fn queue(&self, account: &AccountName, unsent: bool) -> impl DoubleEndedIterator<Item = &Row> {
        let queue = self.due.get(&(account.clone(), unsent)).into_iter().flatten();
        queue.filter_map(|(_, id)| self.rows.get(id))
    }

    /// Gives up what a refund has no claim on any more.
    pub(super) fn give_up(&mut self, before: &Refund, after: &Refund) {
        for key in EsimKey::given_up(before, after) {
            self.claims.remove(&key);
        }
    }

    /// Writes what becomes of a refund.
    pub(super) fn write(&mut self, written: Written) {
        let Written { row, sealed, events, discrepancy } = written;
        self.chains.entry(row.refund.id).or_default().extend(sealed);
        self.put(row);
        for event in events {
            self.append(event);
        }
        self.discrepancies.extend(discrepancy.map(|noticed| ((noticed.refund_id, noticed.number), noticed)));
    }

    fn append(&mut self, event: Event) {
        self.unplaced.push((event.refund_id, event.sequence));
        self.events.entry(event.refund_id).or_default().push(event);
    }

    /// The row that a lease names.
    pub(super) fn known(&self, id: RefundId) -> Result<&Row> {
        self.rows.get(&id).ok_or_else(|| inconsistent("refunds", "id", &id))
    }

    pub(super) fn with_key(&self, caller: &CallerName, request_id: &RequestId) -> Option<&Refund> {
        let id = self.keys.get(&(caller.clone(), request_id.clone()))?;
        self.rows.get(id).map(|row| &row.refund)
    }

    pub(super) fn events_after(&self, id: RefundId, sequence: i64) -> impl Iterator<Item = &Event> {
        self.events.get(&id).into_iter().flatten().filter(move |event| event.sequence > sequence)
    }

    pub(super) fn events_from(&self, position: i64) -> impl Iterator<Item = &Event> {
        let after = self.placed.iter().skip(usize::try_from(position).unwrap_or(0));
        after.filter_map(|(id, sequence)| self.events_after(*id, sequence - 1).next())
    }

    pub(super) fn last_position(&self) -> i64 {
        i64::try_from(self.placed.len()).unwrap_or(i64::MAX)
    }

    pub(super) fn history(&self, id: RefundId) -> Result<History> {
        let mut history = History::of(opened(id, self.chains.get(&id).into_iter().flatten().cloned())?);
        history.discrepancies =
            self.discrepancies.range((id, 0)..=(id, i64::MAX)).map(|(_, d)| d.clone()).collect();
        Ok(history)
    }

    /// Gives the oldest unplaced events their positions.
    pub(super) fn sequence_events(&mut self, limit: u64) -> u64 {
        let count = usize::try_from(limit).unwrap_or(usize::MAX).min(self.unplaced.len());
        for (id, sequence) in self.unplaced.drain(..count) {
            let events = self.events.get_mut(&id).into_iter().flatten();
            for event in events.filter(|event| event.sequence == sequence) {
                self.placed.push((id, sequence));
                event.position = i64::try_from(self.placed.len()).ok();
            }
        }
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    pub(super) fn account_state(&self, account: &AccountName) -> AccountState {
        let known = self.accounts.get(account);
        known.map(|(_, state)| state.clone()).unwrap_or_default()
    }

    pub(super) fn put_account(&mut self, identity: &AccountIdentity, state: AccountState) {
        self.accounts
            .entry(identity.name.clone())
            .and_modify(|(_, stored)| stored.clone_from(&state))
            .or_insert_with(|| (identity.clone(), state));
    }

    /// Makes accounts known, all or none.
    pub(super) fn register(&mut self, identities: &[AccountIdentity]) -> Result<((), Wakes)> {
        for identity in identities {
            let Some((stored, _)) = self.accounts.get(&identity.name) else {
                continue;
            };
            let open = self.open(&identity.name);
            let fields = [
                ("provider", stored.provider.word(), identity.provider.word()),
                ("merchant", stored.merchant.as_str(), identity.merchant.as_str()),
                ("base_url", stored.base_url.as_str(), identity.base_url.as_str()),
            ];
            if let Some((field, was, is)) = fields.into_iter().find(|(_, was, is)| was != is && open > 0) {
                return Err(Error::AccountChanged {
                    account: identity.name.clone(),
                    field,
                    stored: was.to_owned(),
                    configured: is.to_owned(),
                    open,
                });
            }
        }
        for identity in identities {
            let state = self.account_state(&identity.name);
            self.accounts.insert(identity.name.clone(), (identity.clone(), state));
        }
        Ok(((), Wakes::default()))
    }
}

/// Where a row is in the index.
fn queue_of(row: &Row) -> (AccountName, bool) {
    (row.refund.identity.name.clone(), row.refund.state.kind() == StateKind::Pending)
}

pub(super) fn inconsistent(table: &'static str, column: &'static str, id: &impl ToString) -> Error {
    Error::Inconsistent { table, column, id: id.to_string() }
}
