//! The laws of states, over every change in every state and over random lives.

use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::account::ProviderKind;
use crate::domain::answer::Review;
use crate::domain::content::{Payment, Target};
use crate::domain::id::{AccountName, AttemptId, OrderId};
use crate::domain::money::{Currency, Money};
use crate::domain::reason::FailureReason;
use crate::domain::reason::Reason;

const AMOUNT_MINOR: i64 = 1_000;

pub(in crate::domain) fn new_refund(n: u128) -> NewRefund {
    let caller = CallerName::parse("shop").unwrap();
    let request_id = RequestId::parse(&format!("r{n}")).unwrap();
    let identity = AccountIdentity {
        name: AccountName::parse("afterpay").unwrap(),
        provider: ProviderKind::Afterpay,
        merchant: "m".to_owned(),
        base_url: "https://afterpay.example".to_owned(),
    };
    let amount = Money::new(Currency::parse("AUD").unwrap(), AMOUNT_MINOR).unwrap();
    NewRefund {
        id: RefundId(Uuid::from_u128(n)),
        key: ProviderKey::derive(&caller, &request_id, "m"),
        caller,
        request_id,
        content: Content {
            account: identity.name.clone(),
            target: Target::Payment(Payment {
                order_id: OrderId::parse("100").unwrap(),
                transaction_id: None,
                amount,
            }),
            reason: Reason::Unspecified,
            provider_reason: None,
            notes: None,
            email: None,
            metadata: std::collections::BTreeMap::default(),
            purchase_time: None,
            captured_amount: None,
            expected_remaining: None,
            not_before: None,
            send_before: None,
            retry_of: None,
        },
        identity,
        trace: None,
    }
}

fn failure() -> Failure {
    Failure { reason: FailureReason::Declined, provider_code: None, text: None }
}

fn success(amount_minor: i64) -> Success {
    Success { amount_minor: Some(amount_minor), provider_refund_id: None, completed: None, items: vec![] }
}

fn changes() -> Vec<Change> {
    let delay = Duration::from_secs(1);
    let attempt = AttemptId(Uuid::from_u128(1));
    let decline = |conclusive| Change::Decline { failure: failure(), conclusive, delay };
    vec![
        Change::Send { attempt, baseline: None, lease: delay },
        Change::NothingSent { wait: Wait::Backoff, delay, alone: false },
        Change::Unanswered { delay, overdue_after: delay },
        decline(true),
        decline(false),
        Change::Review { review: Review::default(), delay, overdue_after: delay },
        Change::Confirm(success(AMOUNT_MINOR)),
        Change::Confirm(success(AMOUNT_MINOR - 1)),
        Change::Absent { delay, refusal_age_min: Some(Duration::from_mins(15)) },
        Change::Wait { wait: Wait::Backoff, delay },
        Change::Reject(failure()),
        Change::Cancel,
        Change::Reverse { note: "the order shows it".to_owned() },
        Change::ConfirmPart(success(AMOUNT_MINOR - 1)),
    ]
}

fn actor() -> Actor {
    Actor::dispatcher(None)
}

fn accepted() -> Refund {
    Refund::accept(new_refund(7), Timestamp::EPOCH).refund
}

/// Follows changes from PENDING.
fn after(changes: &[Change]) -> Refund {
    changes.iter().fold(accepted(), |refund, change| {
        refund.apply(change.clone(), actor(), Timestamp::EPOCH).unwrap().refund
    })
}

fn sent() -> Change {
    changes().remove(0)
}

fn unanswered() -> Change {
    changes().remove(2)
}

fn refused() -> Change {
    changes().remove(4)
}

/// The table of the module's head, as data.
const TABLE: &[(StateKind, &[StateKind])] = {
    use StateKind::{
        Canceled, Failed, InReview, PartiallySucceeded, Pending, Reversed, Sending, Succeeded, Unknown,
    };
    &[
        (Pending, &[Sending, Canceled, Failed]),
        (Sending, &[Pending, Unknown, InReview, Succeeded, PartiallySucceeded, Failed]),
        (Unknown, &[Sending, InReview, Succeeded, PartiallySucceeded, Failed]),
        (InReview, &[Unknown, Succeeded, PartiallySucceeded, Failed]),
        (Succeeded, &[Reversed]),
        (PartiallySucceeded, &[Reversed]),
        (Failed, &[]),
        (Canceled, &[]),
        (Reversed, &[]),
    ]
};

#[test]
fn the_table_of_states_is_the_promised_one() {
    for (from, to) in TABLE {
        for kind in StateKind::ALL {
            assert_eq!(from.may_become(*kind), to.contains(kind), "{from} to {kind}");
        }
    }
}

#[test]
fn a_send_that_provably_sent_nothing_returns_to_pending_only_without_an_earlier_doubt() {
    let nothing_sent = changes().remove(1);
    assert_eq!(after(&[sent(), nothing_sent.clone()]).state.kind(), StateKind::Pending);
    let doubtful = after(&[sent(), unanswered(), sent(), nothing_sent]);
    assert_eq!(doubtful.state.kind(), StateKind::Unknown);
}

#[test]
fn a_refusal_of_a_resend_fails_a_refund_only_by_a_later_lookup_that_lacks_it() {
    let doubtful = after(&[sent(), unanswered(), sent(), refused()]);
    assert_eq!(doubtful.state.kind(), StateKind::Unknown);
    assert_eq!(doubtful.held_minor(), AMOUNT_MINOR);
    let absent =
        |refund: &Refund, at| refund.apply(changes().remove(8), actor(), at).unwrap().refund.state.kind();
    let early = Timestamp::EPOCH.plus(Duration::from_mins(14));
    let late = Timestamp::EPOCH.plus(Duration::from_mins(15));
    assert_eq!(absent(&doubtful, early), StateKind::Unknown);
    assert_eq!(absent(&doubtful, late), StateKind::Failed);
    let never_refused = after(&[sent(), unanswered()]);
    assert_eq!(absent(&never_refused, late.plus(Duration::from_hours(9_999))), StateKind::Unknown);
}

#[test]
fn a_refusal_of_the_first_send_fails_a_refund() {
    assert_eq!(after(&[sent(), refused()]).state.kind(), StateKind::Failed);
}

#[test]
fn the_resend_window_runs_from_the_first_possible_send() {
    let first = Timestamp::EPOCH.plus(Duration::from_secs(5));
    let later = first.plus(Duration::from_hours(3));
    let step = |refund: Refund, change, at| refund.apply(change, actor(), at).unwrap().refund;
    let mut refund = step(accepted(), sent(), first);
    refund = step(refund, unanswered(), later);
    refund = step(refund, sent(), later);
    refund = step(refund, unanswered(), later.plus(Duration::from_hours(1)));
    assert_eq!(refund.state.doubt().unwrap().first_sent, first);
    assert_eq!(refund.sends, 2);
}

#[test]
fn less_than_was_asked_is_a_partial_success() {
    let confirm = |amount| after(&[sent(), Change::Confirm(success(amount))]);
    assert_eq!(confirm(AMOUNT_MINOR).state.kind(), StateKind::Succeeded);
    assert_eq!(confirm(AMOUNT_MINOR - 1).state.kind(), StateKind::PartiallySucceeded);
    assert_eq!(confirm(AMOUNT_MINOR - 1).held_minor(), AMOUNT_MINOR - 1);
    let unmeasured = Success { amount_minor: None, ..success(0) };
    let part = after(&[sent(), unanswered(), Change::ConfirmPart(unmeasured)]);
    assert_eq!(part.state.kind(), StateKind::PartiallySucceeded);
}

#[test]
fn each_look_at_a_review_counts_and_nothing_else_does() {
    let delay = Duration::from_mins(1);
    let review = Change::Review {
        review: Review { reference: None, items: Vec::new() },
        delay,
        overdue_after: Duration::from_hours(24),
    };
    let steps = [
        (Change::Wait { wait: Wait::Slot, delay }, 0),
        (review.clone(), 1),
        (Change::Wait { wait: Wait::Check, delay }, 2),
        (Change::Absent { delay, refusal_age_min: None }, 3),
        (Change::Wait { wait: Wait::AccountBlocked, delay }, 3),
    ];
    let mut refund = after(&[sent(), review]);
    for (step, checks) in steps {
        refund = refund.apply(step, actor(), Timestamp::EPOCH).unwrap().refund;
        assert_eq!(refund.state.doubt().unwrap().checks, checks);
    }
}

proptest! {
    /// Whatever happens in whatever order: the table holds, each change of state has exactly one event with
    /// the next sequence, what is not final has a clock, a send in doubt is never forgotten, and the held
    /// amount is right.
    #[test]
    fn no_life_of_a_refund_breaks_a_law(steps in prop::collection::vec((0..14_usize, 0..2_000_u64), 0..40)) {
        let mut refund = accepted();
        let mut now = Timestamp::EPOCH;
        for (change, pause_s) in steps {
            now = now.plus(Duration::from_secs(pause_s));
            let change = changes().remove(change);
            let Ok(Transition { refund: next, event }) = refund.apply(change, actor(), now) else { continue };
            let (from, to) = (refund.state.kind(), next.state.kind());
            if from == to {
                prop_assert!(event.is_none());
                prop_assert_eq!(next.sequence, refund.sequence);
            } else {
                let allowed = TABLE.iter().find(|(kind, _)| *kind == from).unwrap().1;
                prop_assert!(allowed.contains(&to), "{} to {}", from, to);
                let event = event.unwrap();
                prop_assert_eq!(event.sequence, refund.sequence + 1);
                prop_assert_eq!((event.previous, event.state), (Some(from), to));
            }
            prop_assert_eq!(next.due.is_none(), to.is_final());
            prop_assert_eq!(next.overdue.is_none(), to.is_final());
            if refund.state.doubt().is_some() {
                prop_assert_ne!(to, StateKind::Pending);
                prop_assert_ne!(to, StateKind::Canceled);
            }
            let held = match to {
                StateKind::Failed | StateKind::Canceled => 0,
                StateKind::PartiallySucceeded => AMOUNT_MINOR - 1,
                StateKind::Reversed => next.held_minor(),
                _open_or_whole => AMOUNT_MINOR,
            };
            prop_assert_eq!(next.held_minor(), held);
            refund = next;
        }
    }
}
