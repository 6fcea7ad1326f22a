//! What accounts can do and how they are now.

use std::time::Duration;

use refunds::grpc::proto::account_service_client::AccountServiceClient;
use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::{
    Account, BlockCause, Capabilities, GetAccountRequest, KeyHeed, KeyProof, ListAccountsRequest, MoneyUnit,
    Reason, TargetShape,
};
use sea_orm::{ConnectionTrait, Database};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::overdue::blocked;
use super::support::app::{TestApp, esim, payment, request, with_token};
use super::support::callers::install;
use super::support::on_every_app;

async fn all(app: &TestApp, token: &str) -> Result<Vec<Account>, Status> {
    let mut client = AccountServiceClient::new(app.channel().await);
    let listed = client.list_accounts(with_token(ListAccountsRequest {}, token)).await;
    listed.map(|listed| listed.into_inner().accounts)
}

async fn one(app: &TestApp, token: &str, name: &str) -> Result<Account, Status> {
    let mut client = AccountServiceClient::new(app.channel().await);
    let asked = GetAccountRequest { name: name.to_owned() };
    client.get_account(with_token(asked, token)).await.map(|read| read.into_inner().account.unwrap())
}

fn names(accounts: &[Account]) -> Vec<&str> {
    accounts.iter().map(|account| account.name.as_str()).collect()
}

on_every_app! {
    async fn each_caller_sees_the_accounts_that_it_may_use(app: &mut TestApp) {
        let _file = install(app).await;
        let everything = all(app, "boss-token").await.unwrap();
        assert_eq!(names(&everything), ["afterpay", "airalo", "moyasar", "worldline"]);
        for account in &everything {
            assert_eq!(*account, one(app, "boss-token", &account.name).await.unwrap());
        }
        assert_eq!(names(&all(app, "desk-token").await.unwrap()), ["afterpay"]);
        assert_eq!(names(&all(app, "reader-token").await.unwrap()), ["afterpay", "moyasar"]);
        for (token, name) in [("desk-token", "airalo"), ("boss-token", "never-was")] {
            let status = one(app, token, name).await.unwrap_err();
            assert_eq!(status.code(), Code::NotFound);
            assert_eq!(status.get_details_error_info().unwrap().reason, "ACCOUNT_NOT_FOUND");
        }
        for status in [
            all(app, "nobody-token").await.unwrap_err(),
            one(app, "nobody-token", "afterpay").await.unwrap_err(),
        ] {
            assert_eq!(status.code(), Code::PermissionDenied);
        }
        let status = one(app, "boss-token", "No Such").await.unwrap_err();
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "name");
    }

    async fn an_account_says_what_the_engine_obeys(app: &mut TestApp) {
        let accounts = all(app, "operator-token").await.unwrap();
        let can: Vec<_> = accounts.iter().map(|account| account.capabilities.clone().unwrap()).collect();
        let [afterpay, airalo, moyasar, worldline] = can.as_slice() else { panic!("{accounts:#?}") };
        let facts = |can: &Capabilities| (can.key_proof(), can.money_unit(), can.batch_max);
        assert_eq!(
            [afterpay, airalo, moyasar, worldline].map(facts),
            [
                (KeyProof::ByDocuments, MoneyUnit::Major, 1),
                (KeyProof::Never, MoneyUnit::None, 5),
                (KeyProof::OnceEchoed, MoneyUnit::Minor, 1),
                (KeyProof::Confirmed, MoneyUnit::Major, 1),
            ]
        );
        assert_eq!((airalo.shape(), afterpay.shape()), (TargetShape::Esims, TargetShape::Payment));
        assert_eq!(airalo.provider_reasons.len(), 23);
        assert!(airalo.provider_reasons.contains(&airalo.provider_reason_needs_notes));
        assert!(airalo.reasons_need_notes().any(|reason| reason == Reason::Other));
        assert_eq!(airalo.resend_window, None);
        assert!(afterpay.currency_codes.contains(&"AUD".to_owned()));
        assert_eq!(afterpay.refund_window.unwrap().seconds, 120 * 86_400);
        assert_eq!(afterpay.resend_window.unwrap().seconds, 23 * 3_600);
        assert!(worldline.takes_transaction_id && worldline.one_at_a_time_per_order);
        assert!(!afterpay.one_at_a_time_per_order && afterpay.lookup_names_key);
        assert_eq!(moyasar.amount_minor_max, 100_000_000);
        for (account, config) in accounts.iter().zip(app.config().unwrap().accounts.values()) {
            assert_eq!((&account.name, &account.merchant), (&config.name, &config.merchant));
            assert_eq!(account.provider, account.name);
            let limits = account.limits.as_ref().unwrap();
            assert_eq!(limits.queue_max, i64::from(config.queue_max));
            assert_eq!(limits.concurrency_max, i32::try_from(config.concurrency_max).unwrap());
            assert_eq!(limits.send_rate.is_some(), config.rate.is_some());
            let schedule = account.schedule.as_ref().unwrap();
            let checks = schedule.checks.iter().map(|step| step.nanos / 1_000_000);
            assert!(checks.eq([100, 200]), "{schedule:?}");
            assert_eq!(schedule.pending_overdue_after.unwrap().seconds, 86_400);
        }
    }

    async fn an_account_says_how_it_is_now(app: &mut TestApp) {
        let quiet = one(app, "operator-token", "afterpay").await.unwrap();
        let status = quiet.status.unwrap();
        assert_eq!((status.pause, status.block, status.throttled_until), (None, None, None));
        let blocking = blocked(app).await;
        app.create(request("b1", "1001", 1)).await.unwrap();
        let account = one(app, "operator-token", "afterpay").await.unwrap();
        let block = account.status.unwrap().block.unwrap();
        assert_eq!(block.cause(), BlockCause::Credentials);
        assert!(block.since.is_some() && block.next_probe_time.is_some());
        let queue = account.queue.unwrap();
        assert_eq!(queue.pending_count + queue.sending_count, 2, "{queue:?}");
        assert_eq!(queue.overdue_count, 0);
        if queue.pending_count == 2 {
            assert_eq!(queue.oldest_pending_create_time, blocking.create_time);
        }
        app.clock.advance(Duration::from_hours(25));
        assert_eq!(one(app, "operator-token", "afterpay").await.unwrap().queue.unwrap().overdue_count, 2);

        // A refund whose fate is open, and one that is over.
        let unknown = app.create(payment("u", "worldline", "wl-9982-1", ("EUR", 1))).await.unwrap();
        app.wait_for(&unknown.refund.unwrap().refund_id, State::Unknown).await;
        let queue = one(app, "operator-token", "worldline").await.unwrap().queue.unwrap();
        // Between two sends of the same key it is SENDING for a moment.
        let doubts = queue.unknown_count + queue.sending_count;
        assert_eq!((doubts, queue.pending_count, queue.in_review_count), (1, 0, 0));
        let order = "0191f5a7-44d3-7430-8739-2d80821416bf";
        let echoed = app.create(payment("m", "moyasar", order, ("SAR", 1))).await.unwrap();
        app.wait_for(&echoed.refund.unwrap().refund_id, State::Succeeded).await;
        let moyasar = one(app, "operator-token", "moyasar").await.unwrap();
        assert_eq!(moyasar.status.unwrap().key_heeded(), KeyHeed::Heeded);
    }

    async fn budgets_say_when_they_have_a_slot_and_who_shares_them(app: &mut TestApp) {
        let _file = install(app).await;
        app.pause().await;
        let same_egress = [("AIRALO__EGRESS", "default"), ("RATE__PER_MS", "60000")];
        app.add_account_with("airalo-two", "airalo", &same_egress);
        app.set(&[("REFUNDS__ACCOUNTS__AIRALO__RATE__PER_MS", "60000")]);
        app.resume().await;
        let before = one(app, "boss-token", "airalo").await.unwrap();
        assert_eq!(before.status.unwrap().next_slot_time, None);
        let rate = before.limits.unwrap().send_rate.unwrap();
        assert_eq!((rate.shared, rate.shared_with), (true, vec!["airalo-two".to_owned()]));
        assert!(rate.every.unwrap().seconds >= 60);
        let refund = app.create(esim("e1", "airalo", "894000000000001")).await.unwrap().refund.unwrap();
        app.wait_until(&refund.refund_id, "sent", |refund| refund.send_count == 1).await;
        // The slot that one took is the other's too.
        for name in ["airalo", "airalo-two"] {
            let slot = one(app, "boss-token", name).await.unwrap().status.unwrap().next_slot_time.unwrap();
            assert!(slot.seconds > app.clock.now().micros() / 1_000_000 + 30, "{slot:?}");
        }
        let afterpay = one(app, "desk-token", "afterpay").await.unwrap();
        assert_eq!(afterpay.limits.unwrap().send_rate, None);
        assert_eq!(afterpay.status.unwrap().next_slot_time, None);
    }

    async fn a_pause_is_told_with_who_and_why_until_it_is_over(app: &mut TestApp) {
        let raw = Database::connect(app.url.url.as_str()).await.unwrap();
        let until = app.clock.now().plus(Duration::from_hours(1)).micros();
        let pause = format!(
            "UPDATE accounts SET paused_by = 'ana', paused_note = 'audit', paused_until_us = {until} \
             WHERE name = 'moyasar'"
        );
        raw.execute_unprepared(&pause).await.unwrap();
        raw.close().await.unwrap();
        let paused = async || one(app, "operator-token", "moyasar").await.unwrap().status.unwrap().pause;
        let pause = paused().await.unwrap();
        assert_eq!((pause.by.as_str(), pause.note.as_str()), ("ana", "audit"));
        assert!(pause.until.is_some());
        app.clock.advance(Duration::from_hours(2));
        assert_eq!(paused().await, None);
    }
}
