//! Airalo's budget on the real service: one call in a window per address, whoever makes it, and tokens that
//! cost none.

use std::time::Duration;

use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::{CreateRefundRequest, Reason, Refund, StatusEvent, Wait};
use serde_json::json;

use super::airalo_batches::with_account;
use super::support::app::{TestApp, esims_request};
use super::support::on_every_app;

/// The window of an account that `TestApp` adds, milliseconds.
const WINDOW_MS: i64 = 1_000;

async fn refund(app: &TestApp, account: &str, iccid: &str) -> Refund {
    let wish = esims_request(&format!("of-{iccid}"), account, &[iccid]);
    app.create(wish).await.unwrap().refund.unwrap()
}

async fn states(app: &TestApp, refund: &Refund) -> Vec<State> {
    app.full(&refund.refund_id).await.events.iter().map(StatusEvent::state).collect()
}

/// The one that waits for its slot, after a call that took nothing.
fn is_back(refund: &Refund) -> bool {
    refund.state() == State::Pending && refund.send_count == 1 && refund.waits_for() == Wait::Slot
}

const TWICE: [State; 6] =
    [State::Pending, State::Sending, State::Pending, State::Sending, State::InReview, State::Succeeded];

on_every_app! {
    async fn accounts_behind_one_address_share_a_budget_that_outlives_the_service(app: &mut TestApp) {
        app.pause().await;
        app.add_account("neighbour", "airalo");
        with_account(app, &[
            ("REFUNDS__ACCOUNTS__NEIGHBOUR__AIRALO__EGRESS", "shop"),
            ("REFUNDS__ACCOUNTS__NEIGHBOUR__RATE__PER_MS", "3000"),
            ("REFUNDS__ACCOUNTS__SHOP__RATE__PER_MS", "3000"),
        ]).await;
        app.sandbox.settings(&json!({ "refund_limit": 1, "refund_window_ms": 3_000 })).await;
        let mut refunds = Vec::new();
        for (account, iccid) in [
            ("shop", "8940000000001"),
            ("neighbour", "8940000000002"),
            ("shop", "8940000000003"),
        ] {
            let wish = esims_request(&format!("of-{iccid}"), account, &[iccid]);
            let notes = format!("Not to share a call: {iccid}.");
            let wish = CreateRefundRequest { notes, reason: Reason::Other.into(), ..wish };
            refunds.push(app.create(wish).await.unwrap().refund.unwrap());
        }
        for refund in &refunds {
            let sent = |refund: &Refund| refund.send_count == 1 && refund.state() != State::Sending;
            app.wait_until(&refund.refund_id, "sent", sent).await;
            // What was spent is known to whoever comes next.
            app.pause().await;
            app.resume().await;
        }
        for refund in &refunds {
            app.wait_for(&refund.refund_id, State::Succeeded).await;
        }
        let counters = app.sandbox.counters("airalo").await;
        let of_refunds = (&counters["refunds"]["received"], &counters["refunds"]["limited"]);
        assert_eq!(of_refunds, (&json!(3), &json!(0)), "{counters}");
    }

    async fn a_token_that_is_refused_costs_the_next_send_a_slot_of_its_own(app: &mut TestApp) {
        with_account(app, &[]).await;
        let refund = refund(app, "shop", "89991900000001").await;
        app.wait_for(&refund.refund_id, State::Succeeded).await;
        assert_eq!(states(app, &refund).await, TWICE);
        let sent = app.sandbox.posts_ms("89991900000001").await;
        assert_eq!(sent.len(), 2);
        assert!(sent[1] - sent[0] >= WINDOW_MS, "{sent:?}");
        assert_eq!(app.sandbox.counters("airalo").await["tokens"]["granted"], 2);
        assert_eq!(app.effects("89991900000001").await.len(), 1);
    }

    async fn a_token_that_is_about_to_end_is_fetched_anew_before_the_slot(app: &mut TestApp) {
        with_account(app, &[]).await;
        app.sandbox.settings(&json!({ "token_life_s": 2, "token_expires_in_s": 2 })).await;
        for iccid in ["8940000000001", "8940000000002", "8940000000003"] {
            let refund = refund(app, "shop", iccid).await;
            app.wait_for(&refund.refund_id, State::Succeeded).await;
            assert_eq!(app.sandbox.posts(iccid).await.len(), 1);
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        let counters = app.sandbox.counters("airalo").await;
        assert_eq!(counters["refunds"]["received"], 3);
        assert!(counters["tokens"]["granted"].as_u64() >= Some(3), "{counters}");
    }

    async fn after_a_429_the_account_is_quiet_for_as_long_as_it_says(app: &mut TestApp) {
        with_account(app, &[]).await;
        app.sandbox.settings(&json!({ "retry_after_s": 5 })).await;
        let limited = refund(app, "shop", "89992500000001").await;
        app.wait_until(&limited.refund_id, "back and waiting for a slot", is_back).await;
        let other = esims_request("other", "shop", &["8940000000001"]);
        let other = CreateRefundRequest { reason: Reason::WrongPurchase.into(), ..other };
        let other = app.create(other).await.unwrap().refund.unwrap();
        let waits = |refund: &Refund| refund.waits_for() == Wait::Slot;
        app.wait_until(&other.refund_id, "waiting for a slot", waits).await;
        for refund in [&limited, &other] {
            app.wait_for(&refund.refund_id, State::Succeeded).await;
        }
        assert_eq!(states(app, &limited).await, TWICE);
        let sent = app.sandbox.posts_ms("89992500000001").await;
        let others = app.sandbox.posts_ms("8940000000001").await;
        assert_eq!((sent.len(), others.len()), (2, 1));
        assert!(sent[1] - sent[0] >= 5_000 && others[0] - sent[0] >= 5_000, "{sent:?} {others:?}");
    }

    async fn after_a_429_that_says_nothing_the_account_is_quiet_for_a_window(app: &mut TestApp) {
        with_account(app, &[]).await;
        let limited = refund(app, "shop", "89992600000001").await;
        app.wait_until(&limited.refund_id, "back and waiting for a slot", is_back).await;
        app.wait_for(&limited.refund_id, State::Succeeded).await;
        assert_eq!(states(app, &limited).await, TWICE);
        let sent = app.sandbox.posts_ms("89992600000001").await;
        assert_eq!(sent.len(), 2);
        assert!(sent[1] - sent[0] >= WINDOW_MS, "{sent:?}");
    }
}
