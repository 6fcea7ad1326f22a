//! Money that moves on a refund that is FAILED or CANCELED: noticed once, counted by the guard, settled by a
//! person; the state stays.

use std::time::Duration;

use refunds::domain::account::Account;
use refunds::domain::discrepancy::Discrepancy;
use refunds::domain::event::Actor;
use refunds::domain::guard::Guard;
use refunds::domain::history::{Decision, DecisionKind, verify};
use refunds::domain::id::{AttemptId, RefundId};
use refunds::domain::query::Place;
use refunds::domain::refund::{Change, Refund, StateKind, Success};
use refunds::domain::ruling::{Action, Outcome, Ruling};
use refunds::store::{Closed, Lease, Recorded, RuledAs, Store};

use super::{LEASE, accept, apply, begin, claim, claim_one, outcome, step};
use crate::support::database::TestDatabase;
use crate::support::on_every_store;
use crate::support::samples::{account, aud, esim_account, esims, iccid, payment, refund_id, seen, snapshot};

fn confirm(minor: Option<i64>, id: Option<&str>) -> Change {
    let provider_refund_id = id.map(str::to_owned);
    Change::Confirm(Success { amount_minor: minor, provider_refund_id, completed: None, items: Vec::new() })
}

async fn rule(store: &dyn Store, id: RefundId, action: Action, account: &Account) -> Refund {
    let (evidence, note) = (Some("ticket".to_owned()), Some("asked".to_owned()));
    let ruling = Ruling { action, actor: Actor::of("ann"), evidence, note };
    match store.rule(id, &ruling, Some(account)).await.unwrap() {
        RuledAs::Done(refund) => *refund,
        other => panic!("not done: {other:?}"),
    }
}

/// A refund of all of an order that a person called failed, while the worker that had sent it was only slow:
/// its lease ran out, and its answer is still to come.
async fn given_up(db: &TestDatabase, account: &Account, order: &str) -> (Refund, Lease, AttemptId) {
    let store = db.store();
    let mut wish = payment(&account.identity, order, 100);
    wish.content.captured_amount = Some(aud(100));
    accept(&*store, wish).await;
    let slow = claim_one(&*store, account).await;
    let attempt = begin(&*store, &slow, account).await;
    db.clock.advance(LEASE);
    let taken = claim_one(&*store, account).await;
    let unanswered = Change::Unanswered { delay: LEASE, overdue_after: LEASE };
    apply(&*store, step(account, &taken, Some(unanswered)), account).await;
    db.clock.advance(account.answer);
    let failed = rule(&*store, slow.refund_id, Action::Resolve(Outcome::Failed), account).await;
    assert_eq!(failed.state.kind(), StateKind::Failed);
    (failed, slow, attempt)
}

async fn guard(store: &dyn Store, account: &Account, order: &str) -> Guard {
    store.guard(&account.identity, order).await.unwrap().unwrap()
}

async fn all(store: &dyn Store) -> Vec<Discrepancy> {
    store.discrepancies(None, false, None, 100).await.unwrap()
}

/// That the chain of a refund ends in the head that stands with it.
async fn assert_sealed(store: &dyn Store, id: RefundId) {
    let chains = store.chains(None, 100).await.unwrap();
    let chain = chains.iter().find(|chain| chain.refund.id == id).unwrap();
    verify(id, chain.links(), chain.refund.history).unwrap();
}

on_every_store! {
    async fn a_late_answer_on_a_failed_refund_opens_one_and_the_guard_counts_it(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let (failed, slow, attempt) = given_up(db, &account, "1").await;
        assert_eq!(guard(&*store, &account, "1").await.remaining_minor(), Some(100));
        let late = outcome(db, &account, &slow, attempt, confirm(Some(100), Some("r-1")));
        assert_eq!(store.record(late.clone(), &account).await.unwrap(), [Recorded::Stale]);
        let now = store.find(failed.id).await.unwrap().unwrap();
        assert_eq!((&now.state, now.sequence), (&failed.state, failed.sequence), "the state stays");
        let noticed = Discrepancy {
            refund_id: failed.id,
            number: now.history.number,
            account: account.identity.name.clone(),
            currency: Some(aud(1).currency()),
            amount_minor: Some(100),
            provider_refund_id: Some("r-1".to_owned()),
            opened: db.clock.now(),
            closed: None,
        };
        assert_eq!(all(&*store).await, std::slice::from_ref(&noticed));
        let history = store.history(failed.id).await.unwrap();
        assert_eq!(history.discrepancies, std::slice::from_ref(&noticed));
        assert!(history.attempts[0].end.as_ref().unwrap().late, "and the answer is kept");
        assert_eq!(now.history.number, failed.history.number + 2);
        assert_sealed(&*store, failed.id).await;
        let counted = guard(&*store, &account, "1").await;
        assert_eq!((counted.own_minor, counted.external_minor), (0, 100));
        assert_eq!(counted.remaining_minor(), Some(0));

        // The same again, by whatever way, opens nothing and counts nothing.
        assert_eq!(store.record(late, &account).await.unwrap(), [Recorded::Stale]);
        db.clock.advance(account.schedule.follow_steps[0]);
        let lease = claim_one(&*store, &account).await;
        let found = step(&account, &lease, Some(confirm(Some(100), Some("r-1"))));
        let after = apply(&*store, found, &account).await;
        assert_eq!((&after.state, after.follow), (&failed.state, None), "nothing more to find out");
        assert_eq!(all(&*store).await, [noticed]);
        assert_eq!(guard(&*store, &account, "1").await, counted);
        // Another move is another one.
        let second = outcome(db, &account, &slow, attempt, confirm(Some(1), Some("r-2")));
        store.record(second, &account).await.unwrap();
        assert_eq!(all(&*store).await.len(), 2);
        assert_eq!(guard(&*store, &account, "1").await.external_minor, 101);
    }

    async fn a_late_answer_that_moved_nothing_opens_none(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let (failed, slow, attempt) = given_up(db, &account, "1").await;
        let unanswered = Change::Unanswered { delay: LEASE, overdue_after: LEASE };
        let late = outcome(db, &account, &slow, attempt, unanswered);
        assert_eq!(store.record(late, &account).await.unwrap(), [Recorded::Stale]);
        assert_eq!(all(&*store).await, []);
        let now = store.find(failed.id).await.unwrap().unwrap();
        assert_eq!((&now.state, now.history.number), (&failed.state, failed.history.number + 1));
        assert_eq!(guard(&*store, &account, "1").await.remaining_minor(), Some(100));
    }

    async fn a_follow_up_that_finds_it_opens_one_and_counts_it_once(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let (failed, _slow, _attempt) = given_up(db, &account, "1").await;
        db.clock.advance(account.schedule.follow_steps[0]);
        let lease = claim_one(&*store, &account).await;
        assert_eq!(lease.refund_id, failed.id);
        let mut found = step(&account, &lease, Some(confirm(Some(100), Some("r-1"))));
        found.snapshot = Some(snapshot(100, 100, vec![seen(&failed, 100)]));
        let after = apply(&*store, found, &account).await;
        assert_eq!((&after.state, after.sequence), (&failed.state, failed.sequence));
        assert_eq!(all(&*store).await.len(), 1);
        let counted = guard(&*store, &account, "1").await;
        assert_eq!((counted.own_minor, counted.external_minor), (0, 100));
        db.clock.advance(Duration::from_hours(10_000));
        assert_eq!(claim(&*store, "worker", &account).await, []);
        assert_sealed(&*store, failed.id).await;
    }

    async fn who_looks_at_the_order_for_another_refund_has_it_looked_at(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let (failed, slow, attempt) = given_up(db, &account, "1").await;
        let other = accept(&*store, payment(&account.identity, "1", 40)).await;
        let lease = claim_one(&*store, &account).await;
        let mut preflight = step(&account, &lease, None);
        preflight.members[0].keep = true;
        preflight.snapshot = Some(snapshot(200, 100, vec![seen(&failed, 100)]));
        apply(&*store, preflight.clone(), &account).await;
        assert_eq!(guard(&*store, &account, "1").await.external_minor, 100, "what an order lists counts");
        assert_eq!(all(&*store).await, [], "a look at another's behalf says nothing of how it came");
        let follow_up = claim_one(&*store, &account).await;
        assert_eq!(follow_up.refund_id, failed.id);
        let mut found = step(&account, &follow_up, Some(confirm(Some(100), Some("r-1"))));
        found.snapshot.clone_from(&preflight.snapshot);
        apply(&*store, found, &account).await;
        assert_eq!(all(&*store).await.len(), 1);
        assert_eq!(guard(&*store, &account, "1").await.external_minor, 100);
        // Once it is noticed nobody is sent to look any more.
        apply(&*store, preflight, &account).await;
        assert_eq!(store.find(failed.id).await.unwrap().unwrap().follow, None);
        let late = outcome(db, &account, &slow, attempt, confirm(Some(100), Some("r-1")));
        store.record(late, &account).await.unwrap();
        assert_eq!(all(&*store).await.len(), 1);
        assert_eq!(store.find(other.id).await.unwrap().unwrap().state.kind(), StateKind::Pending);
    }

    async fn a_canceled_refund_and_esims_have_theirs_too(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let refund = accept(&*store, payment(&account.identity, "1", 100)).await;
        let lease = claim_one(&*store, &account).await;
        let canceled = rule(&*store, refund.id, Action::Cancel, &account).await;
        let late = step(&account, &lease, Some(confirm(Some(70), None)));
        for _ in 0..2 {
            assert_eq!(store.record(late.clone(), &account).await.unwrap(), [Recorded::Stale]);
        }
        assert_eq!(store.find(refund.id).await.unwrap().unwrap().state, canceled.state);
        let [noticed] = all(&*store).await.try_into().unwrap();
        assert_eq!((noticed.amount_minor, &noticed.provider_refund_id), (Some(70), &None));
        assert_eq!(guard(&*store, &account, "1").await.external_minor, 70);

        let company = esim_account("company");
        accept(&*store, esims(&company.identity, &[&iccid(1)])).await;
        let lease = claim_one(&*store, &company).await;
        let attempt = begin(&*store, &lease, &company).await;
        let unanswered = Change::Unanswered { delay: LEASE, overdue_after: LEASE };
        apply(&*store, outcome(db, &company, &lease, attempt, unanswered), &company).await;
        db.clock.advance(company.answer);
        rule(&*store, lease.refund_id, Action::Resolve(Outcome::Failed), &company).await;
        db.clock.advance(company.schedule.follow_steps[0]);
        let lease = claim_one(&*store, &company).await;
        apply(&*store, step(&company, &lease, Some(confirm(None, None))), &company).await;
        let of_company = Some(&company.identity.name);
        let [noticed] = store.discrepancies(of_company, true, None, 9).await.unwrap().try_into().unwrap();
        assert_eq!((noticed.currency, noticed.amount_minor), (None, None));
    }

    async fn a_success_opens_none(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        accept(&*store, payment(&account.identity, "1", 100)).await;
        let slow = claim_one(&*store, &account).await;
        let attempt = begin(&*store, &slow, &account).await;
        db.clock.advance(LEASE);
        let taken = claim_one(&*store, &account).await;
        let done = step(&account, &taken, Some(confirm(Some(100), Some("r-1"))));
        apply(&*store, done, &account).await;
        let late = outcome(db, &account, &slow, attempt, confirm(Some(100), Some("r-1")));
        assert_eq!(store.record(late, &account).await.unwrap(), [Recorded::Stale]);
        assert_eq!(all(&*store).await, []);
        assert_eq!(guard(&*store, &account, "1").await.external_minor, 0);
    }

    async fn one_is_closed_once_with_who_and_why(db: &TestDatabase) {
        let store = db.store();
        let account = account("shop-au");
        let (failed, slow, attempt) = given_up(db, &account, "1").await;
        let late = outcome(db, &account, &slow, attempt, confirm(Some(100), Some("r-1")));
        store.record(late, &account).await.unwrap();
        let [open] = all(&*store).await.try_into().unwrap();
        let (id, number) = (open.refund_id, open.number);
        let counted = guard(&*store, &account, "1").await;
        for (id, number) in [(id, number + 1), (id, 0), (refund_id(), number)] {
            let told = store.close(id, number, &Actor::of("bob"), "x").await.unwrap();
            assert_eq!(told, Closed::NotFound);
        }
        db.clock.advance(Duration::from_secs(7));
        let closed = open.clone().closed(db.clock.now(), "bob", "Booked by hand.");
        let told = store.close(id, number, &Actor::of("bob"), "Booked by hand.").await.unwrap();
        assert_eq!(told, Closed::Now(Box::new(closed.clone())));
        let decided = Decision {
            note: Some("Booked by hand.".to_owned()),
            ..Decision::new(DecisionKind::Close, Actor::of("bob"), db.clock.now())
        };
        db.clock.advance(Duration::from_secs(7));
        let told = store.close(id, number, &Actor::of("ann"), "Another word.").await.unwrap();
        assert_eq!(told, Closed::Already(Box::new(closed.clone())));
        let history = store.history(id).await.unwrap();
        assert_eq!(history.discrepancies, std::slice::from_ref(&closed));
        assert_eq!(history.decisions.last(), Some(&decided));
        assert_eq!(history.decisions.len(), 2);
        assert_eq!(store.discrepancies(None, true, None, 9).await.unwrap(), []);
        assert_eq!(all(&*store).await, [closed]);
        assert_sealed(&*store, id).await;
        let now = store.find(id).await.unwrap().unwrap();
        assert_eq!((&now.state, now.follow), (&failed.state, failed.follow));
        assert_eq!(guard(&*store, &account, "1").await, counted, "what moved has moved");
    }

    async fn they_are_listed_the_oldest_first_page_by_page(db: &TestDatabase) {
        let store = db.store();
        let (one, two) = (account("one"), account("two"));
        let mut opened = Vec::new();
        for (account, order) in [(&one, "1"), (&two, "2"), (&one, "3"), (&two, "4"), (&one, "5")] {
            let (failed, slow, attempt) = given_up(db, account, order).await;
            let late = outcome(db, account, &slow, attempt, confirm(Some(100), Some("r-1")));
            store.record(late, account).await.unwrap();
            opened.push(failed.id);
        }
        let number = all(&*store).await[2].number;
        store.close(opened[2], number, &Actor::of("ann"), "done").await.unwrap();
        let ids = |found: &[Discrepancy]| found.iter().map(|d| d.refund_id).collect::<Vec<_>>();
        assert_eq!(ids(&all(&*store).await), opened);
        let name = Some(&one.identity.name);
        let of_one = store.discrepancies(name, true, None, 9).await.unwrap();
        assert_eq!(ids(&of_one), [opened[0], opened[4]]);
        let (mut after, mut paged) = (None, Vec::new());
        loop {
            let page = store.discrepancies(None, false, after, 2).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(Place { time: last.opened, id: last.refund_id });
            assert!(page.len() <= 2);
            paged.extend(ids(&page));
        }
        assert_eq!(paged, opened);
    }
}
