//! Events: without holes, in each refund's order, whoever commits when.

use std::collections::BTreeMap;
use std::time::Duration;

use refunds::domain::refund::{Change, Wait};

use super::{accept, apply, begin, claim, outcome};
use crate::support::database::TestDatabase;
use crate::support::on_every_store;
use crate::support::samples::{account, payment};

const NOTHING_SENT: Change = Change::NothingSent { wait: Wait::Backoff, delay: Duration::ZERO, alone: false };

on_every_store! {
    async fn events_are_read_after_a_sequence_and_up_to_a_limit(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let refund = accept(&*store, payment(&account.identity, "1", 100)).await;
        for _ in 0..3 {
            let lease = claim(&*store, "worker", &account).await.remove(0).members.remove(0).lease;
            let attempt = begin(&*store, &lease, &account).await;
            apply(&*store, outcome(db, &account, &lease, attempt, NOTHING_SENT), &account).await;
        }
        let sequences = async |after, limit| -> Vec<i64> {
            let events = store.events_after(refund.id, after, limit).await.unwrap();
            events.iter().map(|event| event.sequence).collect()
        };
        assert_eq!(sequences(0, 100).await, vec![1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(sequences(2, 3).await, vec![3, 4, 5]);
        assert!(sequences(7, 3).await.is_empty());
    }

    async fn positions_are_dense_and_in_each_refunds_order(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        let account = account("shop-au");
        let wishes: Vec<_> = (0..12).map(|n| payment(&account.identity, &n.to_string(), 100)).collect();
        let ids: Vec<_> = wishes.iter().map(|new| new.id).collect();
        store.create(wishes).await.unwrap();
        for _ in 0..3 {
            let claimed = claim(&*store, "worker", &account).await;
            let (one, two) = claimed.split_at(claimed.len() / 2);
            let send = async |store: &dyn refunds::store::Store, claimed: &[refunds::store::Claimed]| {
                for claimed in claimed {
                    let attempt = begin(store, &claimed.members[0].lease, &account).await;
                    let nothing = outcome(db, &account, &claimed.members[0].lease, attempt, NOTHING_SENT);
                    apply(store, nothing, &account).await;
                }
            };
            let place = async |store: &dyn refunds::store::Store| {
                for _ in 0..6 {
                    store.sequence_events(3).await.unwrap();
                }
            };
            tokio::join!(send(&*store, one), send(&*replica, two), place(&*store), place(&*replica));
        }
        while store.sequence_events(7).await.unwrap() > 0 {}
        let mut placed = BTreeMap::new();
        for id in ids {
            let mut last = 0;
            let events = store.events_after(id, 0, 100).await.unwrap();
            for (event, sequence) in events.iter().zip(1..) {
                assert_eq!(event.sequence, sequence, "no holes");
                let position = event.position.unwrap();
                assert!(position > last, "in the refund's order");
                last = position;
                placed.insert(position, id);
            }
        }
        let count = i64::try_from(placed.len()).unwrap();
        assert_eq!(placed.keys().copied().collect::<Vec<_>>(), (1..=count).collect::<Vec<_>>());
    }
}
