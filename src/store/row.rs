//! A refund as it is kept, with its lease, and the steps that every form of the store takes alike.

mod call;
mod order;
mod step;
mod trip;

use std::time::Duration;

use crate::domain::account::{Account, AccountIdentity};
use crate::domain::attempt::{Attempt, AttemptKind};
use crate::domain::content::Content;
use crate::domain::event::Actor;
use crate::domain::history::Entry;
use crate::domain::id::{AttemptId, Iccid};
use crate::domain::plan::Jitter;
use crate::domain::refund::{Change, IllegalTransition, Refund, StateKind};
use crate::domain::timestamp::Timestamp;

use super::Lease;

pub(super) use call::{Call, Desk, age, calls, is_past, may_go, of_bucket};
pub(super) use order::{
    OtherRefunds, figures_are_unclear, frees_order, guard_after, moved_after_all, own_seen_minor,
    wakes_followed,
};
pub(super) use step::{Stepped, Written};
pub(super) use trip::{attempt_of, marked, next_slot, next_slots};

/// A refund with its lease. `due` is when somebody may take it: what the domain planned or, while it is
/// leased, the end of the lease, so that a lease that ran out is due by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) refund: Refund,
    pub(super) due: Option<Timestamp>,
    pub(super) held: Option<Holder>,
    /// Raised by each claim, never lowered.
    pub(super) token: i64,
}

/// Who has it, and for how long each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) worker: String,
    pub(super) length: Duration,
}

impl Row {
    /// A refund that nobody has worked on yet.
    pub(super) fn accepted(refund: Refund) -> Self {
        Self { due: refund.due, refund, held: None, token: 0 }
    }

    /// Whether that lease is still the one. One that ran out is, until another takes the refund. Of a final
    /// refund the token alone tells: it was raised when the refund became so and at each claim since.
    pub(super) fn is_held_by(&self, lease: &Lease) -> bool {
        let holds = match &self.held {
            Some(held) => held.worker == lease.worker,
            None => self.is_followed(),
        };
        holds && self.token == lease.token
    }

    /// Whether it is final and looked at again.
    pub(super) fn is_followed(&self) -> bool {
        self.due.is_none() && self.refund.follow.is_some()
    }

    /// Leased to a worker.
    pub(super) fn claimed(&self, worker: &str, length: Duration, now: Timestamp) -> Self {
        let token = self.token.saturating_add(1);
        if self.is_followed() {
            return Self { token, ..self.followed_at(now.plus(length)) };
        }
        Self {
            refund: self.refund.clone(),
            due: Some(now.plus(length)),
            held: Some(Holder { worker: worker.to_owned(), length }),
            token,
        }
    }

    /// The lease made to run for `length` from now; never shortened.
    pub(super) fn renewed(&self, length: Duration, now: Timestamp) -> Self {
        let end = now.plus(length);
        if self.is_followed() {
            return self.followed_at(self.refund.follow.map_or(end, |at| at.max(end)));
        }
        Self {
            refund: self.refund.clone(),
            due: Some(self.due.map_or(end, |due| due.max(end))),
            held: self.held.clone().map(|held| Holder { length, ..held }),
            token: self.token,
        }
    }

    /// Given back unworked: due at once.
    pub(super) fn released(&self, now: Timestamp) -> Self {
        if self.is_followed() {
            return self.followed_at(now);
        }
        Self { refund: self.refund.clone(), due: Some(now), held: None, token: self.token }
    }

    fn followed_at(&self, at: Timestamp) -> Self {
        let mut row = self.clone();
        row.refund.follow = Some(at);
        row
    }

    /// After a step with which the worker is done: due when the domain says. What is final is nobody's any
    /// more, so that a lease of before is worth nothing when it is followed up.
    pub(super) fn settled(&self, refund: Refund) -> Self {
        let token = self.token.saturating_add(i64::from(refund.due.is_none()));
        Self { due: refund.due, refund, held: None, token }
    }

    /// After a step with which the worker goes on; a refund that is final needs nobody.
    pub(super) fn kept(&self, refund: Refund, length: Duration, now: Timestamp) -> Self {
        if refund.due.is_none() {
            return self.settled(refund);
        }
        Self { refund, ..self.renewed(length, now) }
    }
}

/// What names an eSIM's claim: the company and the eSIM. Ordered, because claims are written in this order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EsimKey {
    pub(super) provider: &'static str,
    pub(super) merchant: String,
    pub(super) iccid: Iccid,
}

impl EsimKey {
    /// The claims that a wish needs; none for payments.
    pub(super) fn all_of(identity: &AccountIdentity, content: &Content) -> Vec<Self> {
        let key = |iccid: &Iccid| Self {
            provider: identity.provider.word(),
            merchant: identity.merchant.clone(),
            iccid: iccid.clone(),
        };
        content.iccids().iter().map(key).collect()
    }

    /// The claims that a step from one form of a refund to the next gives up.
    pub(super) fn given_up(before: &Refund, after: &Refund) -> Vec<Self> {
        if before.lives() && !after.lives() {
            Self::all_of(&after.identity, &after.content)
        } else {
            Vec::new()
        }
    }
}

/// What names an over-refund guard. Ordered, because guards are locked in this order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct GuardKey {
    pub(super) provider: &'static str,
    pub(super) merchant: String,
    pub(super) order_key: String,
}

impl GuardKey {
    /// The guard of an order by its canonical id.
    pub(super) fn new(identity: &AccountIdentity, order_key: String) -> Self {
        Self { provider: identity.provider.word(), merchant: identity.merchant.clone(), order_key }
    }

    /// The guard that a wish falls under; `None` for eSIMs.
    pub(super) fn of(identity: &AccountIdentity, content: &Content) -> Option<Self> {
        let payment = content.payment()?;
        Some(Self::new(identity, identity.provider.canonical_order(&payment.order_id)))
    }

    /// The guard that a refund falls under.
    pub(super) fn of_refund(refund: &Refund) -> Option<Self> {
        Self::of(&refund.identity, &refund.content)
    }
}

/// What a restore makes of a refund that may have been sent in the time that was lost.
#[derive(Debug)]
pub(super) struct Restored {
    pub(super) written: Written,
    /// The synthetic intent; a refund that was SENDING has a real one.
    pub(super) attempt: Option<Attempt>,
}

impl Row {
    /// Makes a PENDING or SENDING refund UNKNOWN, by the table. An intent that may have been lost was written
    /// after `restored_to`, so that the resend window, which starts there, closes early rather than late. An
    /// account that nobody configures any more has no schedule: its refunds are overdue at once, so that
    /// somebody is told.
    pub(super) fn restored(
        &self,
        restored_to: Timestamp,
        accounts: &[Account],
        jitter: Jitter,
        now: Timestamp,
    ) -> Result<Restored, IllegalTransition> {
        let name = &self.refund.identity.name;
        let schedule =
            accounts.iter().find(|account| account.identity.name == *name).map(|account| &account.schedule);
        let (mut refund, mut entries, mut attempt) = (self.refund.clone(), Vec::new(), None);
        if refund.state.kind() == StateKind::Pending {
            // Once sent a refund is never PENDING again, so that its own id can name the one such intent.
            let id = AttemptId(refund.id.0);
            let send = Change::Send { attempt: id, baseline: None, lease: Duration::ZERO };
            let transition = refund.apply(send, Actor::dispatcher(None), restored_to)?;
            refund = transition.refund;
            let begun = Attempt {
                id,
                kind: AttemptKind::Restore,
                account: name.clone(),
                members: vec![refund.id],
                started: restored_to,
                end: None,
                trace_id: None,
                preflight: None,
            };
            entries.push(Entry::Begun(begun.clone()));
            entries.extend(transition.event.map(Entry::Event));
            attempt = Some(begun);
        }
        let unanswered = Change::Unanswered {
            delay: schedule.map_or(Duration::ZERO, |s| s.first_check(0, jitter)),
            overdue_after: schedule.map_or(Duration::ZERO, |s| s.unknown_overdue_after),
        };
        let transition = refund.apply(unanswered, Actor::dispatcher(None), now)?;
        entries.extend(transition.event.map(Entry::Event));
        Ok(Restored { written: self.settled(transition.refund).written(entries), attempt })
    }
}
