//! What people decide, against a worker that has the refund: whoever commits first wins, and the other one
//! changes nothing.

use std::time::Duration;

use refunds::domain::account::Account;
use refunds::domain::attempt::{Attempt, AttemptKind};
use refunds::domain::event::Actor;
use refunds::domain::history::{Decision, DecisionKind};
use refunds::domain::id::RefundId;
use refunds::domain::reason::FailureReason;
use refunds::domain::refund::{Change, State, StateKind, Success};
use refunds::domain::ruling::{Action, Objection, Outcome, Ruling};
use refunds::store::{AttemptRecord, Begun, Changed, Lease, Record, Recorded, RuledAs, Store};

use super::{LEASE, accept, apply, begin, begin_one, claim, claim_one, ended, intent, outcome, step};
use crate::support::database::TestDatabase;
use crate::support::on_every_store;
use crate::support::samples::{
    account, attempt_id, aud, esim_account, esims, iccid, payment, refund_id, snapshot,
};

/// What somebody decides, with evidence and note where it is a word on what became of it.
fn ruling(action: Action) -> Ruling {
    let decides = !matches!(action, Action::Cancel);
    Ruling {
        action,
        actor: Actor::of("ann"),
        evidence: decides.then(|| "ticket".to_owned()),
        note: decides.then(|| "asked".to_owned()),
    }
}

pub(super) async fn rule(store: &dyn Store, id: RefundId, action: Action, account: &Account) -> RuledAs {
    store.rule(id, &ruling(action), Some(account)).await.unwrap()
}

pub(super) fn done(ruled: RuledAs) -> refunds::domain::refund::Refund {
    match ruled {
        RuledAs::Done(refund) => *refund,
        other => panic!("not done: {other:?}"),
    }
}

fn unanswered() -> Change {
    Change::Unanswered { delay: Duration::from_secs(5), overdue_after: Duration::from_hours(1) }
}

fn success(minor: i64) -> Success {
    let provider_refund_id = Some("r-1".to_owned());
    Success { amount_minor: Some(minor), provider_refund_id, completed: None, items: Vec::new() }
}

/// A look at the order of a refund, with what it changes.
pub(super) fn look(
    db: &TestDatabase,
    account: &Account,
    lease: &Lease,
    kind: AttemptKind,
    change: Option<Change>,
) -> Record {
    let attempt = Attempt {
        id: attempt_id(),
        kind,
        account: account.identity.name.clone(),
        members: vec![lease.refund_id],
        started: db.clock.now(),
        end: Some(ended(db, "seen")),
        trace_id: None,
        preflight: None,
    };
    Record { attempt: Some(AttemptRecord::Whole(Box::new(attempt))), ..step(account, lease, change) }
}

/// A refund that nobody knows the fate of, long enough ago.
pub(super) async fn unknown(db: &TestDatabase, account: &Account) -> RefundId {
    let store = db.store();
    let lease = claim_one(&*store, account).await;
    let attempt = begin(&*store, &lease, account).await;
    apply(&*store, outcome(db, account, &lease, attempt, unanswered()), account).await;
    db.clock.advance(account.answer);
    lease.refund_id
}

on_every_store! {
    async fn cancel_wins_over_a_worker_that_has_not_begun(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let refund = accept(&*store, payment(&account.identity, "1", 100)).await;
        let lease = claim_one(&*store, &account).await;
        let mut changes = store.changes();
        let canceled = done(rule(&*store, refund.id, Action::Cancel, &account).await);
        assert_eq!(changes.try_recv().unwrap(), Changed::Here(refund.id));
        assert_eq!((&canceled.state, canceled.sequence, canceled.due), (&State::Canceled, 2, None));
        assert_eq!(store.find(refund.id).await.unwrap(), Some(canceled.clone()));
        assert_eq!(store.guard(&account.identity, "1").await.unwrap().unwrap().own_minor, 0);

        // The worker, which was looking at the order meanwhile, begins nothing and changes nothing.
        let mut preflight = look(db, &account, &lease, AttemptKind::Preflight, None);
        preflight.members[0].keep = true;
        preflight.snapshot = Some(snapshot(50, 20, Vec::new()));
        assert_eq!(store.record(preflight, &account).await.unwrap(), [Recorded::Stale]);
        let begun = begin_one(&*store, &lease, &intent(AttemptKind::Send), &account).await.unwrap();
        assert_eq!(begun, Begun::Stale);
        assert_eq!(store.renew(std::slice::from_ref(&lease), LEASE).await.unwrap(), [false]);
        store.release(std::slice::from_ref(&lease)).await.unwrap();
        db.clock.advance(LEASE * 2);
        assert_eq!(claim(&*store, "other", &account).await, []);

        let history = store.history(refund.id).await.unwrap();
        assert_eq!(history.attempts.len(), 1);
        assert!(history.attempts[0].end.as_ref().unwrap().late, "kept as evidence");
        let last = history.events.last().unwrap();
        assert_eq!((last.state, last.actor.name.as_str()), (StateKind::Canceled, "ann"));
        assert_eq!(history.decisions, []);
        let now = store.find(refund.id).await.unwrap().unwrap();
        assert_eq!(now.history.number, 3, "accepted, canceled, the late look");
        let guard = store.guard(&account.identity, "1").await.unwrap().unwrap();
        assert_eq!((guard.own_minor, guard.external_minor, guard.captured_minor), (0, 0, None));
        // Again: as it is.
        let again = rule(&*store, refund.id, Action::Cancel, &account).await;
        assert_eq!(again, RuledAs::Already(Box::new(now)));
    }

    async fn where_the_intent_was_committed_first_cancel_is_refused(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let refund = accept(&*store, payment(&account.identity, "1", 100)).await;
        let lease = claim_one(&*store, &account).await;
        let attempt = begin(&*store, &lease, &account).await;
        let sending = store.find(refund.id).await.unwrap().unwrap();
        let refused = rule(&*store, refund.id, Action::Cancel, &account).await;
        let objection = Objection::State(StateKind::Sending);
        assert_eq!(refused, RuledAs::Refused(Box::new(sending.clone()), objection));
        assert_eq!(store.find(refund.id).await.unwrap(), Some(sending));
        let confirm = Change::Confirm(success(100));
        apply(&*store, outcome(db, &account, &lease, attempt, confirm), &account).await;
        assert_eq!(store.guard(&account.identity, "1").await.unwrap().unwrap().own_minor, 100);
    }

    async fn of_cancel_and_intent_at_once_one_wins(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        let account = account("shop-au");
        for round in 0..12 {
            let order = round.to_string();
            let refund = accept(&*store, payment(&account.identity, &order, 100)).await;
            let lease = claim_one(&*store, &account).await;
            let send = intent(AttemptKind::Send);
            let cancel = ruling(Action::Cancel);
            let (begun, ruled) = tokio::join!(
                begin_one(&*store, &lease, &send, &account),
                replica.rule(refund.id, &cancel, Some(&account))
            );
            let now = store.find(refund.id).await.unwrap().unwrap();
            match (begun.unwrap(), ruled.unwrap()) {
                (Begun::Go(_), RuledAs::Refused(_, Objection::State(StateKind::Sending))) => {
                    assert_eq!(now.state.kind(), StateKind::Sending);
                    let confirm = outcome(db, &account, &lease, send.attempt, Change::Confirm(success(100)));
                    apply(&*store, confirm, &account).await;
                }
                (Begun::Stale, RuledAs::Done(_)) => assert_eq!(now.state, State::Canceled),
                both => panic!("not one of them: {both:?}"),
            }
        }
    }

    async fn a_worker_whose_refund_is_resolved_loses_it(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let refund = accept(&*store, payment(&account.identity, "1", 100)).await;
        unknown(db, &account).await;
        let lease = claim_one(&*store, &account).await;
        let failed = done(rule(&*store, refund.id, Action::Resolve(Outcome::Failed), &account).await);
        let State::Failed(failure) = &failed.state else { panic!("{failed:?}") };
        assert_eq!(failure.reason, FailureReason::ResolvedByOperator);
        assert_eq!(store.guard(&account.identity, "1").await.unwrap().unwrap().own_minor, 0);

        let resend = begin_one(&*store, &lease, &intent(AttemptKind::Resend), &account).await.unwrap();
        assert_eq!(resend, Begun::Stale);
        assert_eq!(store.renew(std::slice::from_ref(&lease), LEASE).await.unwrap(), [false]);
        store.release(std::slice::from_ref(&lease)).await.unwrap();
        let absent = Change::Absent { delay: Duration::ZERO, refusal_age_min: None };
        let late = look(db, &account, &lease, AttemptKind::Lookup, Some(absent));
        assert_eq!(store.record(late, &account).await.unwrap(), [Recorded::Stale]);
        let now = store.find(refund.id).await.unwrap().unwrap();
        assert_eq!((&now.state, now.follow), (&failed.state, failed.follow));

        let history = store.history(refund.id).await.unwrap();
        let decision = Decision {
            outcome: Some(StateKind::Failed),
            evidence: Some("ticket".to_owned()),
            note: Some("asked".to_owned()),
            ..Decision::new(DecisionKind::Resolve, Actor::of("ann"), db.clock.now())
        };
        assert_eq!(history.decisions, [decision]);
        let last = history.events.last().unwrap();
        assert_eq!((last.state, last.actor.name.as_str()), (StateKind::Failed, "ann"));
        assert!(history.attempts.last().unwrap().end.as_ref().unwrap().late);
        // What ended a doubt is looked at again, when the schedule says.
        assert_eq!(now.follow, Some(now.update_time.plus(account.schedule.follow_steps[0])));
        assert_eq!(claim(&*store, "worker", &account).await, []);
        db.clock.advance(account.schedule.follow_steps[0]);
        assert_eq!(claim_one(&*store, &account).await.refund_id, refund.id);
    }

    async fn a_resolution_holds_and_frees_what_its_outcome_says(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let part = |minor| Outcome::PartiallySucceeded { amount_minor: minor, provider_refund_id: None };
        let whole = |minor| Outcome::Succeeded { amount_minor: minor, provider_refund_id: None };
        let outcomes = [
            (Outcome::Failed, Ok((StateKind::Failed, 0))),
            (whole(None), Ok((StateKind::Succeeded, 100))),
            (whole(Some(100)), Ok((StateKind::Succeeded, 100))),
            (part(Some(40)), Ok((StateKind::PartiallySucceeded, 40))),
            (whole(Some(99)), Err(Objection::NoPart)),
            (part(Some(100)), Err(Objection::NoPart)),
            (part(Some(0)), Err(Objection::NoPart)),
            (part(None), Err(Objection::NoPart)),
            (Outcome::Reversed, Err(Objection::State(StateKind::Unknown))),
        ];
        for (number, (outcome, expected)) in outcomes.into_iter().enumerate() {
            let order = number.to_string();
            let mut wish = payment(&account.identity, &order, 100);
            wish.content.captured_amount = Some(aud(100));
            accept(&*store, wish).await;
            let id = unknown(db, &account).await;
            let ruled = rule(&*store, id, Action::Resolve(outcome.clone()), &account).await;
            let own_minor = store.guard(&account.identity, &order).await.unwrap().unwrap().own_minor;
            match (ruled, expected) {
                (RuledAs::Done(refund), Ok((state, holds))) => {
                    assert_eq!((refund.state.kind(), own_minor), (state, holds), "{outcome:?}");
                    assert_eq!(store.find(id).await.unwrap(), Some(*refund));
                }
                (RuledAs::Refused(refund, objection), Err(expected)) => {
                    assert_eq!((objection, own_minor), (expected, 100), "{outcome:?}");
                    assert_eq!(refund.state.kind(), StateKind::Unknown);
                    let failed = Action::Resolve(Outcome::Failed);
                    done(rule(&*store, id, failed, &account).await);
                }
                (ruled, _) => panic!("{outcome:?}: {ruled:?}"),
            }
        }
    }

    async fn nobody_says_what_became_of_what_may_be_on_its_way(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let refund = accept(&*store, payment(&account.identity, "1", 100)).await;
        let failed = || rule(&*store, refund.id, Action::Resolve(Outcome::Failed), &account);
        let objection = |ruled| match ruled {
            RuledAs::Refused(_, objection) => objection,
            other => panic!("not refused: {other:?}"),
        };
        assert_eq!(objection(failed().await), Objection::State(StateKind::Pending));
        let lease = claim_one(&*store, &account).await;
        let attempt = begin(&*store, &lease, &account).await;
        assert_eq!(objection(failed().await), Objection::OnItsWay(LEASE + account.answer));
        db.clock.advance(LEASE / 2);
        assert_eq!(objection(failed().await), Objection::OnItsWay(LEASE / 2 + account.answer));
        apply(&*store, outcome(db, &account, &lease, attempt, unanswered()), &account).await;
        assert_eq!(objection(failed().await), Objection::OnItsWay(account.answer));
        // A look that teaches nothing does not put it off.
        db.clock.advance(Duration::from_secs(5));
        let lease = claim_one(&*store, &account).await;
        let absent = Change::Absent { delay: LEASE, refusal_age_min: None };
        apply(&*store, look(db, &account, &lease, AttemptKind::Lookup, Some(absent)), &account).await;
        let left = account.answer.checked_sub(Duration::from_secs(5)).unwrap();
        assert_eq!(objection(failed().await), Objection::OnItsWay(left));
        db.clock.advance(left);
        assert_eq!(done(failed().await).state.kind(), StateKind::Failed);
    }

    async fn the_same_word_again_is_answered_as_it_is_and_another_is_refused(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        accept(&*store, payment(&account.identity, "1", 100)).await;
        let id = unknown(db, &account).await;
        let failed = done(rule(&*store, id, Action::Resolve(Outcome::Failed), &account).await);
        let again = rule(&*store, id, Action::Resolve(Outcome::Failed), &account).await;
        assert_eq!(again, RuledAs::Already(Box::new(failed.clone())));
        // Whatever else was decided since.
        let due = done(rule(&*store, id, Action::Check, &account).await);
        let noted = done(rule(&*store, id, Action::Retried(refund_id()), &account).await);
        assert_eq!((noted.history.number, noted.follow), (failed.history.number + 2, due.follow));
        let again = rule(&*store, id, Action::Resolve(Outcome::Failed), &account).await;
        assert_eq!(again, RuledAs::Already(Box::new(noted.clone())));
        let whole = Outcome::Succeeded { amount_minor: None, provider_refund_id: None };
        let other = rule(&*store, id, Action::Resolve(whole), &account).await;
        let state = Objection::State(StateKind::Failed);
        assert_eq!(other, RuledAs::Refused(Box::new(noted.clone()), state));
        let by_another = Ruling { actor: Actor::of("bob"), ..ruling(Action::Resolve(Outcome::Failed)) };
        let by_another = store.rule(id, &by_another, Some(&account)).await.unwrap();
        assert_eq!(by_another, RuledAs::Refused(Box::new(noted.clone()), state));
        assert_eq!(store.find(id).await.unwrap(), Some(noted));
        assert_eq!(store.rule(refund_id(), &ruling(Action::Check), None).await.unwrap(), RuledAs::NotFound);
    }

    async fn who_looks_already_is_not_disturbed_by_a_wish_to_look(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        accept(&*store, payment(&account.identity, "1", 100)).await;
        let id = unknown(db, &account).await;
        let lease = claim_one(&*store, &account).await;
        done(rule(&*store, id, Action::Check, &account).await);
        assert_eq!(claim(&*store, "other", &account).await, [], "it is leased");
        let absent = Change::Absent { delay: Duration::from_hours(1), refusal_age_min: None };
        apply(&*store, look(db, &account, &lease, AttemptKind::Lookup, Some(absent)), &account).await;
        assert_eq!(claim(&*store, "other", &account).await, []);
        let mut wakes = store.due_work();
        let due = done(rule(&*store, id, Action::Check, &account).await);
        wakes.try_recv().unwrap();
        assert_eq!(due.due, Some(db.clock.now()));
        assert_eq!(claim_one(&*store, &account).await.refund_id, id);
    }

    async fn a_resolution_keeps_or_frees_esims(db: &TestDatabase) {
        let store = db.store();
        let account = esim_account("company");
        let whole = Outcome::Succeeded { amount_minor: None, provider_refund_id: None };
        for (number, outcome, free) in [(1, Outcome::Failed, true), (2, whole, false)] {
            accept(&*store, esims(&account.identity, &[&iccid(number)])).await;
            let id = unknown(db, &account).await;
            done(rule(&*store, id, Action::Resolve(outcome), &account).await);
            let again = store.rehearse(esims(&account.identity, &[&iccid(number)])).await.unwrap();
            let is_free = matches!(again, refunds::domain::decision::Acceptance::Accepted { .. });
            assert_eq!(is_free, free, "{again:?}");
            if !free {
                done(rule(&*store, id, Action::Resolve(Outcome::Reversed), &account).await);
                accept(&*store, esims(&account.identity, &[&iccid(number)])).await;
            }
            db.clock.advance(Duration::from_mins(10));
        }
    }
}
