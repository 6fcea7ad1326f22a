//! Events: one per change of state, in per-refund order from 1. What a stream tells and history keeps.

use super::id::{AccountName, CallerName, RefundId};
use super::refund::{Failure, Refund, StateKind, Success};
use super::timestamp::Timestamp;

/// Who did it, and in which trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// A caller's name, or `dispatcher`.
    pub name: String,
    /// The trace in which it was done.
    pub trace_id: Option<String>,
}

impl Actor {
    /// The engine itself.
    pub const DISPATCHER: &'static str = "dispatcher";

    /// Somebody, in no trace.
    pub fn of(name: &str) -> Self {
        Self { name: name.to_owned(), trace_id: None }
    }

    /// The engine, in a trace.
    pub fn dispatcher(trace_id: Option<String>) -> Self {
        Self { name: Self::DISPATCHER.to_owned(), trace_id }
    }
}

/// Whose events are told: those of refunds that match all that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Of this caller.
    pub caller: Option<CallerName>,
    /// Of this account.
    pub account: Option<AccountName>,
    /// Of this order, in the form that keys its guard.
    pub order_key: Option<String>,
    /// Of none: what was asked for may not be read.
    pub nothing: bool,
}

impl EventFilter {
    /// Whether a refund matches.
    pub fn takes_refund(&self, refund: &Refund) -> bool {
        self.takes(&refund.caller, &refund.identity.name, refund.order_key().as_deref())
    }

    /// The same, by what tells it.
    pub fn takes(&self, caller: &CallerName, account: &AccountName, order_key: Option<&str>) -> bool {
        !self.nothing
            && self.caller.as_ref().is_none_or(|asked| asked == caller)
            && self.account.as_ref().is_none_or(|asked| asked == account)
            && self.order_key.as_deref().is_none_or(|asked| Some(asked) == order_key)
    }
}

/// One change of state, as it was seen then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The refund.
    pub refund_id: RefundId,
    /// From 1, without holes.
    pub sequence: i64,
    /// Place in the order of all events; given after commit, without holes.
    pub position: Option<i64>,
    /// The state before; `None` for the first event.
    pub previous: Option<StateKind>,
    /// The state after.
    pub state: StateKind,
    /// Why it failed, or was refused.
    pub failure: Option<Failure>,
    /// What went back.
    pub success: Option<Success>,
    /// One sentence for people.
    pub note: Option<String>,
    /// Who did it.
    pub actor: Actor,
    /// When.
    pub time: Timestamp,
}
