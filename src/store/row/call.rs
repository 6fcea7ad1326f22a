//! Which due refunds are handed out, and which of them share a call.

use std::collections::BTreeSet;

use super::Row;
use crate::domain::account::Account;
use crate::domain::admission::{AccountState, Claimable};
use crate::domain::batch;
use crate::domain::id::{AccountName, RefundId};
use crate::domain::refund::{Refund, StateKind};
use crate::domain::timestamp::Timestamp;
use crate::store::{ClaimAsk, Claimed, Held, Lease};

/// An account that has room for calls, and how it stands.
#[derive(Debug)]
pub(in crate::store) struct Desk<'a> {
    pub(in crate::store) account: &'a Account,
    pub(in crate::store) room: usize,
    pub(in crate::store) state: AccountState,
    pub(in crate::store) bucket_next_free: Option<Timestamp>,
    /// A call is on its way to the slot: its refunds are looked at.
    pub(in crate::store) slot_asked_for: bool,
}

impl<'a> Desk<'a> {
    /// The accounts of an ask that have room, each once, with their rows as `standing` reads them.
    pub(in crate::store) fn all_of(
        ask: &'a ClaimAsk,
        standing: impl Fn(&Account) -> (AccountState, Option<Timestamp>),
    ) -> Vec<Self> {
        let mut desks: Vec<Self> = Vec::new();
        for (account, room) in ask.rooms.iter().filter(|(_, room)| *room > 0) {
            if desks.iter().all(|desk| desk.account.identity.name != account.identity.name) {
                let (state, bucket_next_free) = standing(account);
                let slot_asked_for = false;
                desks.push(Self { account, room: *room, state, bucket_next_free, slot_asked_for });
            }
        }
        desks
    }

    pub(in crate::store) fn name(&self) -> &'a AccountName {
        &self.account.identity.name
    }

    /// What may be handed out. One call at a time goes for a slot that calls share: another one would look
    /// at its orders in vain, at the cost of the lookups' budget.
    pub(in crate::store) fn claimable(&self, now: Timestamp) -> Claimable {
        match self.state.claimable(self.bucket_next_free, now) {
            Claimable::All if self.slot_asked_for => Claimable::Started,
            claimable => claimable,
        }
    }

    /// How many final refunds may be looked at again beside some calls; `None` for none. What is open comes
    /// first, and an account that is held up for other reasons than a slot is left alone.
    pub(in crate::store) fn room_for_follow_ups(&self, calls: &[Call], now: Timestamp) -> Option<usize> {
        let open = match self.claimable(now) {
            Claimable::All | Claimable::Started => !self.state.is_paused(now),
            Claimable::Probe | Claimable::Nothing => false,
        };
        let taken = calls.iter().filter(|call| call.account() == Some(self.name())).count();
        Some(self.room.saturating_sub(taken)).filter(|room| open && *room > 0)
    }

    /// Whether refunds that were never sent may share a call here.
    fn shares_calls(&self) -> bool {
        self.account.capabilities.batch_max > 1
    }

    /// Whether the candidates for a shared call are asked for: the oldest that are due.
    pub(in crate::store) fn fills_calls(&self, now: Timestamp) -> bool {
        self.shares_calls() && self.claimable(now) == Claimable::All
    }

    /// The budget whose slots shared calls go for, one at a time.
    pub(in crate::store) fn shared_bucket(&self) -> Option<&'a str> {
        shared_bucket(self.account)
    }

    /// The calls that due refunds of this account make, as many as there is room for: first of SENDING
    /// refunds whose worker is gone, then the oldest due. A probe is one refund.
    fn calls(&self, due: Vec<Row>, now: Timestamp) -> Vec<Call> {
        let claimable = self.claimable(now);
        let (past, mut due): (Vec<_>, Vec<_>) = due.into_iter().partition(|row| is_past(&row.refund, now));
        due.retain(|row| may_go(row.refund.state.kind(), claimable));
        due.sort_by_key(precedence);
        if claimable == Claimable::Probe {
            // A look does not tell that sends are taken again: many that are due must not keep the send from
            // being tried that does.
            due.sort_by_key(|row| {
                let kind = row.refund.state.kind();
                (kind != StateKind::Sending, kind != StateKind::Pending)
            });
            let run_out = due.iter().filter(|row| row.refund.state.kind() == StateKind::Sending).count();
            due.truncate(run_out.saturating_add(1));
        }
        let together = self.fills_calls(now);
        let (unsent, single): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|row| together && row.refund.state.kind() == StateKind::Pending);
        let alone = |row: Row, probe| Call { probe, place: Some(precedence(&row)), rows: vec![row] };
        let mut calls: Vec<Call> = past.into_iter().map(|row| alone(row, false)).collect();
        calls.extend(single.into_iter().map(|row| {
            let probe = claimable == Claimable::Probe && row.refund.state.kind() != StateKind::Sending;
            alone(row, probe)
        }));
        calls.extend(self.shared(unsent));
        calls.sort_by_key(|call| call.place);
        calls.truncate(self.room);
        calls
    }

    /// Where there is a rate budget one call is filled: whoever waits for the next slot may still join its
    /// call.
    fn shared(&self, mut unsent: Vec<Row>) -> Vec<Call> {
        unsent.sort_by_key(|row| age(&row.refund));
        let calls_max = if self.account.admission.rate.is_some() { 1 } else { self.room };
        let candidates: Vec<_> = unsent.iter().take(batch::CANDIDATES_MAX).map(|row| &row.refund).collect();
        batch::fill(&candidates, self.account.capabilities.batch_max, calls_max)
            .into_iter()
            .map(|places| {
                let rows: Vec<Row> =
                    places.into_iter().filter_map(|place| unsent.get(place).cloned()).collect();
                let oldest = rows.first().map(|row| age(&row.refund));
                Call { probe: false, place: oldest.map(|(since, id)| (true, Some(since), id)), rows }
            })
            .collect()
    }
}

/// Refunds that are handed out together.
#[derive(Debug)]
pub(in crate::store) struct Call {
    pub(in crate::store) rows: Vec<Row>,
    /// Handed out alone, to see whether its account has recovered.
    pub(in crate::store) probe: bool,
    place: Option<Precedence>,
}

impl Call {
    /// A final refund that is looked at again.
    pub(in crate::store) fn follow_up(row: Row) -> Self {
        Self { probe: false, place: None, rows: vec![row] }
    }

    /// The account that all of it is of.
    pub(in crate::store) fn account(&self) -> Option<&AccountName> {
        self.rows.first().map(|row| &row.refund.identity.name)
    }

    /// What the worker is told of its claim.
    pub(in crate::store) fn handed_out(&self, worker: &str, state: AccountState, now: Timestamp) -> Claimed {
        let held = |row: &Row| Held {
            refund: row.refund.clone(),
            lease: Lease {
                refund_id: row.refund.id,
                worker: worker.to_owned(),
                token: row.token.saturating_add(1),
            },
        };
        Claimed {
            members: self.rows.iter().map(held).collect(),
            account_state: state,
            probe: self.probe,
            taken_over: self.rows.iter().any(|row| row.held.is_some()),
            now,
        }
    }
}

/// The calls that due refunds make, in the order in which they are handed out.
pub(in crate::store) fn calls(mut due: Vec<Row>, desks: &[Desk<'_>], now: Timestamp) -> Vec<Call> {
    let mut calls = Vec::new();
    for desk in desks {
        let (of_account, others): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|row| row.refund.identity.name == *desk.name());
        due = others;
        calls.extend(desk.calls(of_account, now));
    }
    calls.sort_by_key(|call| call.place);
    let mut asked_for = BTreeSet::new();
    calls.retain(|call| {
        let wants_slot =
            |row: &Row| row.refund.state.kind() == StateKind::Pending && !is_past(&row.refund, now);
        let unsent = call.rows.first().is_some_and(wants_slot);
        let desk = desks.iter().find(|desk| call.account() == Some(desk.name()));
        let bucket = desk.and_then(Desk::shared_bucket).filter(|_| unsent && !call.probe);
        bucket.is_none_or(|bucket| asked_for.insert(bucket))
    });
    calls
}

/// The order in which refunds come into a shared call: one that was given back, or had to wait a while, keeps
/// its place.
pub(in crate::store) fn age(refund: &Refund) -> (Timestamp, RefundId) {
    (refund.create_time, refund.id)
}

/// The accounts of an ask that go for the slots of a budget together, those without room too.
pub(in crate::store) fn of_bucket<'a>(
    ask: &'a ClaimAsk,
    bucket: &str,
) -> impl Iterator<Item = &'a AccountName> {
    let accounts = ask.rooms.iter().map(|(account, _)| account);
    let of_bucket = accounts.filter(move |account| shared_bucket(account) == Some(bucket));
    of_bucket.map(|account| &account.identity.name)
}

fn shared_bucket(account: &Account) -> Option<&str> {
    let rate = account.admission.rate.as_ref().filter(|_| account.capabilities.batch_max > 1)?;
    Some(rate.bucket.as_str())
}

/// Whether nothing may be sent any more of a refund that never was: it ends, however its account stands, and
/// no provider is asked.
pub(in crate::store) fn is_past(refund: &Refund, now: Timestamp) -> bool {
    refund.state.kind() == StateKind::Pending && refund.send_before <= now
}

/// Whether an account lets a due refund be handed out, by its state alone. What is SENDING and due has lost
/// its worker, and somebody must look, however the account stands.
pub(in crate::store) fn may_go(kind: StateKind, claimable: Claimable) -> bool {
    match claimable {
        Claimable::All | Claimable::Probe => true,
        Claimable::Started => kind != StateKind::Pending,
        Claimable::Nothing => kind == StateKind::Sending,
    }
}

type Precedence = (bool, Option<Timestamp>, RefundId);

fn precedence(row: &Row) -> Precedence {
    (row.refund.state.kind() != StateKind::Sending, row.due, row.refund.id)
}
