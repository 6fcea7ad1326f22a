//! What refunds of one order are to each other: what is our own of a sight, who keeps the others waiting.

use super::Row;
use crate::domain::account::Account;
use crate::domain::decision::Others;
use crate::domain::guard::Guard;
use crate::domain::id::RefundId;
use crate::domain::refund::{Refund, State, StateKind, Wait};
use crate::domain::sight::OrderSnapshot;
use crate::domain::timestamp::Timestamp;

/// The sum of our own refunds that a snapshot lists, whatever became of them. No refund's entries count for
/// more than it holds: what was effected beyond that is not ours to claim.
pub(in crate::store) fn own_seen_minor<'a>(
    snapshot: &OrderSnapshot,
    own: impl IntoIterator<Item = &'a Refund>,
) -> i64 {
    let seen_of = |refund: &Refund| {
        let seen = snapshot.refunds.iter().filter(|seen| seen.is_of(refund));
        let seen_minor = seen.fold(0, |sum: i64, seen| sum.saturating_add(seen.amount_minor));
        seen_minor.min(refund.held_minor())
    };
    own.into_iter().map(seen_of).fold(0, i64::saturating_add)
}

/// The guard that a member's verdict leaves. Its figures are the verdict's; what it holds goes on from the
/// guard as it stands, which another member of the call may have moved.
pub(in crate::store) fn guard_after(
    stands: Option<&Guard>,
    verdict: &Guard,
    before: &Refund,
    after: &Refund,
) -> Guard {
    let moved = stands.map(|guard| guard.moved(before.held_minor(), after.held_minor()));
    Guard { own_minor: moved.map_or(verdict.own_minor, |guard| guard.own_minor), ..verdict.clone() }
}

/// Whether a refund in that state keeps others of its order waiting where the provider does not echo our key.
pub(in crate::store) const fn is_busy(kind: StateKind) -> bool {
    match kind {
        StateKind::Sending | StateKind::Unknown | StateKind::InReview => true,
        StateKind::Pending
        | StateKind::Succeeded
        | StateKind::PartiallySucceeded
        | StateKind::Failed
        | StateKind::Canceled
        | StateKind::Reversed => false,
    }
}

/// What a refund must know of the others of its order.
#[derive(Debug, Default)]
pub(in crate::store) struct OtherRefunds {
    busy: bool,
    changed: bool,
    parts: Vec<String>,
}

impl OtherRefunds {
    /// Of these refunds of the order, `of` left out. `looked` is when the order began to be looked at.
    pub(in crate::store) fn new<'a>(
        of: RefundId,
        refunds: impl IntoIterator<Item = &'a Refund>,
        looked: Option<Timestamp>,
    ) -> Self {
        let mut others = Self::default();
        for other in refunds.into_iter().filter(|refund| refund.id != of) {
            others.busy |= is_busy(other.state.kind());
            others.changed |= other.sends > 0 && looked.is_some_and(|at| other.update_time >= at);
            others.parts.extend(other.items.iter().map(|item| item.id.clone()));
        }
        others
    }

    /// As the decision reads it.
    pub(in crate::store) fn as_read(&self) -> Others<'_> {
        Others { busy: self.busy, changed: self.changed, parts: &self.parts }
    }
}

/// Whether an order lists as effected what is FAILED or CANCELED here.
pub(in crate::store) fn moved_after_all(refund: &Refund, snapshot: &OrderSnapshot) -> bool {
    matches!(refund.state.kind(), StateKind::Failed | StateKind::Canceled)
        && snapshot.success_of(refund).is_some()
}

/// Whether the figures of an order cannot be read now: where no key is echoed, a refund of ours that is
/// undecided and of which no part is known may be in them or not.
pub(in crate::store) fn figures_are_unclear<'a>(
    account: &Account,
    own: impl IntoIterator<Item = &'a Refund>,
) -> bool {
    let hidden = |refund: &Refund| is_busy(refund.state.kind()) && refund.items.is_empty();
    !account.capabilities.echoes_key && own.into_iter().any(hidden)
}

/// Whether a step frees its order for the refunds that wait for it.
pub(in crate::store) fn frees_order(before: &Refund, after: &Refund, account: &Account) -> bool {
    !account.capabilities.echoes_key && is_busy(before.state.kind()) && !is_busy(after.state.kind())
}

impl Row {
    /// Whether it waits for another refund of its order and nobody looks at it now.
    pub(in crate::store) fn waits_for_order(&self, now: Timestamp) -> bool {
        self.refund.state == State::Pending { wait: Wait::Order }
            && self.held.is_none()
            && self.due.is_some_and(|due| due > now)
    }

    /// Due at once, because its order may be free.
    pub(in crate::store) fn woken(&self, now: Timestamp) -> Self {
        let mut row = self.clone();
        row.refund.due = Some(now);
        row.due = Some(now);
        row
    }
}
