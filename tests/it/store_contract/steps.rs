//! Intent and record: one refund's way to its outcome.

use std::time::Duration;

use refunds::domain::admission::Rate;
use refunds::domain::answer::Signal;
use refunds::domain::attempt::{Attempt, AttemptKind};
use refunds::domain::reason::FailureReason;
use refunds::domain::refund::{Change, Failure, State, StateKind, Success, Wait};
use refunds::store::{AttemptRecord, Begun, Changed, Error};

use super::{LEASE, accept, apply, begin, begin_one, claim, claim_one, ended, intent, outcome, sight, step};
use crate::support::database::TestDatabase;
use crate::support::on_every_store;
use crate::support::samples::{account, attempt_id, payment, seen, snapshot};

fn failure() -> Failure {
    Failure {
        reason: FailureReason::Declined,
        provider_code: Some("invalid_amount".to_owned()),
        text: Some("no".to_owned()),
    }
}

fn declined() -> Change {
    Change::Decline { failure: failure(), conclusive: false, delay: Duration::ZERO }
}

fn unanswered() -> Change {
    Change::Unanswered { delay: Duration::from_secs(5), overdue_after: Duration::from_hours(1) }
}

const NOTHING_SENT: Change =
    Change::NothingSent { wait: Wait::Backoff, delay: Duration::from_secs(1), alone: false };

on_every_store! {
    async fn an_intent_is_on_record_before_anything_is_sent(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let refund = accept(&*store, payment(&account.identity, "1", 100)).await;
        let lease = claim_one(&*store, &account).await;
        let mut send = intent(AttemptKind::Send);
        send.sights = sight(snapshot(10_000, 0, vec![]));
        send.trace_id = Some("trace".to_owned());
        let Begun::Go(sending) = begin_one(&*store, &lease, &send, &account).await.unwrap() else {
            panic!("does not go");
        };
        assert_eq!(store.find(refund.id).await.unwrap().unwrap(), *sending);
        assert_eq!(sending.sends, 1);
        let attempt = store.history(refund.id).await.unwrap().attempts.remove(0);
        let written = Attempt {
            id: send.attempt,
            kind: AttemptKind::Send,
            account: account.identity.name.clone(),
            members: vec![refund.id],
            started: db.clock.now(),
            end: None,
            trace_id: Some("trace".to_owned()),
            preflight: Some("AUD: captured 10000, refunded 0 minor units, 0 refunds listed".to_owned()),
        };
        assert_eq!(attempt, written);
        let again = begin_one(&*store, &lease, &intent(AttemptKind::Send), &account).await;
        assert!(matches!(again, Err(Error::Illegal(_))), "{again:?}");
    }

    async fn a_success_ends_it_and_stays_held(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let refund = accept(&*store, payment(&account.identity, "1", 100)).await;
        let mut changes = store.changes();
        let lease = claim_one(&*store, &account).await;
        let attempt = begin(&*store, &lease, &account).await;
        let success = Success {
            amount_minor: Some(100),
            provider_refund_id: Some("r-1".to_owned()),
            completed: Some(db.clock.now()),
            items: vec![],
        };
        let confirm = Change::Confirm(success.clone());
        let done = apply(&*store, outcome(db, &account, &lease, attempt, confirm), &account).await;
        assert_eq!(done.state, State::Succeeded(success));
        assert_eq!(store.find(refund.id).await.unwrap().unwrap(), done);
        assert_eq!(store.guard(&account.identity, "1").await.unwrap().unwrap().own_minor, 100);
        assert_eq!(store.standings().await.unwrap(), vec![]);
        let history = store.history(refund.id).await.unwrap();
        assert_eq!(history.attempts[0].end, Some(ended(db, "confirm")));
        let states: Vec<_> = history.events.iter().map(|e| (e.previous, e.state)).collect();
        let (pending, sending) = (StateKind::Pending, StateKind::Sending);
        let table = vec![(None, pending), (Some(pending), sending), (Some(sending), StateKind::Succeeded)];
        assert_eq!(states, table);
        assert_eq!(changes.try_recv().unwrap(), Changed::Here(refund.id));
        assert_eq!(changes.try_recv().unwrap(), Changed::Here(refund.id));
        assert!(changes.try_recv().is_err());
        db.clock.advance(LEASE * 2);
        assert_eq!(claim(&*store, "worker", &account).await, vec![]);
    }

    async fn a_failed_refund_gives_its_amount_back_once(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        accept(&*store, payment(&account.identity, "1", 30)).await;
        let lease = claim_one(&*store, &account).await;
        accept(&*store, payment(&account.identity, "1", 100)).await;
        let attempt = begin(&*store, &lease, &account).await;
        let record = outcome(db, &account, &lease, attempt, declined());
        let failed = apply(&*store, record.clone(), &account).await;
        assert_eq!(failed.state, State::Failed(failure()));
        let own = async || store.guard(&account.identity, "1").await.unwrap().unwrap().own_minor;
        assert_eq!(own().await, 100);
        store.record(record, &account).await.unwrap();
        assert_eq!(own().await, 100);
    }

    async fn nothing_sent_leads_back_only_while_no_earlier_send_is_in_doubt(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        accept(&*store, payment(&account.identity, "1", 100)).await;
        let lease = claim_one(&*store, &account).await;
        let attempt = begin(&*store, &lease, &account).await;
        let back = apply(&*store, outcome(db, &account, &lease, attempt, NOTHING_SENT), &account).await;
        assert_eq!(back.state, State::Pending { wait: Wait::Backoff });
        db.clock.advance(Duration::from_secs(1));
        let lease = claim_one(&*store, &account).await;
        let attempt = begin(&*store, &lease, &account).await;
        apply(&*store, outcome(db, &account, &lease, attempt, unanswered()), &account).await;
        let first_sent = db.clock.now();
        db.clock.advance(Duration::from_secs(5));
        let lease = claim_one(&*store, &account).await;
        let attempt = begin(&*store, &lease, &account).await;
        let back = apply(&*store, outcome(db, &account, &lease, attempt, NOTHING_SENT), &account).await;
        assert_eq!(back.state.kind(), StateKind::Unknown);
        assert_eq!(back.state.doubt().unwrap().first_sent, first_sent);
        let own = store.guard(&account.identity, "1").await.unwrap().unwrap().own_minor;
        assert_eq!(own, 100, "what may have moved stays held");
    }

    async fn a_refused_resend_stays_on_record_until_a_lookup_ends_it(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let refund = accept(&*store, payment(&account.identity, "1", 100)).await;
        for change in [unanswered(), declined()] {
            let lease = claim_one(&*store, &account).await;
            let attempt = begin(&*store, &lease, &account).await;
            apply(&*store, outcome(db, &account, &lease, attempt, change), &account).await;
            db.clock.advance(Duration::from_secs(5));
        }
        let unknown = store.find(refund.id).await.unwrap().unwrap();
        assert_eq!(unknown.state.doubt().unwrap().refusal.as_ref().unwrap().failure, failure());
        db.clock.advance(Duration::from_mins(15));
        let lease = claim_one(&*store, &account).await;
        let resend = begin_one(&*store, &lease, &intent(AttemptKind::Resend), &account).await.unwrap();
        assert!(matches!(resend, Begun::Stay(_)), "no resend after a refusal: {resend:?}");
        let lease = claim_one(&*store, &account).await;
        let absent = Change::Absent {
            delay: Duration::from_mins(1),
            refusal_age_min: Some(Duration::from_mins(15)),
        };
        let mut record = step(&account, &lease, Some(absent));
        record.snapshot = Some(snapshot(10_000, 0, vec![]));
        record.attempt = Some(AttemptRecord::Whole(Box::new(Attempt {
            id: attempt_id(),
            kind: AttemptKind::Lookup,
            account: account.identity.name.clone(),
            members: vec![refund.id],
            started: db.clock.now(),
            end: Some(ended(db, "absent")),
            trace_id: None,
            preflight: None,
        })));
        assert_eq!(apply(&*store, record, &account).await.state, State::Failed(failure()));
        let history = store.history(refund.id).await.unwrap();
        let kinds: Vec<_> = history.attempts.iter().map(|a| a.kind).collect();
        assert_eq!(kinds, vec![AttemptKind::Send, AttemptKind::Send, AttemptKind::Lookup]);
        let guard = store.guard(&account.identity, "1").await.unwrap().unwrap();
        assert_eq!((guard.own_minor, guard.captured_minor, guard.confirmed), (0, Some(10_000), true));
    }

    async fn a_slot_of_the_rate_budget_is_spent_by_the_intent_and_shared(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        let mut one = account("one");
        let every = Duration::from_mins(5);
        one.admission.rate = Some(Rate::of_lookups("egress".to_owned(), every));
        let mut two = account("two");
        two.admission.rate.clone_from(&one.admission.rate);
        accept(&*store, payment(&one.identity, "1", 100)).await;
        accept(&*store, payment(&two.identity, "1", 100)).await;
        let lease = claim_one(&*store, &one).await;
        let other = claim_one(&*store, &two).await;
        let attempt = begin(&*store, &lease, &one).await;
        let waits = begin_one(&*replica, &other, &intent(AttemptKind::Send), &two).await.unwrap();
        let Begun::Stay(waiting) = waits else {
            panic!("has a slot: {waits:?}");
        };
        assert_eq!(waiting.state, State::Pending { wait: Wait::Slot });
        assert_eq!(waiting.due, Some(db.clock.now().plus(every)));

        // A 429 moves the bucket for all who share it.
        let mut throttled = outcome(db, &one, &lease, attempt, NOTHING_SENT);
        throttled.signals = vec![Signal::Throttle(every * 2)];
        apply(&*store, throttled, &one).await;
        db.clock.advance(every);
        assert_eq!(claim(&*store, "worker", &two).await, vec![]);
        db.clock.advance(every);
        let other = claim_one(&*store, &two).await;
        begin(&*replica, &other, &two).await;
    }

    async fn of_two_intents_at_once_one_has_the_slot(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        let mut account = account("shop-au");
        let bucket = "bucket".to_owned();
        account.admission.rate = Some(Rate::of_lookups(bucket, Duration::from_secs(1)));
        for order in ["1", "2"] {
            accept(&*store, payment(&account.identity, order, 100)).await;
        }
        for _ in 0..4 {
            let claimed = claim(&*store, "worker", &account).await;
            assert_eq!(claimed.len(), 2);
            let intents = [intent(AttemptKind::Send), intent(AttemptKind::Send)];
            let (one, two) = tokio::join!(
                begin_one(&*store, &claimed[0].members[0].lease, &intents[0], &account),
                begin_one(&*replica, &claimed[1].members[0].lease, &intents[1], &account)
            );
            let begun = [one.unwrap(), two.unwrap()];
            let going = begun.iter().position(|b| matches!(b, Begun::Go(_))).unwrap();
            assert!(matches!(begun[1 - going], Begun::Stay(_)), "{begun:?}");
            let (lease, attempt) = (&claimed[going].members[0].lease, intents[going].attempt);
            apply(&*store, outcome(db, &account, lease, attempt, NOTHING_SENT), &account).await;
            db.clock.advance(Duration::from_secs(1));
        }
    }

    async fn a_preflight_that_shows_too_little_fails_the_refund_and_frees_its_amount(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let refund = accept(&*store, payment(&account.identity, "1", 60)).await;
        let lease = claim_one(&*store, &account).await;
        let mut send = intent(AttemptKind::Send);
        send.sights = sight(snapshot(100, 50, vec![]));
        // A capture just made may not be readable yet: it is looked at once more before the refund fails.
        let Begun::Stay(waiting) = begin_one(&*store, &lease, &send, &account).await.unwrap() else {
            panic!("goes");
        };
        assert_eq!(waiting.state.kind(), StateKind::Pending);
        db.clock.advance(account.schedule.first_check);
        let lease = claim_one(&*store, &account).await;
        let mut send = intent(AttemptKind::Send);
        send.sights = sight(snapshot(100, 50, vec![]));
        let Begun::Stay(failed) = begin_one(&*store, &lease, &send, &account).await.unwrap() else {
            panic!("goes");
        };
        assert_eq!(failed.state.kind(), StateKind::Failed);
        assert_eq!(store.find(refund.id).await.unwrap().unwrap(), *failed);
        let guard = store.guard(&account.identity, "1").await.unwrap().unwrap();
        assert_eq!((guard.own_minor, guard.external_minor), (0, 50));
        assert_eq!(store.history(refund.id).await.unwrap().attempts, vec![]);
    }

    async fn our_own_refunds_that_an_order_lists_are_not_taken_for_anothers(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let first = accept(&*store, payment(&account.identity, "1", 60)).await;
        let lease = claim_one(&*store, &account).await;
        let attempt = begin(&*store, &lease, &account).await;
        let success =
            Success { amount_minor: Some(60), provider_refund_id: None, completed: None, items: vec![] };
        let confirm = outcome(db, &account, &lease, attempt, Change::Confirm(success));
        apply(&*store, confirm, &account).await;
        let second = accept(&*store, payment(&account.identity, "1", 30)).await;
        let lease = claim_one(&*store, &account).await;
        assert_eq!(lease.refund_id, second.id);
        let mut send = intent(AttemptKind::Send);
        send.sights = sight(snapshot(100, 70, vec![seen(&first, 60)]));
        let begun = begin_one(&*store, &lease, &send, &account).await.unwrap();
        assert!(matches!(begun, Begun::Go(_)), "{begun:?}");
        let guard = store.guard(&account.identity, "1").await.unwrap().unwrap();
        assert_eq!((guard.external_minor, guard.own_minor, guard.remaining_minor()), (10, 90, Some(0)));
    }

    async fn a_change_that_the_table_does_not_have_changes_nothing(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let refund = accept(&*store, payment(&account.identity, "1", 100)).await;
        let lease = claim_one(&*store, &account).await;
        let reversed = step(&account, &lease, Some(Change::Reverse { note: "shown".to_owned() }));
        let told = store.record(reversed, &account).await;
        assert!(matches!(told, Err(Error::Illegal(_))), "{told:?}");
        assert_eq!(store.find(refund.id).await.unwrap(), Some(refund));
        assert_eq!(store.renew(&[lease], LEASE).await.unwrap(), vec![true]);
    }

    async fn an_attempt_is_begun_once_and_a_record_that_comes_again_finds_it_written(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        for order in ["1", "2"] {
            accept(&*store, payment(&account.identity, order, 100)).await;
        }
        let claimed = claim(&*store, "worker", &account).await;
        let attempt = begin(&*store, &claimed[0].members[0].lease, &account).await;
        let mut twice = intent(AttemptKind::Send);
        twice.attempt = attempt;
        let told = begin_one(&*store, &claimed[1].members[0].lease, &twice, &account).await;
        assert!(matches!(told, Err(Error::Inconsistent { .. })), "{told:?}");
        let lookup = Attempt {
            id: attempt_id(),
            kind: AttemptKind::Preflight,
            account: account.identity.name.clone(),
            members: vec![claimed[1].members[0].refund.id],
            started: db.clock.now(),
            end: Some(ended(db, "order")),
            trace_id: None,
            preflight: None,
        };
        let mut record = step(&account, &claimed[1].members[0].lease, None);
        record.members[0].keep = true;
        record.attempt = Some(AttemptRecord::Whole(Box::new(lookup.clone())));
        for _ in 0..2 {
            apply(&*store, record.clone(), &account).await;
        }
        let history = store.history(claimed[1].members[0].refund.id).await.unwrap();
        assert_eq!(history.attempts, vec![lookup]);
    }
}
