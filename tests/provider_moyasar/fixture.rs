//! An account and its refund, the same in every test: the refund of the contract's own example.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use refunds::domain::account::{AccountIdentity, ProviderKind};
use refunds::domain::answer::{Answer, Evidence, Face, FailurePhase, LookupAnswer, Signal};
use refunds::domain::content::{Content, Payment, Target};
use refunds::domain::id::{AccountName, CallerName, OrderId, ProviderKey, RefundId, RequestId};
use refunds::domain::money::{Currency, Money};
use refunds::domain::reason::Reason;
use refunds::domain::refund::{NewRefund, Refund};
use refunds::domain::timestamp::Timestamp;
use refunds::provider::Provider;
use refunds::provider::moyasar::{Moyasar, Settings};
use secrecy::SecretString;
use url::Url;

pub(super) const KEY: &str = "f351a2a3-97c4-4f12-add3-80c1044091f5";
pub(super) const ORDER: &str = "0191f5a7-44a9-76c2-9fec-39709fdbf723";
pub(super) const SECRET: &str = "merchant_key_5ecret-0f-the-shop";
pub(super) const AMOUNT_MINOR: i64 = 262_346;
/// Nothing left.
pub(super) const NOT_SENT: Face = Face::NotSent { alone: false };
/// The success of the contract's example, byte for byte.
pub(super) const EXAMPLE: &str = include_str!("example.json");

pub(super) fn settings(base_url: &str) -> Settings {
    let mut settings = Settings::new(Url::parse(base_url).unwrap(), SecretString::from(SECRET));
    settings.read = Duration::from_secs(20);
    settings
}

pub(super) fn client_at(address: SocketAddr) -> Moyasar {
    Moyasar::new(settings(&format!("http://{address}"))).unwrap()
}

/// How long [`hasty`] settings wait for a whole answer.
pub(super) const HASTY: Duration = Duration::from_millis(1_500);

pub(super) fn hasty(base_url: &str) -> Settings {
    let mut settings = settings(base_url);
    settings.connect = Duration::from_secs(1);
    settings.read = Duration::from_millis(500);
    settings.lookup_read = Duration::from_millis(500);
    settings
}

pub(super) fn hasty_client_at(address: SocketAddr) -> Moyasar {
    Moyasar::new(hasty(&format!("http://{address}/"))).unwrap()
}

pub(super) fn refund() -> Refund {
    refund_of(ORDER, "SAR", AMOUNT_MINOR)
}

pub(super) fn refund_of(order: &str, currency: &str, amount_minor: i64) -> Refund {
    let payment = Payment {
        order_id: OrderId::parse(order).unwrap(),
        transaction_id: None,
        amount: Money::new(Currency::parse(currency).unwrap(), amount_minor).unwrap(),
    };
    let content = Content {
        account: AccountName::parse("moyasar-sa").unwrap(),
        target: Target::Payment(payment),
        reason: Reason::RequestedByCustomer,
        provider_reason: None,
        notes: Some("not for the provider".to_owned()),
        email: None,
        metadata: BTreeMap::new(),
        purchase_time: None,
        captured_amount: None,
        expected_remaining: None,
        not_before: None,
        send_before: None,
        retry_of: None,
    };
    let new = NewRefund {
        id: RefundId::parse("0191f5a7-5555-7430-8739-2d80821416bf").unwrap(),
        caller: CallerName::parse("shop").unwrap(),
        request_id: RequestId::parse("r1").unwrap(),
        identity: AccountIdentity {
            name: content.account.clone(),
            provider: ProviderKind::Moyasar,
            merchant: "60052".to_owned(),
            base_url: "https://pg.moyasar.com".to_owned(),
        },
        content,
        key: ProviderKey::parse(KEY).unwrap(),
        trace: None,
    };
    Refund::accept(new, Timestamp::EPOCH).refund
}

/// The example with another status of our transaction.
pub(super) fn with_status(status: &str) -> String {
    let (before, ours) = EXAMPLE.split_once(KEY).unwrap();
    format!("{before}{KEY}{}", ours.replacen("approved", status, 1).replacen("APPROVED", "Said.", 1))
}

/// An error of the provider's own.
pub(super) fn error_body(message: &str) -> String {
    format!("{{\"message\": \"{message}\"}}")
}

/// The answer to a request that is wrong in this field.
pub(super) fn field_body(field: &str, text: &str) -> String {
    format!(r#"{{"message": "Data validation failed", "errors": {{"{field}": ["{text}"]}}}}"#)
}

pub(super) async fn send(client: &Moyasar) -> Answer {
    client.send(&[refund()], 0).await
}

pub(super) async fn look_up(client: &Moyasar) -> LookupAnswer {
    client.look_up(&refund()).await
}

/// Asserts that the outcome is unknown, with this phase and status, and counts for the breaker.
pub(super) fn assert_doubt(answer: &Answer, phase: FailurePhase, status: Option<u16>) {
    assert_eq!(answer.faces, [Face::Unknown], "{answer:?}");
    assert_eq!(answer.signals, [Signal::Trouble], "{answer:?}");
    assert_phase(&answer.evidence, phase, status);
}

pub(super) fn assert_phase(evidence: &Evidence, phase: FailurePhase, status: Option<u16>) {
    assert_eq!((evidence.phase, evidence.http_status), (Some(phase), status), "{evidence:?}");
}
