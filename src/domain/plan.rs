//! What to do next with a refund whose time has come: a pure decision from its state and what its provider
//! can do.

use std::time::Duration;

use super::account::{Account, Capabilities, KeyProof};
use super::admission::doubled;
use super::reason::FailureReason;
use super::refund::{Failure, Refund, State, StateKind, Wait};
use super::timestamp::Timestamp;

/// When things are tried again and looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The first wait after a failure; doubled each time, with full jitter.
    pub backoff_base: Duration,
    /// The longest such wait.
    pub backoff_max: Duration,
    /// The least time between an unknown outcome and the first look, since reads may lag behind writes.
    pub first_check: Duration,
    /// The waits between lookups; the last one repeats.
    pub check_steps: Vec<Duration>,
    /// How long after the refusal of a resend a lookup's silence makes it final.
    pub refusal_age_min: Duration,
    /// How long after its first send an UNKNOWN refund is overdue.
    pub unknown_overdue_after: Duration,
    /// How long an `IN_REVIEW` refund may take before it is overdue.
    pub review_overdue_after: Duration,
    /// How long after its end a final refund is looked at again, each time: a success may be taken back, and
    /// what was given up as failed may have been effected.
    pub follow_steps: Vec<Duration>,
}

/// A fraction of 2^32, drawn by the caller, that spreads waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jitter(pub u32);

impl Jitter {
    /// Its part of a span: from nothing up to all of it.
    pub fn of(self, span: Duration) -> Duration {
        let micros = span.as_micros().saturating_mul(u128::from(self.0)) >> 32;
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

impl Schedule {
    /// The wait after `failures` failures in a row: exponential, full jitter over the lower bound of half the
    /// base.
    pub fn backoff(&self, failures: u32, jitter: Jitter) -> Duration {
        let floor = self.backoff_base / 2;
        floor + jitter.of(doubled(self.backoff_base, failures, self.backoff_max).saturating_sub(floor))
    }

    /// The wait before a final refund is looked at again, when a look taught nothing.
    pub fn follow_again(&self) -> Duration {
        self.check_steps.last().copied().unwrap_or(self.backoff_max)
    }

    /// The wait after an unknown outcome, before the first look.
    pub fn first_check(&self, failures: u32, jitter: Jitter) -> Duration {
        self.first_check + self.backoff(failures, jitter)
    }

    /// The wait before lookup number `checks` + 1: the step, give or take a quarter.
    pub fn check(&self, checks: u32, jitter: Jitter) -> Duration {
        let last = self.check_steps.last().copied().unwrap_or(self.backoff_max);
        let step =
            usize::try_from(checks).ok().and_then(|i| self.check_steps.get(i).copied()).unwrap_or(last);
        step * 3 / 4 + jitter.of(step / 2)
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A rule ends it unsent.
    Reject(Failure),
    /// It has to wait.
    Wait(Wait, Duration),
    /// Send it for the first time, or after failures that provably sent nothing.
    Send,
    /// Its worker ended between intent and record: what it did is not known.
    TakeOver,
    /// Look the order up, and if that does not decide it send the same key again.
    LookUpThenResend,
    /// Send the same key again: there is nothing to look up.
    Resend,
    /// Look the order up.
    LookUp,
    /// Nothing is left to a machine.
    AskPerson,
    /// Nothing to do.
    Nothing,
}

/// Whether the same key may be sent again now: it is proven, the window since the first possible send is
/// open, and no refusal of a resend is on record. `key_heeded` is what was seen of the account so far.
pub fn may_resend(
    refund: &Refund,
    capabilities: &Capabilities,
    key_heeded: Option<bool>,
    now: Timestamp,
) -> bool {
    let proven = match (capabilities.key, key_heeded) {
        (KeyProof::Never, _) | (_, Some(false)) => false,
        (KeyProof::ByDocuments, _) => true,
        (KeyProof::OnceEchoed, heeded) => heeded == Some(true),
        (KeyProof::WhenConfirmed(confirmed), _) => confirmed,
    };
    let Some(doubt) = refund.state.doubt() else {
        return false;
    };
    let open = capabilities.resend_window.is_some_and(|window| now < doubt.first_sent.plus(window));
    proven && open && doubt.refusal.is_none()
}

/// Decides the next step.
pub fn next_step(
    refund: &Refund,
    capabilities: &Capabilities,
    key_heeded: Option<bool>,
    now: Timestamp,
) -> Step {
    match &refund.state {
        State::Pending { .. } => match before_send(refund, capabilities, now) {
            Some(failure) => Step::Reject(failure),
            None => match refund.content.not_before {
                Some(at) if at > now => Step::Wait(Wait::NotBefore, at.since(now)),
                Some(_) | None => Step::Send,
            },
        },
        State::Sending { .. } => Step::TakeOver,
        State::Unknown { .. } => {
            match (may_resend(refund, capabilities, key_heeded, now), capabilities.lookup) {
                (true, true) => Step::LookUpThenResend,
                (true, false) => Step::Resend,
                (false, true) => Step::LookUp,
                (false, false) => Step::AskPerson,
            }
        }
        State::InReview { .. } if capabilities.lookup => Step::LookUp,
        State::InReview { .. } => Step::AskPerson,
        State::Succeeded(_)
        | State::PartiallySucceeded(_)
        | State::Failed(_)
        | State::Canceled
        | State::Reversed(_) => {
            if refund.follow.is_some() && capabilities.lookup {
                Step::LookUp
            } else {
                Step::Nothing
            }
        }
    }
}

/// When a final refund is looked at next, after it became so or was looked at. A success, and what was taken
/// back while the provider's figures do not show it, for as long as the schedule goes; a failure only if it
/// ended a doubt, so that what was sent may yet be effected.
pub fn next_follow(refund: &Refund, doubted: bool, account: &Account, now: Timestamp) -> Option<Timestamp> {
    let can = &account.capabilities;
    let wanted = can.lookup
        && match refund.state.kind() {
            StateKind::Succeeded | StateKind::PartiallySucceeded => can.shows_reversals,
            StateKind::Reversed => !refund.freed && refund.content.payment().is_some(),
            StateKind::Failed => doubted,
            StateKind::Canceled
            | StateKind::Pending
            | StateKind::Sending
            | StateKind::Unknown
            | StateKind::InReview => false,
        };
    let mut times = account.schedule.follow_steps.iter().map(|step| refund.update_time.plus(*step));
    times.find(|at| wanted && *at > now)
}

/// Why an unsent refund may not be sent any more, by time alone.
pub fn before_send(refund: &Refund, capabilities: &Capabilities, now: Timestamp) -> Option<Failure> {
    if now >= refund.send_before {
        return Some(Failure {
            reason: FailureReason::SendBeforePassed,
            provider_code: None,
            text: Some(format!("nothing was sent before {}", refund.send_before)),
        });
    }
    window_objection(refund.content.purchase_time, capabilities.refund_window, now)
}

/// Why a purchase is too old to be refunded, if it is.
pub fn window_objection(
    purchase_time: Option<Timestamp>,
    refund_window: Option<Duration>,
    now: Timestamp,
) -> Option<Failure> {
    let (bought, window) = (purchase_time?, refund_window?);
    (now >= bought.plus(window)).then(|| Failure {
        reason: FailureReason::RefundWindowExpired,
        provider_code: None,
        text: Some(format!("bought {bought}, refundable for {} days", window.as_secs() / 86_400)),
    })
}
