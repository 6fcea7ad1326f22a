//! Accounts: known, blocked, probed, and not to be changed under open refunds.

use std::time::Duration;

use refunds::domain::admission::{Amendment, Pause, Rate};
use refunds::domain::answer::{BlockCause, Signal};
use refunds::domain::attempt::AttemptKind;
use refunds::domain::refund::{Change, StateKind, Wait};
use refunds::store::{Begun, Error, Record};

use super::{LEASE, accept, apply, ask, begin, begin_one, claim, claim_one, intent, outcome, step};
use crate::support::database::TestDatabase;
use crate::support::on_every_store;
use crate::support::samples::{account, identity, payment};

on_every_store! {
    async fn a_blocked_account_hands_out_one_probe_at_a_time(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        let account = account("shop-au");
        for order in ["1", "2", "3"] {
            accept(&*store, payment(&account.identity, order, 100)).await;
        }
        let lease = store.claim(&ask("worker", &account, 1)).await.unwrap().remove(0).members.remove(0).lease;
        let attempt = begin(&*store, &lease, &account).await;
        let nothing = Change::NothingSent { wait: Wait::AccountBlocked, delay: Duration::ZERO, alone: false };
        let mut blocked = outcome(db, &account, &lease, attempt, nothing.clone());
        blocked.signals = vec![Signal::Block(BlockCause::Credentials)];
        apply(&*store, blocked, &account).await;
        let state = store.account_state(&account.identity.name).await.unwrap();
        assert_eq!(state.blocked.as_ref().unwrap().cause, BlockCause::Credentials);
        assert_eq!(claim(&*store, "worker", &account).await, vec![]);

        db.clock.advance(account.admission.probe_base);
        let (one, two) = (ask("one", &account, 5), ask("two", &account, 5));
        let (one, two) = tokio::join!(store.claim(&one), replica.claim(&two));
        let mut probes: Vec<_> = one.unwrap().into_iter().chain(two.unwrap()).collect();
        assert_eq!(probes.len(), 1, "{probes:?}");
        let probe = probes.remove(0);
        assert!(probe.probe);
        assert_eq!(claim(&*store, "worker", &account).await, vec![]);

        // Only the probe is sent; when it works the account is open again.
        let mut send = intent(AttemptKind::Send);
        send.probe = true;
        let begun = begin_one(&*store, &probe.members[0].lease, &send, &account).await.unwrap();
        assert!(matches!(begun, Begun::Go(_)), "{begun:?}");
        let mut healthy = outcome(db, &account, &probe.members[0].lease, send.attempt, nothing);
        healthy.signals = vec![Signal::Healthy];
        apply(&*store, healthy, &account).await;
        assert_eq!(claim(&*store, "worker", &account).await.len(), 3);
    }

    async fn an_account_is_probed_by_what_was_never_sent_before_what_is_in_doubt(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let in_doubt = accept(&*store, payment(&account.identity, "1", 100)).await;
        let lease = claim_one(&*store, &account).await;
        let attempt = begin(&*store, &lease, &account).await;
        let unanswered = Change::Unanswered { delay: Duration::ZERO, overdue_after: Duration::from_hours(1) };
        let mut blocked = outcome(db, &account, &lease, attempt, unanswered);
        blocked.signals = vec![Signal::Block(BlockCause::Permission)];
        apply(&*store, blocked, &account).await;
        let unsent = accept(&*store, payment(&account.identity, "2", 100)).await;

        db.clock.advance(account.admission.probe_base);
        let probe = claim(&*store, "worker", &account).await.remove(0);
        assert_eq!((probe.probe, probe.members[0].refund.id), (true, unsent.id));
        let rests = Change::Wait { wait: Wait::Backoff, delay: Duration::from_hours(1) };
        apply(&*store, step(&account, &probe.members[0].lease, Some(rests)), &account).await;
        // While that one rests the other is looked at.
        db.clock.advance(LEASE);
        let probe = claim(&*store, "worker", &account).await.remove(0);
        assert_eq!((probe.probe, probe.members[0].refund.id), (true, in_doubt.id));
    }

    async fn what_may_not_be_sent_any_more_is_handed_out_however_its_account_stands(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        accept(&*store, payment(&account.identity, "1", 100)).await;
        let lease = claim_one(&*store, &account).await;
        let mut blocked = step(&account, &lease, None);
        blocked.signals = vec![Signal::Block(BlockCause::Credentials)];
        apply(&*store, blocked, &account).await;
        let mut wish = payment(&account.identity, "2", 100);
        wish.content.send_before = Some(db.clock.now().plus(Duration::from_secs(10)));
        let ends = accept(&*store, wish).await;
        accept(&*store, payment(&account.identity, "3", 100)).await;
        assert_eq!(claim(&*store, "worker", &account).await, vec![]);
        db.clock.advance(Duration::from_secs(10));
        let handed_out = claim(&*store, "worker", &account).await;
        let ids: Vec<_> = handed_out.iter().flat_map(|call| &call.members).map(|m| m.refund.id).collect();
        assert_eq!(ids, [ends.id]);
        assert!(!handed_out[0].probe);
    }

    async fn sending_refunds_are_taken_over_even_from_a_blocked_account(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        for order in ["1", "2"] {
            accept(&*store, payment(&account.identity, order, 100)).await;
        }
        let claimed = claim(&*store, "worker", &account).await;
        begin(&*store, &claimed[0].members[0].lease, &account).await;
        let mut blocked = step(&account, &claimed[1].members[0].lease, None);
        blocked.signals = vec![Signal::Block(BlockCause::Permission)];
        apply(&*store, blocked, &account).await;
        db.clock.advance(LEASE);
        let taken = claim(&*store, "other", &account).await;
        assert_eq!(taken.len(), 1);
        assert!(taken[0].taken_over && !taken[0].probe);
        assert_eq!(taken[0].members[0].refund.state.kind(), StateKind::Sending);
    }

    async fn who_was_caught_by_a_pause_goes_soon_after_it_is_ended(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let until = Some(db.clock.now().plus(Duration::from_hours(24)));
        let pause = Pause { by: "ann".to_owned(), note: "moving".to_owned(), until };
        let unsent = accept(&*store, payment(&account.identity, "1", 100)).await;
        let lease = claim_one(&*store, &account).await;
        let in_doubt = accept(&*store, payment(&account.identity, "2", 100)).await;
        let doubted = claim_one(&*store, &account).await;
        let attempt = begin(&*store, &doubted, &account).await;
        let unanswered = Change::Unanswered { delay: Duration::ZERO, overdue_after: LEASE };
        apply(&*store, outcome(db, &account, &doubted, attempt, unanswered), &account).await;
        let doubted = claim_one(&*store, &account).await;
        let state = store.amend(&account.identity, &Amendment::Pause(pause.clone())).await.unwrap();
        assert_eq!(state.paused, Some(pause));
        for (lease, kind) in [(lease, AttemptKind::Send), (doubted, AttemptKind::Resend)] {
            let begun = begin_one(&*store, &lease, &intent(kind), &account).await.unwrap();
            let Begun::Stay(waiting) = begun else { panic!("{begun:?}") };
            assert_eq!(waiting.state.wait(), Some(Wait::AccountPaused));
        }
        // What is in doubt is looked up all the same, what was never sent waits.
        db.clock.advance(account.admission.probe_base);
        let lease = claim_one(&*store, &account).await;
        assert_eq!(lease.refund_id, in_doubt.id);
        let mut wakes = store.due_work();
        let resume = Amendment::Resume { key_heeded: false };
        assert_eq!(store.amend(&account.identity, &resume).await.unwrap().paused, None);
        wakes.try_recv().unwrap();
        assert_eq!(claim_one(&*store, &account).await.refund_id, unsent.id);
    }

    async fn a_block_keeps_an_intent_from_being_sent(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        accept(&*store, payment(&account.identity, "1", 100)).await;
        let lease = claim_one(&*store, &account).await;
        accept(&*store, payment(&account.identity, "2", 100)).await;
        let mut blocked = step(&account, &claim_one(&*store, &account).await, None);
        blocked.signals = vec![Signal::Trouble, Signal::Trouble, Signal::Trouble];
        apply(&*store, blocked, &account).await;
        let begun = begin_one(&*store, &lease, &intent(AttemptKind::Send), &account).await.unwrap();
        let Begun::Stay(waiting) = begun else { panic!("goes: {begun:?}") };
        assert_eq!(waiting.state.wait(), Some(Wait::Breaker));
    }

    async fn what_one_replica_learns_of_an_account_all_obey(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        let mut account = account("shop-au");
        account.admission.breaker_open = LEASE * 2;
        for order in ["1", "2", "3", "4"] {
            accept(&*store, payment(&account.identity, order, 100)).await;
        }
        let mut trouble = step(&account, &claim(&*store, "one", &account).await[0].members[0].lease, None);
        trouble.signals = vec![Signal::Trouble; 3];
        apply(&*store, trouble, &account).await;
        db.clock.advance(LEASE);
        assert_eq!(claim(&*replica, "two", &account).await, [], "the breaker is open for all");
        db.clock.advance(account.admission.breaker_open);
        // One probe in all, whoever comes first.
        let (asks_one, asks_two) = (ask("one", &account, 4), ask("two", &account, 4));
        let (one, two) = tokio::join!(store.claim(&asks_one), replica.claim(&asks_two));
        let probes: Vec<_> = one.unwrap().into_iter().chain(two.unwrap()).collect();
        assert_eq!(probes.iter().map(|claimed| claimed.probe).collect::<Vec<_>>(), [true]);
        let mut healthy = step(&account, &probes[0].members[0].lease, None);
        healthy.signals = vec![Signal::Healthy];
        apply(&*replica, healthy, &account).await;
        assert_eq!(claim(&*store, "one", &account).await.len(), 4, "closed for all");
    }

    async fn resends_of_all_replicas_spend_one_budget(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        let mut account = account("shop-au");
        account.admission.retry_tokens_max = account.admission.retry_cost;
        for order in ["1", "2"] {
            accept(&*store, payment(&account.identity, order, 100)).await;
        }
        let claimed = claim(&*store, "one", &account).await;
        for sent in &claimed {
            let lease = &sent.members[0].lease;
            let attempt = begin(&*store, lease, &account).await;
            let (delay, overdue_after) = (Duration::ZERO, Duration::from_hours(1));
            let lost = Change::Unanswered { delay, overdue_after };
            apply(&*store, outcome(db, &account, lease, attempt, lost), &account).await;
        }
        let claimed = claim(&*store, "one", &account).await;
        let [one, two] = [&claimed[0].members[0].lease, &claimed[1].members[0].lease];
        let resend = || intent(AttemptKind::Resend);
        assert!(matches!(begin_one(&*store, one, &resend(), &account).await.unwrap(), Begun::Go(_)));
        let begun = begin_one(&*replica, two, &resend(), &account).await.unwrap();
        let Begun::Stay(waiting) = begun else { panic!("the budget is not one: {begun:?}") };
        assert_eq!(waiting.state.wait(), Some(Wait::Backoff));
    }

    async fn a_worker_that_lost_its_lease_tells_the_account_nothing(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        accept(&*store, payment(&account.identity, "1", 100)).await;
        let lease = claim_one(&*store, &account).await;
        let attempt = begin(&*store, &lease, &account).await;
        db.clock.advance(LEASE);
        assert_eq!(claim(&*store, "other", &account).await.len(), 1);
        let mut late = outcome(db, &account, &lease, attempt, Change::Cancel);
        late.signals = vec![Signal::Block(BlockCause::Credentials)];
        store.record(late, &account).await.unwrap();
        let state = store.account_state(&account.identity.name).await.unwrap();
        assert_eq!(state.blocked, None);
    }

    async fn whether_the_key_is_heeded_is_known_from_the_answers_on(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        accept(&*store, payment(&account.identity, "1", 100)).await;
        let told = [
            (vec![], None),
            (vec![Signal::KeyHeeded], Some(true)),
            (vec![Signal::KeyIgnored], Some(false)),
            (vec![Signal::KeyHeeded], Some(false)),
        ];
        for (signals, heeded) in told {
            let lease = claim_one(&*store, &account).await;
            apply(&*store, Record { signals, ..step(&account, &lease, None) }, &account).await;
            let state = store.account_state(&account.identity.name).await.unwrap();
            assert_eq!(state.key_heeded, heeded);
        }
        let claimed = claim(&*store, "worker", &account).await.remove(0);
        assert_eq!(claimed.account_state.key_heeded, Some(false));
    }

    async fn a_slot_is_spent_once_whoever_asks(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        let rate = Rate::of_lookups("lookups".to_owned(), Duration::from_secs(6));
        for _ in 0..4 {
            let (one, two) = tokio::join!(store.spend(&rate), replica.spend(&rate));
            let mut told = [one.unwrap(), two.unwrap()];
            told.sort_unstable();
            assert_eq!(told, [None, Some(rate.every)]);
            db.clock.advance(rate.every / 2);
            assert_eq!(store.spend(&rate).await.unwrap(), Some(rate.every / 2));
            db.clock.advance(rate.every / 2);
        }
        let other = Rate { bucket: "others".to_owned(), ..rate };
        assert_eq!(store.next_slot(&other).await.unwrap(), None, "looking spends nothing");
        assert_eq!(store.spend(&other).await.unwrap(), None);
        assert_eq!(store.next_slot(&other).await.unwrap(), Some(other.every));
    }

    async fn a_changed_merchant_is_refused_while_refunds_are_open(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let other = identity("other");
        store.register(&[account.identity.clone(), other.clone()]).await.unwrap();
        store.register(&[other.clone(), account.identity.clone()]).await.unwrap();
        accept(&*store, payment(&account.identity, "1", 100)).await;
        let mut moved = account.identity.clone();
        moved.merchant = "elsewhere".to_owned();
        let mut other_moved = other;
        other_moved.base_url = "https://other.example".to_owned();
        store.register(&[other_moved]).await.unwrap();
        let told = store.register(std::slice::from_ref(&moved)).await;
        let Err(Error::AccountChanged { field, stored, configured, open, .. }) = told else {
            panic!("{told:?}");
        };
        assert_eq!((field, stored.as_str(), configured.as_str(), open),
            ("merchant", "merchant-of-shop-au", "elsewhere", 1));
        let lease = claim_one(&*store, &account).await;
        apply(&*store, step(&account, &lease, Some(Change::Cancel)), &account).await;
        store.register(&[moved]).await.unwrap();
    }
}
