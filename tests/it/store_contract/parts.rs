//! What a refund keeps beside its state: what was seen before its first send, its parts, whether it goes
//! alone.

use std::time::Duration;

use refunds::domain::answer::Review;
use refunds::domain::attempt::AttemptKind;
use refunds::domain::refund::{Change, Item, ItemState, State, Success, Wait};
use refunds::domain::sight::{Baseline, EsimSight, Sight};
use refunds::store::Begun;

use super::{LEASE, accept, apply, begin, begin_one, claim_one, intent, outcome, sight, step};
use crate::support::database::TestDatabase;
use crate::support::on_every_store;
use crate::support::samples::{
    ESIM_CALLS_EVERY, account, esim_account, esim_seen, esims, iccid, payment, snapshot,
};

fn item(id: &str, state: ItemState) -> Item {
    Item { id: id.to_owned(), state, amount_minor: Some(250), provider_code: Some("é\"1".to_owned()) }
}

on_every_store! {
    async fn the_baseline_of_an_order_is_kept_and_no_resend_changes_it(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let refund = accept(&*store, payment(&account.identity, "1", 100)).await;
        let mut order = snapshot(10_000, 0, vec![]);
        order.transactions = vec!["t-1".to_owned(), "t-2".to_owned()];
        let baseline = Baseline { transactions: order.transactions.clone(), esims: Vec::new() };
        let mut send = intent(AttemptKind::Send);
        send.sights = sight(order.clone());
        for _ in 0..2 {
            let lease = claim_one(&*store, &account).await;
            let begun = begin_one(&*store, &lease, &send, &account).await.unwrap();
            let Begun::Go(sending) = begun else { panic!("{begun:?}") };
            assert_eq!(sending.baseline, baseline);
            assert_eq!(store.find(refund.id).await.unwrap(), Some(*sending));
            let unanswered = Change::Unanswered { delay: LEASE, overdue_after: LEASE };
            apply(&*store, outcome(db, &account, &lease, send.attempt, unanswered), &account).await;
            db.clock.advance(LEASE);
            order.transactions.push("t-3".to_owned());
            send = intent(AttemptKind::Resend);
            send.sights = sight(order.clone());
        }
    }

    async fn the_baseline_of_esims_is_kept(db: &TestDatabase) {
        let store = db.store();
        let account = esim_account("company");
        let refund = accept(&*store, esims(&account.identity, &[&iccid(1), &iccid(2)])).await;
        assert_eq!(refund.baseline, Baseline::default());
        let mut second = esim_seen(&iccid(2), "18", "completed");
        second.orders.extend(esim_seen(&iccid(2), "19", "canceled").orders);
        second.orders[1].esims = 7;
        let seen: Vec<EsimSight> = vec![esim_seen(&iccid(1), "17", "completed"), second];
        let mut send = intent(AttemptKind::Send);
        send.sights = vec![Some(Sight::Esims(seen.clone()))];
        let lease = claim_one(&*store, &account).await;
        let begun = begin_one(&*store, &lease, &send, &account).await.unwrap();
        let Begun::Go(sending) = begun else { panic!("{begun:?}") };
        assert_eq!(sending.baseline, Baseline { transactions: Vec::new(), esims: seen });
        assert_eq!(store.find(refund.id).await.unwrap(), Some(*sending));
        let line = format!("{}: order 17 completed; {}: order 18 completed, order 19 canceled",
            iccid(1), iccid(2));
        assert_eq!(store.history(refund.id).await.unwrap().attempts[0].preflight, Some(line));
    }

    async fn the_parts_of_a_refund_stand_with_it_alone(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let refund = accept(&*store, payment(&account.identity, "1", 500)).await;
        let lease = claim_one(&*store, &account).await;
        let attempt = begin(&*store, &lease, &account).await;
        let mut second = item("t-2", ItemState::Pending);
        (second.amount_minor, second.provider_code) = (None, None);
        let review = Review {
            reference: Some("case".to_owned()),
            items: vec![item("t-1", ItemState::Succeeded), second],
        };
        let taken = Change::Review { review: review.clone(), delay: LEASE, overdue_after: LEASE };
        let reviewed = apply(&*store, outcome(db, &account, &lease, attempt, taken), &account).await;
        assert_eq!(reviewed.items, review.items);
        assert_eq!(store.find(refund.id).await.unwrap(), Some(reviewed));
        db.clock.advance(LEASE);
        let lease = claim_one(&*store, &account).await;
        let items = vec![item("t-1", ItemState::Succeeded), item("t-2", ItemState::Failed)];
        let success = Success {
            amount_minor: Some(250),
            provider_refund_id: Some("t-1".to_owned()),
            completed: None,
            items: items.clone(),
        };
        let confirm = step(&account, &lease, Some(Change::Confirm(success.clone())));
        let done = apply(&*store, confirm, &account).await;
        let kept = Success { items: Vec::new(), ..success };
        assert_eq!((&done.items, &done.state), (&items, &State::PartiallySucceeded(kept.clone())));
        assert_eq!(store.find(refund.id).await.unwrap(), Some(done));
        let events = store.history(refund.id).await.unwrap().events;
        assert_eq!(events.last().unwrap().success, Some(kept));
    }

    async fn who_goes_alone_is_remembered(db: &TestDatabase) {
        let store = db.store();
        let account = esim_account("company");
        let refund = accept(&*store, esims(&account.identity, &[&iccid(1)])).await;
        for (asked, alone) in [(false, false), (true, true), (false, true)] {
            let lease = claim_one(&*store, &account).await;
            let attempt = begin(&*store, &lease, &account).await;
            let back = Change::NothingSent { wait: Wait::Turn, delay: Duration::ZERO, alone: asked };
            let back = apply(&*store, outcome(db, &account, &lease, attempt, back), &account).await;
            assert_eq!(back.alone, alone);
            assert_eq!(store.find(refund.id).await.unwrap(), Some(back));
            db.clock.advance(ESIM_CALLS_EVERY);
        }
    }
}
