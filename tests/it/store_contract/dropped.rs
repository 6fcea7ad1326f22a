//! Calls whose future is dropped midway, as the handler of a client that goes away is.

use std::time::Duration;

use refunds::domain::attempt::AttemptKind;
use refunds::domain::refund::StateKind;

use super::{accept, ask, begin_one, claim, intent};
use crate::support::database::TestDatabase;
use crate::support::on_every_store;
use crate::support::samples::{account, identity, payment};

/// Calls that are dropped, each a little later in its work than the one before.
const DROPS: u32 = 60;
const LATER_EACH_TIME: Duration = Duration::from_micros(60);

on_every_store! {
    async fn a_create_that_is_dropped_is_done_whole_or_not_at_all(db: &TestDatabase) {
        let store = db.store();
        let account = identity("shop-au");
        let mut wishes = Vec::new();
        for n in 0..DROPS {
            let new = payment(&account, "1", 1);
            wishes.push(new.clone());
            let _dropped = tokio::time::timeout(LATER_EACH_TIME * n, store.create(vec![new])).await;
        }
        let last = accept(&*store, payment(&account, "1", 1)).await;
        let mut accepted = 1;
        for new in wishes {
            let found = store.find_by_request(&new.caller, &new.request_id).await.unwrap();
            assert_eq!(found, store.find(new.id).await.unwrap());
            assert_eq!(store.history(new.id).await.unwrap().events.len(), usize::from(found.is_some()));
            accepted += i64::from(found.is_some());
        }
        let guard = store.guard(&account, "1").await.unwrap().unwrap();
        assert_eq!(guard.own_minor, accepted);
        assert_eq!(store.find(last.id).await.unwrap(), Some(last));
    }

    async fn an_intent_that_is_dropped_is_written_whole_or_not_at_all(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let wishes = (0..DROPS).map(|n| payment(&account.identity, &n.to_string(), 1)).collect();
        store.create(wishes).await.unwrap();
        let claimed = store.claim(&ask("worker", &account, 100)).await.unwrap();
        for (claimed, n) in claimed.iter().zip(0..) {
            let send = intent(AttemptKind::Send);
            let begin = begin_one(&*store, &claimed.members[0].lease, &send, &account);
            let _dropped = tokio::time::timeout(LATER_EACH_TIME * n, begin).await;
        }
        assert_eq!(claim(&*store, "other", &account).await, vec![]);
        for claimed in claimed {
            let refund = store.find(claimed.members[0].refund.id).await.unwrap().unwrap();
            let history = store.history(refund.id).await.unwrap();
            let sent = usize::from(refund.state.kind() == StateKind::Sending);
            assert_eq!((history.attempts.len(), history.events.len()), (sent, 1 + sent));
        }
    }
}
