//! What an account may spend: rate, breaker, queue; and what a lost database cannot double.

use std::time::Duration;

use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::{Refund, Wait};
use tonic::Code;
use tonic_types::StatusExt;

use super::support::app::{TestApp, request};
use super::support::on_every_app;

on_every_app! {
    async fn a_rate_budget_keeps_calls_apart_and_says_what_waits(app: &mut TestApp) {
        app.pause().await;
        app.set(&[
            ("REFUNDS__ACCOUNTS__AFTERPAY__RATE__REQUESTS", "1"),
            ("REFUNDS__ACCOUNTS__AFTERPAY__RATE__PER_MS", "700"),
        ]);
        app.resume().await;
        let mut ids = Vec::new();
        for n in 0..4 {
            ids.push(app.refund(&format!("rate{n}"), &format!("100{n}")).await.refund_id);
        }
        let waits = |refund: &Refund| refund.waits_for() == Wait::Slot;
        app.wait_until(&ids[3], "waiting for a slot", waits).await;
        let mut sent = Vec::new();
        for (n, id) in ids.iter().enumerate() {
            app.wait_for(id, State::Succeeded).await;
            sent.extend(app.sandbox.posts_ms(&format!("100{n}")).await);
        }
        sent.sort_unstable();
        assert_eq!(sent.len(), 4);
        // The slot is spent at the commit; a call may follow it a moment sooner or later.
        assert!(sent.windows(2).all(|pair| pair[1] - pair[0] > 500), "{sent:?}");
    }

    async fn the_breaker_opens_after_failures_and_closes_when_the_provider_is_back(app: &mut TestApp) {
        app.pause().await;
        app.set(&[
            ("REFUNDS__ACCOUNTS__AFTERPAY__SCHEDULE__BREAKER_FAILURES", "3"),
            ("REFUNDS__ACCOUNTS__AFTERPAY__SCHEDULE__BREAKER_OPEN_MS", "4000"),
        ]);
        app.resume().await;
        app.sandbox.next(&["error_500"; 3]).await;
        let failing = app.refund("b0", "1001").await;
        let mut waiting = Vec::new();
        let broken = |refund: &Refund| refund.waits_for() == Wait::Breaker;
        // One refund after another until the breaker is seen open on one that was never sent.
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            let n = waiting.len();
            let id = app.refund(&format!("w{n}"), &format!("2{n}")).await.refund_id;
            waiting.push((id.clone(), format!("2{n}")));
            if broken(&app.get(&id).await) {
                break;
            }
            assert!(tokio::time::Instant::now() < deadline, "the breaker never opened");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        app.wait_for(&failing.refund_id, State::Succeeded).await;
        assert_eq!(app.effects("1001").await.len(), 1);
        for (id, _order) in waiting {
            // Orders of kind 2 are in US dollars: they end by the preflight, once the breaker lets them.
            app.wait_for(&id, State::Failed).await;
        }
    }

    async fn a_full_queue_is_told_with_when_to_come_again(app: &mut TestApp) {
        app.pause().await;
        app.set(&[("REFUNDS__ACCOUNTS__AFTERPAY__QUEUE_MAX", "1")]);
        app.resume().await;
        let stuck = app.refund("q0", "9974001").await;
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        let mut tried = 0;
        let status = loop {
            // The depth is looked at every second.
            tried += 1;
            match app.create(request(&format!("q{tried}"), "9974002", 1_000)).await {
                Err(status) if status.code() == Code::ResourceExhausted => break status,
                Ok(_) | Err(_) => {}
            }
            assert!(tokio::time::Instant::now() < deadline, "the queue was never full");
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        assert_eq!(status.get_details_error_info().unwrap().reason, "QUEUE_FULL");
        assert!(status.get_details_retry_info().is_some());
        // A replay is no new work.
        assert!(app.create(request("q0", "9974001", 1_000)).await.unwrap().replayed);
        assert_eq!(app.get(&stuck.refund_id).await.state(), State::Pending);
    }

    async fn a_repeat_after_a_lost_database_meets_the_providers_memory(app: &mut TestApp) {
        let first = app.refund("lost", "9962001").await;
        app.wait_for(&first.refund_id, State::Succeeded).await;
        app.lose_the_database().await;
        // The provider has forgotten the key by now; its list of refunds has not.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let again = app.create(request("lost", "9962001", 1_000)).await.unwrap();
        assert!(!again.replayed);
        let again = again.refund.unwrap();
        assert_eq!(again.provider_key, first.provider_key);
        app.wait_for(&again.refund_id, State::Succeeded).await;
        assert_eq!(app.effects("9962001").await.len(), 1);
        assert_eq!(app.sandbox.posts_ms("9962001").await.len(), 1);
    }
}
