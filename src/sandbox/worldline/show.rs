//! An order as the API shows it [doc: samples of orders and captures; that refunds share it is inferred].

use serde::Serialize;
use serde_json::Number;

use super::{
    book::{Book, Part, Refund},
    money,
    order::{Order, Payment},
    plan::{self, Face, Kind, describe},
};
use crate::sandbox::{WORLDLINE_MID, clock};

/// The ids of transaction types: 1 and 3 \[doc], the others \[assumed].
const AUTHORIZE: (u32, &str) = (1, "Authorize");
const CAPTURE: (u32, &str) = (3, "Capture");
const CREDIT: (u32, &str) = (4, "Credit");
const CANCEL: (u32, &str) = (5, "Cancel");
const PAYOUT: (u32, &str) = (6, "Payout");

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the fields are the API's")]
pub(super) struct OrderObject {
    mid: u64,
    pub(super) order_id: String,
    order_detail_description: String,
    order_description: String,
    order_amount: Number,
    fulfilment_amount: Number,
    captured_amount: Number,
    refunded_amount: Number,
    currency: String,
    base_currency: String,
    base_order_amount: Number,
    base_fulfilment_amount: Number,
    base_captured_amount: Number,
    base_refunded_amount: Number,
    capturable: bool,
    cancelable: bool,
    refundable: bool,
    completable: bool,
    dcc_indicator: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) transaction_references: Option<Vec<Transaction>>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the fields are the API's")]
pub(super) struct Transaction {
    transaction_id: u64,
    transaction_type_id: u32,
    mid: u64,
    order_id: String,
    transaction_type: &'static str,
    transaction_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ref_transaction_id: Option<u64>,
    transaction_desc: &'static str,
    status_code: u32,
    pub(super) status: &'static str,
    pub(super) amount: Number,
    pub(super) currency: String,
    base_amount: Number,
    base_currency: String,
    payment_method: &'static str,
    payment_method_id: u32,
    acquirer_authorization_code: String,
    acquirer_reference_id: String,
    acquirer_answer_code: &'static str,
    bank_reference_id: String,
    bank_answer_code: &'static str,
    masked_account_number: &'static str,
    card_expiry_date: &'static str,
}

/// An order with the refunds that are to be seen of it.
pub(super) struct View<'a> {
    pub(super) id: &'a str,
    pub(super) order: &'a Order,
    pub(super) refunds: Vec<&'a Refund>,
}

impl<'a> View<'a> {
    /// With all refunds that arrived by `seen_ms`.
    pub(super) fn of(book: &'a Book, id: &'a str, order: &'a Order, seen_ms: i64) -> Self {
        let refunds = book.of_order(id).filter(|refund| refund.at_ms <= seen_ms).collect();
        Self { id, order, refunds }
    }

    /// The order with all its transactions: payments first, then refunds, oldest first.
    pub(super) fn whole(&self) -> OrderObject {
        let mut all = Vec::new();
        for payment in self.order.payments(self.id) {
            all.extend(self.payment(&payment));
        }
        for refund in &self.refunds {
            all.extend(self.refund(refund));
        }
        for refund in &self.refunds {
            all.extend(refund.parts.iter().filter_map(|part| self.cancel(part)));
        }
        self.with(all)
    }

    /// The order with these transactions alone.
    pub(super) fn with(&self, transactions: Vec<Transaction>) -> OrderObject {
        let currency = &self.order.currency;
        let number = |minor| money::number(minor, currency);
        let captured = self.order.captured_minor();
        let parts = self.refunds.iter().flat_map(|refund| &refund.parts);
        let refunded: i64 = parts.clone().filter(|part| part.face.counts()).map(|part| part.minor).sum();
        let reserved: i64 = parts.filter(|part| part.face.reserves()).map(|part| part.minor).sum();
        OrderObject {
            mid: WORLDLINE_MID,
            order_id: self.id.to_owned(),
            order_detail_description: format!("Order {}", self.id),
            order_description: format!("Order {}", self.id),
            order_amount: number(captured),
            fulfilment_amount: number(captured),
            captured_amount: number(captured),
            refunded_amount: number(refunded),
            currency: currency.clone(),
            base_currency: currency.clone(),
            base_order_amount: number(captured),
            base_fulfilment_amount: number(captured),
            base_captured_amount: number(captured),
            base_refunded_amount: number(refunded),
            capturable: false,
            cancelable: false,
            refundable: reserved < captured,
            completable: false,
            dcc_indicator: false,
            transaction_references: Some(transactions),
        }
    }

    /// The transactions of one refund.
    pub(super) fn refund(&self, refund: &Refund) -> Vec<Transaction> {
        let kind = match refund.kind {
            Kind::Credit => CREDIT,
            Kind::Payout => PAYOUT,
        };
        let parts = refund.parts.iter();
        parts
            .map(|part| {
                let at_ms = refund.at_ms;
                self.transaction(part.id, kind, Some(part.reference), part.minor, part.face, at_ms)
            })
            .collect()
    }

    fn payment(&self, payment: &Payment) -> [Transaction; 2] {
        let &Payment { authorize_id, capture_id, minor } = payment;
        let at_ms = self.order.created_ms;
        [
            self.transaction(authorize_id, AUTHORIZE, None, minor, plan::GIVEN, at_ms),
            self.transaction(capture_id, CAPTURE, Some(authorize_id), minor, plan::GIVEN, at_ms),
        ]
    }

    fn cancel(&self, part: &Part) -> Option<Transaction> {
        let id = part.cancel_id?;
        Some(self.transaction(id, CANCEL, Some(part.id), part.minor, plan::GIVEN, part.changed_ms))
    }

    fn transaction(
        &self,
        id: u64,
        (type_id, r#type): (u32, &'static str),
        reference: Option<u64>,
        minor: i64,
        face: Face,
        at_ms: i64,
    ) -> Transaction {
        let amount = money::number(minor, &self.order.currency);
        let answer = if face.code == 0 { "00" } else { "05" };
        Transaction {
            transaction_id: id,
            transaction_type_id: type_id,
            mid: WORLDLINE_MID,
            order_id: self.id.to_owned(),
            transaction_type: r#type,
            transaction_date: clock::stamp(at_ms),
            ref_transaction_id: reference,
            transaction_desc: describe(face.code),
            status_code: face.code,
            status: face.status.word(),
            amount: amount.clone(),
            currency: self.order.currency.clone(),
            base_amount: amount,
            base_currency: self.order.currency.clone(),
            payment_method: "Visa",
            payment_method_id: 1_001,
            acquirer_authorization_code: format!("{:06}", id % 1_000_000),
            acquirer_reference_id: format!("AR{id}"),
            acquirer_answer_code: answer,
            bank_reference_id: format!("BR{id}"),
            bank_answer_code: answer,
            masked_account_number: "411111xxxxxx1111",
            card_expiry_date: "12-2034",
        }
    }
}
