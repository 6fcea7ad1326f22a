//! One refund and its states. Nothing else changes a state than [`Refund::apply`].
//!
//! | From | Change | To |
//! |---|---|---|
//! | PENDING | `Send` | SENDING |
//! | PENDING | `Reject` (a rule, `send_before` passed) | FAILED |
//! | PENDING | `Cancel` | CANCELED |
//! | SENDING | `NothingSent`, no earlier send in doubt | PENDING |
//! | SENDING | `NothingSent`, an earlier send in doubt | UNKNOWN |
//! | SENDING | `Unanswered` | UNKNOWN |
//! | SENDING | `Decline`, conclusive or no earlier send in doubt | FAILED |
//! | SENDING | `Decline` of a resend | UNKNOWN, with the refusal on record |
//! | SENDING, UNKNOWN | `Review` | `IN_REVIEW` |
//! | SENDING, UNKNOWN, `IN_REVIEW` | `Confirm` | SUCCEEDED or `PARTIALLY_SUCCEEDED` |
//! | SENDING, UNKNOWN, `IN_REVIEW` | `ConfirmPart` | `PARTIALLY_SUCCEEDED` |
//! | UNKNOWN | `Send` (a resend within the rules) | SENDING |
//! | UNKNOWN | `Absent`, refused at least the delay ago | FAILED |
//! | UNKNOWN, `IN_REVIEW` | `Decline`, conclusive | FAILED |
//! | `IN_REVIEW` | `Unanswered` | UNKNOWN |
//! | SUCCEEDED, `PARTIALLY_SUCCEEDED` | `Reverse` | REVERSED |
//!
//! `Wait` (and `Absent` or `Review` where they decide nothing) moves a clock and no state; of a final refund
//! they say that it was followed up.

mod next;
mod state;
mod transition;

#[cfg(test)]
pub(super) mod tests;

use std::time::Duration;

use super::account::AccountIdentity;
use super::content::Content;
use super::event::Actor;
use super::history::Head;
use super::id::{CallerName, ProviderKey, RefundId, RequestId};
use super::sight::Baseline;
use super::timestamp::Timestamp;

pub use state::{Doubt, Failure, Item, ItemState, Refusal, State, StateKind, Success, Wait};
pub use transition::{Change, IllegalTransition, Transition};

/// The caller's trace, as W3C header values, kept so that later work can link back to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// `traceparent`.
    pub parent: String,
    /// `tracestate`.
    pub state: Option<String>,
}

/// One accepted wish of a caller to give money, or credit, back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// Its id of ours, for ever.
    pub id: RefundId,
    /// Who asked.
    pub caller: CallerName,
    /// The caller's idempotency key.
    pub request_id: RequestId,
    /// What was asked.
    pub content: Content,
    /// The account as it was when the refund was accepted.
    pub identity: AccountIdentity,
    /// The idempotency value that the provider sees.
    pub key: ProviderKey,
    /// When this passes and nothing was sent, the refund fails.
    pub send_before: Timestamp,
    /// Where it stands.
    pub state: State,
    /// The number of events so far; the sequence of the last one.
    pub sequence: i64,
    /// Intents committed.
    pub sends: u32,
    /// What the preflight saw before the first send; empty until then.
    pub baseline: Baseline,
    /// What is known of its parts.
    pub items: Vec<Item>,
    /// Shares no call with others: a shared one was refused and nobody knows for whose sake.
    pub alone: bool,
    /// Steps in a row that moved nothing: what the backoff grows with.
    pub idle_steps: u32,
    /// When somebody should look at it next; `None` when final.
    pub due: Option<Timestamp>,
    /// From when on it is overdue: somebody must be told. `None` when final.
    pub overdue: Option<Timestamp>,
    /// When a final refund is looked at again, in case its provider takes it back or effects it after all.
    pub follow: Option<Timestamp>,
    /// REVERSED, and the provider's figures show that the amount can be refunded again.
    pub freed: bool,
    /// The end of its history.
    pub history: Head,
    /// When it was accepted.
    pub create_time: Timestamp,
    /// When its state last changed.
    pub update_time: Timestamp,
    /// The caller's trace.
    pub trace: Option<Trace>,
}

impl Refund {
    /// A refund at its beginning, and its first event.
    pub fn accept(new: NewRefund, now: Timestamp) -> Transition {
        let due = new.content.not_before.map_or(now, |at| at.max(now));
        let wait = if due > now { Wait::NotBefore } else { Wait::Turn };
        let send_before = new.content.send_before.unwrap_or_else(|| due.plus(SEND_BEFORE_AFTER));
        let actor = Actor {
            name: new.caller.as_str().to_owned(),
            trace_id: new.trace.as_ref().and_then(|t| t.parent.split('-').nth(1).map(str::to_owned)),
        };
        let refund = Self {
            id: new.id,
            caller: new.caller,
            request_id: new.request_id,
            content: new.content,
            identity: new.identity,
            key: new.key,
            send_before,
            state: State::Pending { wait },
            sequence: 1,
            sends: 0,
            baseline: Baseline::default(),
            items: Vec::new(),
            alone: false,
            idle_steps: 0,
            due: Some(due),
            overdue: Some(due.plus(PENDING_OVERDUE_AFTER)),
            follow: None,
            freed: false,
            history: Head::default(),
            create_time: now,
            update_time: now,
            trace: new.trace,
        };
        let event = refund.event(None, None, actor);
        Transition { refund, event: Some(event) }
    }

    /// The order's key in the over-refund guard; `None` for eSIMs.
    pub fn order_key(&self) -> Option<String> {
        self.content.payment().map(|p| self.identity.provider.canonical_order(&p.order_id))
    }

    /// Whether it is open or succeeded: its eSIMs are in no other refund of the company, and what an order
    /// lists of it is its own doing.
    pub fn lives(&self) -> bool {
        match self.state.kind() {
            StateKind::Failed | StateKind::Canceled | StateKind::Reversed => false,
            StateKind::Pending
            | StateKind::Sending
            | StateKind::Unknown
            | StateKind::InReview
            | StateKind::Succeeded
            | StateKind::PartiallySucceeded => true,
        }
    }

    /// What this refund holds of its order's refundable amount, minor units.
    pub fn held_minor(&self) -> i64 {
        let Some(payment) = self.content.payment() else {
            return 0;
        };
        match &self.state {
            State::Pending { .. }
            | State::Sending { .. }
            | State::Unknown { .. }
            | State::InReview { .. } => payment.amount.minor(),
            // What was taken back counts until the provider's figures show that it can be refunded again.
            State::Reversed(_) if self.freed => 0,
            State::Succeeded(success) | State::PartiallySucceeded(success) | State::Reversed(success) => {
                success.amount_minor.unwrap_or_else(|| payment.amount.minor())
            }
            State::Failed(_) | State::Canceled => 0,
        }
    }
}

/// How long after it was due a refund without `send_before` fails unsent: 30 days.
pub const SEND_BEFORE_AFTER: Duration = Duration::from_hours(30 * 24);
/// How long a refund may be PENDING before somebody is told.
pub const PENDING_OVERDUE_AFTER: Duration = Duration::from_hours(24);

/// A refund about to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRefund {
    /// Its id of ours.
    pub id: RefundId,
    /// Who asks.
    pub caller: CallerName,
    /// The caller's idempotency key.
    pub request_id: RequestId,
    /// What is asked.
    pub content: Content,
    /// The account as configured now.
    pub identity: AccountIdentity,
    /// The idempotency value that the provider will see.
    pub key: ProviderKey,
    /// The caller's trace.
    pub trace: Option<Trace>,
}
