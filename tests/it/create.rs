//! Creating and reading: the key, the replay, the guard, who may see what.

use std::collections::HashMap;
use std::time::Duration;

use prost_types::Timestamp;
use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::{FailureReason, GetRefundRequest, Money, Reason, StatusEvent, Wait};
use tonic::Code;
use tonic_types::StatusExt;

use super::support::app::{TestApp, request, with_token};
use super::support::on_every_app;

fn aud(amount_minor: i64) -> Money {
    Money { currency_code: "AUD".to_owned(), amount_minor }
}

on_every_app! {
    async fn a_refund_is_accepted_at_once_and_succeeds_soon(app: &mut TestApp) {
        let created = app.create(request("a1", "100101768366", 1_000)).await.unwrap();
        assert!(!created.replayed);
        let refund = created.refund.unwrap();
        assert_eq!((refund.state(), refund.sequence, refund.caller.as_str()), (State::Pending, 1, "dev"));
        let done = app.wait_for(&refund.refund_id, State::Succeeded).await;
        assert_eq!(done.amount_succeeded.unwrap().amount_minor, 1_000);
        assert!(!done.provider_refund_id.is_empty() && done.provider_complete_time.is_some());
        let effects = app.effects("100101768366").await;
        assert_eq!(effects.len(), 1);
        let effect = effects[0].to_string();
        assert!(effect.contains(&refund.refund_id) && effect.contains(&refund.provider_key), "{effect}");
    }

    async fn the_history_tells_every_state_and_every_round_trip(app: &mut TestApp) {
        let refund = app.refund("h1", "9941001").await;
        app.wait_for(&refund.refund_id, State::Succeeded).await;
        let full = app.full(&refund.refund_id).await;
        let states: Vec<_> = full.events.iter().map(StatusEvent::state).collect();
        let expected = [State::Pending, State::Sending, State::Unknown, State::Succeeded];
        assert_eq!(states, expected);
        let actors: Vec<_> = full.events.iter().map(|e| e.actor.as_str()).collect();
        assert_eq!(actors, ["dev", "dispatcher", "dispatcher", "dispatcher"]);
        let kinds: Vec<_> = full.attempts.iter().map(|a| (a.kind.as_str(), a.outcome.as_str())).collect();
        assert_eq!(kinds, [("preflight", "seen"), ("send", "unknown"), ("lookup", "succeeded")]);
        assert!(full.attempts.iter().all(|a| a.end_time.is_some() && a.trace_id.len() == 32));
        assert_eq!(full.attempts[1].failure_phase, "exchange");
    }

    async fn the_same_key_with_the_same_content_is_a_replay(app: &mut TestApp) {
        let first = app.refund("r1", "1001").await;
        let again = app.create(request("r1", "1001", 1_000)).await.unwrap();
        assert!(again.replayed);
        assert_eq!(again.refund.unwrap().refund_id, first.refund_id);
        app.wait_for(&first.refund_id, State::Succeeded).await;
        let later = app.create(request("r1", "1001", 1_000)).await.unwrap();
        assert!(later.replayed);
        assert_eq!(later.refund.unwrap().state(), State::Succeeded);
        assert_eq!(app.effects("1001").await.len(), 1);
    }

    async fn the_same_key_with_other_content_is_refused_and_names_what_differs(app: &mut TestApp) {
        let first = app.refund("r1", "1001").await;
        let mut other = request("r1", "1002", 1_001);
        other.reason = Reason::Duplicate.into();
        other.metadata = HashMap::from([("a".to_owned(), "b".to_owned())]);
        let status = app.create(other).await.unwrap_err();
        assert_eq!(status.code(), Code::AlreadyExists);
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.reason, "REQUEST_ID_REUSED");
        assert_eq!(info.metadata["fields"], "payment.order_id,payment.amount,reason,metadata");
        assert_eq!(info.metadata["refund_id"], first.refund_id);
        let status = app.create(request("r1", "1001", 999)).await.unwrap_err();
        assert_eq!(status.get_details_error_info().unwrap().metadata["fields"], "payment.amount");
    }

    async fn a_replay_is_decided_before_any_rule(app: &mut TestApp) {
        let mut old = request("r1", "1001", 1_000);
        let now = app.clock.now().micros() / 1_000_000;
        old.purchase_time = Some(Timestamp { seconds: now - 119 * 86_400, nanos: 0 });
        old.captured_amount = Some(aud(1_000));
        old.expected_remaining = Some(aud(1_000));
        let first = app.create(old.clone()).await.unwrap().refund.unwrap();
        app.clock.advance(Duration::from_hours(48));
        // Now it is too old, and nothing remains; and the account is gone from the configuration.
        assert!(app.create(old.clone()).await.unwrap().replayed);
        let mut fresh = old.clone();
        fresh.request_id = "r2".to_owned();
        let status = app.create(fresh).await.unwrap_err();
        assert_eq!(status.get_details_error_info().unwrap().reason, "REFUND_WINDOW_EXPIRED");
        assert_eq!(status.code(), Code::FailedPrecondition);
        let again = app.create(old).await.unwrap();
        assert_eq!(again.refund.unwrap().refund_id, first.refund_id);
    }

    async fn a_refused_create_uses_up_no_key(app: &mut TestApp) {
        let mut wish = request("r1", "1001", 1_000);
        wish.captured_amount = Some(aud(500));
        let status = app.create(wish).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition);
        let info = status.get_details_error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.metadata["remaining_minor"].as_str()), ("AMOUNT_EXCEEDS_REMAINING", "500"));
        assert!(!app.create(request("r1", "1001", 400)).await.unwrap().replayed);
    }

    async fn two_refunds_never_exceed_what_is_refundable(app: &mut TestApp) {
        let wish = |n: i64| {
            let mut wish = request(&format!("o{n}"), "1001", 60_000);
            wish.captured_amount = Some(aud(100_000));
            wish
        };
        let all = futures::future::join_all((0..8).map(|n| app.create(wish(n)))).await;
        let (accepted, refused): (Vec<_>, Vec<_>) = all.into_iter().partition(Result::is_ok);
        assert_eq!((accepted.len(), refused.len()), (1, 7));
        for status in refused {
            assert_eq!(status.unwrap_err().get_details_error_info().unwrap().reason, "AMOUNT_EXCEEDS_REMAINING");
        }
        let id = accepted.into_iter().next().unwrap().unwrap().refund.unwrap().refund_id;
        app.wait_for(&id, State::Succeeded).await;
        assert_eq!(app.effects("1001").await.len(), 1);
    }

    async fn two_spellings_of_one_order_share_a_guard(app: &mut TestApp) {
        let mut first = request("s1", "1001", 60_000);
        first.captured_amount = Some(aud(100_000));
        app.create(first).await.unwrap();
        let status = app.create(request("s2", "0001001", 60_000)).await.unwrap_err();
        assert_eq!(status.get_details_error_info().unwrap().reason, "AMOUNT_EXCEEDS_REMAINING");
    }

    async fn refunds_made_elsewhere_count_and_the_providers_figures_beat_the_callers(app: &mut TestApp) {
        // 900.00 captured, 300.00 refunded by somebody else: 600.00 remain, whatever the caller says.
        let mut wish = request("e1", "7001", 70_000);
        wish.captured_amount = Some(aud(100_000));
        let refund = app.create(wish).await.unwrap().refund.unwrap();
        let refund = app.wait_for(&refund.refund_id, State::Failed).await;
        assert_eq!(refund.failure.unwrap().reason(), FailureReason::RemainingChanged);
        let fits = app.refund_of("e2", "7001", 60_000).await;
        app.wait_for(&fits.refund_id, State::Succeeded).await;
        let status = app.create(request("e3", "7001", 1)).await.unwrap_err();
        assert_eq!(status.get_details_error_info().unwrap().metadata["remaining_minor"], "0");
    }

    async fn an_order_in_another_currency_fails_before_anything_is_sent(app: &mut TestApp) {
        let refund = app.refund("c1", "2001").await;
        let refund = app.wait_for(&refund.refund_id, State::Failed).await;
        assert_eq!(refund.failure.unwrap().reason(), FailureReason::CurrencyMismatch);
        assert!(app.sandbox.calls("2001").await.iter().all(|call| call["method"] == "GET"));
    }

    async fn a_purchase_too_old_is_refused_before_any_call(app: &mut TestApp) {
        // The caller says when: refused at once. The caller does not: the preflight tells, and nothing is sent.
        let refund = app.refund("d1", "5001").await;
        let refund = app.wait_for(&refund.refund_id, State::Failed).await;
        assert_eq!(refund.failure.unwrap().reason(), FailureReason::RefundWindowExpired);
        assert!(app.sandbox.calls("5001").await.iter().all(|call| call["method"] == "GET"));
    }

    async fn another_callers_refund_is_not_found(app: &mut TestApp) {
        let refund = app.refund("x1", "1001").await;
        let message = |id: &str| GetRefundRequest { refund_id: id.to_owned(), view: 0 };
        let mut client = app.client().await;
        let own = client.get_refund(with_token(message(&refund.refund_id), "dev-token")).await;
        assert!(own.is_ok());
        // An operator sees everyone's; a refund of the operator's is not dev's.
        let seen = client.get_refund(with_token(message(&refund.refund_id), "operator-token")).await;
        assert!(seen.is_ok());
        let theirs = client.create_refund(with_token(request("x1", "1002", 1_000), "operator-token")).await;
        let theirs = theirs.unwrap().into_inner();
        assert!(!theirs.replayed, "the key's scope is the caller");
        let id = theirs.refund.unwrap().refund_id;
        let status = client.get_refund(message(&id)).await.unwrap_err();
        let never_was = client.get_refund(message("00000000-0000-7000-8000-000000000000")).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (never_was.code(), never_was.message()));
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(status.get_details_error_info().unwrap().reason, "REFUND_NOT_FOUND");
    }

    async fn wrong_credentials_are_refused(app: &mut TestApp) {
        let mut client = app.client().await;
        for token in ["nobody", "dev-token ", "DEV-TOKEN"] {
            let status = client.create_refund(with_token(request("t1", "1001", 1), token)).await.unwrap_err();
            assert_eq!(status.code(), Code::Unauthenticated);
            assert_eq!(status.get_details_error_info().unwrap().reason, "BAD_CREDENTIALS");
        }
        let mut basic = with_token(request("t1", "1001", 1), "x");
        basic.metadata_mut().insert("authorization", "Basic abc".parse().unwrap());
        assert_eq!(client.create_refund(basic).await.unwrap_err().code(), Code::Unauthenticated);
    }

    async fn without_a_default_caller_a_call_needs_a_token(app: &mut TestApp) {
        app.pause().await;
        app.set(&[("REFUNDS__CALLERS__DEFAULT_CALLER", "")]);
        app.resume().await;
        let status = app.create(request("t1", "1001", 1)).await.unwrap_err();
        assert_eq!(status.get_details_error_info().unwrap().reason, "MISSING_CREDENTIALS");
    }

    async fn an_account_with_open_refunds_may_not_change_its_merchant(app: &mut TestApp) {
        let refund = app.refund("m1", "9981001").await;
        app.wait_for(&refund.refund_id, State::Unknown).await;
        app.pause().await;
        app.set(&[("REFUNDS__ACCOUNTS__AFTERPAY__MERCHANT", "700000000")]);
        let error = app.try_resume().await.unwrap_err().to_string();
        assert!(error.contains("merchant changed from 600032000 to 700000000"), "{error}");
    }

    async fn not_before_holds_a_refund_back_and_send_before_ends_it(app: &mut TestApp) {
        let now = app.clock.now().micros() / 1_000_000;
        let mut held = request("n1", "1001", 1_000);
        held.not_before = Some(Timestamp { seconds: now + 3_600, nanos: 0 });
        let held = app.create(held).await.unwrap().refund.unwrap();
        assert_eq!(held.waits_for(), Wait::NotBefore);
        let mut late = request("n2", "9974002", 1_000);
        late.send_before = Some(Timestamp { seconds: now + 1_800, nanos: 0 });
        let late = app.create(late).await.unwrap().refund.unwrap();
        app.clock.advance(Duration::from_hours(1));
        let late = app.wait_for(&late.refund_id, State::Failed).await;
        assert_eq!(late.failure.unwrap().reason(), FailureReason::SendBeforePassed);
        app.wait_for(&held.refund_id, State::Succeeded).await;
    }
}
