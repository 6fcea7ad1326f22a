//! Lists: what fits, in order, page by page, and how much a page looks at.

mod cases;
mod plans;
mod stock;

use std::time::Duration;

use refunds::domain::id::{CallerName, RefundId};
use refunds::domain::query::{Place, Query};
use refunds::domain::refund::{PENDING_OVERDUE_AFTER, Refund, StateKind};
use refunds::store::{EXAMINED_MAX, Page, Standing, Store};

use super::accept;
use crate::support::database::TestDatabase;
use crate::support::on_every_store;
use crate::support::samples::{account, name, payment, silent_account};
use cases::{alone, together};
use stock::{end, of_caller, stocked, success};

/// All pages of a query, and how many there were.
async fn pages(store: &dyn Store, query: &Query, limit: u64) -> (Vec<Refund>, usize) {
    let (mut all, mut after, mut count) = (Vec::new(), None, 0);
    loop {
        let Page { refunds, next } = store.list(query, after, limit).await.unwrap();
        assert!(u64::try_from(refunds.len()).unwrap() <= limit);
        all.extend(refunds);
        count += 1;
        match next {
            Some(next) => assert!(after.replace(next).is_none_or(|after| next < after), "{next:?}"),
            None => return (all, count),
        }
    }
}

fn newest_first(refunds: &[Refund], fits: impl Fn(&Refund) -> bool) -> Vec<RefundId> {
    let mut fitting: Vec<&Refund> = refunds.iter().filter(|refund| fits(refund)).collect();
    fitting.sort_by_key(|refund| (refund.create_time, refund.id));
    fitting.iter().rev().map(|refund| refund.id).collect()
}

fn ids(refunds: &[Refund]) -> Vec<RefundId> {
    refunds.iter().map(|refund| refund.id).collect()
}

on_every_store! {
    async fn each_filter_and_several_together_show_what_fits(db: &TestDatabase) {
        let refunds = stocked(db).await;
        let mut shown = 0;
        for (query, _, fits) in alone(&refunds).into_iter().chain(together(&refunds)) {
            let expected = newest_first(&refunds, fits);
            for limit in [2, 100] {
                let (listed, _) = pages(&*db.store(), &query, limit).await;
                assert_eq!(ids(&listed), expected, "{query:?}");
                let whole = |refund: &&Refund| expected.contains(&refund.id);
                assert!(listed.iter().all(|l| refunds.iter().filter(whole).any(|r| r == l)));
            }
            shown += usize::from(!expected.is_empty());
        }
        assert_eq!(shown, 21, "cases that show something");
    }

    async fn pages_show_each_refund_once_whatever_is_accepted_meanwhile(db: &TestDatabase) {
        let refunds = stocked(db).await;
        let (store, shop) = (db.store(), account("shop-au"));
        let (mut shown, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let Page { refunds, next } = store.list(&Query::default(), after, 5).await.unwrap();
            shown.extend(ids(&refunds));
            pages += 1;
            // Some at the very moment of the newest, some later; the states of others change.
            accept(&*store, payment(&shop.identity, "99", 1)).await;
            if pages == 2 {
                db.clock.advance(Duration::from_secs(1));
                end(db, &shop, vec![None]).await;
            }
            let Some(next) = next else { break };
            after = Some(next);
        }
        assert_eq!((shown.len(), pages), (36, 8));
        assert_eq!(shown, newest_first(&refunds, |_| true));
    }

    async fn a_page_looks_at_a_bounded_number_and_the_next_goes_on_from_there(db: &TestDatabase) {
        let (store, shop) = (db.store(), account("shop-au"));
        let few = async |count: u32| {
            for _ in 0..count {
                db.clock.advance(Duration::from_secs(1));
                accept(&*store, of_caller("desk", payment(&shop.identity, "desk", 1))).await;
            }
        };
        few(2).await;
        db.clock.advance(Duration::from_secs(1));
        let (mut left, batch) = (EXAMINED_MAX + 100, 600);
        while left > 0 {
            let wishes = (0..left.min(batch)).map(|n| payment(&shop.identity, &n.to_string(), 1));
            store.create(wishes.collect()).await.unwrap();
            left = left.saturating_sub(batch);
        }
        few(1).await;
        let desks = Query {
            account: Some(name("shop-au")),
            caller: Some(CallerName::parse("desk").unwrap()),
            ..Query::default()
        };
        let first = store.list(&desks, None, 50).await.unwrap();
        assert_eq!(first.refunds.len(), 1);
        let second = store.list(&desks, first.next, 50).await.unwrap();
        assert_eq!((second.refunds.len(), second.next), (2, None));
        // The first page ended after so many.
        let between = Query { caller: None, ..desks.clone() };
        let passed = |page: Page| page.refunds.iter().filter(|r| Some(Place::of(r)) >= first.next).count();
        let all = store.list(&between, None, EXAMINED_MAX + 200).await.unwrap();
        assert_eq!(u64::try_from(passed(all)).unwrap(), EXAMINED_MAX);
        // What nothing fits ends too.
        let nobodys = Query { caller: Some(CallerName::parse("nobody").unwrap()), ..desks };
        let (none, count) = pages(&*store, &nobodys, 50).await;
        assert_eq!((none.len(), count), (0, 2));
    }

    async fn what_is_overdue_comes_the_longest_first(db: &TestDatabase) {
        let (store, shop, eu) = (db.store(), account("shop-au"), silent_account("shop-eu"));
        let mut expected = Vec::new();
        for n in 0..7 {
            let of = if n % 2 == 0 { &shop } else { &eu };
            expected.push(accept(&*store, payment(&of.identity, &n.to_string(), 1)).await);
            db.clock.advance(Duration::from_secs(u64::from(n % 3 == 0)));
        }
        let mut later = payment(&shop.identity, "later", 1);
        later.content.not_before = Some(db.clock.now().plus(Duration::from_hours(1)));
        let later = accept(&*store, later).await;
        assert_eq!(store.overdue(None, None, 10).await.unwrap(), Page::default());
        db.clock.advance(PENDING_OVERDUE_AFTER);
        end(db, &shop, vec![Some(success("r-1"))]).await;
        let done = expected.remove(0);
        let listed = async |account: Option<&str>| {
            let (mut all, mut after) = (Vec::new(), None);
            loop {
                let of = account.map(name);
                let Page { refunds, next } = store.overdue(of.as_ref(), after, 2).await.unwrap();
                assert!(refunds.len() <= 2);
                all.extend(ids(&refunds));
                let Some(next) = next else { return all };
                after = Some(next);
            }
        };
        expected.sort_by_key(|refund| (refund.overdue, refund.id));
        assert_eq!(listed(None).await, ids(&expected));
        expected.retain(|refund| refund.content.account == name("shop-eu"));
        assert_eq!(listed(Some("shop-eu")).await, ids(&expected));
        assert_eq!(listed(Some("elsewhere")).await, vec![]);
        db.clock.advance(Duration::from_hours(1));
        let of_shop = listed(Some("shop-au")).await;
        assert_eq!(of_shop.last(), Some(&later.id));
        assert!(!of_shop.contains(&done.id));
    }

    async fn open_refunds_are_counted_by_account_and_state(db: &TestDatabase) {
        let refunds = stocked(db).await;
        let count = |account: &str, state: StateKind| {
            let is = |refund: &&Refund| {
                refund.content.account.as_str() == account && refund.state.kind() == state
            };
            u64::try_from(refunds.iter().filter(is).count()).unwrap()
        };
        let expected = |account: &str, overdue: u64| Standing {
            account: name(account),
            pending: count(account, StateKind::Pending),
            oldest_pending: refunds
                .iter()
                .filter(|r| r.content.account.as_str() == account && r.state.kind() == StateKind::Pending)
                .map(|r| r.create_time)
                .min(),
            sending: count(account, StateKind::Sending),
            unknown: count(account, StateKind::Unknown),
            in_review: count(account, StateKind::InReview),
            overdue,
        };
        let all = ["shop-au", "shop-eu", "sims"];
        assert_eq!(db.store().standings().await.unwrap(), all.map(|account| expected(account, 0)));
        assert!(expected("shop-au", 0).sending > 0 && expected("shop-au", 0).oldest_pending.is_some());
        db.clock.advance(PENDING_OVERDUE_AFTER * 2);
        let overdue = all.map(|account| expected(account, expected(account, 0).open()));
        assert_eq!(db.store().standings().await.unwrap(), overdue);
    }
}
