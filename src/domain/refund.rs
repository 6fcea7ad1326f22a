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
//! `Wait` (and `Absent` or `Review` where they decide nothing) moves a clock and no state.

mod next;
mod transition;

#[cfg(test)]
pub(super) mod tests;

use std::time::Duration;

use super::account::AccountIdentity;
use super::answer::Baseline;
use super::content::Content;
use super::event::Actor;
use super::id::{AttemptId, CallerName, ProviderKey, RefundId, RequestId};
use super::reason::{FailureReason, words};
use super::timestamp::Timestamp;

pub use transition::{Change, IllegalTransition, Transition};

words! {
    /// The states by name.
    StateKind {
        /// Durable, nothing sent.
        Pending = "pending",
        /// An attempt is, or may be, on its way.
        Sending = "sending",
        /// Something may have been sent and no usable answer came: the money may have moved.
        Unknown = "unknown",
        /// The provider has taken it and will decide later.
        InReview = "in_review",
        /// The money went back.
        Succeeded = "succeeded",
        /// Part of the money went back, and no more will.
        PartiallySucceeded = "partially_succeeded",
        /// The provider refused, or a rule did.
        Failed = "failed",
        /// Withdrawn before anything was sent.
        Canceled = "canceled",
        /// A success that the provider took back later.
        Reversed = "reversed",
    }
}

impl StateKind {
    /// Whether nothing but a reversal can follow.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Pending | Self::Sending | Self::Unknown | Self::InReview => false,
            Self::Succeeded | Self::PartiallySucceeded | Self::Failed | Self::Canceled | Self::Reversed => {
                true
            }
        }
    }

    /// The table above, by its ends: repeated here so that `apply` is held against it, and a test against
    /// both.
    pub const fn may_become(self, to: Self) -> bool {
        match self {
            Self::Pending => matches!(to, Self::Sending | Self::Canceled | Self::Failed),
            Self::Sending => !matches!(to, Self::Sending | Self::Canceled | Self::Reversed),
            Self::Unknown => !matches!(to, Self::Pending | Self::Unknown | Self::Canceled | Self::Reversed),
            Self::InReview => {
                matches!(to, Self::Unknown | Self::Succeeded | Self::PartiallySucceeded | Self::Failed)
            }
            Self::Succeeded | Self::PartiallySucceeded => matches!(to, Self::Reversed),
            Self::Failed | Self::Canceled | Self::Reversed => false,
        }
    }
}

words! {
    /// What a refund waits for.
    Wait {
        /// Its turn in the queue of its account.
        Turn = "turn",
        /// A slot in the rate budget.
        Slot = "slot",
        /// Another refund of the same order to be decided.
        Order = "order",
        /// The account's credentials or configuration to be mended.
        AccountBlocked = "account_blocked",
        /// An operator to resume the account.
        AccountPaused = "account_paused",
        /// The provider to recover: the circuit breaker is open.
        Breaker = "breaker",
        /// Its `not_before`.
        NotBefore = "not_before",
        /// The backoff after a failure that provably sent nothing.
        Backoff = "backoff",
        /// The answer of the provider that is being called.
        Answer = "answer",
        /// The next lookup or resend.
        Check = "check",
        /// The provider's decision.
        Review = "review",
        /// An operator's decision.
        Person = "person",
    }
}

/// Why a refund failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The canonical reason.
    pub reason: FailureReason,
    /// The provider's own code.
    pub provider_code: Option<String>,
    /// The provider's own text, or the rule in a sentence.
    pub text: Option<String>,
}

/// What went back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Success {
    /// How much, minor units of the refund's currency; `None` where the provider decides the sum and does not
    /// say.
    pub amount_minor: Option<i64>,
    /// The provider's id of the refund.
    pub provider_refund_id: Option<String>,
    /// When the provider says that it was done.
    pub completed: Option<Timestamp>,
    /// Its parts, where the provider has parts.
    pub items: Vec<Item>,
}

words! {
    /// How a part of a refund stands.
    ItemState {
        /// Not decided.
        Pending = "pending",
        /// Went back.
        Succeeded = "succeeded",
        /// Refused.
        Failed = "failed",
    }
}

/// A part of a refund: an eSIM, or a transaction of the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The ICCID, or the provider's id of the transaction.
    pub id: String,
    /// How it stands.
    pub state: ItemState,
    /// How much, minor units, where the provider says.
    pub amount_minor: Option<i64>,
    /// The provider's own code.
    pub provider_code: Option<String>,
}

/// What is known of sends whose fate is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The commit of the first intent whose bytes may have left: from here the resend window runs.
    pub first_sent: Timestamp,
    /// A refusal of a resend, which is not the fate of the first send.
    pub refusal: Option<Refusal>,
    /// Lookups since.
    pub checks: u32,
}

/// A refusal on record, to become the outcome if a later lookup does not find the money moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What the provider said.
    pub failure: Failure,
    /// When.
    pub time: Timestamp,
}

/// The state, with what exists only in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// See [`StateKind::Pending`].
    Pending {
        /// What it waits for.
        wait: Wait,
    },
    /// See [`StateKind::Sending`].
    Sending {
        /// The attempt on its way.
        attempt: AttemptId,
        /// When its intent was committed.
        started: Timestamp,
        /// Earlier sends whose fate is open.
        earlier: Option<Doubt>,
    },
    /// See [`StateKind::Unknown`].
    Unknown {
        /// What it waits for.
        wait: Wait,
        /// The sends whose fate is open.
        doubt: Doubt,
    },
    /// See [`StateKind::InReview`].
    InReview {
        /// The provider's reference of the case.
        reference: Option<String>,
        /// The sends that led here.
        doubt: Doubt,
    },
    /// See [`StateKind::Succeeded`].
    Succeeded(Success),
    /// See [`StateKind::PartiallySucceeded`].
    PartiallySucceeded(Success),
    /// See [`StateKind::Failed`].
    Failed(Failure),
    /// See [`StateKind::Canceled`].
    Canceled,
    /// See [`StateKind::Reversed`].
    Reversed(Success),
}

impl State {
    /// Its name.
    pub const fn kind(&self) -> StateKind {
        match self {
            Self::Pending { .. } => StateKind::Pending,
            Self::Sending { .. } => StateKind::Sending,
            Self::Unknown { .. } => StateKind::Unknown,
            Self::InReview { .. } => StateKind::InReview,
            Self::Succeeded(_) => StateKind::Succeeded,
            Self::PartiallySucceeded(_) => StateKind::PartiallySucceeded,
            Self::Failed(_) => StateKind::Failed,
            Self::Canceled => StateKind::Canceled,
            Self::Reversed(_) => StateKind::Reversed,
        }
    }

    /// What a refund in this state waits for; `None` when final.
    pub const fn wait(&self) -> Option<Wait> {
        match self {
            Self::Pending { wait } | Self::Unknown { wait, .. } => Some(*wait),
            Self::Sending { .. } => Some(Wait::Answer),
            Self::InReview { .. } => Some(Wait::Review),
            Self::Succeeded(_)
            | Self::PartiallySucceeded(_)
            | Self::Failed(_)
            | Self::Canceled
            | Self::Reversed(_) => None,
        }
    }

    /// The sends whose fate is open, or was when the state was entered.
    pub const fn doubt(&self) -> Option<&Doubt> {
        match self {
            Self::Unknown { doubt, .. } | Self::InReview { doubt, .. } => Some(doubt),
            Self::Sending { earlier, .. } => earlier.as_ref(),
            Self::Pending { .. }
            | Self::Succeeded(_)
            | Self::PartiallySucceeded(_)
            | Self::Failed(_)
            | Self::Canceled
            | Self::Reversed(_) => None,
        }
    }
}

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
        let overdue = now.plus(PENDING_OVERDUE_AFTER);
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
            overdue: Some(overdue.max(due)),
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

    /// Whether its eSIMs are in no other refund of the company as long as it stands so.
    pub fn claims_esims(&self) -> bool {
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
