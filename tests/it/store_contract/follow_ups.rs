//! Looking at final refunds again: as often as the schedule says, one worker at a time, and not for ever.

use std::time::Duration;

use refunds::domain::account::Account;
use refunds::domain::admission::{Amendment, Pause};
use refunds::domain::event::Actor;
use refunds::domain::id::RefundId;
use refunds::domain::reason::FailureReason;
use refunds::domain::refund::{Change, Failure, Refund, StateKind, Success, Wait};
use refunds::domain::ruling::{Action, Outcome, Ruling};
use refunds::domain::timestamp::Timestamp;
use refunds::store::{Lease, Recorded, Store};

use super::{LEASE, accept, apply, ask, begin, claim, claim_one, outcome, step};
use crate::support::database::TestDatabase;
use crate::support::on_every_store;
use crate::support::samples::{account, esim_account, esims, iccid, payment, seen, snapshot};

const NOTHING_NEW: Change = Change::Absent { delay: Duration::ZERO, refusal_age_min: None };

fn success(minor: Option<i64>) -> Change {
    Change::Confirm(Success {
        amount_minor: minor,
        provider_refund_id: Some("r-1".to_owned()),
        completed: None,
        items: Vec::new(),
    })
}

/// Sends the refund that is due, with that end.
async fn ended(db: &TestDatabase, account: &Account, change: Change) -> Refund {
    let store = db.store();
    let lease = claim_one(&*store, account).await;
    let attempt = begin(&*store, &lease, account).await;
    apply(&*store, outcome(db, account, &lease, attempt, change), account).await
}

/// A refund that succeeded.
async fn succeeded(db: &TestDatabase, account: &Account) -> Refund {
    accept(&*db.store(), payment(&account.identity, "1", 100)).await;
    ended(db, account, success(Some(100))).await
}

async fn follow_of(store: &dyn Store, id: RefundId) -> Option<Timestamp> {
    store.find(id).await.unwrap().unwrap().follow
}

/// Lets the time of a refund's next look come, and takes it.
async fn next_look(db: &TestDatabase, account: &Account, id: RefundId) -> Lease {
    let store = db.store();
    let at = follow_of(&*store, id).await.unwrap();
    db.clock.advance(at.since(db.clock.now()).checked_sub(Duration::from_micros(1)).unwrap());
    assert_eq!(claim(&*store, "worker", account).await, [], "not before its time");
    db.clock.advance(Duration::from_micros(1));
    let lease = claim_one(&*store, account).await;
    assert_eq!(lease.refund_id, id);
    lease
}

on_every_store! {
    async fn a_success_is_looked_at_as_often_as_the_schedule_says(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let refund = succeeded(db, &account).await;
        for step_after in account.schedule.follow_steps.clone() {
            assert_eq!(follow_of(&*store, refund.id).await, Some(refund.update_time.plus(step_after)));
            let lease = next_look(db, &account, refund.id).await;
            let after = apply(&*store, step(&account, &lease, Some(NOTHING_NEW)), &account).await;
            assert_eq!((&after.state, after.sequence, after.due), (&refund.state, refund.sequence, None));
        }
        assert_eq!(follow_of(&*store, refund.id).await, None);
        db.clock.advance(Duration::from_hours(10_000));
        assert_eq!(claim(&*store, "worker", &account).await, []);
        assert_eq!(store.history(refund.id).await.unwrap().events.len(), 3);
    }

    async fn who_is_late_skips_the_looks_that_were_missed(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let refund = succeeded(db, &account).await;
        db.clock.advance(account.schedule.follow_steps[1] * 2);
        let lease = claim_one(&*store, &account).await;
        apply(&*store, step(&account, &lease, Some(NOTHING_NEW)), &account).await;
        assert_eq!(follow_of(&*store, refund.id).await, None);
    }

    async fn a_look_that_taught_nothing_is_made_again_but_not_for_ever(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let refund = succeeded(db, &account).await;
        let again = account.schedule.follow_again();
        let blind = Change::Wait { wait: Wait::Check, delay: again };
        let mut looks = 0;
        while follow_of(&*store, refund.id).await.is_some() {
            let lease = next_look(db, &account, refund.id).await;
            let now = db.clock.now();
            apply(&*store, step(&account, &lease, Some(blind.clone())), &account).await;
            looks += 1;
            let next = follow_of(&*store, refund.id).await;
            assert!(next.is_none_or(|next| next == now.plus(again)));
            let over = account.schedule.follow_steps.last().unwrap().saturating_add(again * 2);
            assert!(now < refund.update_time.plus(over), "{looks} looks and no end");
            db.clock.advance(again / 2);
        }
        assert!(looks > 2, "{looks}");
    }

    async fn what_is_never_taken_back_or_was_never_sent_is_left_alone(db: &TestDatabase) {
        let store = db.store();
        let mut plain = account("plain");
        plain.capabilities.shows_reversals = false;
        let mut blind = account("blind");
        blind.capabilities.lookup = false;
        let mut unfollowed = account("unfollowed");
        unfollowed.schedule.follow_steps = Vec::new();
        for account in [&plain, &blind, &unfollowed] {
            let refund = succeeded(db, account).await;
            assert_eq!(refund.follow, None, "{}", account.identity.name);
        }
        let account = account("shop-au");
        let failure = Failure { reason: FailureReason::Declined, provider_code: None, text: None };
        accept(&*store, payment(&account.identity, "2", 100)).await;
        let declined = Change::Decline { failure: failure.clone(), conclusive: true, delay: Duration::ZERO };
        let failed = ended(db, &account, declined.clone()).await;
        assert_eq!(failed.state.kind(), StateKind::Failed);
        assert_eq!(failed.follow, None, "its fate was never open");
        // What ended a doubt is looked at, where it can be.
        for (account, followed) in [(&account, true), (&plain, true), (&blind, false)] {
            accept(&*store, payment(&account.identity, "3", 100)).await;
            let unanswered = Change::Unanswered { delay: Duration::ZERO, overdue_after: LEASE };
            ended(db, account, unanswered).await;
            let lease = claim_one(&*store, account).await;
            let failed = apply(&*store, step(account, &lease, Some(declined.clone())), account).await;
            assert_eq!(failed.follow.is_some(), followed, "{}", account.identity.name);
        }
    }

    async fn one_worker_at_a_time_looks_and_who_is_late_changes_nothing(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        let account = account("shop-au");
        let refund = succeeded(db, &account).await;
        let first = next_look(db, &account, refund.id).await;
        assert_eq!(claim(&*replica, "other", &account).await, []);
        db.clock.advance(LEASE / 2);
        assert_eq!(store.renew(std::slice::from_ref(&first), LEASE).await.unwrap(), [true]);
        db.clock.advance(LEASE / 2);
        assert_eq!(claim(&*replica, "other", &account).await, []);
        db.clock.advance(LEASE / 2);
        let second = claim(&*replica, "other", &account).await.remove(0).members.remove(0).lease;
        let reversed = Change::Reverse { note: "taken back".to_owned() };
        let late = step(&account, &first, Some(reversed.clone()));
        assert_eq!(store.record(late, &account).await.unwrap(), [Recorded::Stale]);
        assert_eq!(store.renew(std::slice::from_ref(&first), LEASE).await.unwrap(), [false]);
        store.release(std::slice::from_ref(&first)).await.unwrap();
        assert_eq!(claim(&*store, "worker", &account).await, [], "the other one has it");
        assert_eq!(store.find(refund.id).await.unwrap().unwrap().state, refund.state);
        store.release(std::slice::from_ref(&second)).await.unwrap();
        let third = claim_one(&*store, &account).await;
        let after = apply(&*store, step(&account, &third, Some(reversed)), &account).await;
        assert_eq!(after.state.kind(), StateKind::Reversed);
        let told = store.history(refund.id).await.unwrap().events.pop().unwrap();
        assert_eq!((told.state, told.note.as_deref()), (StateKind::Reversed, Some("taken back")));
    }

    async fn open_refunds_come_first_and_a_paused_account_is_left_alone(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let final_one = succeeded(db, &account).await;
        db.clock.advance(account.schedule.follow_steps[0]);
        let open = accept(&*store, payment(&account.identity, "2", 100)).await;
        let claimed = store.claim(&ask("worker", &account, 1)).await.unwrap();
        let ids: Vec<_> = claimed.iter().flat_map(|call| &call.members).map(|held| held.refund.id).collect();
        assert_eq!(ids, [open.id]);
        let pause = Pause { by: "ann".to_owned(), note: "moving".to_owned(), until: None };
        store.amend(&account.identity, &Amendment::Pause(pause)).await.unwrap();
        assert_eq!(claim(&*store, "worker", &account).await, []);
        store.amend(&account.identity, &Amendment::Resume { key_heeded: false }).await.unwrap();
        assert_eq!(claim_one(&*store, &account).await.refund_id, final_one.id);
    }

    async fn what_is_taken_back_frees_its_amount_as_the_figures_show_it_and_its_esims(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let refund = succeeded(db, &account).await;
        let lease = next_look(db, &account, refund.id).await;
        let mut still_listed = step(&account, &lease, Some(Change::Reverse { note: "shown".to_owned() }));
        still_listed.snapshot = Some(snapshot(100, 100, vec![seen(&refund, 100)]));
        let reversed = apply(&*store, still_listed, &account).await;
        assert!(!reversed.freed);
        let guard = async || store.guard(&account.identity, "1").await.unwrap().unwrap();
        assert_eq!((guard().await.own_minor, guard().await.external_minor), (100, 0));
        // Somebody else's refund in the same figures frees nothing either.
        for (refunded_minor, freed) in [(60, false), (0, true)] {
            let lease = next_look(db, &account, refund.id).await;
            let mut record = step(&account, &lease, Some(NOTHING_NEW));
            record.snapshot = Some(snapshot(100, refunded_minor, Vec::new()));
            assert_eq!(apply(&*store, record, &account).await.freed, freed);
        }
        assert_eq!((guard().await.own_minor, guard().await.remaining_minor()), (0, Some(100)));

        let company = esim_account("company");
        let wish = || esims(&company.identity, &[&iccid(1)]);
        accept(&*store, wish()).await;
        let refund = ended(db, &company, success(None)).await;
        let lease = next_look(db, &company, refund.id).await;
        let reversed = step(&company, &lease, Some(Change::Reverse { note: "shown".to_owned() }));
        let reversed = apply(&*store, reversed, &company).await;
        assert_eq!((reversed.state.kind(), reversed.follow), (StateKind::Reversed, None));
        accept(&*store, wish()).await;
    }

    async fn a_look_at_what_its_order_lists_undecided_does_not_wake_itself(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let refund = accept(&*store, payment(&account.identity, "1", 100)).await;
        let unanswered = Change::Unanswered { delay: LEASE, overdue_after: LEASE };
        ended(db, &account, unanswered).await;
        db.clock.advance(account.answer);
        let failed = Ruling {
            action: Action::Resolve(Outcome::Failed),
            actor: Actor::of("ann"),
            evidence: Some("ticket".to_owned()),
            note: None,
        };
        store.rule(refund.id, &failed, Some(&account)).await.unwrap();
        let lease = next_look(db, &account, refund.id).await;
        let mut record = step(&account, &lease, Some(NOTHING_NEW));
        record.snapshot = Some(snapshot(100, 0, vec![seen(&refund, 100)]));
        apply(&*store, record, &account).await;
        let next = follow_of(&*store, refund.id).await.unwrap();
        assert!(next > db.clock.now(), "looked at again at once: {next}");
    }
}
