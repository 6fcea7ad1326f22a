//! What is decided under row locks. Each function takes the rows as they were read in the transaction and
//! says what they become; every form of the store calls the same ones.

use std::time::Duration;

use super::account::Account;
use super::admission::{AccountState, Admitted, Ask, NotNow};
use super::attempt::AttemptKind;
use super::event::Actor;
use super::guard::{Guard, GuardRefusal};
use super::id::{AttemptId, Iccid, RefundId};
use super::plan;
use super::reason::FailureReason;
use super::refund::{Change, Failure, IllegalTransition, NewRefund, Refund, StateKind, Transition, Wait};
use super::sight::{EsimSight, OrderSnapshot, Sight};
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
    /// An eSIM is in another refund that is open or succeeded; the key is not used up.
    EsimTaken {
        /// The eSIM.
        iccid: Iccid,
    },
}

/// Decides what becomes of a wish. `existing` is the refund that has its key, `guard` the order's, `taken`
/// those of its eSIMs that another refund of the company has a claim on.
pub fn accept(
    new: NewRefund,
    existing: Option<&Refund>,
    guard: Option<&Guard>,
    taken: &[Iccid],
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
    if let Some(iccid) = taken.first() {
        return Acceptance::EsimTaken { iccid: iccid.clone() };
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

/// The wish to send some refunds in one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The attempt to be.
    pub attempt: AttemptId,
    /// A first send or a resend.
    pub kind: AttemptKind,
    /// Claimed as a probe of a blocked account or an open breaker.
    pub probe: bool,
    /// What the preflight saw, per member in order; `None` where there was none.
    pub sights: Vec<Option<Sight>>,
    /// When the first of those looks began.
    pub looked: Option<Timestamp>,
    /// How long the worker may take before another looks.
    pub lease: Duration,
    /// In which trace.
    pub trace_id: Option<String>,
}

/// The locked rows of one member of an intent.
#[derive(Debug, Clone, Copy)]
pub struct MemberRows<'a> {
    /// The refund.
    pub refund: &'a Refund,
    /// What its preflight saw.
    pub sight: Option<&'a Sight>,
    /// Its order's guard.
    pub guard: Option<&'a Guard>,
    /// The sum of what our own refunds of the order hold and the sight lists.
    pub own_seen_minor: i64,
    /// How other refunds of the order stand. Asked only where it matters: see
    /// [`Capabilities::echoes_key`](super::account::Capabilities).
    pub others: Others<'a>,
}

/// The other refunds of an order, as far as they matter to one of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Others<'a> {
    /// Whether one is SENDING, UNKNOWN or `IN_REVIEW`.
    pub busy: bool,
    /// Whether nobody can tell which entries of the order are one's.
    pub hidden: bool,
    /// Whether one changed since this one's order was looked at: the sight may be older than its effect.
    pub changed: bool,
    /// The parts that are known as theirs.
    pub parts: &'a [String],
}

/// The locked rows of the account.
#[derive(Debug, Clone, Copy)]
pub struct AccountRows<'a> {
    /// The account as configured.
    pub account: &'a Account,
    /// How it stands.
    pub state: &'a AccountState,
    /// When its bucket has the next slot.
    pub bucket_next_free: Option<Timestamp>,
}

/// What becomes of one member of an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The refund after it: SENDING if it goes, else it waits or has failed by a rule.
    pub transition: Transition,
    /// Its guard after it; `None` for eSIMs.
    pub guard: Option<Guard>,
    /// Whether it is in the call.
    pub goes: bool,
}

/// What becomes of an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdicts {
    /// Per member, in order.
    pub members: Vec<Verdict>,
    /// What was spent, if anybody goes.
    pub admitted: Option<Admitted>,
}

/// How long a refund waits for another one of its order before it looks itself: the other one's end wakes it.
const ORDER_REST: Duration = Duration::from_mins(5);

/// Decides which of some refunds may be sent now, in one call and for one slot: each by the rules of time,
/// its preflight, its resend window and its order, all by the account.
///
/// # Errors
/// [`IllegalTransition`] when a refund is in no state to be sent.
pub fn begin(
    intent: &Intent,
    members: &[MemberRows<'_>],
    rows: AccountRows<'_>,
    now: Timestamp,
) -> Result<Verdicts, IllegalTransition> {
    let mut looked = Vec::with_capacity(members.len());
    for member in members {
        let guard = match (member.guard, member.sight.and_then(Sight::order)) {
            // While another refund of the order is undecided and names no key, nobody can tell whose the
            // figures are.
            (Some(guard), Some(order)) if !member.others.busy && !member.others.hidden => {
                Some(guard.observe(order, member.own_seen_minor))
            }
            (guard, _) => guard.cloned(),
        };
        let objection = objection(member, guard.as_ref(), rows, now)?;
        looked.push((member, guard, objection));
    }
    let anybody = looked.iter().any(|(_, _, objection)| objection.is_none());
    let ask = Ask { probe: intent.probe, resend: intent.kind == AttemptKind::Resend };
    let admission = &rows.account.admission;
    let admitted = anybody.then(|| rows.state.admit(admission, rows.bucket_next_free, ask, now));
    let mut verdicts = Vec::with_capacity(looked.len());
    for (member, guard, objection) in looked {
        let (change, goes) = match (objection, &admitted) {
            (Some(change), _) => (change, false),
            (None, Some(Err(NotNow { wait, delay }))) => (Change::Wait { wait: *wait, delay: *delay }, false),
            (None, Some(Ok(_)) | None) => {
                let first = member.refund.state.kind() == StateKind::Pending;
                let baseline =
                    member.sight.filter(|_| first).map(|sight| sight.baseline(member.others.parts));
                (Change::Send { attempt: intent.attempt, baseline, lease: intent.lease }, true)
            }
        };
        let actor = Actor::dispatcher(intent.trace_id.clone());
        let transition = member.refund.apply(change, actor, now)?;
        let guard = guard.map(|g| g.moved(member.refund.held_minor(), transition.refund.held_minor()));
        verdicts.push(Verdict { transition, guard, goes });
    }
    Ok(Verdicts { members: verdicts, admitted: admitted.and_then(Result::ok) })
}

/// What happens to a member instead of being sent, if anything.
fn objection(
    member: &MemberRows<'_>,
    guard: Option<&Guard>,
    rows: AccountRows<'_>,
    now: Timestamp,
) -> Result<Option<Change>, IllegalTransition> {
    let (refund, account) = (member.refund, rows.account);
    let wait = |wait, delay| Some(Change::Wait { wait, delay });
    match refund.state.kind() {
        StateKind::Pending => {
            if let Some(failure) = plan::before_send(refund, &account.capabilities, now) {
                return Ok(Some(Change::Reject(failure)));
            }
            // Before any rule of money: what a busy refund did is in the figures and not yet known as its
            // own.
            if member.others.busy {
                return Ok(wait(Wait::Order, ORDER_REST));
            }
            if member.others.changed {
                return Ok(wait(Wait::Order, account.schedule.backoff_base));
            }
            if let Some(delay) = sight_may_lag(member, guard, account, now) {
                return Ok(wait(Wait::Backoff, delay));
            }
            if let Some(failure) = rule_against(member, guard, account, now) {
                return Ok(Some(Change::Reject(failure)));
            }
            Ok(None)
        }
        StateKind::Unknown => {
            let may = plan::may_resend(refund, &account.capabilities, rows.state.key_heeded, now);
            Ok(if may { None } else { wait(Wait::Check, Duration::ZERO) })
        }
        state @ (StateKind::Sending
        | StateKind::InReview
        | StateKind::Succeeded
        | StateKind::PartiallySucceeded
        | StateKind::Failed
        | StateKind::Canceled
        | StateKind::Reversed) => Err(IllegalTransition { state, change: "send" }),
    }
}

/// How long to wait before bad news of the order counts: a capture or a purchase just made may not be
/// readable yet, and a refund that fails is final.
fn sight_may_lag(
    member: &MemberRows<'_>,
    guard: Option<&Guard>,
    account: &Account,
    now: Timestamp,
) -> Option<Duration> {
    let readable_from = member.refund.create_time.plus(account.schedule.first_check);
    let short = guard.and_then(Guard::remaining_minor).is_some_and(|remaining| remaining < 0);
    let foreign = match member.sight {
        Some(Sight::Esims(esims)) => esims.iter().any(|esim| esim.orders.is_empty()),
        Some(Sight::NoOrder) => !account.capabilities.echoes_key,
        Some(Sight::Order(_) | Sight::Nothing) | None => false,
    };
    ((short || foreign) && now < readable_from).then(|| readable_from.since(now))
}

/// Why an unsent refund fails by a rule, now that its order has been looked at.
fn rule_against(
    member: &MemberRows<'_>,
    guard: Option<&Guard>,
    account: &Account,
    now: Timestamp,
) -> Option<Failure> {
    match member.sight? {
        Sight::Order(order) => {
            let payment = member.refund.content.payment()?;
            let window = account.capabilities.refund_window;
            order
                .objection(payment.amount.currency())
                .or_else(|| plan::window_objection(order.purchase_time, window, now))
                .or_else(|| too_little(order, guard?.remaining_minor()?))
        }
        Sight::Esims(esims) => esims.iter().find_map(EsimSight::objection),
        // Without what was there before, nobody could tell which transaction is ours.
        Sight::NoOrder if !account.capabilities.echoes_key => Some(Failure {
            reason: FailureReason::OrderNotFound,
            provider_code: None,
            text: Some("the provider shows no such order: nothing was sent".to_owned()),
        }),
        Sight::NoOrder | Sight::Nothing => None,
    }
}

fn too_little(order: &OrderSnapshot, remaining_minor: i64) -> Option<Failure> {
    (remaining_minor < 0).then(|| Failure {
        reason: FailureReason::RemainingChanged,
        provider_code: None,
        text: Some(format!(
            "the provider shows {} captured and {} refunded: {} minor units too little remain",
            order.captured_minor,
            order.refunded_minor,
            remaining_minor.unsigned_abs()
        )),
    })
}
