//! Intent before action, and slots: each computes all that it will write before it writes.

use std::time::Duration;

use super::world::{World, inconsistent};
use crate::domain::account::Account;
use crate::domain::admission::Rate;
use crate::domain::attempt::Attempt;
use crate::domain::decision::{self, AccountRows, Intent, MemberRows, Verdict};
use crate::domain::sight::Sight;
use crate::domain::timestamp::Timestamp;
use crate::store::row::{GuardKey, OtherRefunds, Row, attempt_of, guard_after, own_seen_minor};
use crate::store::wake::Wakes;
use crate::store::{Begun, Lease, Result};

/// A member whose lease is held.
struct Member<'a> {
    place: usize,
    row: Row,
    sight: Option<&'a Sight>,
    key: Option<GuardKey>,
    others: OtherRefunds,
}

impl World {
    pub(super) fn begin(
        &mut self,
        leases: &[Lease],
        intent: &Intent,
        account: &Account,
        now: Timestamp,
    ) -> Result<(Vec<Begun>, Wakes)> {
        let (mut begun, mut members) = (Vec::with_capacity(leases.len()), Vec::new());
        for (place, lease) in leases.iter().enumerate() {
            let row = self.known(lease.refund_id)?;
            begun.push(Begun::Stale);
            if row.is_held_by(lease) {
                let sight = intent.sights.get(place).and_then(Option::as_ref);
                let key = GuardKey::of_refund(&row.refund);
                let others = match &key {
                    Some(key) if !account.capabilities.echoes_key => {
                        OtherRefunds::new(row.refund.id, self.refunds_of(key, &[]), intent.looked)
                    }
                    Some(_) | None => OtherRefunds::default(),
                };
                members.push(Member { place, row: row.clone(), sight, key, others });
            }
        }
        let mut wakes = Wakes::default();
        if members.is_empty() {
            return Ok((begun, wakes));
        }
        let state = self.account_state(&account.identity.name);
        let bucket = account.admission.rate.as_ref().map(|rate| &rate.bucket);
        let bucket_next_free = bucket.and_then(|bucket| self.buckets.get(bucket).copied());
        let rows: Vec<_> = members.iter().map(|member| self.member_rows(member)).collect();
        let account_rows = AccountRows { account, state: &state, bucket_next_free };
        let verdicts = decision::begin(intent, &rows, account_rows, now)?;
        let mut begun_now = None;
        if let Some(admitted) = verdicts.admitted {
            if self.attempts.contains_key(&intent.attempt) {
                return Err(inconsistent("attempts", "id", &intent.attempt));
            }
            self.put_account(&account.identity, admitted.account);
            self.buckets.extend(bucket.cloned().zip(admitted.bucket_next_free));
            let going: Vec<_> = members
                .iter()
                .zip(&verdicts.members)
                .filter(|(_, verdict)| verdict.goes)
                .map(|(member, _)| (member.row.refund.id, member.sight))
                .collect();
            let attempt = attempt_of(intent, &going, &account.identity.name, now);
            self.attempts.insert(attempt.id, attempt.clone());
            begun_now = Some(attempt);
        }
        for (member, verdict) in members.iter().zip(verdicts.members) {
            let told = self.go_or_stay(member, verdict, begun_now.as_ref(), intent.lease, &mut wakes, now);
            if let Some(begun) = begun.get_mut(member.place) {
                *begun = told;
            }
        }
        Ok((begun, wakes))
    }

    fn member_rows<'a>(&'a self, member: &'a Member<'_>) -> MemberRows<'a> {
        let order = member.sight.and_then(Sight::order);
        MemberRows {
            refund: &member.row.refund,
            sight: member.sight,
            guard: member.key.as_ref().and_then(|key| self.guards.get(key)),
            own_seen_minor: member
                .key
                .as_ref()
                .zip(order)
                .map_or(0, |(key, order)| own_seen_minor(order, self.refunds_of(key, &[]))),
            others: member.others.as_read(),
        }
    }

    fn go_or_stay(
        &mut self,
        member: &Member<'_>,
        verdict: Verdict,
        attempt: Option<&Attempt>,
        lease: Duration,
        wakes: &mut Wakes,
        now: Timestamp,
    ) -> Begun {
        let (before, after) = (&member.row.refund, &verdict.transition.refund);
        if let (Some(key), Some(guard)) = (&member.key, &verdict.guard) {
            let guard = guard_after(self.guards.get(key), guard, before, after);
            self.guards.insert(key.clone(), guard);
        }
        self.give_up(before, after);
        let goes = verdict.goes;
        let written = member.row.begun(verdict, attempt, lease, now);
        wakes.add(&written, now);
        let refund = Box::new(written.row.refund.clone());
        self.write(written);
        if goes { Begun::Go(refund) } else { Begun::Stay(refund) }
    }

    /// How long until a budget has a slot.
    pub(super) fn next_slot(&self, rate: &Rate, now: Timestamp) -> Option<Duration> {
        let next_free = self.buckets.get(&rate.bucket).copied();
        next_free.filter(|next_free| *next_free > now).map(|next_free| next_free.since(now))
    }

    /// Spends a slot, or tells how long until there is one.
    pub(super) fn spend(&mut self, rate: &Rate, now: Timestamp) -> Option<Duration> {
        let wait = self.next_slot(rate, now);
        if wait.is_none() {
            self.buckets.insert(rate.bucket.clone(), now.plus(rate.every));
        }
        wait
    }
}
