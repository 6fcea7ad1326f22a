//! Leases: who may work on a refund, and until when.

use std::time::Duration;

use refunds::domain::attempt::AttemptKind;
use refunds::domain::refund::{Change, Refund, StateKind, Wait};
use refunds::store::{Begun, Recorded};

use super::{LEASE, accept, apply, ask, begin, begin_one, claim, claim_one, intent, outcome, step};
use crate::support::database::TestDatabase;
use crate::support::on_every_store;
use crate::support::samples::{account, payment};

/// All of a lease but its last second.
const ALMOST: Duration = Duration::from_secs(29);

on_every_store! {
    async fn what_is_leased_is_not_handed_out_again(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        let account = account("shop-au");
        for order in ["1", "2", "3"] {
            accept(&*store, payment(&account.identity, order, 100)).await;
        }
        let first = claim(&*store, "one", &account).await;
        assert_eq!(first.len(), 3);
        assert!(first.iter().all(|c| !c.taken_over && !c.probe && c.now == db.clock.now()));
        assert_eq!(claim(&*replica, "two", &account).await, vec![]);
    }

    async fn the_oldest_due_work_comes_first_and_only_as_much_as_there_is_room(db: &TestDatabase) {
        let store = db.store();
        let (one, two, unknown) = (account("one"), account("two"), account("unknown"));
        let mut orders = Vec::new();
        for order in ["1", "2", "3"] {
            orders.push(accept(&*store, payment(&one.identity, order, 100)).await.id);
            db.clock.advance(Duration::from_millis(1));
            accept(&*store, payment(&two.identity, order, 100)).await;
        }
        let mut later = payment(&one.identity, "4", 100);
        later.content.not_before = Some(db.clock.now().plus(Duration::from_hours(1)));
        accept(&*store, later).await;
        let mut ask = ask("worker", &one, 2);
        ask.rooms.push((two.clone(), 0));
        ask.rooms.push((unknown.clone(), 5));
        let claimed = store.claim(&ask).await.unwrap();
        let ids: Vec<_> = claimed.iter().map(|c| c.members[0].refund.id).collect();
        assert_eq!(ids, orders[..2]);
        assert_eq!(claim(&*store, "worker", &one).await.len(), 1, "the one for later is not due");
    }

    async fn concurrent_claims_never_share_a_refund(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        let account = account("shop-au");
        let wishes = (0..60).map(|n| payment(&account.identity, &n.to_string(), 1)).collect();
        store.create(wishes).await.unwrap();
        let mut handed_out = Vec::new();
        for _ in 0..8 {
            let (one, two) = (ask("one", &account, 5), ask("two", &account, 5));
            let (one, two) = tokio::join!(store.claim(&one), replica.claim(&two));
            handed_out.extend(one.unwrap().into_iter().chain(two.unwrap()).map(|c| c.members[0].refund.id));
        }
        let count = handed_out.len();
        handed_out.sort_unstable();
        handed_out.dedup();
        assert_eq!((count, handed_out.len()), (60, 60));
    }

    async fn a_lease_that_ran_out_is_taken_over_with_a_higher_token(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        let account = account("shop-au");
        let refund = accept(&*store, payment(&account.identity, "1", 100)).await;
        let first = claim_one(&*store, &account).await;
        let attempt = begin(&*store, &first, &account).await;
        db.clock.advance(ALMOST);
        assert_eq!(claim(&*replica, "other", &account).await, vec![]);
        db.clock.advance(Duration::from_secs(1));
        let taken = claim(&*replica, "other", &account).await.remove(0);
        assert!(taken.taken_over);
        assert_eq!(taken.members[0].refund.state.kind(), StateKind::Sending);
        assert!(taken.members[0].lease.token > first.token);

        // The first worker is fenced off: it begins nothing, records nothing, keeps nothing.
        let resend = intent(AttemptKind::Resend);
        assert_eq!(begin_one(&*store, &first, &resend, &account).await.unwrap(), Begun::Stale);
        assert_eq!(store.renew(std::slice::from_ref(&first), LEASE).await.unwrap(), vec![false]);
        store.release(std::slice::from_ref(&first)).await.unwrap();
        let late = outcome(db, &account, &first, attempt, Change::Cancel);
        let told = store.record(late, &account).await.unwrap();
        assert_eq!(told, vec![Recorded::Stale]);
        let now = store.find(refund.id).await.unwrap().unwrap();
        let unchanged = Refund { history: now.history, ..taken.members[0].refund.clone() };
        assert_eq!(now, unchanged, "but for the evidence in its history");
        let history = store.history(refund.id).await.unwrap();
        assert!(history.attempts[0].end.as_ref().unwrap().late, "kept as evidence");

        // What the present owner infers of that attempt does not replace what really came of it.
        let unanswered = Change::Unanswered { delay: LEASE, overdue_after: LEASE };
        let crash = outcome(db, &account, &taken.members[0].lease, attempt, unanswered);
        assert_eq!(apply(&*replica, crash, &account).await.state.kind(), StateKind::Unknown);
        let history = store.history(refund.id).await.unwrap();
        assert_eq!(history.attempts[0].end.as_ref().unwrap().outcome, "cancel");
    }

    async fn a_renewed_lease_runs_from_now_and_never_shorter(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        accept(&*store, payment(&account.identity, "1", 100)).await;
        let lease = claim_one(&*store, &account).await;
        db.clock.advance(LEASE / 2);
        let leases = [lease.clone()];
        assert_eq!(store.renew(&leases, LEASE).await.unwrap(), vec![true]);
        assert_eq!(store.renew(&leases, Duration::from_secs(1)).await.unwrap(), vec![true]);
        db.clock.advance(ALMOST);
        assert_eq!(claim(&*store, "other", &account).await, vec![]);
        db.clock.advance(Duration::from_secs(1));
        assert_eq!(claim(&*store, "other", &account).await.len(), 1);
        assert_eq!(store.renew(&leases, LEASE).await.unwrap(), vec![false]);
    }

    async fn a_released_refund_is_due_at_once_and_not_taken_over(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        accept(&*store, payment(&account.identity, "1", 100)).await;
        let lease = claim_one(&*store, &account).await;
        let mut wakes = store.due_work();
        store.release(&[lease]).await.unwrap();
        wakes.try_recv().unwrap();
        let again = claim(&*store, "other", &account).await;
        assert_eq!(again.len(), 1);
        assert!(!again[0].taken_over);
    }

    async fn a_kept_lease_goes_on_and_a_settled_one_waits_as_planned(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let refund = accept(&*store, payment(&account.identity, "1", 100)).await;
        let lease = claim_one(&*store, &account).await;
        let wait = Change::Wait { wait: Wait::Order, delay: Duration::from_secs(5) };
        let mut kept = step(&account, &lease, Some(wait.clone()));
        kept.members[0].keep = true;
        db.clock.advance(LEASE / 2);
        let told = apply(&*store, kept, &account).await;
        assert_eq!(store.find(refund.id).await.unwrap().unwrap(), told);
        db.clock.advance(ALMOST);
        assert_eq!(claim(&*store, "other", &account).await, vec![]);
        apply(&*store, step(&account, &lease, Some(wait)), &account).await;
        assert_eq!(claim(&*store, "other", &account).await, vec![]);
        db.clock.advance(Duration::from_secs(5));
        let next = claim(&*store, "other", &account).await.remove(0);
        assert!(!next.taken_over);

        // A step that changes nothing leaves the plan as it was.
        apply(&*store, step(&account, &next.members[0].lease, None), &account).await;
        assert_eq!(claim(&*store, "other", &account).await.len(), 1);
    }
}
