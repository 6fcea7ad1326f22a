//! What came of calling a provider: the faces of an answer, its evidence, and what it tells of the account.

use std::time::Duration;

use super::id::ProviderKey;
use super::money::Currency;
use super::reason::{FailureReason, words};
use super::refund::{Failure, Refund, Success};
use super::timestamp::Timestamp;

words! {
    /// Where a round trip ended without a usable answer.
    FailurePhase {
        /// No connection came about: nothing left.
        Connect = "connect",
        /// The connection broke, or time ran out, before the head of an answer was read.
        Exchange = "exchange",
        /// The head came, the body broke off, was too large, or took too long.
        Body = "body",
        /// A whole answer came that the contract does not know.
        Parse = "parse",
        /// A whole answer came that says "not now" (408, 409, 425, 429, 5xx).
        NotNow = "not_now",
        /// The worker ended between intent and record.
        Crash = "crash",
        /// The worker gave up before the first byte: its lease or its slot ran short.
        BeforeSend = "before_send",
    }
}

words! {
    /// Why an account is blocked. No refund fails for it.
    BlockCause {
        /// The credentials are missing, wrong or expired (401).
        Credentials = "credentials",
        /// The credentials lack a right (403).
        Permission = "permission",
        /// The provider refuses this address, merchant or request form as such.
        Configuration = "configuration",
    }
}

/// The face of an answer for one refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Face {
    /// The provider says that the money went back.
    Succeeded(Success),
    /// The provider has taken it and will decide later.
    InReview {
        /// The provider's reference of the case.
        reference: Option<String>,
    },
    /// The provider refused: one of a closed list of answers.
    Declined {
        /// Why.
        failure: Failure,
        /// Whether the answer speaks of our own key, so that it is the fate of every earlier send too.
        conclusive: bool,
    },
    /// Nothing left, or an answer documented to mean that nothing was taken.
    NotSent,
    /// The account was refused, not the refund; nothing was taken.
    Blocked(BlockCause),
    /// The money may have moved.
    Unknown,
}

/// What an answer tells of the account, apart from any refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// The account is refused.
    Block(BlockCause),
    /// Not before this much time.
    Throttle(Duration),
    /// The provider could not be reached or did not work (counts for the breaker).
    Trouble,
    /// A send was answered as the contract says: closes the breaker, ends a block.
    Healthy,
    /// A lookup was answered as the contract says. The credentials are fine; whether sends are is not known.
    Readable {
        /// Whether it was the probe of an open breaker: any other look may have begun before it opened.
        probe: bool,
    },
}

/// The longest quiet that signals ask for.
pub fn asked_quiet(signals: &[Signal]) -> Option<Duration> {
    let quiet = signals.iter().filter_map(|signal| match signal {
        Signal::Throttle(quiet) => Some(*quiet),
        Signal::Block(_) | Signal::Trouble | Signal::Healthy | Signal::Readable { .. } => None,
    });
    quiet.max()
}

/// What stays on record of a round trip. Holds no secret and is cut to a bounded length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Where it ended, if not in a usable answer.
    pub phase: Option<FailurePhase>,
    /// The HTTP status.
    pub http_status: Option<u16>,
    /// The provider's own code.
    pub provider_code: Option<String>,
    /// The provider's own text, or the transport's error.
    pub provider_text: Option<String>,
    /// The provider's id of the exchange, for their support.
    pub correlation_id: Option<String>,
}

/// The answer to a send: one face per refund of the call, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// One face per member.
    pub faces: Vec<Face>,
    /// The record of the round trip.
    pub evidence: Evidence,
    /// What it tells of the account.
    pub signals: Vec<Signal>,
}

/// The answer to a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupAnswer {
    /// What was seen.
    pub sight: Sight,
    /// The record of the round trip.
    pub evidence: Evidence,
    /// What it tells of the account.
    pub signals: Vec<Signal>,
}

/// What a lookup saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// The order, with its figures and refunds.
    Order(OrderSnapshot),
    /// The provider knows no such order. Evidence of nothing: reads may lag behind writes.
    NoOrder,
    /// Nothing was learned.
    Nothing,
}

/// An order as the provider shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderSnapshot {
    /// Its currency.
    pub currency: Currency,
    /// Captured in all, minor units.
    pub captured_minor: i64,
    /// Refunded in all, by anyone, minor units.
    pub refunded_minor: i64,
    /// When the customer bought.
    pub purchase_time: Option<Timestamp>,
    /// The refunds it lists.
    pub refunds: Vec<SeenRefund>,
}

/// One refund as an order lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRefund {
    /// The provider's id.
    pub provider_refund_id: Option<String>,
    /// The key that it was sent with, as text.
    pub key: Option<String>,
    /// Our refund id, where the provider carries it.
    pub reference: Option<String>,
    /// How much, minor units.
    pub amount_minor: i64,
    /// When it was done.
    pub completed: Option<Timestamp>,
}

impl SeenRefund {
    /// Whether this was sent for a refund with that key. References are hints for people, the key decides;
    /// a reference decides only where the entry carries no key at all.
    pub fn is_of(&self, key: ProviderKey, refund_id: &str) -> bool {
        match &self.key {
            Some(seen) => seen.eq_ignore_ascii_case(&key.to_string()),
            None => self.reference.as_deref() == Some(refund_id),
        }
    }
}

impl OrderSnapshot {
    /// The success of a refund that this order lists, if it does.
    pub fn success_of(&self, refund: &Refund) -> Option<Success> {
        let id = refund.id.to_string();
        let seen = self.refunds.iter().find(|seen| seen.is_of(refund.key, &id))?;
        Some(Success {
            amount_minor: Some(seen.amount_minor),
            provider_refund_id: seen.provider_refund_id.clone(),
            completed: seen.completed,
        })
    }

    /// Why a refund of this order must not even be sent, if so.
    pub fn objection(&self, currency: Currency) -> Option<Failure> {
        (self.currency != currency).then(|| Failure {
            reason: FailureReason::CurrencyMismatch,
            provider_code: None,
            text: Some(format!("the order is in {}, the refund in {currency}", self.currency)),
        })
    }
}
