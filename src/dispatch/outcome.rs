//! From what a provider answered to what happens to the refund. Pure.

use std::time::Duration;

use crate::domain::account::Account;
use crate::domain::answer::{Evidence, Face, FailurePhase, Sight, Signal, asked_quiet};
use crate::domain::plan::Jitter;
use crate::domain::refund::{Change, Refund, Wait};

/// The change that a face of an answer makes.
pub(super) fn of_face(
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
        Face::InReview { reference } => Change::Review {
            reference,
            delay: schedule.check(0, jitter),
            overdue_after: schedule.review_overdue_after,
        },
        Face::Declined { failure, conclusive } => {
            Change::Decline { failure, conclusive, delay: schedule.refusal_age_min }
        }
        Face::NotSent => Change::NothingSent { wait: Wait::Backoff, delay: backoff },
        Face::Blocked(_) => Change::NothingSent { wait: Wait::AccountBlocked, delay: Duration::ZERO },
        Face::Unknown => unanswered(refund, account, signals, jitter),
    }
}

/// No usable answer came.
pub(super) fn unanswered(refund: &Refund, account: &Account, signals: &[Signal], jitter: Jitter) -> Change {
    let schedule = &account.schedule;
    Change::Unanswered {
        delay: schedule.first_check(refund.idle_steps, jitter).max(asked_quiet(signals).unwrap_or_default()),
        overdue_after: schedule.unknown_overdue_after,
    }
}

/// What a lookup of a refund in doubt says of it. `None`: it said nothing, the resend that may follow
/// decides.
pub(super) fn of_sight(
    sight: &Sight,
    refund: &Refund,
    account: &Account,
    signals: &[Signal],
    jitter: Jitter,
) -> Change {
    let schedule = &account.schedule;
    let checks = refund.state.doubt().map_or(0, |d| d.checks);
    let absent =
        Change::Absent { delay: schedule.check(checks, jitter), refusal_age_min: schedule.refusal_age_min };
    match sight {
        Sight::Order(order) => order.success_of(refund).map_or(absent, Change::Confirm),
        Sight::NoOrder => absent,
        Sight::Nothing => {
            let delay =
                schedule.backoff(refund.idle_steps, jitter).max(asked_quiet(signals).unwrap_or_default());
            Change::Wait { wait: waits_for(signals, Wait::Check), delay }
        }
    }
}

/// A preflight that learned nothing: the refund waits, unsent.
pub(super) fn of_blind_preflight(
    refund: &Refund,
    account: &Account,
    signals: &[Signal],
    jitter: Jitter,
) -> Change {
    let delay =
        account.schedule.backoff(refund.idle_steps, jitter).max(asked_quiet(signals).unwrap_or_default());
    Change::Wait { wait: waits_for(signals, Wait::Backoff), delay }
}

/// What a refund waits for whose account said this of itself.
fn waits_for(signals: &[Signal], otherwise: Wait) -> Wait {
    let blocked = signals.iter().any(|signal| matches!(signal, Signal::Block(_)));
    if blocked { Wait::AccountBlocked } else { otherwise }
}

/// The word for a change on the attempt that brought it.
pub(super) fn word(change: &Change) -> &'static str {
    match change {
        Change::Confirm(_) => "succeeded",
        Change::Review { .. } => "in_review",
        Change::Decline { .. } | Change::Reject(_) => "declined",
        Change::NothingSent { wait: Wait::AccountBlocked, .. }
        | Change::Wait { wait: Wait::AccountBlocked, .. } => "blocked",
        Change::NothingSent { .. } => "not_sent",
        Change::Unanswered { .. } => "unknown",
        Change::Absent { .. } => "absent",
        Change::Wait { .. } => "nothing_learned",
        Change::Send { .. } | Change::Cancel | Change::Reverse => "changed",
    }
}

/// The evidence of an attempt that its own worker ended before the first byte.
pub(super) fn before_send(why: &str) -> Evidence {
    Evidence {
        phase: Some(FailurePhase::BeforeSend),
        provider_text: Some(why.to_owned()),
        ..Evidence::default()
    }
}

/// How many effects an order lists for a refund. More than one says that the provider did not heed the key.
pub(super) fn effects(sight: &Sight, refund: &Refund) -> usize {
    let Sight::Order(order) = sight else { return 0 };
    let id = refund.id.to_string();
    order.refunds.iter().filter(|seen| seen.is_of(refund.key, &id)).count()
}
