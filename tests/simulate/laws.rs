//! What must never happen, looked for after each step.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt;
use refunds::domain::account::{Account, KeyProof};
use refunds::domain::decision::{Acceptance, Intent};
use refunds::domain::history::verify;
use refunds::domain::id::{CallerName, ProviderKey, RefundId, RequestId};
use refunds::domain::refund::{Refund, State, StateKind};
use refunds::domain::timestamp::Timestamp;
use refunds::service::Clock;
use refunds::store::{Begun, Claimed, Lease, Member, Recorded, Store};
use uuid::Uuid;

use crate::accounts::{ESIM_WINDOW, RESEND_WINDOW};
use crate::leases::Leases;
use crate::run::Figures;
use crate::world::World;

/// How long after its intent a byte may leave at the latest.
const SLOT_AGE_MAX: Duration = Duration::from_secs(5);

/// A refund as it was last seen.
#[derive(Debug)]
struct Seen {
    kind: StateKind,
    sequence: i64,
    key: ProviderKey,
    request: (CallerName, RequestId),
    first_sent: Option<Timestamp>,
}

/// The laws, and what was seen of the refunds.
#[derive(Debug, Default)]
pub(crate) struct Laws {
    pub(crate) leases: Leases,
    seen: BTreeMap<RefundId, Seen>,
    by_request: BTreeMap<(CallerName, RequestId), RefundId>,
    /// By merchant and order.
    by_order: BTreeMap<(String, String), Vec<RefundId>>,
    last_call: BTreeMap<String, Timestamp>,
    /// Up to which event streams were told.
    streamed: BTreeMap<RefundId, i64>,
    pub(crate) figures: Figures,
    faults: Vec<String>,
}

impl Laws {
    pub(crate) fn fault(&mut self, world: &World, fault: String) {
        world.tell("law", format_args!("{fault}"));
        self.faults.push(fault);
    }

    /// All that was wrong.
    pub(crate) fn faults(&mut self) -> Vec<String> {
        self.faults.append(&mut self.leases.faults);
        std::mem::take(&mut self.faults)
    }

    /// Every refund that was accepted.
    pub(crate) fn refunds(&self) -> Vec<RefundId> {
        self.seen.keys().copied().collect()
    }

    /// A stream of a refund was read up to there.
    pub(crate) fn streamed(&mut self, id: RefundId, last: Option<i64>) {
        let told = self.streamed.entry(id).or_default();
        *told = last.map_or(*told, |last| last.max(*told));
    }

    /// Streams that did not tell the end of their refund.
    pub(crate) fn untold(&self, world: &World) -> Vec<String> {
        let behind = |(id, last): (&RefundId, &i64)| {
            let sequence = world.last_sequence(*id);
            (*last > 0 && sequence != Some(*last))
                .then(|| format!("{id}: streamed to {last} of {sequence:?}"))
        };
        self.streamed.iter().filter_map(behind).collect()
    }

    /// What came of a wish.
    pub(crate) fn accepted(&mut self, world: &World, acceptance: &Acceptance) {
        let refund = match acceptance {
            Acceptance::Accepted { transition, .. } => &transition.refund,
            Acceptance::Replayed(refund) => refund,
            Acceptance::Conflict { .. } | Acceptance::Refused(_) | Acceptance::EsimTaken { .. } => return,
        };
        let request = (refund.caller.clone(), refund.request_id.clone());
        let first = *self.by_request.entry(request).or_insert(refund.id);
        if first != refund.id {
            let (one, id) = (&refund.request_id, refund.id);
            self.fault(world, format!("{one} is {first} and {id}"));
        }
        self.look_at(world, refund.id);
    }

    pub(crate) fn claimed(&mut self, world: &World, claimed: &Claimed, length: Duration) {
        for held in &claimed.members {
            let (id, worker) = (held.refund.id, &held.lease.worker);
            world.tell(worker, format_args!("claims {id} {}", held.refund.state.kind()));
            self.leases.claimed(world, &held.lease, length);
            self.look_at(world, id);
        }
    }

    pub(crate) fn begun(&mut self, world: &World, lease: &Lease, begun: &Begun, intent: &Intent) {
        let refund = match begun {
            Begun::Go(refund) => {
                self.leases.used(lease, "begin a send");
                self.leases.kept(world, lease, intent.lease);
                self.figures.intents += 1;
                refund
            }
            Begun::Stay(refund) => {
                self.leases.used(lease, "let it wait");
                self.leases.released(lease);
                refund
            }
            Begun::Stale => return,
        };
        let (id, state) = (refund.id, refund.state.kind());
        world.tell(&lease.worker, format_args!("begins {:?} of {id}: {state}", intent.kind));
        self.look_at(world, id);
    }

    pub(crate) fn recorded(&mut self, world: &World, member: &Member, recorded: &Recorded) {
        let Recorded::Applied(refund) = recorded else { return };
        let lease = &member.lease;
        self.leases.used(lease, "change it");
        if member.keep && !refund.state.kind().is_final() {
            self.leases.kept(world, lease, world.lease);
        } else {
            self.leases.released(lease);
        }
        let change = member.change.as_ref().map_or("nothing", |change| change.name());
        let (id, state) = (refund.id, refund.state.kind());
        world.tell(&lease.worker, format_args!("records {change} of {id}: {state}"));
        self.look_at(world, id);
    }

    /// A person changed a refund: whoever worked on it has lost it.
    pub(crate) fn ruled(&mut self, world: &World, refund: &Refund) {
        let (id, state) = (refund.id, refund.state.kind());
        if state.is_final() {
            self.leases.revoked(id);
        }
        self.figures.rulings += 1;
        world.tell("person", format_args!("rules on {id}: {state}"));
        self.look_at(world, id);
    }

    /// The first byte of a call leaves.
    pub(crate) fn first_byte(&mut self, world: &World, worker: &str, account: &Account, refunds: &[Refund]) {
        let now = world.clock.now();
        for refund in refunds {
            world.tell(worker, format_args!("sends {}", refund.id));
            self.leases.first_byte(world, worker, refund.id);
            let stored = world.store.find(refund.id).now_or_never().unwrap().unwrap().unwrap();
            if !matches!(stored.state, State::Sending { .. }) {
                self.fault(world, format!("{} is sent and {}", refund.id, stored.state.kind()));
            }
            self.keyed(world, account, refund, now);
        }
        if let Some(rate) = &account.admission.rate {
            let last = self.last_call.insert(rate.bucket.clone(), now);
            if let Some(gap) = last.map(|last| now.since(last)).filter(|gap| *gap < ESIM_WINDOW) {
                self.fault(world, format!("two calls of {} within {gap:?}", rate.bucket));
            }
        }
    }

    /// The same key for ever, and again only where the provider is known to heed it, within its window.
    fn keyed(&mut self, world: &World, account: &Account, refund: &Refund, now: Timestamp) {
        let id = refund.id;
        let heeded = world.bank().echoed(&account.identity.name);
        let Some(seen) = self.seen.get_mut(&id) else { return };
        let same_key = seen.key == refund.key;
        // A send that provably took nothing opens no doubt: only one that may have arrived does.
        let first = *seen.first_sent.get_or_insert(now);
        let again = refund.state.doubt().is_some();
        if !same_key {
            self.fault(world, format!("{id} is sent with another key"));
        }
        if !again {
            return;
        }
        self.figures.resends += 1;
        let proven = match account.capabilities.key {
            KeyProof::ByDocuments => true,
            KeyProof::OnceEchoed => heeded,
            KeyProof::WhenConfirmed(confirmed) => confirmed,
            KeyProof::Never => false,
        };
        if !proven {
            self.fault(world, format!("{id} is sent again and its key is not proven"));
        }
        if now.since(first) > RESEND_WINDOW + SLOT_AGE_MAX {
            self.fault(world, format!("{id} is sent again after its window"));
        }
    }

    /// Something moved at a provider for a refund.
    pub(crate) fn moved(&mut self, world: &World, id: RefundId, effects: usize) {
        self.figures.effects += 1;
        if effects > 1 {
            self.fault(world, format!("{id} has {effects} effects"));
        }
        let stored = world.store.find(id).now_or_never().unwrap().unwrap().unwrap();
        if matches!(stored.state.kind(), StateKind::Failed | StateKind::Canceled) {
            self.fault(world, format!("money moves for {id}, which is {}", stored.state.kind()));
        }
    }

    /// Holds a refund, its events and its order against the laws.
    pub(crate) fn look_at(&mut self, world: &World, id: RefundId) {
        let Some(refund) = world.store.find(id).now_or_never().unwrap().unwrap() else {
            return self.fault(world, format!("{id} is lost"));
        };
        let kind = refund.state.kind();
        let request = (refund.caller.clone(), refund.request_id.clone());
        let known = self.seen.get(&id).map(|seen| (seen.sequence, seen.kind));
        let (mut sequence, mut before) = known.map_or((0, None), |(sequence, kind)| (sequence, Some(kind)));
        let events = world.store.events_after(id, sequence, 1_000).now_or_never().unwrap().unwrap();
        for event in events {
            let lawful = before
                .map_or(event.previous.is_none() && event.state == StateKind::Pending, |before| {
                    event.previous == Some(before) && before.may_become(event.state)
                });
            if event.sequence != sequence + 1 || !lawful {
                let (was, is) = (event.previous, event.state);
                self.fault(world, format!("{id}: event {} from {was:?} to {is}", event.sequence));
            }
            if event.state == StateKind::Unknown {
                self.figures.doubts += 1;
            }
            (sequence, before) = (event.sequence, Some(event.state));
        }
        if sequence != refund.sequence || before != Some(kind) {
            self.fault(world, format!("{id} is {kind} without an event"));
        }
        if kind.is_final() == refund.due.is_some() || kind.is_final() == refund.overdue.is_some() {
            self.fault(
                world,
                format!("{id} is {kind} and due {:?}, overdue {:?}", refund.due, refund.overdue),
            );
        }
        if known.is_none()
            && let Some(order) = order_of(&refund)
        {
            self.by_order.entry(order).or_default().push(id);
        }
        let (key, first_sent) = (refund.key, None);
        let seen = self.seen.entry(id).or_insert(Seen { kind, sequence, key, request, first_sent });
        let whole =
            seen.key == refund.key && seen.request == (refund.caller.clone(), refund.request_id.clone());
        (seen.kind, seen.sequence) = (kind, sequence);
        if kind == StateKind::Pending {
            seen.first_sent = None;
        }
        self.chained(world, &refund);
        if !whole {
            self.fault(world, format!("{id} is another refund now"));
        }
        let told = world.bank().contradiction(&refund).or_else(|| self.order_fault(world, &refund));
        if let Some(fault) = told {
            self.fault(world, fault);
        }
    }

    /// The chain of a refund's history is whole and ends in its head.
    fn chained(&mut self, world: &World, refund: &Refund) {
        let before = RefundId(Uuid::from_u128(refund.id.0.as_u128() - 1));
        let chains = world.store.chains(Some(before), 1).now_or_never().unwrap().unwrap();
        if let Err(fault) = verify(refund.id, chains[0].links(), refund.history) {
            self.fault(world, format!("{}: {fault}", refund.id));
        }
    }

    /// The guard of a refund's order holds what its refunds hold.
    fn order_fault(&self, world: &World, refund: &Refund) -> Option<String> {
        let order = order_of(refund)?;
        let guard = world.store.guard(&refund.identity, &order.1).now_or_never().unwrap().unwrap();
        let of_order = self.by_order.get(&order)?.iter();
        let stored = of_order.filter_map(|id| world.store.find(*id).now_or_never().unwrap().unwrap());
        let held: i64 = stored.map(|refund| refund.held_minor()).sum();
        let guarded = guard.as_ref().map(|guard| guard.own_minor);
        let key = &order.1;
        (guarded != Some(held)).then(|| format!("the guard of {key} holds {guarded:?}, its refunds {held}"))
    }
}

/// Merchant and order of a refund; `None` for eSIMs.
pub(crate) fn order_of(refund: &Refund) -> Option<(String, String)> {
    let merchant = format!("{}/{}", refund.identity.provider.word(), refund.identity.merchant);
    Some((merchant, refund.order_key()?))
}
