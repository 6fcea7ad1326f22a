//! Refunds to be listed.

use std::collections::BTreeMap;
use std::time::Duration;

use refunds::domain::account::Account;
use refunds::domain::answer::Review;
use refunds::domain::id::{CallerName, ProviderKey};
use refunds::domain::reason::FailureReason;
use refunds::domain::refund::{Change, Failure, NewRefund, Refund, StateKind, Success};

use super::super::{accept, apply, begin, claim, outcome};
use crate::support::database::TestDatabase;
use crate::support::samples::{account, esim_account, esims, iccid, payment, silent_account};

/// A wish of another caller.
pub(crate) fn of_caller(caller: &str, mut new: NewRefund) -> NewRefund {
    new.caller = CallerName::parse(caller).unwrap();
    new.key = ProviderKey::derive(&new.caller, &new.request_id, &new.identity.merchant);
    new
}

/// A wish with entries of metadata.
pub(crate) fn labelled(labels: &[(&str, &str)], mut new: NewRefund) -> NewRefund {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    new.content.metadata = labels.collect::<BTreeMap<_, _>>();
    new
}

/// Gives one refund of an account that is due each of these outcomes.
pub(super) async fn end(db: &TestDatabase, account: &Account, changes: Vec<Option<Change>>) {
    let store = db.store();
    let held: Vec<_> = claim(&*store, "worker", account).await.into_iter().flat_map(|c| c.members).collect();
    assert!(held.len() >= changes.len(), "{} are due", held.len());
    let mut held = held.into_iter();
    for (held, change) in held.by_ref().zip(changes) {
        let attempt = begin(&*store, &held.lease, account).await;
        if let Some(change) = change {
            apply(&*store, outcome(db, account, &held.lease, attempt, change), account).await;
        }
    }
    store.release(&held.map(|held| held.lease).collect::<Vec<_>>()).await.unwrap();
}

pub(super) fn success(id: &str) -> Change {
    Change::Confirm(Success {
        amount_minor: None,
        provider_refund_id: Some(id.to_owned()),
        completed: None,
        items: vec![],
    })
}

fn outcomes() -> Vec<Option<Change>> {
    let failure = Failure { reason: FailureReason::Declined, provider_code: None, text: None };
    let (delay, overdue_after) = (Duration::from_hours(1), Duration::from_hours(2));
    let review = Review { reference: Some("case-1".to_owned()), items: vec![] };
    vec![
        Some(success("r-1")),
        Some(success("r-2")),
        Some(Change::Decline { failure, conclusive: false, delay }),
        Some(Change::Review { review, delay, overdue_after }),
        Some(Change::Unanswered { delay, overdue_after }),
        None,
    ]
}

/// Refunds of three accounts and two callers in many states, some accepted at the same moment.
pub(crate) async fn stocked(db: &TestDatabase) -> Vec<Refund> {
    let store = db.store();
    let (shop, eu, sims) = (account("shop-au"), silent_account("shop-eu"), esim_account("sims"));
    let mut wishes = Vec::new();
    for n in 0..12 {
        let caller = if n % 3 == 0 { "desk" } else { "shop" };
        let order = (n % 4).to_string();
        let labels: &[(&str, &str)] = match n % 3 {
            0 => &[("ticket", "7"), ("channel", "web")],
            1 => &[("ticket", "8")],
            _none => &[],
        };
        wishes.push(of_caller(caller, labelled(labels, payment(&shop.identity, &order, 1))));
        wishes.push(of_caller(caller, labelled(labels, payment(&eu.identity, &order, 1))));
        let (own, shared) = (iccid(n), iccid(100));
        // One eSIM after the other: the shared one is free again once its refund failed.
        let iccids: &[&str] = if n == 0 { &[&own, &shared] } else { &[&own] };
        wishes.push(of_caller(caller, labelled(labels, esims(&sims.identity, iccids))));
    }
    let mut ids = Vec::new();
    for (n, wish) in wishes.into_iter().enumerate() {
        ids.push(accept(&*store, wish).await.id);
        if n % 4 == 3 {
            db.clock.advance(Duration::from_secs(1));
        }
    }
    for account in [&shop, &eu] {
        end(db, account, outcomes()).await;
    }
    let mut refunds = Vec::new();
    for id in ids {
        refunds.push(store.find(id).await.unwrap().unwrap());
    }
    let states = StateKind::ALL.iter().filter(|state| refunds.iter().any(|r| r.state.kind() == **state));
    assert_eq!(states.count(), 6);
    refunds
}
