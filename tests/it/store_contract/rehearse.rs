//! Rehearsing a create: the same word, and no trace.

use refunds::domain::decision::Acceptance;
use refunds::domain::guard::GuardRefusal;
use refunds::domain::id::Iccid;

use super::{accept, claim};
use crate::support::database::TestDatabase;
use crate::support::on_every_store;
use crate::support::samples::{account, again, aud, esim_account, esims, iccid, payment};

on_every_store! {
    async fn what_would_be_accepted_leaves_no_trace(db: &TestDatabase) {
        let store = db.store();
        let (shop, company) = (account("shop-au"), esim_account("company"));
        let mut of_order = payment(&shop.identity, "1", 100);
        of_order.content.captured_amount = Some(aud(100));
        let of_esims = esims(&company.identity, &[&iccid(1), &iccid(2)]);
        let (mut changes, mut wakes) = (store.changes(), store.due_work());
        for new in [&of_order, &of_order, &of_esims, &of_esims] {
            let told = store.rehearse(new.clone()).await.unwrap();
            let Acceptance::Accepted { transition, guard } = told else { panic!("{told:?}") };
            assert_eq!((transition.refund.id, transition.refund.sequence), (new.id, 1));
            let remaining = guard.map(|guard| guard.remaining_minor());
            assert_eq!(remaining, new.content.payment().map(|_| Some(0)));
            assert_eq!(store.find(new.id).await.unwrap(), None);
            assert_eq!(store.find_by_request(&new.caller, &new.request_id).await.unwrap(), None);
            assert_eq!(store.history(new.id).await.unwrap(), refunds::domain::history::History::default());
        }
        assert_eq!(store.guard(&shop.identity, "1").await.unwrap(), None);
        assert_eq!(store.standings().await.unwrap(), []);
        assert_eq!(store.sequence_events(10).await.unwrap(), 0);
        assert_eq!(store.positions().await.unwrap().last, 0);
        for account in [&shop, &company] {
            assert_eq!(claim(&*store, "worker", account).await, []);
        }
        assert!(changes.try_recv().is_err() && wakes.try_recv().is_err());
        accept(&*store, of_order).await;
        accept(&*store, of_esims).await;
    }

    async fn it_says_what_create_says(db: &TestDatabase) {
        let store = db.store();
        let (shop, company) = (account("shop-au"), esim_account("company"));
        let mut first = payment(&shop.identity, "1", 60);
        first.content.captured_amount = Some(aud(100));
        let kept = accept(&*store, first.clone()).await;
        accept(&*store, esims(&company.identity, &[&iccid(1)])).await;
        let guard = store.guard(&shop.identity, "1").await.unwrap();
        let mut conflict = again(&first);
        conflict.content.notes = Some("other".to_owned());
        let mut hopeful = payment(&shop.identity, "1", 1);
        hopeful.content.expected_remaining = Some(aud(41));
        let rows = [
            (again(&first), Acceptance::Replayed(Box::new(kept.clone()))),
            (conflict, Acceptance::Conflict { refund_id: kept.id, fields: vec!["notes"] }),
            (
                payment(&shop.identity, "1", 41),
                Acceptance::Refused(GuardRefusal::Exceeds { remaining_minor: 40 }),
            ),
            (hopeful, Acceptance::Refused(GuardRefusal::Expectation { remaining_minor: Some(40) })),
            (
                esims(&company.identity, &[&iccid(2), &iccid(1)]),
                Acceptance::EsimTaken { iccid: Iccid::parse(&iccid(1)).unwrap() },
            ),
        ];
        for (new, told) in rows {
            assert_eq!(store.rehearse(new.clone()).await.unwrap(), told);
            assert_eq!(store.create(vec![new]).await.unwrap(), [told]);
        }
        let last = store.rehearse(payment(&shop.identity, "1", 40)).await.unwrap();
        assert!(matches!(last, Acceptance::Accepted { .. }), "{last:?}");
        assert_eq!(store.guard(&shop.identity, "1").await.unwrap(), guard);
        assert_eq!(store.find(kept.id).await.unwrap(), Some(kept));
    }
}
