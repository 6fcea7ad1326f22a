//! Handing out due work, and keeping or giving back what was handed out.

use std::collections::BTreeMap;
use std::time::Duration;

use super::world::World;
use crate::domain::admission::Claimable;
use crate::domain::id::{AccountName, RefundId};
use crate::domain::refund::StateKind;
use crate::domain::timestamp::Timestamp;
use crate::store::row::Row;
use crate::store::wake::Wakes;
use crate::store::{ClaimAsk, Claimed, Lease};

impl World {
    /// Leases what is due: first SENDING refunds whose worker is gone, then what each account's state allows.
    pub(super) fn claim(&mut self, ask: &ClaimAsk, now: Timestamp) -> Vec<Claimed> {
        let mut rooms: BTreeMap<AccountName, usize> = ask.rooms.iter().cloned().collect();
        let due: Vec<RefundId> =
            self.due.iter().take_while(|(due, _)| *due <= now).map(|(_, id)| *id).collect();
        let mut claimed = Vec::new();
        for sending in [true, false] {
            for id in &due {
                let Some(row) = self.rows.get(id).cloned() else {
                    continue;
                };
                let kind = row.refund.state.kind();
                let Some(room) = rooms.get_mut(&row.refund.identity.name) else {
                    continue;
                };
                if *room == 0 || sending != (kind == StateKind::Sending) {
                    continue;
                }
                let Some(probe) = self.may_go(&row, ask.lease, now) else {
                    continue;
                };
                *room -= 1;
                claimed.push(row.handed_out(&ask.worker, probe, now));
                self.put(row.claimed(&ask.worker, ask.lease, now));
            }
        }
        claimed
    }

    /// Whether the account lets a due refund be handed out, and whether as its probe, which is noted.
    fn may_go(&mut self, row: &Row, lease: Duration, now: Timestamp) -> Option<bool> {
        let kind = row.refund.state.kind();
        let identity = &row.refund.identity;
        let state = self.account_state(&identity.name);
        if kind == StateKind::Sending {
            return Some(false);
        }
        match state.claimable(now) {
            Claimable::All => Some(false),
            Claimable::Started => (kind != StateKind::Pending).then_some(false),
            Claimable::Probe => {
                self.put_account(identity, state.probe_taken(lease, now));
                Some(true)
            }
            Claimable::Nothing => None,
        }
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
