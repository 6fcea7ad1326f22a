//! One entity per table, exactly as the migrations make them.

#![expect(
    unreachable_pub,
    reason = "the derive writes public items, whose interface the models are a part of"
)]

pub(super) mod account;
pub(super) mod attempt;
pub(super) mod attempt_member;
pub(super) mod discrepancy;
pub(super) mod event;
pub(super) mod guard;
pub(super) mod history;
pub(super) mod iccid_claim;
pub(super) mod idempotency_key;
pub(super) mod rate_budget;
pub(super) mod refund;
pub(super) mod refund_esim;
pub(super) mod refund_label;
