//! Refunds of one order where the provider does not echo our key: one at a time.

use std::time::Duration;

use refunds::domain::account::Account;
use refunds::domain::attempt::AttemptKind;
use refunds::domain::decision::Intent;
use refunds::domain::reason::FailureReason;
use refunds::domain::refund::{Change, Failure, Item, ItemState, State, StateKind, Success, Wait};
use refunds::domain::sight::OrderSnapshot;
use refunds::store::{Begun, Lease, Store};

use super::{accept, apply, begin, begin_one, claim, claim_one, intent, outcome, sight};
use crate::support::database::TestDatabase;
use crate::support::on_every_store;
use crate::support::samples::{account, payment, silent_account, snapshot};

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

    async fn a_look_that_is_older_than_another_refunds_change_is_made_again(db: &TestDatabase) {
        let store = db.store();
        let account = silent_account("shop-de");
        let [first, second] = two_of_an_order(&*store, &account, "1").await;
        let looked = Some(db.clock.now());
        db.clock.advance(Duration::from_secs(1));
        let attempt = begin(&*store, &first, &account).await;
        apply(&*store, outcome(db, &account, &first, attempt, confirm()), &account).await;
        let stale = Intent { looked, ..intent(AttemptKind::Send) };
        let begun = begin_one(&*store, &second, &stale, &account).await.unwrap();
        let Begun::Stay(waiting) = begun else { panic!("{begun:?}") };
        assert_eq!(waiting.state, State::Pending { wait: Wait::Order });
        db.clock.advance(account.schedule.backoff_base);
        let lease = claim_one(&*store, &account).await;
        let fresh = Intent { looked: Some(db.clock.now()), ..intent(AttemptKind::Send) };
        assert!(matches!(begin_one(&*store, &lease, &fresh, &account).await.unwrap(), Begun::Go(_)));
    }

    async fn what_is_known_as_anothers_part_is_never_taken_for_ours(db: &TestDatabase) {
        let store = db.store();
        let account = silent_account("shop-de");
        let [first, second] = two_of_an_order(&*store, &account, "1").await;
        let attempt = begin(&*store, &first, &account).await;
        let part = Item {
            id: "t-1".to_owned(),
            state: ItemState::Failed,
            amount_minor: Some(10),
            provider_code: None,
        };
        let refused = Change::Decline {
            failure: Failure { reason: FailureReason::Declined, provider_code: None, text: None },
            conclusive: true,
            delay: Duration::ZERO,
        };
        let mut record = outcome(db, &account, &first, attempt, refused);
        record.members[0].items = vec![part.clone()];
        apply(&*store, record, &account).await;
        // Kept with a refund that failed, too.
        assert_eq!(store.find(first.refund_id).await.unwrap().unwrap().items, [part]);
        // The look lags: it does not list the part yet.
        let seen = OrderSnapshot { transactions: vec!["c-0".to_owned()], ..snapshot(100, 0, Vec::new()) };
        let send = Intent { sights: sight(seen), ..intent(AttemptKind::Send) };
        let begun = begin_one(&*store, &second, &send, &account).await.unwrap();
        let Begun::Go(going) = begun else { panic!("{begun:?}") };
        assert_eq!(going.baseline.transactions, ["c-0", "t-1"]);
    }

    async fn an_undecided_refund_is_not_counted_twice(db: &TestDatabase) {
        let store = db.store();
        let account = silent_account("shop-de");
        let [first, second] = two_of_an_order(&*store, &account, "1").await;
        let send = Intent { sights: sight(snapshot(20, 0, Vec::new())), ..intent(AttemptKind::Send) };
        assert!(matches!(begin_one(&*store, &first, &send, &account).await.unwrap(), Begun::Go(_)));
        // Long after the second one's create its order shows the first one's effect, which names no key.
        db.clock.advance(Duration::from_mins(10));
        let lease = claim(&*store, "worker", &account).await.into_iter().find_map(|call| {
            let held = call.members.into_iter().next()?;
            (held.refund.id == second.refund_id).then_some(held.lease)
        });
        let late = Intent { sights: sight(snapshot(20, 10, Vec::new())), ..intent(AttemptKind::Send) };
        let begun = begin_one(&*store, &lease.unwrap(), &late, &account).await.unwrap();
        let Begun::Stay(waiting) = begun else { panic!("{begun:?}") };
        assert_eq!(waiting.state, State::Pending { wait: Wait::Order });
        let guard = store.guard(&account.identity, "1").await.unwrap().unwrap();
        assert_eq!((guard.external_minor, guard.remaining_minor()), (0, Some(0)));
    }
}
