//! Which due refunds are handed out, and which of them share a call.

use super::Row;
use crate::domain::account::Account;
use crate::domain::admission::{AccountState, Claimable};
use crate::domain::batch;
use crate::domain::id::{AccountName, RefundId};
use crate::domain::refund::StateKind;
use crate::domain::timestamp::Timestamp;
use crate::store::{ClaimAsk, Claimed, Held, Lease};

/// An account that has room for calls, and how it stands.
#[derive(Debug)]
pub(in crate::store) struct Desk<'a> {
    pub(in crate::store) account: &'a Account,
    pub(in crate::store) room: usize,
    pub(in crate::store) state: AccountState,
    pub(in crate::store) bucket_next_free: Option<Timestamp>,
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
                desks.push(Self { account, room: *room, state, bucket_next_free });
            }
        }
        desks
    }

    pub(in crate::store) fn name(&self) -> &'a AccountName {
        &self.account.identity.name
    }

    pub(in crate::store) fn claimable(&self, now: Timestamp) -> Claimable {
        self.state.claimable(self.bucket_next_free, now)
    }

    /// Whether refunds that were never sent may share a call here.
    pub(in crate::store) fn shares_calls(&self) -> bool {
        self.account.capabilities.batch_max > 1
    }

    /// The calls that due refunds of this account make, as many as there is room for: first of SENDING
    /// refunds whose worker is gone, then the oldest due. A probe is one refund.
    fn calls(&self, mut due: Vec<Row>, now: Timestamp) -> Vec<Call> {
        let claimable = self.claimable(now);
        due.retain(|row| may_go(row.refund.state.kind(), claimable));
        due.sort_by_key(precedence);
        if claimable == Claimable::Probe {
            let run_out = due.iter().filter(|row| row.refund.state.kind() == StateKind::Sending).count();
            due.truncate(run_out.saturating_add(1));
        }
        let together = self.shares_calls() && claimable == Claimable::All;
        let (unsent, single): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|row| together && row.refund.state.kind() == StateKind::Pending);
        let mut calls: Vec<Call> = single
            .into_iter()
            .map(|row| Call {
                probe: claimable == Claimable::Probe && row.refund.state.kind() != StateKind::Sending,
                rows: vec![row],
            })
            .collect();
        calls.extend(self.shared(&unsent));
        calls.sort_by_key(Call::precedence);
        calls.truncate(self.room);
        calls
    }

    /// Where there is a rate budget one call is filled: whoever waits for the next slot may still join its
    /// call.
    fn shared(&self, unsent: &[Row]) -> Vec<Call> {
        let calls_max = if self.account.admission.rate.is_some() { 1 } else { self.room };
        let candidates: Vec<_> = unsent.iter().take(batch::CANDIDATES_MAX).map(|row| &row.refund).collect();
        batch::fill(&candidates, self.account.capabilities.batch_max, calls_max)
            .into_iter()
            .map(|places| Call {
                probe: false,
                rows: places.into_iter().filter_map(|place| unsent.get(place).cloned()).collect(),
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
}

impl Call {
    /// The account that all of it is of.
    pub(in crate::store) fn account(&self) -> Option<&AccountName> {
        self.rows.first().map(|row| &row.refund.identity.name)
    }

    fn precedence(&self) -> Option<Precedence> {
        self.rows.first().map(precedence)
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
    calls.sort_by_key(Call::precedence);
    calls
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
