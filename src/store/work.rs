//! What a worker asks of the store, is handed, and puts on record.

use std::time::Duration;

use crate::domain::account::Account;
use crate::domain::admission::AccountState;
use crate::domain::answer::Signal;
use crate::domain::attempt::{Attempt, AttemptEnd};
use crate::domain::id::{AccountName, AttemptId, RefundId};
use crate::domain::refund::{Change, Item, Refund};
use crate::domain::sight::OrderSnapshot;
use crate::domain::timestamp::Timestamp;

/// The right to work on a refund until another takes it. Every write of a worker names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The refund.
    pub refund_id: RefundId,
    /// Who holds it.
    pub worker: String,
    /// The fencing token: one higher each time it is claimed.
    pub token: i64,
}

/// What a worker asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimAsk {
    /// Who asks.
    pub worker: String,
    /// How long the lease is.
    pub lease: Duration,
    /// Per account, for how many calls there is room.
    pub rooms: Vec<(Account, usize)>,
}

/// A refund whose time has come, leased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The refund as it stands.
    pub refund: Refund,
    /// The right to work on it.
    pub lease: Lease,
}

/// Work for one call: one refund, or several unsent ones of an account that takes them together and that
/// agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The refunds, oldest first.
    pub members: Vec<Held>,
    /// How the account stood at the claim.
    pub account_state: AccountState,
    /// Handed out alone, to see whether the account or the provider has recovered.
    pub probe: bool,
    /// Whether a worker that lost its lease had it before.
    pub taken_over: bool,
    /// The store's clock at the claim.
    pub now: Timestamp,
}

/// What became of an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Committed: the refund is SENDING, the slot is spent; send now.
    Go(Box<Refund>),
    /// Not now, or never: the refund waits or failed by a rule, and the lease is released.
    Stay(Box<Refund>),
    /// The lease was lost: nothing was written.
    Stale,
}

/// A step to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The account whose call it was.
    pub account: AccountName,
    /// The round trip, if there was one.
    pub attempt: Option<AttemptRecord>,
    /// What happened to each refund.
    pub members: Vec<Member>,
    /// What the answer told of the account.
    pub signals: Vec<Signal>,
    /// What was seen of the order, to be told to its guard.
    pub snapshot: Option<OrderSnapshot>,
    /// In which trace.
    pub trace_id: Option<String>,
}

/// What is written of a round trip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptRecord {
    /// The end of an attempt whose intent was committed.
    End(AttemptId, AttemptEnd),
    /// A whole round trip that needs no intent: a lookup.
    Whole(Box<Attempt>),
}

/// One refund of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The right to change it.
    pub lease: Lease,
    /// What happened.
    pub change: Option<Change>,
    /// The parts that the answer showed as this refund's; empty where it showed none.
    pub items: Vec<Item>,
    /// Whether the worker goes on with it.
    pub keep: bool,
}

/// What became of one member of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// Applied: the refund after it.
    Applied(Box<Refund>),
    /// The lease was lost: the round trip was kept as late evidence, no state was changed.
    Stale,
}

/// What `recover` did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Refunds that were PENDING or SENDING and are UNKNOWN now.
    pub made_unknown: Vec<RefundId>,
    /// Open refunds whose last change is after the restore point: the clocks or the restore point are wrong.
    pub after_restore_point: Vec<RefundId>,
    /// Accounts that are paused now: their providers do not show our key, so that no look before a send could
    /// tell that a caller's repeat was sent in the time that was lost.
    pub paused: Vec<AccountName>,
}
