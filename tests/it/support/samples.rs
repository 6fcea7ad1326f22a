//! Refunds, accounts and answers as tests need them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use refunds::domain::account::{
    Account, AccountIdentity, Capabilities, KeyProof, MoneyUnit, ProviderKind, TargetShape,
};
use refunds::domain::admission::{AdmissionPolicy, Rate};
use refunds::domain::content::{Content, Payment, Target};
use refunds::domain::id::{
    AccountName, AttemptId, CallerName, Iccid, OrderId, ProviderKey, RefundId, RequestId,
};
use refunds::domain::money::{Currency, Money};
use refunds::domain::plan::Schedule;
use refunds::domain::reason::Reason;
use refunds::domain::refund::{NewRefund, Refund};
use refunds::domain::sight::{EsimOrder, EsimSight, OrderSnapshot, SeenRefund};
use uuid::Uuid;

/// How often an account of [`esim_account`] may be called.
pub(crate) const ESIM_CALLS_EVERY: Duration = Duration::from_mins(5);

/// A number that no other test of this process has.
fn unique() -> u128 {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    u128::from(COUNT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn attempt_id() -> AttemptId {
    AttemptId(Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0000 + unique()))
}

pub(crate) fn refund_id() -> RefundId {
    RefundId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 + unique()))
}

pub(crate) fn name(text: &str) -> AccountName {
    AccountName::parse(text).unwrap()
}

pub(crate) fn identity(account: &str) -> AccountIdentity {
    AccountIdentity {
        name: name(account),
        provider: ProviderKind::Afterpay,
        merchant: format!("merchant-of-{account}"),
        base_url: "https://afterpay.example".to_owned(),
    }
}

/// An account that is proven to heed its key, is looked up, and has no rate budget.
pub(crate) fn account(name: &str) -> Account {
    Account {
        identity: identity(name),
        capabilities: Capabilities {
            shape: TargetShape::Payment,
            key: KeyProof::ByDocuments,
            resend_window: Some(Duration::from_hours(23)),
            lookup: true,
            echoes_key: true,
            absence_proves_refusal: true,
            shows_reversals: true,
            person_reviews: false,
            partial: true,
            several_per_order: true,
            takes_transaction_id: false,
            batch_max: 1,
            currencies: None,
            refund_window: Some(Duration::from_hours(24 * 120)),
            unit: MoneyUnit::Major,
            amount_minor_max: None,
            reasons: None,
        },
        concurrency_max: 4,
        queue_max: 1_000,
        schedule: Schedule {
            backoff_base: Duration::from_secs(1),
            backoff_max: Duration::from_mins(1),
            first_check: Duration::from_secs(5),
            check_steps: vec![Duration::from_mins(1)],
            refusal_age_min: Duration::from_mins(15),
            unknown_overdue_after: Duration::from_hours(1),
            review_overdue_after: Duration::from_hours(24),
            follow_steps: vec![Duration::from_hours(24), Duration::from_hours(72)],
        },
        admission: AdmissionPolicy {
            breaker_failures: 3,
            breaker_open: Duration::from_secs(30),
            probe_base: Duration::from_mins(1),
            probe_max: Duration::from_hours(1),
            retry_tokens_max: 100,
            retry_cost: 5,
            retry_refill_per_s: 1,
            rate: None,
        },
        lookup_rate: None,
        connect: Duration::from_secs(1),
        answer: Duration::from_secs(10),
    }
}

/// An account at a provider that takes up to five eSIMs in a call, one call in five minutes, and knows no
/// key.
pub(crate) fn esim_account(name: &str) -> Account {
    let mut account = account(name);
    account.identity.provider = ProviderKind::Airalo;
    account.capabilities.shape = TargetShape::Esims;
    account.capabilities.key = KeyProof::Never;
    account.capabilities.resend_window = None;
    account.capabilities.echoes_key = false;
    account.capabilities.person_reviews = true;
    account.capabilities.batch_max = 5;
    account.admission.rate = Some(Rate::of_lookups(format!("egress-of-{name}"), ESIM_CALLS_EVERY));
    account
}

/// An account whose provider does not show our key when an order is read back.
pub(crate) fn silent_account(name: &str) -> Account {
    let mut account = account(name);
    account.identity.provider = ProviderKind::Worldline;
    account.capabilities.echoes_key = false;
    account
}

/// An eSIM with one order of its own.
pub(crate) fn esim_seen(iccid: &str, order: &str, status: &str) -> EsimSight {
    let order = EsimOrder { id: order.to_owned(), status: status.to_owned(), esims: 1 };
    EsimSight { iccid: Iccid::parse(iccid).unwrap(), orders: vec![order] }
}

/// An ICCID that is told by its number.
pub(crate) fn iccid(number: u32) -> String {
    format!("8940{number:014}")
}

pub(crate) fn aud(minor: i64) -> Money {
    Money::new(Currency::parse("AUD").unwrap(), minor).unwrap()
}

/// A wish to give `minor` cents of an order back, for `shop`, with a request id of its own.
pub(crate) fn payment(account: &AccountIdentity, order: &str, minor: i64) -> NewRefund {
    let target = Target::Payment(Payment {
        order_id: OrderId::parse(order).unwrap(),
        transaction_id: None,
        amount: aud(minor),
    });
    wish(account, target)
}

/// A wish to refund eSIMs.
pub(crate) fn esims(account: &AccountIdentity, iccids: &[&str]) -> NewRefund {
    let iccids = iccids.iter().map(|text| Iccid::parse(text).unwrap()).collect();
    wish(account, Target::Esims(iccids))
}

fn wish(account: &AccountIdentity, target: Target) -> NewRefund {
    let caller = CallerName::parse("shop").unwrap();
    let request_id = RequestId::parse(&format!("request-{}", unique())).unwrap();
    NewRefund {
        id: refund_id(),
        key: ProviderKey::derive(&caller, &request_id, &account.merchant),
        caller,
        request_id,
        content: Content {
            account: account.name.clone(),
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
        },
        identity: account.clone(),
        trace: None,
    }
}

/// The same wish, come again: another id of ours, the same key.
pub(crate) fn again(new: &NewRefund) -> NewRefund {
    NewRefund { id: refund_id(), ..new.clone() }
}

/// An order as a provider shows it.
pub(crate) fn snapshot(captured_minor: i64, refunded_minor: i64, refunds: Vec<SeenRefund>) -> OrderSnapshot {
    OrderSnapshot {
        currency: Currency::parse("AUD").unwrap(),
        captured_minor,
        refunded_minor,
        purchase_time: None,
        refunds,
        transactions: Vec::new(),
    }
}

/// A refund as an order lists it.
pub(crate) fn seen(refund: &Refund, amount_minor: i64) -> SeenRefund {
    SeenRefund {
        provider_refund_id: Some("r-1".to_owned()),
        key: Some(refund.key.to_string()),
        reference: None,
        amount_minor,
        completed: None,
    }
}
