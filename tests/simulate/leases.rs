//! Who holds which refund: kept beside the store by what each step answered, so that the store cannot be
//! wrong about it unseen.

use std::collections::BTreeMap;
use std::time::Duration;

use refunds::domain::id::RefundId;
use refunds::domain::timestamp::Timestamp;
use refunds::service::Clock;
use refunds::store::Lease;

use crate::world::World;

/// The last lease of a refund.
#[derive(Debug)]
struct Held {
    worker: String,
    token: i64,
    ends: Timestamp,
    runs: bool,
}

/// Every refund's last lease, and what was wrong with leases.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    held: BTreeMap<RefundId, Held>,
    pub(crate) faults: Vec<String>,
}

impl Leases {
    /// A refund was handed out.
    pub(crate) fn claimed(&mut self, world: &World, lease: &Lease, length: Duration) {
        let now = world.clock.now();
        let id = lease.refund_id;
        if let Some(last) = self.held.get(&id) {
            if last.runs && last.ends > now {
                let worker = &last.worker;
                self.faults.push(format!("{id} was handed out to {} under {worker}'s lease", lease.worker));
            }
            if last.token >= lease.token {
                self.faults.push(format!("{id} was handed out with an old token"));
            }
        }
        let (worker, token, ends) = (lease.worker.clone(), lease.token, now.plus(length));
        self.held.insert(id, Held { worker, token, ends, runs: true });
    }

    /// Whether it is the last one of its refund.
    fn is_last(&self, lease: &Lease) -> bool {
        let last = self.held.get(&lease.refund_id);
        last.is_some_and(|last| last.worker == lease.worker && last.token == lease.token)
    }

    /// A worker changed a refund, or the lease of it.
    pub(crate) fn used(&mut self, lease: &Lease, what: &str) {
        if !self.is_last(lease) {
            let (id, worker) = (lease.refund_id, &lease.worker);
            self.faults.push(format!("{worker} lost its lease of {id} and yet could {what}"));
        }
    }

    pub(crate) fn renewed(&mut self, world: &World, lease: &Lease, length: Duration) {
        self.used(lease, "renew it");
        self.kept(world, lease, length);
    }

    /// A worker goes on with a refund.
    pub(crate) fn kept(&mut self, world: &World, lease: &Lease, length: Duration) {
        let end = world.clock.now().plus(length);
        if let Some(last) = self.held.get_mut(&lease.refund_id) {
            last.ends = last.ends.max(end);
        }
    }

    /// A person took a refund from whoever had it.
    pub(crate) fn revoked(&mut self, id: RefundId) {
        if let Some(last) = self.held.get_mut(&id) {
            last.token += 1;
            last.runs = false;
        }
    }

    /// A worker is done with a refund.
    pub(crate) fn released(&mut self, lease: &Lease) {
        if self.is_last(lease)
            && let Some(last) = self.held.get_mut(&lease.refund_id)
        {
            last.runs = false;
        }
    }

    /// The first byte of a send leaves.
    pub(crate) fn first_byte(&mut self, world: &World, worker: &str, id: RefundId) {
        let now = world.clock.now();
        let holds =
            self.held.get(&id).is_some_and(|last| last.runs && last.worker == worker && last.ends > now);
        if !holds {
            self.faults.push(format!("{worker} sends {id} without a lease"));
        }
    }
}
