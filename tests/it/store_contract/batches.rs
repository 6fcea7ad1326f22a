//! Several refunds in one call.

use std::time::Duration;

use refunds::domain::account::Account;
use refunds::domain::admission::Rate;
use refunds::domain::attempt::AttemptKind;
use refunds::domain::decision::Intent;
use refunds::domain::id::RefundId;
use refunds::domain::reason::FailureReason;
use refunds::domain::refund::{Change, Failure, NewRefund, State, StateKind, Wait};
use refunds::domain::sight::Sight;
use refunds::store::{AttemptRecord, Begun, ClaimAsk, Claimed, Lease, Member, Record, Recorded, Store};

use super::{LEASE, accept, ask, claim, ended, intent};
use crate::support::database::TestDatabase;
use crate::support::on_every_store;
use crate::support::samples::{ESIM_CALLS_EVERY, esim_account, esim_seen, esims, iccid};

/// All of the time between two slots but its last second.
const ALMOST_A_SLOT: Duration = Duration::from_secs(299);

/// A wish for so many eSIMs, the first of them with that number.
fn wish(account: &Account, first: u32, count: u32) -> NewRefund {
    let iccids: Vec<String> = (first..first + count).map(iccid).collect();
    esims(&account.identity, &iccids.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Accepts refunds of one eSIM each.
async fn accept_singles(store: &dyn Store, account: &Account, count: u32) -> Vec<RefundId> {
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(accept(store, wish(account, number, 1)).await.id);
    }
    ids
}

/// The same account without a budget.
fn unlimited(account: &Account) -> Account {
    let mut account = account.clone();
    account.admission.rate = None;
    account
}

fn ids(call: &Claimed) -> Vec<RefundId> {
    call.members.iter().map(|member| member.refund.id).collect()
}

fn leases(call: &Claimed) -> Vec<Lease> {
    call.members.iter().map(|member| member.lease.clone()).collect()
}

fn send_of(call: &Claimed) -> Intent {
    Intent { sights: vec![None; call.members.len()], ..intent(AttemptKind::Send) }
}

fn declined() -> Change {
    let failure = Failure { reason: FailureReason::Declined, provider_code: None, text: None };
    Change::Decline { failure, conclusive: true, delay: Duration::ZERO }
}

const NOTHING_SENT: Change = Change::NothingSent { wait: Wait::Turn, delay: Duration::ZERO, alone: true };

on_every_store! {
    async fn a_batch_of_five_is_one_attempt_and_one_slot(db: &TestDatabase) {
        let store = db.store();
        let account = esim_account("company");
        let all = accept_singles(&*store, &account, 6).await;
        let claimed = claim(&*store, "worker", &account).await;
        assert_eq!(claimed.iter().map(ids).collect::<Vec<_>>(), vec![all[..5].to_vec()]);
        let send = send_of(&claimed[0]);
        let begun = store.begin(&leases(&claimed[0]), &send, &account).await.unwrap();
        assert_eq!(begun.len(), 5);
        for (begun, id) in begun.iter().zip(&all) {
            let Begun::Go(refund) = begun else { panic!("{begun:?}") };
            assert!(matches!(refund.state, State::Sending { attempt, .. } if attempt == send.attempt));
            assert_eq!(refund.id, *id);
            assert_eq!(store.find(*id).await.unwrap().as_ref(), Some(&**refund));
            let attempts = store.history(*id).await.unwrap().attempts;
            assert_eq!(attempts.len(), 1);
            assert_eq!((attempts[0].id, &attempts[0].members), (send.attempt, &all[..5].to_vec()));
        }
        // The sixth waits for the next slot, and for whoever joins it until then.
        db.clock.advance(ALMOST_A_SLOT);
        store.renew(&leases(&claimed[0]), LEASE).await.unwrap();
        assert_eq!(claim(&*store, "worker", &account).await, vec![]);
        let seventh = accept(&*store, wish(&account, 7, 1)).await.id;
        db.clock.advance(Duration::from_secs(1));
        let next = claim(&*store, "worker", &account).await;
        assert_eq!(next.iter().map(ids).collect::<Vec<_>>(), vec![vec![all[5], seventh]]);
    }

    async fn a_member_that_moved_on_is_left_out_with_its_sight(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        let account = esim_account("company");
        let all = accept_singles(&*store, &account, 3).await;
        let call = claim(&*store, "worker", &account).await.remove(0);
        store.release(&leases(&call)[1..2]).await.unwrap();
        assert_eq!(ids(&claim(&*replica, "other", &unlimited(&account)).await[0]), all[1..2]);
        let mut send = send_of(&call);
        let seen = |number, status| Some(Sight::Esims(vec![esim_seen(&iccid(number), "17", status)]));
        send.sights = vec![seen(0, "completed"), seen(1, "refunded"), seen(2, "completed")];
        let begun = store.begin(&leases(&call), &send, &account).await.unwrap();
        assert!(matches!(&begun[..], [Begun::Go(_), Begun::Stale, Begun::Go(_)]), "{begun:?}");
        let moved_on = store.find(all[1]).await.unwrap().unwrap();
        assert_eq!((moved_on.state.kind(), moved_on.sends), (StateKind::Pending, 0));
        let attempt = store.history(all[0]).await.unwrap().attempts.remove(0);
        assert_eq!(attempt.members, vec![all[0], all[2]]);
        assert_eq!(attempt.preflight, None, "what was seen of one is not for the caller of another");
        let nobody = store.begin(&leases(&call)[1..2], &send_of(&call), &account).await.unwrap();
        assert_eq!(nobody, vec![Begun::Stale]);
    }

    async fn a_member_that_a_rule_fails_takes_no_other_down(db: &TestDatabase) {
        let store = db.store();
        let account = esim_account("company");
        let all = accept_singles(&*store, &account, 2).await;
        let call = claim(&*store, "worker", &account).await.remove(0);
        let mut send = send_of(&call);
        send.sights[0] = Some(Sight::Esims(vec![esim_seen(&iccid(0), "17", "refunded")]));
        let begun = store.begin(&leases(&call), &send, &account).await.unwrap();
        let [Begun::Stay(failed), Begun::Go(_)] = &begun[..] else { panic!("{begun:?}") };
        assert_eq!(failed.state.kind(), StateKind::Failed);
        assert_eq!(store.history(all[0]).await.unwrap().attempts, vec![]);
        assert_eq!(store.history(all[1]).await.unwrap().attempts[0].members, all[1..]);
    }

    async fn when_nobody_goes_nothing_is_spent(db: &TestDatabase) {
        let store = db.store();
        let account = esim_account("company");
        let all = accept_singles(&*store, &account, 2).await;
        let call = claim(&*store, "worker", &account).await.remove(0);
        let mut send = send_of(&call);
        for (sight, number) in send.sights.iter_mut().zip(0..) {
            *sight = Some(Sight::Esims(vec![esim_seen(&iccid(number), "17", "refunded")]));
        }
        let begun = store.begin(&leases(&call), &send, &account).await.unwrap();
        assert!(begun.iter().all(|begun| matches!(begun, Begun::Stay(_))), "{begun:?}");
        assert_eq!(store.history(all[0]).await.unwrap().attempts, vec![]);
        let rate = account.admission.rate.as_ref().unwrap();
        assert_eq!(store.spend(rate).await.unwrap(), None, "the slot is still there");
    }

    async fn a_call_is_filled_with_the_oldest_that_agree_and_fit(db: &TestDatabase) {
        let store = db.store();
        let account = esim_account("company");
        let mut all = Vec::new();
        for (first, count, notes) in [(0, 3, "a"), (10, 3, "a"), (20, 1, "b"), (30, 2, "a")] {
            let mut new = wish(&account, first, count);
            new.content.notes = Some(notes.to_owned());
            all.push(accept(&*store, new).await.id);
            db.clock.advance(Duration::from_millis(1));
        }
        let first = claim(&*store, "worker", &account).await;
        assert_eq!(first.iter().map(ids).collect::<Vec<_>>(), vec![vec![all[0], all[3]]]);
        store.release(&leases(&first[0])).await.unwrap();

        // Without a budget there are as many calls as there is room for.
        let account = unlimited(&account);
        let two = store.claim(&ask("worker", &account, 2)).await.unwrap();
        let calls: Vec<_> = two.iter().map(ids).collect();
        assert_eq!(calls, vec![vec![all[0], all[3]], vec![all[1]]], "what was given back keeps its place");
        let rest = claim(&*store, "worker", &account).await;
        assert_eq!(rest.iter().map(ids).collect::<Vec<_>>(), vec![vec![all[2]]]);
    }

    async fn one_call_at_a_time_goes_for_a_slot_that_calls_share(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        let account = esim_account("company");
        let mut other = esim_account("other-company");
        other.admission.rate.clone_from(&account.admission.rate);
        accept_singles(&*store, &account, 10).await;
        accept(&*store, wish(&other, 90, 1)).await;
        let both = |worker: &str| ClaimAsk {
            rooms: vec![(other.clone(), 1), (account.clone(), 1)],
            ..ask(worker, &account, 1)
        };
        let call = store.claim(&both("worker")).await.unwrap();
        assert_eq!(call.iter().map(|call| call.members.len()).collect::<Vec<_>>(), vec![5]);
        assert_eq!(replica.claim(&both("another")).await.unwrap(), vec![]);
        assert_eq!(claim(&*replica, "another", &account).await, vec![]);

        // The one who went for it is gone: its refunds are the oldest still.
        db.clock.advance(LEASE);
        let again = replica.claim(&both("another")).await.unwrap();
        assert_eq!(again.iter().map(ids).collect::<Vec<_>>(), vec![ids(&call[0])]);
        store.release(&leases(&again[0])).await.unwrap();
        assert_eq!(ids(&claim(&*store, "worker", &account).await[0]), ids(&call[0]));
    }

    async fn a_call_that_took_long_keeps_the_next_slot_a_window_from_its_end(db: &TestDatabase) {
        let store = db.store();
        let mut account = esim_account("company");
        let rate = Rate::of_sends("egress".to_owned(), ESIM_CALLS_EVERY, Duration::from_secs(3));
        account.admission.rate = Some(rate.clone());
        for (took, left) in [(5, ESIM_CALLS_EVERY), (40, ESIM_CALLS_EVERY)] {
            accept(&*store, wish(&account, took, 1)).await;
            let call = claim(&*store, "worker", &account).await.remove(0);
            let send = send_of(&call);
            store.begin(&leases(&call), &send, &account).await.unwrap();
            db.clock.advance(Duration::from_secs(took.into()));
            store.record(of_all(db, &account, &call, &send, &[declined()]), &account).await.unwrap();
            assert_eq!(store.next_slot(&rate).await.unwrap(), Some(left), "after {took} s");
            db.clock.advance(left);
        }
    }

    async fn concurrent_claims_of_calls_never_share_a_refund(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        let mut account = esim_account("company");
        account.admission.rate = None;
        let all = accept_singles(&*store, &account, 40).await;
        let mut handed_out = Vec::new();
        while handed_out.len() < all.len() {
            let (one, two) = (ask("one", &account, 2), ask("two", &account, 2));
            let (one, two) = tokio::join!(store.claim(&one), replica.claim(&two));
            let calls: Vec<_> = one.unwrap().into_iter().chain(two.unwrap()).collect();
            assert!(calls.iter().all(|call| call.members.len() <= 5));
            handed_out.extend(calls.iter().flat_map(ids));
        }
        handed_out.sort_unstable();
        assert_eq!(handed_out, all);
    }

    async fn no_unsent_refund_is_claimed_while_the_bucket_has_no_slot(db: &TestDatabase) {
        let store = db.store();
        let account = esim_account("company");
        let started = accept(&*store, wish(&account, 0, 1)).await.id;
        let call = claim(&*store, "worker", &account).await.remove(0);
        let send = send_of(&call);
        store.begin(&leases(&call), &send, &account).await.unwrap();
        let unanswered = Change::Unanswered { delay: Duration::ZERO, overdue_after: LEASE };
        let lost = of_all(db, &account, &call, &send, &[unanswered]);
        store.record(lost, &account).await.unwrap();
        accept(&*store, wish(&account, 1, 1)).await;
        let claimed = claim(&*store, "worker", &account).await;
        assert_eq!(claimed.iter().map(ids).collect::<Vec<_>>(), vec![vec![started]]);
        assert_eq!(claimed[0].members[0].refund.state.kind(), StateKind::Unknown);
    }

    async fn one_record_ends_the_call_for_each_member(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        let account = esim_account("company");
        let all = accept_singles(&*store, &account, 3).await;
        let call = claim(&*store, "worker", &account).await.remove(0);
        let send = send_of(&call);
        store.begin(&leases(&call), &send, &account).await.unwrap();
        store.release(&leases(&call)[2..]).await.unwrap();
        let taken = claim(&*replica, "other", &account).await;
        assert_eq!(taken.iter().map(ids).collect::<Vec<_>>(), vec![all[2..].to_vec()]);
        let record = of_all(db, &account, &call, &send, &[declined(), NOTHING_SENT, declined()]);
        let told = store.record(record, &account).await.unwrap();
        let [Recorded::Applied(failed), Recorded::Applied(back), Recorded::Stale] = &told[..] else {
            panic!("{told:?}");
        };
        assert_eq!(failed.state.kind(), StateKind::Failed);
        assert_eq!((back.state.kind(), back.alone), (StateKind::Pending, true));
        assert_eq!(store.find(all[1]).await.unwrap().as_ref(), Some(&**back));
        assert!(store.history(all[2]).await.unwrap().attempts[0].end.as_ref().unwrap().late);

        // Whoever goes alone shares no call again.
        accept(&*store, wish(&account, 9, 1)).await;
        db.clock.advance(ESIM_CALLS_EVERY);
        let next = claim(&*store, "worker", &account).await;
        let unsent: Vec<_> =
            next.iter().filter(|c| c.members[0].refund.state.kind() == StateKind::Pending).map(ids).collect();
        assert_eq!(unsent, vec![vec![all[1]]]);
    }
}

/// The record of a call with one change for each member.
fn of_all(db: &TestDatabase, account: &Account, call: &Claimed, send: &Intent, changes: &[Change]) -> Record {
    let member = |(lease, change): (Lease, &Change)| Member {
        lease,
        change: Some(change.clone()),
        items: Vec::new(),
        keep: false,
    };
    Record {
        account: account.identity.name.clone(),
        attempt: Some(AttemptRecord::End(send.attempt, ended(db, "mixed"))),
        members: leases(call).into_iter().zip(changes).map(member).collect(),
        signals: Vec::new(),
        snapshot: None,
        trace_id: None,
    }
}
