//! What refunds of one order are to each other: what is our own of a sight, who keeps the others waiting.

use std::borrow::Borrow;

use super::{Row, Written};
use crate::domain::account::Account;
use crate::domain::decision::Others;
use crate::domain::guard::Guard;
use crate::domain::id::RefundId;
use crate::domain::refund::{Refund, State, StateKind, Wait};
use crate::domain::sight::{OrderSnapshot, SeenRefund};
use crate::domain::timestamp::Timestamp;

/// The sum of our own refunds that a snapshot lists, whatever became of them. No refund's entries count for
/// more than it holds: what was effected beyond that is not ours to claim.
pub(in crate::store) fn own_seen_minor<'a>(
    snapshot: &OrderSnapshot,
    own: impl IntoIterator<Item = &'a Refund>,
) -> i64 {
    let sum = |sum: i64, seen: &SeenRefund| sum.saturating_add(seen.amount_minor);
    // What the total contains and no entry explains: a refund that was taken back may still be in it.
    let listed_minor = snapshot.refunds.iter().fold(0, sum);
    let mut unlisted_minor = snapshot.refunded_minor.saturating_sub(listed_minor).max(0);
    let mut own_minor: i64 = 0;
    for refund in own {
        let mut ours = snapshot.refunds.iter().filter(|seen| seen.is_of(refund)).peekable();
        let held_minor = refund.held_minor();
        let seen_minor = if ours.peek().is_none() && refund.state.kind() == StateKind::Reversed {
            let still_minor = held_minor.min(unlisted_minor);
            unlisted_minor -= still_minor;
            still_minor
        } else {
            ours.fold(0, sum).min(held_minor)
        };
        own_minor = own_minor.saturating_add(seen_minor);
    }
    own_minor
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
    hidden: bool,
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
            others.hidden |= is_hidden(other);
            others.changed |= other.sends > 0 && looked.is_some_and(|at| other.update_time >= at);
            others.parts.extend(other.items.iter().map(|item| item.id.clone()));
        }
        others
    }

    /// As the decision reads it.
    pub(in crate::store) fn as_read(&self) -> Others<'_> {
        Others { busy: self.busy, hidden: self.hidden, changed: self.changed, parts: &self.parts }
    }
}

/// Whether a look may have final refunds of its order looked at: one at a refund that is open. Two that are
/// final would wake each other for ever.
pub(in crate::store) fn wakes_followed<B: Borrow<Row>>(steps: &[(B, Written)]) -> bool {
    steps.iter().any(|(before, _)| !before.borrow().refund.state.kind().is_final())
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
    !account.capabilities.echoes_key && own.into_iter().any(is_hidden)
}

/// Whether nobody can tell which entries of its order are a refund's: it is undecided, or a person said that
/// it went back, and no part of it is known.
fn is_hidden(refund: &Refund) -> bool {
    let kind = refund.state.kind();
    let went_back = matches!(kind, StateKind::Succeeded | StateKind::PartiallySucceeded);
    (is_busy(kind) || went_back) && refund.items.is_empty()
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
