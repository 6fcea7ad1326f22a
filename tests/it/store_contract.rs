//! The store's contract, on every form of it.

mod accept;
mod accounts;
mod batches;
mod discrepancies;
mod dropped;
mod esims;
mod events;
mod figures;
mod follow_ups;
mod laws;
mod leases;
mod lists;
mod notices;
mod operations;
mod orders;
mod parts;
mod plans;
mod recover;
mod rehearse;
mod reopen;
mod rulings;
mod steps;

use std::time::Duration;

use refunds::domain::account::Account;
use refunds::domain::answer::Evidence;
use refunds::domain::attempt::{AttemptEnd, AttemptKind};
use refunds::domain::decision::{Acceptance, Intent};
use refunds::domain::id::AttemptId;
use refunds::domain::refund::{Change, NewRefund, Refund};
use refunds::domain::sight::{OrderSnapshot, Sight};
use refunds::store::{
    AttemptRecord, Begun, ClaimAsk, Claimed, Error, Lease, Member, Record, Recorded, Store,
};

use crate::support::database::TestDatabase;
use crate::support::samples;

/// How long leases are in these tests.
const LEASE: Duration = Duration::from_secs(30);

/// Accepts one wish that must be new.
async fn accept(store: &dyn Store, new: NewRefund) -> Refund {
    match store.create(vec![new]).await.unwrap().remove(0) {
        Acceptance::Accepted { transition, .. } => transition.refund,
        other => panic!("not accepted: {other:?}"),
    }
}

fn ask(worker: &str, account: &Account, room: usize) -> ClaimAsk {
    ClaimAsk { worker: worker.to_owned(), lease: LEASE, rooms: vec![(account.clone(), room)] }
}

/// Claims what is due on one account.
async fn claim(store: &dyn Store, worker: &str, account: &Account) -> Vec<Claimed> {
    store.claim(&ask(worker, account, 10)).await.unwrap()
}

/// Claims the one refund that is due.
async fn claim_one(store: &dyn Store, account: &Account) -> Lease {
    let mut claimed = claim(store, "worker", account).await;
    assert_eq!(claimed.len(), 1, "{claimed:?}");
    claimed.remove(0).members.remove(0).lease
}

fn intent(kind: AttemptKind) -> Intent {
    Intent {
        attempt: samples::attempt_id(),
        kind,
        probe: false,
        looked: None,
        sights: vec![None],
        lease: LEASE,
        trace_id: None,
    }
}

/// What a preflight saw of a refund's order, for an intent of that one.
fn sight(snapshot: OrderSnapshot) -> Vec<Option<Sight>> {
    vec![Some(Sight::Order(snapshot))]
}

/// Writes an intent for one refund.
async fn begin_one(
    store: &dyn Store,
    lease: &Lease,
    intent: &Intent,
    account: &Account,
) -> Result<Begun, Error> {
    let mut begun = store.begin(std::slice::from_ref(lease), intent, account).await?;
    assert_eq!(begun.len(), 1);
    Ok(begun.remove(0))
}

/// Writes the intent of a send that must go.
async fn begin(store: &dyn Store, lease: &Lease, account: &Account) -> AttemptId {
    let intent = intent(AttemptKind::Send);
    match begin_one(store, lease, &intent, account).await.unwrap() {
        Begun::Go(_) => intent.attempt,
        other => panic!("does not go: {other:?}"),
    }
}

fn ended(db: &TestDatabase, outcome: &str) -> AttemptEnd {
    AttemptEnd {
        ended: db.clock.now(),
        took: Duration::from_millis(120),
        outcome: outcome.to_owned(),
        evidence: Evidence::default(),
        late: false,
    }
}

/// The record of one refund's step with which the worker is done.
fn step(account: &Account, lease: &Lease, change: Option<Change>) -> Record {
    Record {
        account: account.identity.name.clone(),
        attempt: None,
        members: vec![Member { lease: lease.clone(), change, items: Vec::new(), keep: false }],
        signals: Vec::new(),
        snapshot: None,
        trace_id: None,
    }
}

/// The record of what came of an attempt.
fn outcome(
    db: &TestDatabase,
    account: &Account,
    lease: &Lease,
    attempt: AttemptId,
    change: Change,
) -> Record {
    Record {
        attempt: Some(AttemptRecord::End(attempt, ended(db, change.name()))),
        ..step(account, lease, Some(change))
    }
}

/// Records a step that must be applied.
async fn apply(store: &dyn Store, record: Record, account: &Account) -> Refund {
    match store.record(record, account).await.unwrap().remove(0) {
        Recorded::Applied(refund) => *refund,
        Recorded::Stale => panic!("stale"),
    }
}
