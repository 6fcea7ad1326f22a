//! The Airalo table: nothing is ever sent twice, so what may have been taken is known by its orders or not
//! at all.

use refunds::grpc::proto::FailureReason;
use refunds::grpc::proto::refund::State;

use super::super::support::app::{TestApp, esim};
use super::super::support::on_every_app;
use super::{End, Row, Table};

const ROWS: &[Row] = &[
    ("00", "ok", End::Succeeded),
    ("10", "foreign_iccids", End::Failed(FailureReason::OrderNotFound)),
    ("11", "foreign_others_taken", End::Failed(FailureReason::OrderNotFound)),
    ("12", "iccids_required", End::Failed(FailureReason::RequestRejected)),
    ("13", "reason_invalid", End::Failed(FailureReason::RequestRejected)),
    ("14", "notes_invalid", End::Failed(FailureReason::RequestRejected)),
    ("15", "email_invalid", End::Failed(FailureReason::RequestRejected)),
    ("16", "iccids_too_many", End::Failed(FailureReason::RequestRejected)),
    ("17", "not_allowlisted", End::Succeeded),
    ("18", "forbidden_html", End::Open(State::Unknown, 0)),
    ("19", "expired_token", End::Succeeded),
    ("20", "recycled_esim", End::Failed(FailureReason::OrderNotRefundable)),
    ("21", "coded_error", End::Open(State::Unknown, 0)),
    ("22", "not_found", End::Open(State::Unknown, 0)),
    ("23", "bad_request", End::Open(State::Unknown, 0)),
    ("24", "method_not_allowed", End::Open(State::Unknown, 0)),
    ("25", "rate_limited", End::Succeeded),
    ("26", "rate_limited_bare", End::Succeeded),
    ("27", "error_500_empty", End::Open(State::Unknown, 0)),
    ("28", "error_500", End::Open(State::Unknown, 0)),
    ("29", "error_500_after_commit", End::Succeeded),
    ("30", "unavailable", End::Open(State::Unknown, 0)),
    ("31", "unavailable_after_commit", End::Succeeded),
    ("32", "gateway_timeout", End::Open(State::Unknown, 0)),
    ("33", "gateway_timeout_after_commit", End::Succeeded),
    ("34", "bad_gateway", End::Open(State::Unknown, 0)),
    ("35", "bad_gateway_after_commit", End::Succeeded),
    ("36", "not_implemented", End::Open(State::Unknown, 0)),
    ("37", "request_timeout", End::Open(State::Unknown, 0)),
    ("38", "request_timeout_after_commit", End::Succeeded),
    ("40", "timeout_before_commit", End::Open(State::Unknown, 0)),
    ("41", "timeout_after_commit", End::Succeeded),
    ("42", "slow", End::Succeeded),
    ("43", "reset_before_commit", End::Open(State::Unknown, 0)),
    ("44", "reset_after_commit", End::Succeeded),
    ("45", "reset_in_body", End::Succeeded),
    ("46", "garbage_after_commit", End::Succeeded),
    ("47", "html_after_commit", End::Succeeded),
    ("48", "truncated_after_commit", End::Succeeded),
    ("49", "oversized_after_commit", End::Succeeded),
    ("50", "endless_after_commit", End::Succeeded),
    ("51", "redirect", End::Open(State::Unknown, 0)),
    ("52", "empty_after_commit", End::Succeeded),
    ("53", "no_refund_id", End::Succeeded),
    ("54", "null_refund_id", End::Succeeded),
    ("55", "numeric_refund_id", End::Succeeded),
    ("56", "data_list", End::Succeeded),
    ("57", "no_created_at", End::Succeeded),
    ("58", "no_meta", End::Succeeded),
    ("59", "status_200", End::Succeeded),
    ("60", "approved_at_once", End::Succeeded),
    ("61", "approved_partially", End::Partly),
    ("62", "rejected", End::Open(State::InReview, 1)),
    ("63", "reversed", End::Succeeded),
    ("64", "already_refunded", End::Failed(FailureReason::OrderNotRefundable)),
    ("65", "already_partially_refunded", End::Succeeded),
    ("70", "lookup_500", End::Succeeded),
    ("71", "lookup_hides", End::Open(State::Unknown, 1)),
    ("72", "lookup_404", End::Open(State::Pending, 0)),
    ("73", "lookup_other_order", End::Failed(FailureReason::OrderNotFound)),
    ("74", "lookup_timeout", End::Open(State::Pending, 0)),
    ("75", "lookup_lags", End::Succeeded),
    ("76", "lookup_rate_limited", End::Succeeded),
    ("80", "always_expired_token", End::Open(State::Pending, 0)),
    ("81", "always_500", End::Open(State::Unknown, 0)),
    ("82", "always_timeout", End::Open(State::Unknown, 0)),
    ("83", "always_timeout_after_commit", End::Succeeded),
    ("84", "always_unavailable", End::Open(State::Unknown, 0)),
    ("85", "always_rate_limited", End::Open(State::Pending, 0)),
    ("86", "always_not_allowlisted", End::Open(State::Pending, 0)),
];

pub(super) const TABLE: Table =
    Table { provider: "airalo", rows: ROWS, quiet: &[], order: iccid, settings: |_| &[], request: esim };

/// Rows in which the provider says that it took nothing, so that the refund goes out again.
const TAKEN_BACK: &[&str] = &["17", "19", "25", "26", "80", "85", "86"];

fn iccid(code: &str) -> String {
    format!("8999{code}0000000001")
}

on_every_app! {
    async fn every_row_ends_by_the_rules(app: &mut TestApp) {
        let unlimited = serde_json::json!({ "refund_limit": 0, "token_limit": 0, "reversal_ms": 30_000 });
        app.sandbox.settings(&unlimited).await;
        TABLE.check_all(app).await;
        for (code, name, _) in ROWS.iter().filter(|(code, ..)| !TAKEN_BACK.contains(code)) {
            let posts = super::super::posts(app, &iccid(code)).await;
            assert!(posts <= 1, "{code} {name} was sent {posts} times");
        }
    }
}

#[tokio::test]
async fn the_rows_are_those_of_the_sandbox() {
    TABLE.is_whole().await;
}
