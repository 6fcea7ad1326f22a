//! Refunds of one order where the provider does not echo our key: one at a time.

use std::time::Duration;

use refunds::domain::account::Account;
use refunds::domain::attempt::AttemptKind;
use refunds::domain::refund::{Change, State, StateKind, Success, Wait};
use refunds::store::{Begun, Lease, Store};

use super::{accept, apply, begin, begin_one, claim, claim_one, intent, outcome};
use crate::support::database::TestDatabase;
use crate::support::on_every_store;
use crate::support::samples::{account, payment, silent_account};

fn confirm() -> Change {
    let success =
        Success { amount_minor: Some(10), provider_refund_id: None, completed: None, items: Vec::new() };
    Change::Confirm(success)
}

/// Accepts and claims two refunds of one order.
async fn two_of_an_order(store: &dyn Store, account: &Account, order: &str) -> [Lease; 2] {
    for _ in 0..2 {
        accept(store, payment(&account.identity, order, 10)).await;
    }
    let mut claimed = claim(store, "worker", account).await;
    assert_eq!(claimed.len(), 2, "{claimed:?}");
    [claimed.remove(0), claimed.remove(0)].map(|mut call| call.members.remove(0).lease)
}

on_every_store! {
    async fn a_busy_order_waits_and_is_woken(db: &TestDatabase) {
        let store = db.store();
        let account = silent_account("shop-de");
        let [first, second] = two_of_an_order(&*store, &account, "1").await;
        let attempt = begin(&*store, &first, &account).await;
        let begun = begin_one(&*store, &second, &intent(AttemptKind::Send), &account).await.unwrap();
        let Begun::Stay(waiting) = begun else { panic!("{begun:?}") };
        assert_eq!(waiting.state, State::Pending { wait: Wait::Order });
        assert!(waiting.due > Some(db.clock.now()));
        accept(&*store, payment(&account.identity, "2", 10)).await;
        let other = claim_one(&*store, &account).await;
        begin(&*store, &other, &account).await;

        // An unknown outcome keeps the order busy.
        let unanswered =
            Change::Unanswered { delay: Duration::from_secs(5), overdue_after: Duration::from_hours(1) };
        apply(&*store, outcome(db, &account, &first, attempt, unanswered), &account).await;
        assert_eq!(claim(&*store, "worker", &account).await, vec![]);
        db.clock.advance(Duration::from_secs(5));
        let first = claim_one(&*store, &account).await;
        let mut wakes = store.due_work();
        apply(&*store, outcome(db, &account, &first, attempt, confirm()), &account).await;
        wakes.try_recv().unwrap();
        let woken = store.find(second.refund_id).await.unwrap().unwrap();
        assert_eq!(woken.due, Some(db.clock.now()));
        let lease = claim_one(&*store, &account).await;
        assert_eq!(lease.refund_id, second.refund_id);
        begin(&*store, &lease, &account).await;
    }

    async fn where_the_key_is_echoed_no_order_waits(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        for lease in two_of_an_order(&*store, &account, "1").await {
            begin(&*store, &lease, &account).await;
        }
    }

    async fn of_two_intents_of_one_order_at_once_one_goes(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        let account = silent_account("shop-de");
        for order in ["1", "2", "3", "4", "5", "6"] {
            let [one, two] = two_of_an_order(&*store, &account, order).await;
            let intents = [intent(AttemptKind::Send), intent(AttemptKind::Send)];
            let (told_one, told_two) = tokio::join!(
                begin_one(&*store, &one, &intents[0], &account),
                begin_one(&*replica, &two, &intents[1], &account)
            );
            let told = [told_one.unwrap(), told_two.unwrap()];
            let going = told.iter().filter(|told| matches!(told, Begun::Go(_))).count();
            assert_eq!(going, 1, "{told:?}");
        }
    }

    async fn an_order_that_is_freed_while_another_begins_is_not_slept_through(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        let account = silent_account("shop-de");
        for order in ["1", "2", "3", "4", "5", "6", "7", "8"] {
            let [first, second] = two_of_an_order(&*store, &account, order).await;
            let attempt = begin(&*store, &first, &account).await;
            let send = intent(AttemptKind::Send);
            let ending = outcome(db, &account, &first, attempt, confirm());
            let (told, ended) = tokio::join!(
                begin_one(&*replica, &second, &send, &account),
                store.record(ending, &account)
            );
            ended.unwrap();
            if let Begun::Stay(waiting) = told.unwrap() {
                assert_eq!(waiting.state, State::Pending { wait: Wait::Order });
                let lease = claim_one(&*store, &account).await;
                begin(&*store, &lease, &account).await;
            }
            let now = store.find(second.refund_id).await.unwrap().unwrap();
            assert_eq!(now.state.kind(), StateKind::Sending);
        }
    }
}
