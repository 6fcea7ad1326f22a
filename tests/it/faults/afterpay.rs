//! The Afterpay table.

use std::time::Duration;

use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::{FailureReason, Refund, Wait};
use serde_json::Value;

use super::super::support::app::{TestApp, payment};
use super::super::support::on_every_app;
use super::{End, Row, Table};

const ROWS: &[Row] = &[
    ("00", "ok", End::Succeeded),
    ("10", "invalid_amount", End::Failed(FailureReason::AmountExceedsRefundable)),
    ("11", "unauthorized", End::Succeeded),
    ("12", "insufficient_permissions", End::Succeeded),
    ("13", "forbidden_html", End::Succeeded),
    ("14", "not_found", End::Failed(FailureReason::OrderNotFound)),
    ("15", "not_acceptable", End::Succeeded),
    ("16", "conflict", End::Succeeded),
    ("17", "conflict_after_commit", End::Succeeded),
    ("18", "precondition_failed", End::Failed(FailureReason::OrderNotRefundable)),
    ("19", "unsupported_media_type", End::Succeeded),
    ("20", "invalid_object", End::Failed(FailureReason::RequestRejected)),
    ("21", "refund_timelimit_exceeded", End::Failed(FailureReason::RefundWindowExpired)),
    ("22", "unsupported_currency", End::Failed(FailureReason::CurrencyMismatch)),
    ("23", "invalid_json", End::Succeeded),
    ("24", "method_not_allowed", End::Succeeded),
    ("25", "rate_limited", End::Succeeded),
    ("26", "rate_limited_bare", End::Succeeded),
    ("27", "error_500_empty", End::Succeeded),
    ("28", "error_500", End::Succeeded),
    ("29", "error_500_after_commit", End::Succeeded),
    ("30", "unavailable", End::Succeeded),
    ("31", "edge_timeout", End::Succeeded),
    ("32", "edge_timeout_after_commit", End::Succeeded),
    ("33", "bad_gateway_after_commit", End::Succeeded),
    ("40", "timeout_before_commit", End::Succeeded),
    ("41", "timeout_after_commit", End::Succeeded),
    ("42", "slow", End::Succeeded),
    ("43", "reset_before_commit", End::Succeeded),
    ("44", "reset_after_commit", End::Succeeded),
    ("45", "reset_in_body", End::Succeeded),
    ("46", "garbage_after_commit", End::Succeeded),
    ("47", "html_after_commit", End::Succeeded),
    ("48", "truncated_after_commit", End::Succeeded),
    ("49", "oversized_after_commit", End::Succeeded),
    ("50", "endless_after_commit", End::Succeeded),
    ("51", "redirect", End::Succeeded),
    ("52", "empty_after_commit", End::Succeeded),
    ("53", "no_refund_id", End::Succeeded),
    ("54", "no_echo", End::Succeeded),
    ("55", "wrong_request_id", End::Succeeded),
    ("56", "wrong_amount", End::Succeeded),
    ("57", "wrong_currency", End::Succeeded),
    ("58", "wrong_reference", End::Succeeded),
    ("59", "wrong_refund_reference", End::Succeeded),
    ("60", "ignores_key", End::Succeeded),
    ("61", "ignores_key_timeout", End::Succeeded),
    ("62", "forgets_key", End::Succeeded),
    ("63", "forgets_key_timeout", End::Succeeded),
    ("70", "lookup_500", End::Succeeded),
    ("71", "lookup_hides", End::Open(State::Unknown, 1)),
    ("72", "lookup_404", End::Succeeded),
    ("73", "lookup_other_order", End::Open(State::Pending, 0)),
    ("74", "lookup_timeout", End::Open(State::Pending, 0)),
    ("80", "always_conflict", End::Open(State::Unknown, 0)),
    ("81", "always_500", End::Open(State::Unknown, 0)),
    ("82", "always_timeout", End::Open(State::Unknown, 0)),
    ("83", "always_timeout_after_commit", End::Succeeded),
    ("84", "always_unavailable", End::Open(State::Unknown, 0)),
    ("85", "always_rate_limited", End::Open(State::Unknown, 0)),
    ("86", "always_unauthorized", End::Open(State::Pending, 0)),
];

pub(super) const TABLE: Table = Table {
    provider: "afterpay",
    rows: ROWS,
    quiet: &["26"],
    order,
    settings: |_| &[],
    request: |request_id, account, order| payment(request_id, account, order, ("AUD", 1_000)),
};

fn order(code: &str) -> String {
    format!("99{code}001")
}

on_every_app! {
    async fn every_row_ends_by_the_rules(app: &mut TestApp) {
        TABLE.check_all(app).await;
    }

    async fn a_blocked_account_fails_no_refund_and_goes_on_when_it_is_mended(app: &mut TestApp) {
        app.pause().await;
        app.set(&[("REFUNDS_DEV_AFTERPAY_SECRET", "rotated away")]);
        app.resume().await;
        let orders: Vec<String> = (0..5).map(|n| format!("1888{n}")).collect();
        let mut waiting = Vec::new();
        for order in &orders {
            waiting.push(app.refund(order, order).await.refund_id);
        }
        for id in &waiting {
            let waits = |refund: &Refund| refund.waits_for() == Wait::AccountBlocked;
            let refund = app.wait_until(id, "waiting for the account", waits).await;
            assert_eq!(refund.state(), State::Pending);
        }
        app.pause().await;
        app.set(&[("REFUNDS_DEV_AFTERPAY_SECRET", refunds::sandbox::AFTERPAY_SECRET)]);
        app.resume().await;
        for (order, id) in orders.iter().zip(&waiting) {
            app.wait_for(id, State::Succeeded).await;
            assert_eq!(app.effects(order).await.len(), 1);
        }
    }

    async fn after_the_resend_window_nothing_is_sent_and_a_person_is_told(app: &mut TestApp) {
        let order = order("82");
        let refund = app.refund("window", &order).await;
        app.wait_for(&refund.refund_id, State::Unknown).await;
        app.clock.advance(Duration::from_hours(23));
        let sends = |calls: &[Value]| calls.iter().filter(|c| c["method"] == "POST").count();
        let looks = |calls: &[Value]| calls.iter().filter(|c| c["method"] == "GET").count();
        // What was on its way at the jump may still arrive; from then on there are only lookups.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = app.sandbox.calls(&order).await;
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            let now = app.sandbox.calls(&order).await;
            assert_eq!(sends(&now), sends(&before), "sent outside the window");
            if looks(&now) >= looks(&before) + 3 {
                break;
            }
            assert!(tokio::time::Instant::now() < deadline, "not looked up any more");
            app.clock.advance(Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let refund = app.get(&refund.refund_id).await;
        assert_eq!(refund.state(), State::Unknown);
        assert!(refund.overdue_time.is_some() && refund.next_check_time.is_some());
    }

    async fn a_refused_resend_is_not_the_fate_of_the_first_send(app: &mut TestApp) {
        // The first send takes effect unseen; the resend is refused because of its own success.
        app.sandbox.settings(&serde_json::json!({ "lookup_lag_ms": 1500 })).await;
        let behaviours = serde_json::json!({ "behaviours": ["timeout_after_commit", "invalid_amount"] });
        app.sandbox.order("1999", &behaviours).await;
        let refund = app.refund("refused", "1999").await;
        app.wait_for(&refund.refund_id, State::Succeeded).await;
        assert_eq!(app.effects("1999").await.len(), 1);
        let history = app.full(&refund.refund_id).await;
        assert!(history.events.iter().all(|event| event.state() != State::Failed));
        // Nothing moved at all: refused, and a later lookup lacks it.
        let behaviours = serde_json::json!({ "behaviours": ["timeout_before_commit", "invalid_amount"] });
        app.sandbox.order("1998", &behaviours).await;
        let refund = app.refund("truly-refused", "1998").await;
        let refund = app.wait_for(&refund.refund_id, State::Failed).await;
        assert_eq!(refund.failure.unwrap().reason(), FailureReason::AmountExceedsRefundable);
        assert_eq!(app.effects("1998").await.len(), 0);
    }
}

#[tokio::test]
async fn the_rows_are_those_of_the_sandbox() {
    TABLE.is_whole().await;
}
