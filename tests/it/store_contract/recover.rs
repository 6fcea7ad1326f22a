//! After a restore.

use std::time::Duration;

use refunds::domain::attempt::AttemptKind;
use refunds::domain::plan::Jitter;
use refunds::domain::refund::{Change, StateKind};
use refunds::store::Recovery;

use super::{LEASE, accept, apply, begin, claim, step};
use crate::support::database::TestDatabase;
use crate::support::on_every_store;
use crate::support::samples::{ESIM_CALLS_EVERY, account, esim_account, payment, silent_account};

on_every_store! {
    async fn what_may_have_been_sent_in_the_lost_time_is_unknown(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let mut ids = Vec::new();
        for order in ["1", "2", "3"] {
            ids.push(accept(&*store, payment(&account.identity, order, 100)).await.id);
        }
        let claimed = claim(&*store, "worker", &account).await;
        begin(&*store, &claimed[0].members[0].lease, &account).await;
        apply(&*store, step(&account, &claimed[1].members[0].lease, Some(Change::Cancel)), &account).await;
        db.clock.advance(Duration::from_mins(10));
        let restored_to = db.clock.now();
        db.clock.advance(Duration::from_mins(10));
        let strange = accept(&*store, payment(&account.identity, "4", 100)).await.id;
        let accounts = std::slice::from_ref(&account);
        let recovery = store.recover(restored_to, accounts, Jitter(0)).await.unwrap();
        let made_unknown = vec![ids[0], ids[2], strange];
        assert_eq!(recovery, Recovery { made_unknown, after_restore_point: vec![strange], paused: vec![] });

        let sending = store.find(ids[0]).await.unwrap().unwrap();
        assert_eq!(sending.state.kind(), StateKind::Unknown);
        assert!(sending.state.doubt().unwrap().first_sent < restored_to);
        let pending = store.find(ids[2]).await.unwrap().unwrap();
        assert_eq!(pending.state.kind(), StateKind::Unknown);
        assert_eq!(pending.state.doubt().unwrap().first_sent, restored_to);
        assert_eq!(pending.sends, 1);
        let history = store.history(ids[2]).await.unwrap();
        assert_eq!(history.attempts[0].kind, AttemptKind::Restore);
        let sequences: Vec<_> = history.events.iter().map(|e| (e.sequence, e.state)).collect();
        let (pending, sending) = (StateKind::Pending, StateKind::Sending);
        assert_eq!(sequences, vec![(1, pending), (2, sending), (3, StateKind::Unknown)]);

        // The leases of before are gone, and a second recovery finds nothing to do.
        let lease = &claimed[2].members[0].lease;
        assert_eq!(store.renew(std::slice::from_ref(lease), LEASE).await.unwrap(), vec![false]);
        let again = store.recover(restored_to, accounts, Jitter(0)).await.unwrap();
        assert_eq!(again.made_unknown, vec![]);
        assert_eq!(again.after_restore_point.len(), 3, "their last change is the recovery itself");
    }

    async fn what_no_provider_shows_goes_on_by_a_person(db: &TestDatabase) {
        let store = db.store();
        let (shown, silent, esims) = (account("shop-au"), silent_account("world"), esim_account("company"));
        let accounts = [shown.clone(), silent.clone(), esims.clone()];
        let restored_to = db.clock.now();
        let recovery = store.recover(restored_to, &accounts, Jitter(0)).await.unwrap();
        assert_eq!(recovery.paused, [esims.identity.name.clone(), silent.identity.name.clone()]);
        // A caller's repeat of what was lost is durable, and waits.
        accept(&*store, payment(&silent.identity, "1", 100)).await;
        accept(&*store, payment(&shown.identity, "1", 100)).await;
        assert_eq!(claim(&*store, "worker", &silent).await, []);
        assert_eq!(claim(&*store, "worker", &shown).await.len(), 1);
        let state = store.account_state(&silent.identity.name).await.unwrap();
        assert_eq!(state.paused.unwrap().by, "recover");
        // A slot may have been spent in the lost time.
        let wait = store.next_slot(esims.admission.rate.as_ref().unwrap()).await.unwrap();
        assert_eq!(wait, Some(ESIM_CALLS_EVERY));
        let again = store.recover(restored_to, &accounts, Jitter(0)).await.unwrap();
        assert_eq!(again.paused, [], "an operator's pause, or this one, is left alone");
    }
}
