//! The states, each with the data that exists in it.

use super::super::id::AttemptId;
use super::super::reason::{FailureReason, words};
use super::super::timestamp::Timestamp;

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

    /// Whether it is known that something did not go back, and will not: another refund may try that again.
    pub const fn leaves_a_rest(self) -> bool {
        self.is_final() && !matches!(self, Self::Succeeded)
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

impl Doubt {
    /// After one more look.
    pub(super) fn checked(&self) -> Self {
        Self { checks: self.checks.saturating_add(1), ..self.clone() }
    }
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

    /// The provider's id of the refund; in review, that of its case.
    pub fn provider_refund_id(&self) -> Option<&str> {
        match self {
            Self::InReview { reference, .. } => reference.as_deref(),
            Self::Succeeded(success) | Self::PartiallySucceeded(success) | Self::Reversed(success) => {
                success.provider_refund_id.as_deref()
            }
            Self::Pending { .. }
            | Self::Sending { .. }
            | Self::Unknown { .. }
            | Self::Failed(_)
            | Self::Canceled => None,
        }
    }
}
