//! The refund that every provider is asked for; what it is of is the provider's own.

use std::collections::BTreeMap;

use refunds::domain::account::{AccountIdentity, ProviderKind};
use refunds::domain::content::{Content, Payment, Target};
use refunds::domain::id::{
    AccountName, CallerName, OrderId, ProviderKey, RefundId, RequestId, TransactionId,
};
use refunds::domain::money::Money;
use refunds::domain::reason::{FailureReason, Reason};
use refunds::domain::refund::{Doubt, Failure, NewRefund, Refund, State, Success, Wait};
use refunds::domain::timestamp::Timestamp;

pub(crate) const KEY: &str = "0191f5a7-44d3-4430-8739-2d80821416bf";
pub(crate) const REFUND_ID: &str = "0191f5a7-5555-7430-8739-2d80821416bf";

/// Part of an order.
pub(crate) fn payment(order: &str, transaction: Option<&str>, amount: Money) -> Target {
    Target::Payment(Payment {
        order_id: OrderId::parse(order).unwrap(),
        transaction_id: transaction.map(|id| TransactionId::parse(id).unwrap()),
        amount,
    })
}

/// What a caller asks for: this, with nothing but a reason.
pub(crate) fn content(target: Target) -> Content {
    Content {
        account: AccountName::parse("account-1").unwrap(),
        target,
        reason: Reason::RequestedByCustomer,
        provider_reason: None,
        notes: None,
        email: None,
        metadata: BTreeMap::new(),
        purchase_time: None,
        captured_amount: None,
        expected_remaining: None,
        not_before: None,
        send_before: None,
        retry_of: None,
    }
}

/// A refund of a payment, with notes that are none of the provider's business.
pub(crate) fn of_payment(provider: ProviderKind, merchant: &str, key: &str, target: Target) -> Refund {
    let content = Content { notes: Some("not for the provider".to_owned()), ..content(target) };
    accepted(provider, merchant, key, content)
}

/// A refund that was just accepted.
pub(crate) fn accepted(provider: ProviderKind, merchant: &str, key: &str, content: Content) -> Refund {
    let new = NewRefund {
        id: RefundId::parse(REFUND_ID).unwrap(),
        caller: CallerName::parse("shop").unwrap(),
        request_id: RequestId::parse("r1").unwrap(),
        identity: AccountIdentity {
            name: content.account.clone(),
            provider,
            merchant: merchant.to_owned(),
            base_url: "https://provider.example".to_owned(),
        },
        content,
        key: ProviderKey::parse(key).unwrap(),
        trace: None,
    };
    Refund::accept(new, Timestamp::EPOCH).refund
}

/// The refund in each state that is a success, or was one.
pub(crate) fn successes(refund: &Refund, success: &Success) -> [Refund; 3] {
    [State::Succeeded, State::PartiallySucceeded, State::Reversed]
        .map(|state| Refund { state: state(success.clone()), ..refund.clone() })
}

/// The refund in each other state in which it may be looked up.
pub(crate) fn no_successes(refund: &Refund) -> [Refund; 5] {
    let doubt = Doubt { first_sent: Timestamp::EPOCH, refusal: None, checks: 0 };
    let failure = Failure { reason: FailureReason::Declined, provider_code: None, text: None };
    [
        refund.state.clone(),
        State::Unknown { wait: Wait::Check, doubt: doubt.clone() },
        State::InReview { reference: None, doubt },
        State::Failed(failure),
        State::Canceled,
    ]
    .map(|state| Refund { state, ..refund.clone() })
}
