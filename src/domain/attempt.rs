//! Attempts: what was sent when, for which refunds, and what came of it.

use std::time::Duration;

use super::answer::Evidence;
use super::id::{AccountName, AttemptId, RefundId};
use super::reason::words;
use super::timestamp::Timestamp;

words! {
    /// What a round trip was for.
    AttemptKind {
        /// The first send, or one after failures that provably sent nothing.
        Send = "send",
        /// The same key again after an unknown outcome.
        Resend = "resend",
        /// A look at the order before the first send.
        Preflight = "preflight",
        /// A look at the order to learn what became of a send.
        Lookup = "lookup",
        /// No round trip: a restore made what may have happened uncertain.
        Restore = "restore",
    }
}

/// One round trip on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// What for.
    pub kind: AttemptKind,
    /// The account it used.
    pub account: AccountName,
    /// The refunds in it.
    pub members: Vec<RefundId>,
    /// When its intent was committed (a send) or it began (a lookup).
    pub started: Timestamp,
    /// What came of it; `None` while it may be on its way, for ever if its worker died.
    pub end: Option<AttemptEnd>,
    /// The trace that it can be found in.
    pub trace_id: Option<String>,
    /// What the preflight saw, in one line.
    pub preflight: Option<String>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptEnd {
    /// When.
    pub ended: Timestamp,
    /// How long the round trip took.
    pub took: Duration,
    /// The outcome in a word: `succeeded`, `unknown`, `absent` ...
    pub outcome: String,
    /// The record of the round trip.
    pub evidence: Evidence,
    /// Whether it came after its worker had lost the lease: kept as evidence, applied by nobody.
    pub late: bool,
}
