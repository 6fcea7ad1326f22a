//! Pages of refunds: what one holds, and which index a query goes by.

use crate::domain::id::{AccountName, CallerName, Iccid};
use crate::domain::query::{Label, OrderOf, Place, Query};
use crate::domain::refund::{Refund, StateKind};
use crate::domain::timestamp::Timestamp;

/// How many refunds of the index that it goes by one page of a query looks at, at the most: so that a filter
/// that little fits costs no more in a large table than in a small one.
pub const EXAMINED_MAX: u64 = 5_000;

/// A page of refunds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// In the order asked for.
    pub refunds: Vec<Refund>,
    /// Where the next page goes on; `None` when nothing follows. A page may be short, or empty, and yet be
    /// followed by others.
    pub next: Option<Place>,
}

/// How many refunds of an account are open, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The account.
    pub account: AccountName,
    /// How many are PENDING.
    pub pending: u64,
    /// When the oldest of those was accepted.
    pub oldest_pending: Option<Timestamp>,
    /// How many are SENDING.
    pub sending: u64,
    /// How many are UNKNOWN.
    pub unknown: u64,
    /// How many are `IN_REVIEW`.
    pub in_review: u64,
    /// How many of all these are overdue.
    pub overdue: u64,
}

impl Standing {
    /// None at all.
    pub fn empty(account: AccountName) -> Self {
        Self { account, pending: 0, oldest_pending: None, sending: 0, unknown: 0, in_review: 0, overdue: 0 }
    }

    /// How many refunds are not final.
    pub fn open(&self) -> u64 {
        [self.pending, self.sending, self.unknown, self.in_review].into_iter().fold(0, u64::saturating_add)
    }

    /// Counts refunds in a state, the oldest of which was accepted at that time.
    pub(super) fn count(&mut self, state: StateKind, refunds: u64, oldest: Timestamp, overdue: u64) {
        let counter = match state {
            StateKind::Pending => {
                self.oldest_pending = Some(self.oldest_pending.map_or(oldest, |at| at.min(oldest)));
                &mut self.pending
            }
            StateKind::Sending => &mut self.sending,
            StateKind::Unknown => &mut self.unknown,
            StateKind::InReview => &mut self.in_review,
            StateKind::Succeeded
            | StateKind::PartiallySucceeded
            | StateKind::Failed
            | StateKind::Canceled
            | StateKind::Reversed => return,
        };
        *counter = counter.saturating_add(refunds);
        self.overdue = self.overdue.saturating_add(overdue);
    }
}

/// What a query goes by: the one of its filters that the fewest refunds fit, as a rule. It alone says which
/// index is read, so that no planner's guess does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Drive<'q> {
    Order(&'q OrderOf),
    ProviderRefundId(&'q str),
    Esim(&'q Iccid),
    Label(&'q Label),
    /// Open refunds are few, and their index knows whose they are.
    Open(&'q [StateKind]),
    Account(&'q AccountName),
    Caller(&'q CallerName),
    All,
}

impl<'q> Drive<'q> {
    pub(super) fn of(query: &'q Query) -> Self {
        let Query { caller, account, order, provider_refund_id, iccid, label, .. } = query;
        if let Some(order) = order {
            Self::Order(order)
        } else if let Some(id) = provider_refund_id {
            Self::ProviderRefundId(id)
        } else if let Some(iccid) = iccid {
            Self::Esim(iccid)
        } else if let Some(label) = label {
            Self::Label(label)
        } else if let Some(states) = query.open_states() {
            Self::Open(states)
        } else if let Some(account) = account {
            Self::Account(account)
        } else if let Some(caller) = caller {
            Self::Caller(caller)
        } else {
            Self::All
        }
    }

    /// The part of a query that the index knows.
    pub(super) fn within(&self, query: &Query) -> Query {
        let Query { created_from, created_until, .. } = *query;
        let any = Query { created_from, created_until, ..Query::default() };
        match *self {
            Self::Order(order) => Query { order: Some(order.clone()), ..any },
            Self::ProviderRefundId(id) => Query { provider_refund_id: Some(id.to_owned()), ..any },
            Self::Esim(iccid) => Query { iccid: Some(iccid.clone()), ..any },
            Self::Label(label) => Query { label: Some(label.clone()), ..any },
            Self::Open(states) => Query {
                states: states.to_vec(),
                account: query.account.clone(),
                caller: query.caller.clone(),
                provider: query.provider,
                ..any
            },
            Self::Account(account) => Query { account: Some(account.clone()), ..any },
            Self::Caller(caller) => Query { caller: Some(caller.clone()), ..any },
            Self::All => any,
        }
    }
}

/// When an overdue refund became so, and which it is.
pub(super) fn overdue_place(refund: &Refund) -> Place {
    Place { time: refund.overdue.unwrap_or(refund.create_time), id: refund.id }
}

/// Cuts what was read to a page, and tells where the next goes on if there was more.
pub(super) fn cut(refunds: &mut Vec<Refund>, limit: u64, place: fn(&Refund) -> Place) -> Option<Place> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = refunds.len() > limit;
    refunds.truncate(limit);
    if more { refunds.last().map(place) } else { None }
}

/// Where the page after one that is not full goes on: after the last refund that was looked at. A refund that
/// was accepted earlier and committed while it was looked for moves that end forward; what was shown before
/// is not shown again all the same.
pub(super) fn next_after(shown: &[Refund], looked_at_last: Option<Place>) -> Option<Place> {
    let shown_last = shown.last().map(Place::of);
    looked_at_last.map(|end| shown_last.map_or(end, |last| last.min(end)))
}
