//! What refunds of one order are to each other: what is our own of a sight, who keeps the others waiting.

use super::Row;
use crate::domain::account::Account;
use crate::domain::guard::Guard;
use crate::domain::refund::{Refund, State, StateKind, Wait};
use crate::domain::sight::OrderSnapshot;
use crate::domain::timestamp::Timestamp;

/// The sum of our own refunds that a snapshot lists. No refund's entries count for more than it holds: what
/// was effected beyond that is not ours to claim.
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
