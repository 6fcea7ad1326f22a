//! The Moyasar table.

use refunds::grpc::proto::FailureReason;
use refunds::grpc::proto::refund::State;

use super::super::support::app::{TestApp, payment};
use super::super::support::on_every_app;
use super::{End, Row, Table};

/// How rows end on an account whose key is proven; but see [`UNPROVEN`].
const ROWS: &[Row] = &[
    ("00", "ok", End::Succeeded),
    ("10", "over_refund", End::Failed(FailureReason::Declined)),
    ("11", "unauthorized", End::Succeeded),
    ("12", "forbidden", End::Succeeded),
    ("13", "forbidden_html", End::Succeeded),
    ("14", "not_found", End::Failed(FailureReason::OrderNotFound)),
    ("15", "invalid_amount", End::Failed(FailureReason::RequestRejected)),
    ("16", "id_taken", End::Open(State::Unknown, 0)),
    ("17", "still_processing", End::Succeeded),
    ("18", "still_processing_after_commit", End::Succeeded),
    ("19", "blocked", End::Succeeded),
    ("20", "blocked_after_commit", End::Succeeded),
    ("21", "not_refundable", End::Failed(FailureReason::Declined)),
    ("22", "bad_request_html", End::Succeeded),
    ("23", "refused_after_commit", End::FailedAndMoved(FailureReason::Declined)),
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
    ("34", "request_timeout", End::Succeeded),
    ("35", "request_timeout_after_commit", End::Succeeded),
    ("36", "conflict_after_commit", End::Succeeded),
    ("37", "too_early", End::Succeeded),
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
    ("53", "other_transaction_id", End::Succeeded),
    ("54", "no_transaction", End::Succeeded),
    ("55", "no_transactions", End::Succeeded),
    ("56", "wrong_amount", End::Succeeded),
    ("57", "wrong_currency", End::Succeeded),
    ("58", "wrong_order", End::Succeeded),
    ("59", "wrong_type", End::Succeeded),
    ("60", "ignores_key", End::Succeeded),
    ("61", "ignores_key_timeout", End::Succeeded),
    ("62", "forgets_key", End::Succeeded),
    ("63", "forgets_key_timeout", End::Succeeded),
    ("64", "server_id", End::Open(State::Unknown, 1)),
    ("65", "server_id_timeout", End::Open(State::Unknown, 1)),
    ("70", "lookup_500", End::Succeeded),
    ("71", "lookup_hides", End::Open(State::Unknown, 1)),
    ("72", "lookup_404", End::Succeeded),
    ("73", "lookup_other_order", End::Open(State::Pending, 0)),
    ("74", "lookup_timeout", End::Open(State::Pending, 0)),
    ("75", "lookup_lags", End::Succeeded),
    ("79", "always_rate_limited", End::Open(State::Unknown, 0)),
    ("80", "failed", End::Failed(FailureReason::Declined)),
    ("81", "initiated_then_approved", End::Succeeded),
    ("82", "initiated_then_failed", End::Failed(FailureReason::Declined)),
    ("83", "initiated", End::Open(State::InReview, 0)),
    ("84", "timeout_status", End::Open(State::Unknown, 0)),
    ("85", "timeout_then_approved", End::Succeeded),
    ("86", "timeout_then_reversed", End::Open(State::Unknown, 0)),
    ("87", "system_error", End::Open(State::Unknown, 0)),
    ("88", "approved_then_reversed", End::Succeeded),
    ("89", "failed_timeout", End::Failed(FailureReason::Declined)),
    ("90", "initiated_then_approved_timeout", End::Succeeded),
    ("91", "initiated_then_failed_timeout", End::Failed(FailureReason::Declined)),
    ("92", "unheard_status", End::Open(State::Unknown, 0)),
    ("93", "always_still_processing", End::Open(State::Unknown, 0)),
    ("94", "always_still_processing_after_commit", End::Succeeded),
    ("95", "always_500", End::Open(State::Unknown, 0)),
    ("96", "always_timeout", End::Open(State::Unknown, 0)),
    ("97", "always_timeout_after_commit", End::Succeeded),
    ("98", "always_unavailable", End::Open(State::Unknown, 0)),
    ("99", "always_unauthorized", End::Open(State::Pending, 0)),
];

pub(super) const TABLE: Table = Table {
    provider: "moyasar",
    rows: ROWS,
    quiet: &["26"],
    order,
    settings: |_| &[],
    request: |request_id, account, order| payment(request_id, account, order, ("SAR", 1_000)),
};

/// Rows of a gateway that heeds no key: their accounts never saw one heeded.
const UNPROVEN: &[&str] = &["64", "65"];

fn order(code: &str) -> String {
    format!("99{code}0000-0000-7000-8000-000000000001")
}

/// Shows each row's account, by an ordinary refund, that the gateway heeds the key.
async fn prove_keys(app: &TestApp, rows: &[Row]) {
    let proofs = rows.iter().filter(|(code, ..)| !UNPROVEN.contains(code)).map(|(code, ..)| async move {
        let order = format!("0191{code}00-0000-7000-8000-000000000001");
        let request = (TABLE.request)(&format!("proof-{code}"), &Table::account(code), &order);
        let refund = app.create(request).await.unwrap().refund.unwrap();
        app.wait_for(&refund.refund_id, State::Succeeded).await;
    });
    futures::future::join_all(proofs).await;
}

on_every_app! {
    async fn every_row_ends_by_the_rules(app: &mut TestApp) {
        for rows in TABLE.parts() {
            TABLE.open_accounts(app, rows).await;
            prove_keys(app, rows).await;
            TABLE.check_rows(app, rows).await;
        }
    }

    async fn nothing_is_sent_again_before_the_key_is_proven(app: &mut TestApp) {
        for code in ["40", "17", "43"] {
            let request = (TABLE.request)(code, "moyasar", &order(code));
            let refund = app.create(request).await.unwrap().refund.unwrap();
            assert!(super::super::tried(app, &order(code)).await);
            assert_eq!(app.get(&refund.refund_id).await.state(), State::Unknown);
            assert_eq!(super::super::posts(app, &order(code)).await, 1);
        }
    }

    async fn a_success_without_our_transaction_stops_resends_for_the_account(app: &mut TestApp) {
        let ordinary = "01910000-0000-7000-8000-000000000009";
        let create = async |request_id: &str, order: &str| {
            let request = (TABLE.request)(request_id, "moyasar", order);
            app.create(request).await.unwrap().refund.unwrap().refund_id
        };
        let proof = create("proof", ordinary).await;
        app.wait_for(&proof, State::Succeeded).await;
        // The key is proven: what was lost is sent again.
        let lost = create("lost", &order("40")).await;
        app.wait_for(&lost, State::Succeeded).await;
        let ignored = create("ignored", &order("64")).await;
        app.wait_for(&ignored, State::Unknown).await;
        // From now on nothing is.
        let lost_too = create("lost-too", &order("43")).await;
        assert!(super::super::tried(app, &order("43")).await);
        assert_eq!(app.get(&lost_too).await.state(), State::Unknown);
        assert_eq!(super::super::posts(app, &order("43")).await, 1);
        // First sends go on.
        let next = create("next", "01910000-0000-7000-8000-000000000008").await;
        app.wait_for(&next, State::Succeeded).await;
    }

    async fn only_our_own_transaction_ends_an_unknown_refund_as_failed(app: &mut TestApp) {
        let ordinary = (TABLE.request)("proof", "moyasar", "01910000-0000-7000-8000-000000000009");
        let proof = app.create(ordinary).await.unwrap().refund.unwrap();
        app.wait_for(&proof.refund_id, State::Succeeded).await;
        super::super::a_refused_resend_leaves_it_unknown(app, &TABLE, "moyasar", "over_refund").await;
    }

    async fn another_currency_fails_before_anything_is_sent(app: &mut TestApp) {
        let order = "01940000-0000-7000-8000-000000000001";
        let refund = app.create((TABLE.request)("usd", "moyasar", order)).await.unwrap().refund.unwrap();
        let refund = app.wait_for(&refund.refund_id, State::Failed).await;
        assert_eq!(refund.failure.unwrap().reason(), FailureReason::CurrencyMismatch);
        assert_eq!(super::super::posts(app, order).await, 0);
    }
}

#[tokio::test]
async fn the_rows_are_those_of_the_sandbox() {
    TABLE.is_whole().await;
}
