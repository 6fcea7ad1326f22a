//! What came of calling a provider: the faces of an answer, its evidence, and what it tells of the account.

use std::time::Duration;

use super::reason::{FailureReason, words};
use super::refund::{Failure, Item, Success};
use super::sight::Sight;

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
    /// No lookup before this much time, where lookups have a budget of their own.
    ThrottleLooks(Duration),
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

/// The longest quiet that signals ask for, of whatever kind of call.
pub fn asked_quiet(signals: &[Signal]) -> Option<Duration> {
    quiet_of_sends(signals).max(quiet_of_looks(signals))
}

/// The longest quiet of sends that signals ask for.
pub fn quiet_of_sends(signals: &[Signal]) -> Option<Duration> {
    signals.iter().filter_map(|s| if let Signal::Throttle(quiet) = s { Some(*quiet) } else { None }).max()
}

/// The longest quiet of lookups that signals ask for.
pub fn quiet_of_looks(signals: &[Signal]) -> Option<Duration> {
    signals
        .iter()
        .filter_map(|s| if let Signal::ThrottleLooks(quiet) = s { Some(*quiet) } else { None })
        .max()
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
    /// The parts that it shows of the one refund of the call, whatever its face.
    pub items: Vec<Item>,
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
    /// What had gone back was taken back. Told only of a refund that is a success, or was before this, and
    /// only where that is shown: neither an absence nor a lower total is it.
    Reversed(Reversal),
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

/// A success that the provider took back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reversal {
    /// The provider's own code.
    pub provider_code: Option<String>,
    /// What shows it, in one sentence for people.
    pub text: String,
}

impl LookupAnswer {
    /// A lookup that taught nothing.
    pub fn nothing(evidence: Evidence, signals: Vec<Signal>) -> Self {
        Self { sight: Sight::Nothing, finding: Finding::Nothing, evidence, signals }
    }
}

impl Evidence {
    /// Nothing left, for a reason of our own.
    pub fn before_send(text: impl Into<String>) -> Self {
        Self { phase: Some(FailurePhase::BeforeSend), provider_text: Some(text.into()), ..Self::default() }
    }
}

impl Answer {
    /// The answer to a call of several refunds.
    pub fn to_all(faces: Vec<Face>, evidence: Evidence, signals: Vec<Signal>) -> Self {
        Self { faces, evidence, signals, items: Vec::new() }
    }

    /// The answer to a call of one refund.
    pub fn to_one(face: Face, evidence: Evidence, signals: Vec<Signal>) -> Self {
        Self::to_all(vec![face], evidence, signals)
    }

    /// The same answer, with the parts that it shows.
    #[must_use]
    pub fn showing(self, items: Vec<Item>) -> Self {
        Self { items, ..self }
    }

    /// A call that was not made this time.
    pub fn unsent(refunds: usize, text: &str) -> Self {
        let faces = vec![Face::NotSent { alone: false }; refunds];
        Self::to_all(faces, Evidence::before_send(text), Vec::new())
    }

    /// A call that is never made: what a refund asks for never changes, so that no send of these has ever
    /// left or will.
    pub fn never_sent(refunds: usize, reason: FailureReason, text: &str) -> Self {
        let failure = Failure { reason, provider_code: None, text: Some(text.to_owned()) };
        let faces = vec![Face::Declined { failure, conclusive: true }; refunds];
        Self::to_all(faces, Evidence::before_send(text), Vec::new())
    }
}
