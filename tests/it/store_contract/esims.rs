//! Claims of eSIMs: no eSIM of a company is in two refunds that live.

use std::time::Duration;

use refunds::domain::account::Account;
use refunds::domain::attempt::AttemptKind;
use refunds::domain::decision::Acceptance;
use refunds::domain::id::{AccountName, Iccid};
use refunds::domain::reason::FailureReason;
use refunds::domain::refund::{Change, Failure, NewRefund, Success};
use refunds::store::{Begun, Store};

use super::{accept, apply, begin_one, claim_one, intent, outcome, step};
use crate::support::database::{Kind, TestDatabase};
use crate::support::on_every_store;
use crate::support::samples::{ESIM_CALLS_EVERY, again, esim_account, esims, iccid, payment};

fn wish(account: &Account, numbers: &[u32]) -> NewRefund {
    let iccids: Vec<String> = numbers.iter().copied().map(iccid).collect();
    esims(&account.identity, &iccids.iter().map(String::as_str).collect::<Vec<_>>())
}

fn taken(number: u32) -> Acceptance {
    Acceptance::EsimTaken { iccid: Iccid::parse(&iccid(number)).unwrap() }
}

async fn create_one(store: &dyn Store, new: NewRefund) -> Acceptance {
    store.create(vec![new]).await.unwrap().remove(0)
}

fn declined() -> Change {
    let failure = Failure { reason: FailureReason::Declined, provider_code: None, text: None };
    Change::Decline { failure, conclusive: true, delay: Duration::ZERO }
}

fn confirmed() -> Change {
    let success =
        Success { amount_minor: None, provider_refund_id: None, completed: None, items: Vec::new() };
    Change::Confirm(success)
}

/// Sends the refund that is due, with that end.
async fn end_one(db: &TestDatabase, account: &Account, change: Change) {
    let store = db.store();
    let lease = claim_one(&*store, account).await;
    let send = intent(AttemptKind::Send);
    let begun = begin_one(&*store, &lease, &send, account).await.unwrap();
    assert!(matches!(begun, Begun::Go(_)), "{begun:?}");
    apply(&*store, outcome(db, account, &lease, send.attempt, change), account).await;
    db.clock.advance(ESIM_CALLS_EVERY);
}

on_every_store! {
    async fn an_esim_is_in_one_refund_that_lives(db: &TestDatabase) {
        let store = db.store();
        let account = esim_account("company");
        let first = wish(&account, &[1, 2]);
        let batch = vec![first.clone(), wish(&account, &[3, 2]), wish(&account, &[3]), again(&first)];
        let told = store.create(batch).await.unwrap();
        assert!(matches!(told[0], Acceptance::Accepted { .. }), "{told:?}");
        assert_eq!(told[1], taken(2));
        assert!(matches!(told[2], Acceptance::Accepted { .. }), "a refused wish claims nothing: {told:?}");
        assert!(matches!(told[3], Acceptance::Replayed(_)), "{told:?}");

        // Another account of the company is refused, another company is not, and payments are left alone.
        let mut same = esim_account("other");
        same.identity.merchant.clone_from(&account.identity.merchant);
        let refused = wish(&same, &[1]);
        assert_eq!(create_one(&*store, refused.clone()).await, taken(1));
        let found = store.find_by_request(&refused.caller, &refused.request_id).await.unwrap();
        assert_eq!(found, None, "the key is not used up");
        accept(&*store, wish(&esim_account("stranger"), &[1])).await;
        accept(&*store, payment(&account.identity, "1", 1)).await;
    }

    async fn of_two_creates_with_one_esim_at_once_one_is_accepted(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        let account = esim_account("company");
        for round in 0..12 {
            let shared = round * 10 + 1;
            let (one, two) = (wish(&account, &[round * 10, shared]), wish(&account, &[shared]));
            let (one, two) = tokio::join!(store.create(vec![one]), replica.create(vec![two]));
            let mut told = [one.unwrap().remove(0), two.unwrap().remove(0)];
            told.sort_by_key(|told| matches!(told, Acceptance::EsimTaken { .. }));
            assert!(matches!(told[0], Acceptance::Accepted { .. }), "{told:?}");
            assert_eq!(told[1], taken(shared));
        }
    }

    async fn crossing_batches_of_esims_end_without_an_error(db: &TestDatabase) {
        let (store, replica) = (db.store(), db.replica().await);
        let account = esim_account("company");
        for round in 0..6 {
            let batch = |reverse: bool| {
                let mut batch: Vec<_> = (0..20).map(|n| wish(&account, &[round * 100 + n])).collect();
                if reverse {
                    batch.reverse();
                }
                batch
            };
            let (one, two) = tokio::join!(store.create(batch(false)), replica.create(batch(true)));
            let told: Vec<_> = one.unwrap().into_iter().chain(two.unwrap()).collect();
            let accepted = told.iter().filter(|told| matches!(told, Acceptance::Accepted { .. })).count();
            let refused = told.iter().filter(|told| matches!(told, Acceptance::EsimTaken { .. })).count();
            assert_eq!((accepted, refused), (20, 20), "{told:?}");
        }
    }

    async fn a_failed_or_canceled_refund_frees_its_esims_and_a_success_keeps_them(db: &TestDatabase) {
        let store = db.store();
        let account = esim_account("company");
        accept(&*store, wish(&account, &[1, 2])).await;
        end_one(db, &account, declined()).await;
        accept(&*store, wish(&account, &[2, 3])).await;
        let lease = claim_one(&*store, &account).await;
        apply(&*store, step(&account, &lease, Some(Change::Cancel)), &account).await;
        accept(&*store, wish(&account, &[1, 2, 3])).await;
        let unanswered = Change::Unanswered { delay: Duration::ZERO, overdue_after: Duration::ZERO };
        end_one(db, &account, unanswered).await;
        assert_eq!(create_one(&*store, wish(&account, &[3])).await, taken(3));
        let lease = claim_one(&*store, &account).await;
        apply(&*store, step(&account, &lease, Some(confirmed())), &account).await;
        assert_eq!(create_one(&*store, wish(&account, &[4, 1])).await, taken(1));
        accept(&*store, wish(&account, &[4])).await;
    }

    async fn an_intent_that_fails_by_a_rule_frees_its_esims(db: &TestDatabase) {
        let store = db.store();
        let account = esim_account("company");
        let mut late = wish(&account, &[1]);
        late.content.send_before = Some(db.clock.now().plus(Duration::from_secs(1)));
        accept(&*store, late).await;
        let lease = claim_one(&*store, &account).await;
        db.clock.advance(Duration::from_secs(2));
        let begun = begin_one(&*store, &lease, &intent(AttemptKind::Send), &account).await.unwrap();
        assert!(matches!(begun, Begun::Stay(_)), "{begun:?}");
        accept(&*store, wish(&account, &[1])).await;
    }
}

#[tokio::test]
async fn claims_survive_the_process() {
    let db = TestDatabase::fresh(Kind::Sqlite).await.unwrap();
    let account = esim_account("company");
    let first = wish(&account, &[1, 2]);
    accept(&*db.store(), first.clone()).await;
    let db = db.reopened().await;
    assert_eq!(create_one(&*db.store(), wish(&account, &[2])).await, taken(2));
    let mut renamed = wish(&account, &[1]);
    renamed.content.account = AccountName::parse("renamed").unwrap();
    renamed.identity.name = renamed.content.account.clone();
    assert_eq!(create_one(&*db.store(), renamed).await, taken(1));
    assert!(matches!(create_one(&*db.store(), again(&first)).await, Acceptance::Replayed(_)));
}
