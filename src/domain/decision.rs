//! What is decided under row locks. Each function takes the rows as they were read in the transaction and
//! says what they become; every form of the store calls the same ones.

use std::time::Duration;

use super::account::Account;
use super::admission::{AccountState, Admitted, Ask, NotNow};
use super::answer::OrderSnapshot;
use super::attempt::AttemptKind;
use super::event::Actor;
use super::guard::{Guard, GuardRefusal};
use super::id::{AttemptId, RefundId};
use super::plan;
use super::reason::FailureReason;
use super::refund::{Change, Failure, IllegalTransition, NewRefund, Refund, StateKind, Transition, Wait};
use super::timestamp::Timestamp;

/// What became of a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acceptance {
    /// It is now a refund.
    Accepted {
        /// The refund and its first event.
        transition: Box<Transition>,
        /// The guard after it; `None` for eSIMs.
        guard: Option<Guard>,
    },
    /// It was accepted before: the refund as it stands.
    Replayed(Box<Refund>),
    /// The key was used for something else.
    Conflict {
        /// The refund that has the key.
        refund_id: RefundId,
        /// The fields that differ.
        fields: Vec<&'static str>,
    },
    /// The guard refused; the key is not used up.
    Refused(GuardRefusal),
}

/// Decides what becomes of a wish. `existing` is the refund that has its key, `guard` the order's.
pub fn accept(
    new: NewRefund,
    existing: Option<&Refund>,
    guard: Option<&Guard>,
    now: Timestamp,
) -> Acceptance {
    if let Some(existing) = existing {
        let fields = existing.content.differences(&new.content);
        return if fields.is_empty() {
            Acceptance::Replayed(Box::new(existing.clone()))
        } else {
            Acceptance::Conflict { refund_id: existing.id, fields }
        };
    }
    let guard = match new.content.payment().map(|p| p.amount) {
        None => None,
        Some(amount) => {
            let known = guard.cloned().unwrap_or_else(|| Guard::new(amount.currency()));
            match known.admit(amount, &new.content) {
                Ok(guard) => Some(guard),
                Err(refusal) => return Acceptance::Refused(refusal),
            }
        }
    };
    Acceptance::Accepted { transition: Box::new(Refund::accept(new, now)), guard }
}

/// The wish to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The attempt to be.
    pub attempt: AttemptId,
    /// A first send or a resend.
    pub kind: AttemptKind,
    /// Claimed as a probe of a blocked account or an open breaker.
    pub probe: bool,
    /// What the preflight saw; `None` where there is no lookup or no such order.
    pub snapshot: Option<OrderSnapshot>,
    /// How long the worker may take before another looks.
    pub lease: Duration,
    /// In which trace.
    pub trace_id: Option<String>,
}

/// What became of an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may be sent: the refund is SENDING once this is committed.
    Go {
        /// The refund after it.
        transition: Box<Transition>,
        /// The guard, if the snapshot changed it.
        guard: Option<Guard>,
        /// What was spent.
        admitted: Box<Admitted>,
    },
    /// It is not sent; the refund waits or has failed by a rule.
    Stay {
        /// The refund after it.
        transition: Box<Transition>,
        /// The guard, if the snapshot or the failure changed it.
        guard: Option<Guard>,
    },
}

/// The locked rows that an intent is decided on.
#[derive(Debug, Clone, Copy)]
pub struct IntentRows<'a> {
    /// The refund.
    pub refund: &'a Refund,
    /// Its order's guard.
    pub guard: Option<&'a Guard>,
    /// The sum of our own refunds of the order, open or succeeded, that the snapshot lists.
    pub own_seen_minor: i64,
    /// The account's state.
    pub account_state: &'a AccountState,
    /// When the account's bucket has its next slot.
    pub bucket_next_free: Option<Timestamp>,
}

/// Decides whether a refund may be sent now: the rules of time, the preflight, the resend window, the
/// account.
///
/// # Errors
/// [`IllegalTransition`] when the refund is in no state to be sent.
pub fn begin(
    intent: &Intent,
    rows: IntentRows<'_>,
    account: &Account,
    now: Timestamp,
) -> Result<Verdict, IllegalTransition> {
    let refund = rows.refund;
    let actor = Actor::dispatcher(intent.trace_id.clone());
    let guard = match (rows.guard, &intent.snapshot) {
        (Some(guard), Some(snapshot)) => Some(guard.observe(snapshot, rows.own_seen_minor)),
        (guard, None) => guard.cloned(),
        (None, Some(_)) => None,
    };
    let resend = match refund.state.kind() {
        StateKind::Pending => {
            if let Some(delay) = figures_may_lag(refund, guard.as_ref(), account, now) {
                let change = Change::Wait { wait: Wait::Backoff, delay };
                let transition = Box::new(refund.apply(change, actor, now)?);
                return Ok(Verdict::Stay { transition, guard });
            }
            if let Some(failure) = objection(refund, intent, guard.as_ref(), account, now) {
                let transition = refund.apply(Change::Reject(failure), actor, now)?;
                let guard = guard.map(|g| g.moved(refund.held_minor(), transition.refund.held_minor()));
                return Ok(Verdict::Stay { transition: Box::new(transition), guard });
            }
            false
        }
        StateKind::Unknown if !plan::may_resend(refund, &account.capabilities, now) => {
            let change = Change::Wait { wait: Wait::Check, delay: Duration::ZERO };
            let transition = Box::new(refund.apply(change, actor, now)?);
            return Ok(Verdict::Stay { transition, guard });
        }
        StateKind::Unknown => true,
        kind @ (StateKind::Sending
        | StateKind::InReview
        | StateKind::Succeeded
        | StateKind::PartiallySucceeded
        | StateKind::Failed
        | StateKind::Canceled
        | StateKind::Reversed) => {
            return Err(IllegalTransition { state: kind, change: "send" });
        }
    };
    let ask = Ask { probe: intent.probe, resend };
    match rows.account_state.admit(&account.admission, rows.bucket_next_free, ask, now) {
        Err(NotNow { wait, delay }) => {
            let transition = Box::new(refund.apply(Change::Wait { wait, delay }, actor, now)?);
            Ok(Verdict::Stay { transition, guard })
        }
        Ok(admitted) => {
            let change = Change::Send { attempt: intent.attempt, lease: intent.lease };
            let transition = Box::new(refund.apply(change, actor, now)?);
            Ok(Verdict::Go { transition, guard, admitted: Box::new(admitted) })
        }
    }
}

/// How long to wait before too little remaining counts: a capture just made may not be readable yet, and a
/// refund that fails is final.
fn figures_may_lag(
    refund: &Refund,
    guard: Option<&Guard>,
    account: &Account,
    now: Timestamp,
) -> Option<Duration> {
    let readable_from = refund.create_time.plus(account.schedule.first_check);
    let short = guard?.remaining_minor()? < 0;
    (short && now < readable_from).then(|| readable_from.since(now))
}

/// Why an unsent refund fails by a rule, now that its order has been looked at.
fn objection(
    refund: &Refund,
    intent: &Intent,
    guard: Option<&Guard>,
    account: &Account,
    now: Timestamp,
) -> Option<Failure> {
    if let Some(failure) = plan::before_send(refund, &account.capabilities, now) {
        return Some(failure);
    }
    let (snapshot, payment) = (intent.snapshot.as_ref()?, refund.content.payment()?);
    if let Some(failure) = snapshot.objection(payment.amount.currency()) {
        return Some(failure);
    }
    if let Some(failure) =
        plan::window_objection(snapshot.purchase_time, account.capabilities.refund_window, now)
    {
        return Some(failure);
    }
    let remaining = guard?.remaining_minor()?;
    (remaining < 0).then(|| Failure {
        reason: FailureReason::RemainingChanged,
        provider_code: None,
        text: Some(format!(
            "the provider shows {} captured and {} refunded: {} minor units too little remain",
            snapshot.captured_minor,
            snapshot.refunded_minor,
            remaining.unsigned_abs()
        )),
    })
}
