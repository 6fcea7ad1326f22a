//! Accepting: keys, guards, batches.

use refunds::domain::decision::Acceptance;
use refunds::domain::guard::GuardRefusal;
use refunds::domain::refund::StateKind;

use super::accept;
use crate::support::database::TestDatabase;
use crate::support::on_every_store;
use crate::support::samples::{again, aud, esims, identity, payment};

on_every_store! {
    async fn an_accepted_refund_is_read_back_as_it_was_accepted(db: &TestDatabase) {
        let store = db.store();
        let mut new = payment(&identity("shop-au"), "100", 2_500);
        new.content.metadata.insert("a".to_owned(), "é\"".to_owned());
        new.content.notes = Some("late".to_owned());
        new.content.captured_amount = Some(aud(10_000));
        new.content.not_before = Some(db.clock.now());
        new.trace = Some(refunds::domain::refund::Trace { parent: "00-aa-bb-01".to_owned(), state: None });
        let refund = accept(&*store, new.clone()).await;
        assert_eq!(store.find(refund.id).await.unwrap(), Some(refund.clone()));
        let by_request = store.find_by_request(&new.caller, &new.request_id).await.unwrap();
        assert_eq!(by_request, Some(refund.clone()));
        let history = store.history(refund.id).await.unwrap();
        assert_eq!(history.events.len(), 1);
        assert_eq!(history.events[0].actor.trace_id.as_deref(), Some("aa"));
        let two = esims(&identity("airalo"), &["89400000000000001", "89400000000000002"]);
        let two = accept(&*store, two).await;
        assert_eq!(store.find(two.id).await.unwrap(), Some(two));
    }

    async fn a_repeat_is_a_replay_and_other_content_a_conflict(db: &TestDatabase) {
        let store = db.store();
        let new = payment(&identity("shop-au"), "100", 2_500);
        let refund = accept(&*store, new.clone()).await;
        let mut other = again(&new);
        other.content.notes = Some("other".to_owned());
        let told = store.create(vec![again(&new), other]).await.unwrap();
        assert_eq!(told[0], Acceptance::Replayed(Box::new(refund.clone())));
        let conflict = Acceptance::Conflict { refund_id: refund.id, fields: vec!["notes"] };
        assert_eq!(told[1], conflict);
        assert_eq!(store.standings().await.unwrap()[0].open(), 1);
    }

    async fn a_twin_in_the_batch_is_a_replay(db: &TestDatabase) {
        let store = db.store();
        let new = payment(&identity("shop-au"), "100", 2_500);
        let told = store.create(vec![new.clone(), again(&new)]).await.unwrap();
        assert!(matches!(&told[0], Acceptance::Accepted { .. }));
        assert!(matches!(&told[1], Acceptance::Replayed(refund) if refund.id == new.id));
        let guard = store.guard(&new.identity, "100").await.unwrap().unwrap();
        assert_eq!(guard.own_minor, 2_500);
    }

    async fn a_refused_wish_uses_up_no_key_and_takes_no_other_down(db: &TestDatabase) {
        let store = db.store();
        let account = identity("shop-au");
        let mut first = payment(&account, "100", 60);
        first.content.captured_amount = Some(aud(100));
        let too_much = payment(&account, "100", 41);
        let fits = payment(&account, "100", 40);
        let elsewhere = payment(&account, "200", 41);
        let batch = vec![first, too_much.clone(), fits, elsewhere];
        let told = store.create(batch).await.unwrap();
        let refused = GuardRefusal::Exceeds { remaining_minor: 40 };
        assert_eq!(told[1], Acceptance::Refused(refused));
        for place in [0, 2, 3] {
            assert!(matches!(told[place], Acceptance::Accepted { .. }), "{place}");
        }
        let found = store.find_by_request(&too_much.caller, &too_much.request_id).await.unwrap();
        assert_eq!(found, None);
        let mut smaller = payment(&account, "300", 1);
        smaller.request_id = too_much.request_id;
        accept(&*store, smaller).await;
    }

    async fn of_two_creates_that_exceed_an_order_together_one_is_accepted(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        for order in ["1", "2", "3", "4", "5", "6"] {
            let wish = || {
                let mut new = payment(&identity("shop-au"), order, 60);
                new.content.captured_amount = Some(aud(100));
                vec![new]
            };
            let (one, two) = tokio::join!(store.create(wish()), replica.create(wish()));
            let told = [one.unwrap().remove(0), two.unwrap().remove(0)];
            let accepted = told.iter().filter(|t| matches!(t, Acceptance::Accepted { .. })).count();
            assert_eq!(accepted, 1, "{told:?}");
            let guard = store.guard(&identity("shop-au"), order).await.unwrap().unwrap();
            assert_eq!(guard.own_minor, 60);
        }
    }

    async fn of_two_creates_with_one_key_one_is_accepted_and_one_replayed(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        for order in ["1", "2", "3", "4", "5", "6"] {
            let payment = payment(&identity("shop-au"), order, 60);
            let esims = esims(&identity("airalo"), &[format!("8940000000000000{order}").as_str()]);
            for new in [payment, esims] {
                let twin = again(&new);
                let (one, two) = tokio::join!(store.create(vec![new]), replica.create(vec![twin]));
                let told = [one.unwrap().remove(0), two.unwrap().remove(0)];
                let accepted = told.iter().filter(|t| matches!(t, Acceptance::Accepted { .. })).count();
                let replayed = told.iter().filter(|t| matches!(t, Acceptance::Replayed(_))).count();
                assert_eq!((accepted, replayed), (1, 1), "{told:?}");
            }
        }
    }

    async fn large_batches_that_share_orders_do_not_lock_each_other_out(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        let wishes = |reverse: bool| {
            let mut batch: Vec<_> = (0..250)
                .map(|n| payment(&identity("shop-au"), &(n % 50).to_string(), 1))
                .collect();
            if reverse {
                batch.reverse();
            }
            batch
        };
        let (one, two) = tokio::join!(store.create(wishes(false)), replica.create(wishes(true)));
        let told: Vec<_> = one.unwrap().into_iter().chain(two.unwrap()).collect();
        assert_eq!(told.len(), 500);
        assert!(told.iter().all(|t| matches!(t, Acceptance::Accepted { .. })));
        let guard = store.guard(&identity("shop-au"), "7").await.unwrap().unwrap();
        assert_eq!(guard.own_minor, 10);
        let pending = store.find(match &told[0] {
            Acceptance::Accepted { transition, .. } => transition.refund.id,
            other => panic!("{other:?}"),
        });
        assert_eq!(pending.await.unwrap().unwrap().state.kind(), StateKind::Pending);
    }
}
