//! What people decide and read.

use super::world::{World, inconsistent};
use crate::domain::account::{Account, AccountIdentity};
use crate::domain::admission::{AccountState, Amendment};
use crate::domain::decision::{Acceptance, accept};
use crate::domain::discrepancy::Discrepancy;
use crate::domain::event::Actor;
use crate::domain::id::{AccountName, RefundId};
use crate::domain::query::Place;
use crate::domain::refund::{NewRefund, Refund, StateKind};
use crate::domain::ruling::Ruling;
use crate::domain::timestamp::Timestamp;
use crate::store::row::{EsimKey, GuardKey, age, frees_order};
use crate::store::wake::Wakes;
use crate::store::{Chain, Closed, Result, RuledAs};

impl World {
    pub(super) fn rule(
        &mut self,
        id: RefundId,
        ruling: &Ruling,
        account: Option<&Account>,
        now: Timestamp,
    ) -> Result<(RuledAs, Wakes)> {
        let Some(before) = self.rows.get(&id).cloned() else {
            return Ok((RuledAs::NotFound, Wakes::default()));
        };
        let earlier = self.history(id)?.decisions;
        let mut wakes = Wakes::default();
        let written = match before.rule(ruling, account, &earlier, now) {
            Ok(written) => written,
            Err(told) => return Ok((told, wakes)),
        };
        wakes.add(&written, now);
        let after = written.row.refund.clone();
        let (held, holds) = (before.refund.held_minor(), after.held_minor());
        if let Some(key) = GuardKey::of_refund(&after).filter(|_| held != holds) {
            let guard = self.guards.get(&key);
            let guard = guard.ok_or_else(|| inconsistent("guards", "order_key", &key.order_key))?;
            self.guards.insert(key, guard.moved(held, holds));
        }
        self.give_up(&before.refund, &after);
        self.write(written);
        if account.is_some_and(|account| frees_order(&before.refund, &after, account)) {
            wakes.due |= self.wake_waiting(&GuardKey::of_refund(&after).into_iter().collect(), now);
        }
        Ok((RuledAs::Done(Box::new(after)), wakes))
    }

    pub(super) fn amend(
        &mut self,
        identity: &AccountIdentity,
        amendment: &Amendment,
    ) -> (AccountState, Wakes) {
        let state = self.account_state(&identity.name).amended(amendment);
        self.put_account(identity, state.clone());
        (state, Wakes { due: true, ..Wakes::default() })
    }

    pub(super) fn list_discrepancies(
        &self,
        account: Option<&AccountName>,
        open: bool,
        after: Option<Place>,
        limit: usize,
    ) -> Vec<Discrepancy> {
        let place = |d: &Discrepancy| (d.opened, d.refund_id);
        let after = after.map(|Place { time, id }| (time, id));
        let mut found: Vec<Discrepancy> = self
            .discrepancies
            .values()
            .filter(|d| account.is_none_or(|account| d.account == *account))
            .filter(|d| !open || d.closed.is_none())
            .filter(|d| after.is_none_or(|after| place(d) > after))
            .cloned()
            .collect();
        found.sort_by_key(place);
        found.truncate(limit);
        found
    }

    pub(super) fn close(
        &mut self,
        id: RefundId,
        number: i64,
        actor: &Actor,
        note: &str,
        now: Timestamp,
    ) -> Closed {
        let found = self.discrepancies.get(&(id, number)).cloned();
        let (Some(found), Some(row)) = (found, self.rows.get(&id)) else { return Closed::NotFound };
        if found.closed.is_some() {
            return Closed::Already(Box::new(found));
        }
        let (closed, written) = (found.closed(now, &actor.name, note), row.closing(actor, note, now));
        self.discrepancies.insert((id, number), closed.clone());
        self.write(written);
        Closed::Now(Box::new(closed))
    }

    pub(super) fn rehearse(&self, new: NewRefund, now: Timestamp) -> Acceptance {
        let key = GuardKey::of(&new.identity, &new.content);
        let guard = key.as_ref().and_then(|key| self.guards.get(key));
        let esims = EsimKey::all_of(&new.identity, &new.content);
        let claimed = esims.into_iter().filter(|key| self.claims.contains_key(key));
        let taken: Vec<_> = claimed.map(|key| key.iccid).collect();
        let existing = self.with_key(&new.caller.clone(), &new.request_id.clone());
        accept(new, existing, guard, &taken, now)
    }

    pub(super) fn ahead(&self, accounts: &[AccountName], refund: &Refund) -> u64 {
        let waits = |other: &Refund| {
            other.state.kind() == StateKind::Pending
                && accounts.contains(&other.identity.name)
                && age(other) < age(refund)
        };
        let count = self.rows.values().filter(|row| waits(&row.refund)).count();
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    pub(super) fn retries_of(&self, id: RefundId) -> Vec<RefundId> {
        let tries = self.rows.values().filter(|row| row.refund.content.retry_of == Some(id));
        let mut tries: Vec<_> = tries.map(|row| age(&row.refund)).collect();
        tries.sort_unstable();
        tries.into_iter().map(|(_, id)| id).collect()
    }

    pub(super) fn chains(&self, after: Option<RefundId>, limit: usize) -> Vec<Chain> {
        let rows = self.rows.values().filter(|row| after.is_none_or(|after| row.refund.id > after));
        rows.take(limit)
            .map(|row| Chain {
                refund: row.refund.clone(),
                entries: self.chains.get(&row.refund.id).cloned().unwrap_or_default(),
            })
            .collect()
    }
}
