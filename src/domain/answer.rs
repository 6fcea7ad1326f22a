//! What came of calling a provider: the faces of an answer, its evidence, and what it tells of the account.

use std::time::Duration;

use super::id::Iccid;
use super::money::Currency;
use super::reason::{FailureReason, words};
use super::refund::{Failure, Item, Refund, Success};
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
    /// The provider has taken it, in whole or part, and will decide later.
    InReview(Review),
    /// The provider refused: one of a closed list of answers.
    Declined {
        /// Why.
        failure: Failure,
        /// Whether the answer speaks of our own key, so that it is the fate of every earlier send too.
        conclusive: bool,
    },
    /// Nothing left, or an answer documented to mean that nothing was taken.
    NotSent {
        /// A shared call was refused and nobody knows for whose sake: each then goes alone.
        alone: bool,
    },
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
    /// An answer held a transaction with the key that was sent: the provider heeds it.
    KeyHeeded,
    /// A success without our key, or two effects with one: the provider does not heed it, nothing is sent
    /// again.
    KeyIgnored,
}

/// The longest quiet that signals ask for.
pub fn asked_quiet(signals: &[Signal]) -> Option<Duration> {
    let quiet = signals.iter().filter_map(|signal| match signal {
        Signal::Throttle(quiet) => Some(*quiet),
        Signal::Block(_)
        | Signal::Trouble
        | Signal::Healthy
        | Signal::Readable { .. }
        | Signal::KeyHeeded
        | Signal::KeyIgnored => None,
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
    /// What was seen of the order, for the guard and the preflight.
    pub sight: Sight,
    /// What it says of the refund that was looked for.
    pub finding: Finding,
    /// The record of the round trip.
    pub evidence: Evidence,
    /// What it tells of the account.
    pub signals: Vec<Signal>,
}

/// What a lookup says of one refund, by the rules of its provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The money went back.
    Succeeded(Success),
    /// Part of the money went back and no more will, by the provider's word and not by an amount.
    PartlySucceeded(Success),
    /// The provider has it and has not decided.
    InReview(Review),
    /// The provider decided against it; only what speaks of our own key or transaction is told so.
    Declined(Failure),
    /// The lookup answered and does not show it. Evidence of nothing.
    Absent,
    /// Nothing was learned.
    Nothing,
}

/// A case that the provider has taken and not decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Review {
    /// The provider's reference of the case.
    pub reference: Option<String>,
    /// What is known of its parts.
    pub items: Vec<Item>,
}

/// What a lookup saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// The order, with its figures and refunds.
    Order(OrderSnapshot),
    /// The eSIMs of the refund, each with its orders.
    Esims(Vec<EsimSight>),
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
    /// Every transaction that it lists, by the provider's ids.
    pub transactions: Vec<String>,
}

/// An eSIM as the provider shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EsimSight {
    /// The eSIM.
    pub iccid: Iccid,
    /// Its orders. None: it is not the company's.
    pub orders: Vec<EsimOrder>,
}

impl EsimSight {
    /// Why this eSIM must not even be asked back, if so: it is not ours, or one of its orders was refunded
    /// before, so that nothing could ever tell a second refund from the first.
    pub fn objection(&self) -> Option<Failure> {
        let (reason, text) = if self.orders.is_empty() {
            (FailureReason::OrderNotFound, format!("no order of this company has the eSIM {}", self.iccid))
        } else {
            // A top-up is an order of its own: what was not given back with it may still be.
            let refunded = self.orders.first()?;
            if self.orders.iter().any(|order| order.status != EsimOrder::REFUNDED) {
                return None;
            }
            (
                FailureReason::OrderNotRefundable,
                format!("order {} of {} was refunded before", refunded.id, self.iccid),
            )
        };
        Some(Failure { reason, provider_code: None, text: Some(text) })
    }
}

impl EsimOrder {
    /// The status of an order whose whole price came back.
    pub const REFUNDED: &'static str = "refunded";
    /// The status of an order whose price came back in part.
    pub const PARTIALLY_REFUNDED: &'static str = "partially_refunded";
}

/// An order of an eSIM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EsimOrder {
    /// The provider's id.
    pub id: String,
    /// Its status in the provider's word.
    pub status: String,
    /// How many eSIMs it has.
    pub esims: usize,
}

/// What the preflight saw before the first send, kept with the refund and never read anew: what differs
/// from it later came after.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Baseline {
    /// The transactions of the order.
    pub transactions: Vec<String>,
    /// The eSIMs with their orders.
    pub esims: Vec<EsimSight>,
}

impl LookupAnswer {
    /// A lookup that taught nothing.
    pub fn nothing(evidence: Evidence, signals: Vec<Signal>) -> Self {
        Self { sight: Sight::Nothing, finding: Finding::Nothing, evidence, signals }
    }
}

impl Sight {
    /// What it says of a refund where the provider lists refunds with our key.
    pub fn finding_by_key(&self, refund: &Refund) -> Finding {
        match self {
            Self::Order(order) => order.success_of(refund).map_or(Finding::Absent, Finding::Succeeded),
            Self::Esims(_) | Self::NoOrder => Finding::Absent,
            Self::Nothing => Finding::Nothing,
        }
    }

    /// What of it is kept as the baseline of a refund that is about to be sent. The transactions are those
    /// before its first attempt: one that a refused attempt left behind may be the one that a later attempt
    /// moves. What an eSIM's order says now is what a later change is measured from.
    pub fn baseline(&self, refund: &Refund) -> Baseline {
        match self {
            Self::Order(_) if refund.sends > 0 => refund.baseline.clone(),
            Self::Order(order) => Baseline { transactions: order.transactions.clone(), esims: Vec::new() },
            Self::Esims(esims) => Baseline { transactions: Vec::new(), esims: esims.clone() },
            Self::NoOrder | Self::Nothing => Baseline::default(),
        }
    }

    /// The order, if one was seen.
    pub fn order(&self) -> Option<&OrderSnapshot> {
        match self {
            Self::Order(order) => Some(order),
            Self::Esims(_) | Self::NoOrder | Self::Nothing => None,
        }
    }
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
    /// Whether this was sent for that refund. References are hints for people, the key decides; where the
    /// entry carries no key at all, a reference does, or a transaction that is known as the refund's.
    pub fn is_of(&self, refund: &Refund) -> bool {
        match (&self.key, &self.reference) {
            (Some(seen), _) => seen.eq_ignore_ascii_case(&refund.key.to_string()),
            (None, Some(reference)) => *reference == refund.id.to_string(),
            (None, None) => self
                .provider_refund_id
                .as_ref()
                .is_some_and(|id| refund.items.iter().any(|item| item.id == *id)),
        }
    }
}

impl OrderSnapshot {
    /// The success of a refund that this order lists, if it does.
    pub fn success_of(&self, refund: &Refund) -> Option<Success> {
        let seen = self.refunds.iter().find(|seen| seen.is_of(refund))?;
        Some(Success {
            amount_minor: Some(seen.amount_minor),
            provider_refund_id: seen.provider_refund_id.clone(),
            completed: seen.completed,
            items: Vec::new(),
        })
    }

    /// How many effects this order lists for a refund: more than one says that the provider does not heed the
    /// key. Of entries with neither key nor reference several may be the parts of one effect: they are not
    /// counted.
    pub fn effects_of(&self, refund: &Refund) -> usize {
        let named = |seen: &&SeenRefund| seen.key.is_some() || seen.reference.is_some();
        self.refunds.iter().filter(named).filter(|seen| seen.is_of(refund)).count()
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
