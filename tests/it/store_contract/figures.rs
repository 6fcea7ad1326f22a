//! What an order has left, where people said what became of a refund, or it was taken back.

use std::time::Duration;

use refunds::domain::attempt::AttemptKind;
use refunds::domain::refund::{Change, State, StateKind};
use refunds::domain::ruling::{Action, Outcome};
use refunds::domain::sight::SeenRefund;

use super::rulings::{done, look, rule, unknown};
use super::{accept, apply, claim_one};
use crate::support::database::TestDatabase;
use crate::support::on_every_store;
use crate::support::samples::{account, payment, seen, snapshot};

on_every_store! {
    async fn what_was_taken_back_is_held_until_the_figures_show_it(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let refund = accept(&*store, payment(&account.identity, "1", 100)).await;
        unknown(db, &account).await;
        let whole = Outcome::Succeeded { amount_minor: None, provider_refund_id: None };
        done(rule(&*store, refund.id, Action::Resolve(whole), &account).await);
        let reversed = done(rule(&*store, refund.id, Action::Resolve(Outcome::Reversed), &account).await);
        assert!(matches!(reversed.state, State::Reversed(_)) && !reversed.freed);
        let steps = account.schedule.follow_steps.clone();
        for (at, listed, refunded, freed) in
            [(steps[0], vec![seen(&refund, 100)], 100, false), (steps[1], Vec::new(), 0, true)]
        {
            assert_eq!(store.guard(&account.identity, "1").await.unwrap().unwrap().own_minor, 100);
            let due = store.find(refund.id).await.unwrap().unwrap().follow.unwrap();
            assert_eq!(due, reversed.update_time.plus(at));
            db.clock.advance(due.since(db.clock.now()));
            let lease = claim_one(&*store, &account).await;
            let absent = Change::Absent { delay: Duration::ZERO, refusal_age_min: None };
            let mut record = look(db, &account, &lease, AttemptKind::Lookup, Some(absent));
            record.snapshot = Some(snapshot(100, refunded, listed));
            let after = apply(&*store, record, &account).await;
            assert_eq!((after.freed, after.state.kind()), (freed, StateKind::Reversed));
            let guard = store.guard(&account.identity, "1").await.unwrap().unwrap();
            assert_eq!(guard.external_minor, 0, "what is held is not counted as another's too");
        }
        let guard = store.guard(&account.identity, "1").await.unwrap().unwrap();
        assert_eq!((guard.own_minor, guard.remaining_minor()), (0, Some(100)));
        assert_eq!(store.find(refund.id).await.unwrap().unwrap().follow, None);
    }

    async fn what_was_taken_back_and_is_in_the_total_alone_is_not_counted_twice(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let refund = accept(&*store, payment(&account.identity, "1", 60)).await;
        unknown(db, &account).await;
        let whole = Outcome::Succeeded { amount_minor: None, provider_refund_id: None };
        done(rule(&*store, refund.id, Action::Resolve(whole), &account).await);
        done(rule(&*store, refund.id, Action::Resolve(Outcome::Reversed), &account).await);
        db.clock.advance(account.schedule.follow_steps[0]);
        let lease = claim_one(&*store, &account).await;
        let absent = Change::Absent { delay: Duration::ZERO, refusal_age_min: None };
        let mut record = look(db, &account, &lease, AttemptKind::Lookup, Some(absent));
        // The provider lists it no more, and has not lowered its total; 10 went back elsewhere.
        record.snapshot = Some(snapshot(100, 70, Vec::new()));
        assert!(!apply(&*store, record, &account).await.freed);
        let guard = store.guard(&account.identity, "1").await.unwrap().unwrap();
        assert_eq!((guard.own_minor, guard.external_minor), (60, 10));
    }

    async fn a_success_that_a_person_told_is_known_by_the_providers_reference(db: &TestDatabase) {
        let store = db.store();
        let mut account = account("shop-au");
        account.capabilities.echoes_key = false;
        for (order, reference, external_minor) in [("1", Some("T"), 0), ("2", None, 0)] {
            let refund = accept(&*store, payment(&account.identity, order, 50)).await;
            assert_eq!(unknown(db, &account).await, refund.id);
            let provider_refund_id = reference.map(str::to_owned);
            let whole = Outcome::Succeeded { amount_minor: None, provider_refund_id };
            let told = done(rule(&*store, refund.id, Action::Resolve(whole), &account).await);
            assert_eq!(told.items.first().map(|item| item.id.as_str()), reference);
            accept(&*store, payment(&account.identity, order, 50)).await;
            let lease = claim_one(&*store, &account).await;
            let mut record = look(db, &account, &lease, AttemptKind::Preflight, None);
            record.members[0].keep = true;
            let listed = SeenRefund {
                provider_refund_id: Some("T".to_owned()),
                key: None,
                reference: None,
                amount_minor: 50,
                completed: None,
            };
            record.snapshot = Some(snapshot(100, 50, vec![listed]));
            apply(&*store, record, &account).await;
            let guard = store.guard(&account.identity, order).await.unwrap().unwrap();
            assert_eq!(guard.external_minor, external_minor, "{reference:?}: it is its own");
            done(rule(&*store, lease.refund_id, Action::Cancel, &account).await);
        }
    }
}
