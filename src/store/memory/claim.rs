//! Handing out due work, and keeping or giving back what was handed out.

use std::time::Duration;

use super::world::World;
use crate::domain::batch;
use crate::domain::refund::StateKind;
use crate::domain::timestamp::Timestamp;
use crate::store::row::{Call, Desk, Row, age, calls, may_go, of_bucket};
use crate::store::wake::Wakes;
use crate::store::{ClaimAsk, Claimed, Lease};

impl World {
    /// Leases what is due: first SENDING refunds whose worker is gone, then what each account's state allows.
    pub(super) fn claim(&mut self, ask: &ClaimAsk, now: Timestamp) -> Vec<Claimed> {
        let mut desks = Desk::all_of(ask, |account| {
            let rate = account.admission.rate.as_ref();
            let next_free = rate.and_then(|rate| self.buckets.get(&rate.bucket).copied());
            (self.account_state(&account.identity.name), next_free)
        });
        for desk in &mut desks {
            let bucket = desk.shared_bucket();
            desk.slot_asked_for =
                bucket.is_some_and(|bucket| of_bucket(ask, bucket).any(|name| self.makes_ready(name, now)));
        }
        let due = desks.iter().flat_map(|desk| self.candidates(desk, now)).cloned().collect();
        let (mut claimed, calls) = (Vec::new(), calls(due, &desks, now));
        for call in &calls {
            let Some(desk) = desks.iter().find(|desk| call.account() == Some(desk.name())) else {
                continue;
            };
            if call.probe {
                self.put_account(&desk.account.identity, desk.state.probe_taken(ask.lease, now));
            }
            claimed.push(call.handed_out(&ask.worker, desk.state.clone(), now));
            for row in &call.rows {
                self.put(row.claimed(&ask.worker, ask.lease, now));
            }
        }
        for desk in &desks {
            let room = desk.room_for_follow_ups(&calls, now).unwrap_or(0);
            let rows: Vec<Row> = self.followed(desk.name(), now).take(room).cloned().collect();
            for row in rows {
                self.put(row.claimed(&ask.worker, ask.lease, now));
                claimed.push(Call::follow_up(row).handed_out(&ask.worker, desk.state.clone(), now));
            }
        }
        claimed
    }

    /// What is due of an account and may go; of what may share a call no more than is looked at.
    fn candidates(&self, desk: &Desk<'_>, now: Timestamp) -> Vec<&Row> {
        let claimable = desk.claimable(now);
        let started = self.due(desk.name(), false, now);
        let mut found: Vec<&Row> = started.filter(|row| may_go(row.refund.state.kind(), claimable)).collect();
        if may_go(StateKind::Pending, claimable) {
            let mut unsent: Vec<&Row> = self.due(desk.name(), true, now).collect();
            if desk.fills_calls(now) {
                unsent.sort_by_key(|row| age(&row.refund));
                unsent.truncate(batch::CANDIDATES_MAX);
            }
            found.extend(unsent);
        } else {
            found.extend(self.past(desk.name(), now));
        }
        found
    }

    /// Makes held leases run for `length` from now; tells which are held.
    pub(super) fn renew(&mut self, leases: &[Lease], length: Duration, now: Timestamp) -> Vec<bool> {
        leases.iter().map(|lease| self.with_held(lease, |row| row.renewed(length, now))).collect()
    }

    /// Gives held leases back, due at once.
    pub(super) fn release(&mut self, leases: &[Lease], now: Timestamp) -> Wakes {
        let mut wakes = Wakes::default();
        for lease in leases {
            wakes.due |= self.with_held(lease, |row| row.released(now));
        }
        wakes
    }

    fn with_held(&mut self, lease: &Lease, change: impl FnOnce(&Row) -> Row) -> bool {
        let held = self.rows.get(&lease.refund_id).filter(|row| row.is_held_by(lease));
        let Some(row) = held.map(change) else {
            return false;
        };
        self.put(row);
        true
    }
}
