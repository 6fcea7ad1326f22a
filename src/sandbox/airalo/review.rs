//! What becomes of refund requests: the review's outcome, and how orders and the balance show it.

use std::collections::HashSet;

use super::table::Own;
use super::{
    NAME, State,
    order::{Order, Status},
};
use crate::sandbox::{
    faults::{Answer, Lookup},
    shared::Inner,
};

/// The company's credit before any refund.
const BALANCE_MINOR: i64 = 1_000_000;

/// How a request for an eSIM ends [assumed: the review is made by hand and tells nothing but this].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Review {
    /// Approved after `review_ms`.
    Approved,
    AtOnce,
    Partially,
    /// Rejected or never decided: both look the same.
    Never,
    /// Approved, and taken back `reversal_ms` later.
    Reversed,
    /// The order had been refunded before the request.
    RefundedBefore,
    /// The order had been refunded in part before the request.
    PartiallyBefore,
}

impl State {
    /// How requests for the eSIM end.
    fn review(&self, iccid: &str) -> Review {
        let script = self.script(iccid);
        let reviews = script.iter().filter_map(|row| match row.answer {
            Answer::Own(Own::Review(review)) => Some(review),
            _ => None,
        });
        reviews.into_iter().next().unwrap_or(Review::Approved)
    }

    /// The status of the eSIM's orders before any request.
    fn before(&self, iccid: &str) -> Status {
        let made = self.made.get(iccid).and_then(|made| made.status);
        made.unwrap_or_else(|| match self.review(iccid) {
            Review::RefundedBefore => Status::Refunded,
            Review::PartiallyBefore => Status::PartiallyRefunded,
            Review::Approved | Review::AtOnce | Review::Partially | Review::Never | Review::Reversed => {
                Status::Completed
            }
        })
    }

    /// The status that the eSIM has `lag_ms` after the fact.
    fn standing(&self, inner: &Inner, iccid: &str, lag_ms: u64) -> Status {
        let before = self.before(iccid);
        let Some(request) = inner.ledger.of_order(NAME, iccid).next() else {
            return before;
        };
        let ms = |setting: u64| i64::try_from(setting).unwrap_or(i64::MAX);
        let review = self.review(iccid);
        let review_ms = if review == Review::AtOnce { 0 } else { ms(inner.settings.review_ms) };
        let decided_ms = request.at_ms.saturating_add(review_ms);
        let now_ms = inner.now_ms().saturating_sub(ms(lag_ms));
        if now_ms < decided_ms {
            return before;
        }
        match review {
            Review::Approved | Review::AtOnce | Review::PartiallyBefore => Status::Refunded,
            Review::Partially => Status::PartiallyRefunded,
            Review::Never | Review::RefundedBefore => before,
            Review::Reversed => {
                if now_ms < decided_ms.saturating_add(ms(inner.settings.reversal_ms)) {
                    Status::Refunded
                } else {
                    before
                }
            }
        }
    }

    /// The status of an order as lookups show it.
    pub(super) fn shown(&self, inner: &Inner, order: &Order) -> Status {
        let mut statuses = order.iccids.iter().map(|iccid| {
            let lag_ms = match self.lookup(iccid) {
                Lookup::HidesRefunds => return self.before(iccid),
                Lookup::Lags => inner.settings.review_ms,
                _ => 0,
            };
            let lag_ms = lag_ms.saturating_add(inner.settings.lookup_lag_ms);
            Self::of_order(order, self.standing(inner, iccid, lag_ms))
        });
        let first = statuses.next().unwrap_or(Status::Completed);
        let rest: Vec<_> = statuses.collect();
        if rest.iter().all(|status| *status == first) {
            return first;
        }
        let refunded = |status: &Status| matches!(status, Status::Refunded | Status::PartiallyRefunded);
        if refunded(&first) || rest.iter().any(refunded) { Status::PartiallyRefunded } else { first }
    }

    /// A part of an eSIM's money is taken from the order of the eSIM itself, not from its top-ups \[assumed].
    fn of_order(order: &Order, standing: Status) -> Status {
        if order.is_topup() && standing == Status::PartiallyRefunded { Status::Completed } else { standing }
    }

    /// The price of an eSIM with its top-ups.
    pub(super) fn price_minor(&self, iccid: &str) -> i64 {
        Order::of(iccid).iter().map(|order| order.price_minor(self.made.get(iccid))).sum()
    }

    /// The company's credit: what it was, and what reviews gave back.
    pub(super) fn balance_minor(&self, inner: &Inner) -> i64 {
        let effects = inner.ledger.effects().iter().filter(|effect| effect.provider == NAME);
        let asked: HashSet<&String> = effects.flat_map(|effect| &effect.iccids).collect();
        let credit = |iccid: &&String| -> i64 {
            let (before, now) = (self.before(iccid), self.standing(inner, iccid, 0));
            let given = |order: &Order| {
                let price = order.price_minor(self.made.get(*iccid));
                given_back(price, Self::of_order(order, now))
                    - given_back(price, Self::of_order(order, before))
            };
            Order::of(iccid).iter().map(given).sum()
        };
        BALANCE_MINOR + asked.iter().map(credit).sum::<i64>()
    }
}

/// What an order of this status has given back; a part is half.
fn given_back(price_minor: i64, status: Status) -> i64 {
    match status {
        Status::Completed | Status::Failed => 0,
        Status::PartiallyRefunded => price_minor / 2,
        Status::Refunded => price_minor,
    }
}
