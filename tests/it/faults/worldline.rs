//! The Worldline table, on accounts whose `requestId` is confirmed; but see [`UNCONFIRMED`].

use refunds::grpc::proto::FailureReason;
use refunds::grpc::proto::refund::State;

use super::super::support::app::{TestApp, payment};
use super::super::support::on_every_app;
use super::super::support::sandbox::http;
use super::{End, Row, Table};

const ROWS: &[Row] = &[
    ("00", "ok", End::Succeeded),
    ("01", "declined", End::Failed(FailureReason::Declined)),
    ("02", "rejected", End::Failed(FailureReason::Declined)),
    ("03", "declined_exceeds", End::Failed(FailureReason::AmountExceedsRefundable)),
    ("04", "declined_duplicate", End::Open(State::Unknown, 0)),
    ("05", "declined_merchant", End::Succeeded),
    ("06", "declined_authentication", End::Succeeded),
    ("07", "payout", End::Succeeded),
    ("08", "whole_order", End::Succeeded),
    ("09", "replays_then_processed", End::Open(State::InReview, 0)),
    ("10", "replays_then_declined", End::Open(State::InReview, 0)),
    ("11", "unauthorized", End::Succeeded),
    ("12", "foreign_merchant", End::Succeeded),
    ("13", "forbidden_html", End::Succeeded),
    ("14", "not_found", End::Failed(FailureReason::OrderNotFound)),
    ("15", "not_acceptable", End::Succeeded),
    ("16", "conflict", End::Succeeded),
    ("17", "conflict_after_commit", End::Succeeded),
    ("18", "exceeds", End::Failed(FailureReason::AmountExceedsRefundable)),
    ("19", "unsupported_media_type", End::Succeeded),
    ("20", "other_currency", End::Failed(FailureReason::CurrencyMismatch)),
    ("21", "duplicate", End::Succeeded),
    ("22", "duplicate_after_commit", End::Succeeded),
    ("23", "invalid_input", End::Failed(FailureReason::RequestRejected)),
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
    ("36", "in_progress", End::Succeeded),
    ("37", "in_progress_after_commit", End::Succeeded),
    ("38", "exceeds_error_code", End::Failed(FailureReason::AmountExceedsRefundable)),
    ("39", "reads_then_declined", End::Failed(FailureReason::Declined)),
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
    ("53", "no_transactions", End::Succeeded),
    ("54", "no_transaction_list", End::Succeeded),
    ("55", "order_as_before", End::Succeeded),
    ("56", "wrong_amount", End::Succeeded),
    ("57", "wrong_currency", End::Succeeded),
    ("58", "wrong_order", End::Succeeded),
    ("59", "unknown_status", End::Succeeded),
    ("60", "ignores_key", End::Succeeded),
    ("61", "ignores_key_timeout", End::Open(State::Unknown, 1)),
    ("62", "forgets_key", End::Succeeded),
    ("63", "forgets_key_timeout", End::Open(State::Unknown, 1)),
    ("64", "bank_unreachable", End::Succeeded),
    ("65", "nothing_sent", End::Succeeded),
    ("66", "unknown", End::Succeeded),
    ("67", "unknown_after_commit", End::Succeeded),
    ("68", "unknown_then_declined", End::Failed(FailureReason::Declined)),
    ("69", "always_unknown", End::Open(State::Unknown, 0)),
    ("70", "lookup_500", End::Succeeded),
    ("71", "lookup_hides", End::Open(State::Unknown, 1)),
    ("72", "lookup_404", End::Failed(FailureReason::OrderNotFound)),
    ("73", "lookup_other_order", End::Open(State::Pending, 0)),
    ("74", "lookup_timeout", End::Open(State::Pending, 0)),
    ("75", "lookup_lags", End::Succeeded),
    ("76", "always_unknown_after_commit", End::Open(State::Unknown, 1)),
    ("77", "reversed", End::Succeeded),
    ("78", "bounced", End::Succeeded),
    ("79", "timeout_then_registered", End::Open(State::Unknown, 1)),
    ("80", "always_conflict", End::Open(State::Unknown, 0)),
    ("81", "always_500", End::Open(State::Unknown, 0)),
    ("82", "always_timeout", End::Open(State::Unknown, 0)),
    ("83", "always_timeout_after_commit", End::Open(State::Unknown, 1)),
    ("84", "always_unavailable", End::Open(State::Unknown, 0)),
    ("85", "always_rate_limited", End::Open(State::Unknown, 0)),
    ("86", "always_unauthorized", End::Open(State::Pending, 0)),
    ("87", "registered_then_processed", End::Succeeded),
    ("88", "registered_then_declined", End::Failed(FailureReason::Declined)),
    ("89", "reads_then_processed", End::Succeeded),
    ("90", "always_registered", End::Open(State::InReview, 0)),
    ("91", "split_declined", End::Partly),
    ("92", "split_pending", End::Succeeded),
    ("93", "split_pending_declined", End::Partly),
    ("94", "split_all_declined", End::Failed(FailureReason::Declined)),
    ("95", "split_unknown", End::Succeeded),
    ("96", "foreign_refund", End::Succeeded),
    ("97", "foreign_refund_listed", End::Open(State::Unknown, 1)),
    ("98", "foreign_refund_declined", End::Failed(FailureReason::AmountExceedsRefundable)),
    ("99", "foreign_refund_timeout", End::Succeeded),
];

pub(super) const TABLE: Table = Table {
    provider: "worldline",
    rows: ROWS,
    quiet: &["26"],
    order,
    settings: |code| {
        if UNCONFIRMED.contains(&code) { &[("WORLDLINE__REQUEST_ID_CONFIRMED", "false")] } else { &[] }
    },
    request: |request_id, account, order| payment(request_id, account, order, ("EUR", 1_000)),
};

/// Rows of a hub that heeds no key for long: nobody confirmed one for their accounts.
const UNCONFIRMED: &[&str] = &["61", "63"];

fn order(code: &str) -> String {
    format!("wl-99{code}-1")
}

on_every_app! {
    async fn every_row_ends_by_the_rules(app: &mut TestApp) {
        TABLE.check_all(app).await;
    }

    async fn a_waiting_refund_is_not_failed_by_the_doubt_of_another(app: &mut TestApp) {
        // The answer to the first one is lost; together they are all that was captured.
        let path = "/control/worldline/orders/wl-1-guard";
        let course = r#"{"behaviours": ["timeout_after_commit", "ok"]}"#;
        http(app.sandbox.address(), "PUT", path, course).await;
        let create = async |request_id: &str, minor: i64| {
            app.create(payment(request_id, "worldline", "wl-1-guard", ("EUR", minor))).await
        };
        let first = create("first", 60_000).await.unwrap().refund.unwrap();
        let second = create("second", 40_000).await.unwrap().refund.unwrap();
        app.wait_for(&first.refund_id, State::Succeeded).await;
        app.wait_for(&second.refund_id, State::Succeeded).await;
        assert_eq!(app.effects("wl-1-guard").await.len(), 2);
        let refused = create("third", 1).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
    }

    async fn what_a_doubt_showed_does_not_stay_in_the_guard(app: &mut TestApp) {
        let path = "/control/worldline/orders/wl-1-after";
        let course = r#"{"behaviours": ["timeout_after_commit", "ok"]}"#;
        http(app.sandbox.address(), "PUT", path, course).await;
        for (request_id, minor) in [("first", 60_000), ("rest", 40_000)] {
            let request = payment(request_id, "worldline", "wl-1-after", ("EUR", minor));
            let refund = app.create(request).await.unwrap().refund.unwrap();
            app.wait_for(&refund.refund_id, State::Succeeded).await;
        }
    }

    async fn only_a_declined_transaction_ends_an_unknown_refund_as_failed(app: &mut TestApp) {
        super::super::a_refused_resend_leaves_it_unknown(app, &TABLE, "worldline", "exceeds").await;
    }
}

#[tokio::test]
async fn the_rows_are_those_of_the_sandbox() {
    TABLE.is_whole().await;
}
