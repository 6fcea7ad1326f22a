//! Handing out due work, and keeping or giving back what was handed out.

use std::time::Duration;

use super::world::World;
use crate::domain::timestamp::Timestamp;
use crate::store::row::{Desk, Row, calls};
use crate::store::wake::Wakes;
use crate::store::{ClaimAsk, Claimed, Lease};

impl World {
    /// Leases what is due: first SENDING refunds whose worker is gone, then what each account's state allows.
    pub(super) fn claim(&mut self, ask: &ClaimAsk, now: Timestamp) -> Vec<Claimed> {
        let desks = Desk::all_of(ask, |account| {
            let rate = account.admission.rate.as_ref();
            let next_free = rate.and_then(|rate| self.buckets.get(&rate.bucket).copied());
            (self.account_state(&account.identity.name), next_free)
        });
        let due = self.due.iter().take_while(|(due, _)| *due <= now);
        let due: Vec<Row> = due.filter_map(|(_, id)| self.rows.get(id).cloned()).collect();
        let mut claimed = Vec::new();
        for call in calls(due, &desks, now) {
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
        claimed
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
