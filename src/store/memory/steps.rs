//! Accepting, record and recovery: each computes all that it will write before it writes.

use std::collections::{BTreeMap, BTreeSet};

use super::world::{World, inconsistent};
use crate::domain::account::Account;
use crate::domain::answer::{Signal, quiet_of_looks};
use crate::domain::decision::{Acceptance, accept};
use crate::domain::guard::Guard;
use crate::domain::id::RefundId;
use crate::domain::plan::Jitter;
use crate::domain::refund::{NewRefund, Refund, StateKind};
use crate::domain::sight::OrderSnapshot;
use crate::domain::timestamp::Timestamp;
use crate::store::row::{
    EsimKey, GuardKey, Row, Stepped, Written, figures_are_unclear, frees_order, marked, moved_after_all,
    next_slot, next_slots, own_seen_minor, wakes_followed,
};
use crate::store::wake::Wakes;
use crate::store::{AttemptRecord, Record, Recorded, Recovery, Result};

impl World {
    pub(super) fn create(&mut self, batch: Vec<NewRefund>, now: Timestamp) -> (Vec<Acceptance>, Wakes) {
        let mut wakes = Wakes::default();
        let acceptances = batch
            .into_iter()
            .map(|new| {
                let scope = (new.caller.clone(), new.request_id.clone());
                let key = GuardKey::of(&new.identity, &new.content);
                let existing = self.with_key(&scope.0, &scope.1);
                let guard = key.as_ref().and_then(|key| self.guards.get(key));
                let esims = EsimKey::all_of(&new.identity, &new.content);
                let claimed = esims.iter().filter(|key| self.claims.contains_key(key));
                let taken: Vec<_> = claimed.map(|key| key.iccid.clone()).collect();
                let mut acceptance = accept(new, existing, guard, &taken, now);
                if let Acceptance::Accepted { transition, guard } = &mut acceptance {
                    let written = Written::accepted(transition);
                    let refund = &written.row.refund;
                    wakes.add(&written, now);
                    self.keys.insert(scope, refund.id);
                    self.claims.extend(esims.into_iter().map(|key| (key, refund.id)));
                    self.guards.extend(key.zip(guard.clone()));
                    self.write(written);
                }
                acceptance
            })
            .collect();
        (acceptances, wakes)
    }

    pub(super) fn record(
        &mut self,
        record: &Record,
        account: &Account,
        now: Timestamp,
    ) -> Result<(Vec<Recorded>, Wakes)> {
        let (mut told, mut steps, mut late) = (Vec::new(), Vec::new(), Vec::new());
        let mut wakes = Wakes::default();
        for member in &record.members {
            let before = self.known(member.lease.refund_id)?.clone();
            let noticed = self.noticed_of(before.refund.id);
            match before.step(member, record, &noticed, account, now)? {
                Stepped::Applied(after) => {
                    wakes.add(&after, now);
                    told.push(Recorded::Applied(Box::new(after.row.refund.clone())));
                    steps.push((before, after));
                }
                Stepped::Late(evidence) => {
                    told.push(Recorded::Stale);
                    late.extend(evidence.map(|evidence| (before, evidence)));
                }
            }
        }
        wakes.grown = late.iter().map(|(_, written)| written.head()).collect();
        let alone = steps.is_empty() && !record.members.is_empty();
        let freed: BTreeSet<GuardKey> = steps
            .iter()
            .filter(|(before, after)| frees_order(&before.refund, &after.row.refund, account))
            .filter_map(|(before, _)| GuardKey::of_refund(&before.refund))
            .collect();
        let noticed = late.iter().filter(|(_, evidence)| evidence.discrepancy.is_some()).cloned();
        let told_of: Vec<_> = steps.into_iter().chain(noticed).collect();
        let opened = told_of.iter().filter(|(_, written)| written.discrepancy.is_some());
        wakes.noticed = opened.map(|(before, _)| before.refund.id).collect();
        let guards = self.told_guards(record, &told_of, account)?;
        let attempt = marked(record.attempt.clone(), told.contains(&Recorded::Stale));
        if let Some(AttemptRecord::End(id, _)) = &attempt
            && !self.attempts.contains_key(id)
        {
            return Err(inconsistent("attempts", "id", id));
        }
        if let Some(snapshot) = record.snapshot.as_ref().filter(|_| wakes_followed(&told_of)) {
            self.follow_listed(snapshot, guards.keys(), now);
        }
        self.guards.extend(guards);
        if !alone {
            self.tell_account(&record.signals, account, now);
            let ended = told_of.iter().map(|(before, _)| before);
            if let Some((bucket, until)) = next_slot(&record.signals, ended, account, now) {
                self.put_off_bucket(bucket, until);
            }
        }
        for (before, after) in told_of {
            self.give_up(&before.refund, &after.row.refund);
            self.write(after);
        }
        for (_, evidence) in late.into_iter().filter(|(_, evidence)| evidence.discrepancy.is_none()) {
            self.write(evidence);
        }
        wakes.due |= self.wake_waiting(&freed, now);
        match attempt {
            None => {}
            Some(AttemptRecord::Whole(whole)) => {
                self.attempts.entry(whole.id).or_insert(*whole);
            }
            Some(AttemptRecord::End(id, end)) => {
                // Late evidence is what really came of it: what another infers does not replace it.
                let attempt = self.attempts.get_mut(&id);
                if let Some(attempt) = attempt.filter(|a| end.late || !a.end.as_ref().is_some_and(|e| e.late))
                {
                    attempt.end = Some(end);
                }
            }
        }
        Ok((told, wakes))
    }

    /// The discrepancies of a refund that are known, by the provider's ids.
    fn noticed_of(&self, id: RefundId) -> Vec<String> {
        let known = self.discrepancies.range((id, 0)..=(id, i64::MAX));
        known.map(|(_, noticed)| noticed.provider_refund_id.clone().unwrap_or_default()).collect()
    }

    /// Has those of some orders looked at that are FAILED or CANCELED and listed as effected.
    fn follow_listed<'a>(
        &mut self,
        snapshot: &OrderSnapshot,
        keys: impl Iterator<Item = &'a GuardKey>,
        now: Timestamp,
    ) {
        let mut listed = Vec::new();
        for key in keys {
            let of_order = self.refunds_of(key, &[]).into_iter();
            let moved = of_order.filter(|refund| moved_after_all(refund, snapshot));
            let new = moved.filter(|refund| self.noticed_of(refund.id).is_empty());
            listed.extend(new.map(|refund| refund.id));
        }
        for id in listed {
            if let Some(mut row) = self.rows.get(&id).cloned() {
                row.refund.follow = Some(row.refund.follow.map_or(now, |at| at.min(now)));
                self.put(row);
            }
        }
    }

    /// Makes those due that wait for an order that is free now; tells whether there were any.
    pub(super) fn wake_waiting(&mut self, freed: &BTreeSet<GuardKey>, now: Timestamp) -> bool {
        if freed.is_empty() {
            return false;
        }
        let is_freed = |row: &Row| GuardKey::of_refund(&row.refund).is_some_and(|key| freed.contains(&key));
        let waiting = self.rows.values().filter(|row| row.waits_for_order(now) && is_freed(row));
        let woken: Vec<Row> = waiting.map(|row| row.woken(now)).collect();
        let anybody = !woken.is_empty();
        for row in woken {
            self.put(row);
        }
        anybody
    }

    fn told_guards(
        &self,
        record: &Record,
        steps: &[(Row, Written)],
        account: &Account,
    ) -> Result<BTreeMap<GuardKey, Guard>> {
        let mut guards = BTreeMap::new();
        for (before, after) in steps {
            let (held, holds) = (before.refund.held_minor(), after.row.refund.held_minor());
            let noticed_minor = after.discrepancy.as_ref().map(|noticed| noticed.amount_minor.unwrap_or(0));
            if let Some(key) = GuardKey::of_refund(&before.refund)
                && (held != holds || record.snapshot.is_some() || noticed_minor.is_some())
            {
                let stored = guards.get(&key).or_else(|| self.guards.get(&key));
                let guard = stored.ok_or_else(|| inconsistent("guards", "order_key", &key.order_key))?;
                guards.insert(key, guard.moved(held, holds).with_external(noticed_minor.unwrap_or(0)));
            }
        }
        if let Some(snapshot) = &record.snapshot {
            for (key, guard) in &mut guards {
                let own = self.refunds_of(key, steps);
                if !figures_are_unclear(account, own.iter().copied()) {
                    *guard = guard.observe(snapshot, own_seen_minor(snapshot, own));
                }
            }
        }
        Ok(guards)
    }

    /// All our refunds of an order, as they will be after some steps.
    pub(super) fn refunds_of<'a>(&'a self, key: &GuardKey, steps: &'a [(Row, Written)]) -> Vec<&'a Refund> {
        self.rows
            .values()
            .map(|row| {
                let step = steps.iter().find(|(before, _)| before.refund.id == row.refund.id);
                step.map_or(&row.refund, |(_, after)| &after.row.refund)
            })
            .filter(|refund| GuardKey::of_refund(refund).as_ref() == Some(key))
            .collect()
    }

    fn tell_account(&mut self, signals: &[Signal], account: &Account, now: Timestamp) {
        if signals.is_empty() {
            return;
        }
        let state = self.account_state(&account.identity.name);
        let state = state.observe(signals, &account.admission, now);
        self.put_account(&account.identity, state);
        if let (Some(quiet), Some(rate)) = (quiet_of_looks(signals), &account.lookup_rate) {
            self.put_off_bucket(rate.bucket.clone(), now.plus(quiet));
        }
    }

    /// Puts the next slot of a bucket off until then, never forward.
    fn put_off_bucket(&mut self, bucket: String, until: Timestamp) {
        let next_free = self.buckets.entry(bucket).or_insert(until);
        *next_free = (*next_free).max(until);
    }

    pub(super) fn recover(
        &mut self,
        restored_to: Timestamp,
        accounts: &[Account],
        jitter: Jitter,
        now: Timestamp,
    ) -> Result<(Recovery, Wakes)> {
        let open = self.rows.values().filter(|row| row.due.is_some());
        let (mut recovery, mut made) = (Recovery::default(), Vec::new());
        for row in open {
            if row.refund.update_time > restored_to {
                recovery.after_restore_point.push(row.refund.id);
            }
            if matches!(row.refund.state.kind(), StateKind::Pending | StateKind::Sending) {
                recovery.made_unknown.push(row.refund.id);
                made.push(row.restored(restored_to, accounts, jitter, now)?);
            }
        }
        for restored in made {
            self.write(restored.written);
            self.attempts.extend(restored.attempt.map(|attempt| (attempt.id, attempt)));
        }
        for account in accounts.iter().filter(|account| !account.capabilities.echoes_key) {
            let state = self.account_state(&account.identity.name);
            if let Some(state) = state.paused_by_restore(restored_to) {
                self.put_account(&account.identity, state);
                recovery.paused.push(account.identity.name.clone());
            }
        }
        recovery.paused.sort();
        for (bucket, until) in next_slots(accounts, now) {
            self.put_off_bucket(bucket, until);
        }
        let wakes = Wakes { changed: recovery.made_unknown.clone(), due: true, ..Wakes::default() };
        Ok((recovery, wakes))
    }
}
