//! From what a provider answered to what happens to the refund. Pure.

use crate::domain::account::Account;
use crate::domain::answer::{Face, Finding, Signal, asked_quiet};
use crate::domain::plan::Jitter;
use crate::domain::refund::{Change, Refund, StateKind, Wait};
use crate::domain::sight::Sight;

/// The change that a face of an answer makes.
pub(crate) fn of_face(
    face: Face,
    refund: &Refund,
    account: &Account,
    signals: &[Signal],
    jitter: Jitter,
) -> Change {
    let schedule = &account.schedule;
    let backoff = schedule.backoff(refund.idle_steps, jitter).max(asked_quiet(signals).unwrap_or_default());
    match face {
        Face::Succeeded(success) => Change::Confirm(success),
        Face::InReview(review) => Change::Review {
            review,
            delay: schedule.check(0, jitter),
            overdue_after: schedule.review_overdue_after,
        },
        Face::Declined { failure, conclusive } => {
            Change::Decline { failure, conclusive, delay: schedule.refusal_age_min }
        }
        Face::NotSent { alone } => Change::NothingSent { wait: Wait::Backoff, delay: backoff, alone },
        // The account's own probe decides when it goes on, not the refund's clock.
        Face::Blocked(_) => {
            Change::NothingSent { wait: Wait::AccountBlocked, delay: std::time::Duration::ZERO, alone: false }
        }
        Face::Unknown => unanswered(refund, account, signals, jitter),
    }
}

/// No usable answer came.
pub(crate) fn unanswered(refund: &Refund, account: &Account, signals: &[Signal], jitter: Jitter) -> Change {
    let schedule = &account.schedule;
    let quiet = asked_quiet(signals).unwrap_or_default();
    Change::Unanswered {
        delay: schedule.first_check(refund.idle_steps, jitter).max(quiet),
        overdue_after: schedule.unknown_overdue_after,
    }
}

/// What a lookup says of a refund in doubt or in review, or of one that is final and followed up.
pub(crate) fn of_finding(
    finding: Finding,
    refund: &Refund,
    account: &Account,
    signals: &[Signal],
    jitter: Jitter,
) -> Change {
    if refund.state.kind().is_final() {
        return of_follow_up(finding, refund, account, signals);
    }
    let schedule = &account.schedule;
    let checks = refund.state.doubt().map_or(0, |d| d.checks);
    let next_check = schedule.check(checks, jitter);
    match finding {
        Finding::Succeeded(success) => Change::Confirm(success),
        Finding::PartlySucceeded(success) => Change::ConfirmPart(success),
        Finding::InReview(review) => {
            Change::Review { review, delay: next_check, overdue_after: schedule.review_overdue_after }
        }
        Finding::Declined(failure) => {
            Change::Decline { failure, conclusive: true, delay: schedule.refusal_age_min }
        }
        // Told of a success alone, and this is none.
        Finding::Reversed(_) => Change::Wait { wait: Wait::Check, delay: next_check },
        Finding::Absent => {
            let proves = account.capabilities.absence_proves_refusal;
            Change::Absent { delay: next_check, refusal_age_min: proves.then_some(schedule.refusal_age_min) }
        }
        Finding::Nothing => match blind(refund, account, signals, Wait::Check, jitter) {
            // A review takes days: a look that taught nothing is no reason to look more often.
            Change::Wait { wait, delay } if refund.state.kind() == StateKind::InReview => {
                Change::Wait { wait, delay: delay.max(next_check) }
            }
            change => change,
        },
    }
}

/// What a lookup says of a final refund: that it was taken back, that it was effected after all, or nothing
/// new.
fn of_follow_up(finding: Finding, refund: &Refund, account: &Account, signals: &[Signal]) -> Change {
    let again = account.schedule.follow_again().max(asked_quiet(signals).unwrap_or_default());
    let nothing_new = Change::Absent { delay: again, refusal_age_min: None };
    match (refund.state.kind(), finding) {
        (StateKind::Failed | StateKind::Canceled, Finding::Succeeded(success)) => Change::Confirm(success),
        (StateKind::Failed | StateKind::Canceled, Finding::PartlySucceeded(success)) => {
            Change::ConfirmPart(success)
        }
        (StateKind::Succeeded | StateKind::PartiallySucceeded, Finding::Reversed(reversal)) => {
            Change::Reverse { note: reversal.text }
        }
        (_, Finding::Nothing) => Change::Wait { wait: Wait::Check, delay: again },
        (
            _,
            Finding::Succeeded(_)
            | Finding::PartlySucceeded(_)
            | Finding::InReview(_)
            | Finding::Declined(_)
            | Finding::Reversed(_)
            | Finding::Absent,
        ) => nothing_new,
    }
}

/// A look that taught nothing: the refund waits as it stands.
pub(super) fn blind(
    refund: &Refund,
    account: &Account,
    signals: &[Signal],
    otherwise: Wait,
    jitter: Jitter,
) -> Change {
    let quiet = asked_quiet(signals).unwrap_or_default();
    let delay = account.schedule.backoff(refund.idle_steps, jitter).max(quiet);
    let blocked = signals.iter().any(|signal| matches!(signal, Signal::Block(_)));
    Change::Wait { wait: if blocked { Wait::AccountBlocked } else { otherwise }, delay }
}

/// The word for a change on the attempt that brought it.
pub(super) fn word(change: &Change) -> &'static str {
    match change {
        Change::Confirm(_) => "succeeded",
        Change::ConfirmPart(_) => "partially_succeeded",
        Change::Review { .. } => "in_review",
        Change::Decline { .. } | Change::Reject(_) => "declined",
        Change::NothingSent { wait: Wait::AccountBlocked, .. }
        | Change::Wait { wait: Wait::AccountBlocked, .. } => "blocked",
        Change::NothingSent { .. } => "not_sent",
        Change::Unanswered { .. } => "unknown",
        Change::Absent { .. } => "absent",
        Change::Wait { .. } => "nothing_learned",
        Change::Reverse { .. } => "reversed",
        Change::Send { .. } | Change::Cancel => "changed",
    }
}

/// The word for a look that changes nothing by itself.
pub(super) fn word_of_sight(sight: &Sight) -> &'static str {
    match sight {
        Sight::Order(_) | Sight::Esims(_) => "seen",
        Sight::NoOrder => "no_order",
        Sight::Nothing => "nothing_learned",
    }
}
