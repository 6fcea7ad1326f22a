//! An account and its refund, the same in every test.

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
use refunds::provider::afterpay::{Afterpay, Settings, user_agent};
use secrecy::SecretString;
use url::Url;

pub(super) const KEY: &str = "0191f5a7-44d3-4430-8739-2d80821416bf";
pub(super) const REFUND_ID: &str = "0191f5a7-5555-7430-8739-2d80821416bf";
pub(super) const ORDER: &str = "100101768366";
pub(super) const SECRET: &str = "sk-5ecret-0f-the-shop";
pub(super) const TOKEN: &str = "NjAwMDMyMDAwOnNrLTVlY3JldC0wZi10aGUtc2hvcA==";

pub(super) fn settings(base_url: &str) -> Settings {
    let agent = user_agent("600032000", "https://shop.example");
    let base_url = Url::parse(base_url).unwrap();
    let mut settings = Settings::new(base_url, "600032000".to_owned(), SecretString::from(SECRET), agent);
    settings.connect = Duration::from_secs(10);
    settings.read = Duration::from_secs(20);
    settings
}

pub(super) fn client_at(address: SocketAddr) -> Afterpay {
    Afterpay::new(settings(&format!("http://{address}"))).unwrap()
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

pub(super) fn hasty_client_at(address: SocketAddr) -> Afterpay {
    Afterpay::new(hasty(&format!("http://{address}/"))).unwrap()
}

pub(super) fn refund() -> Refund {
    refund_of(ORDER)
}

pub(super) fn refund_of(order: &str) -> Refund {
    let payment = Payment {
        order_id: OrderId::parse(order).unwrap(),
        transaction_id: None,
        amount: Money::parse_major(Currency::parse("AUD").unwrap(), "10.5").unwrap(),
    };
    let content = Content {
        account: AccountName::parse("afterpay-au").unwrap(),
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
        id: RefundId::parse(REFUND_ID).unwrap(),
        caller: CallerName::parse("shop").unwrap(),
        request_id: RequestId::parse("r1").unwrap(),
        identity: AccountIdentity {
            name: content.account.clone(),
            provider: ProviderKind::Afterpay,
            merchant: "600032000".to_owned(),
            base_url: "https://global-api.afterpay.com".to_owned(),
        },
        content,
        key: ProviderKey::parse(KEY).unwrap(),
        trace: None,
    };
    Refund::accept(new, Timestamp::EPOCH).refund
}

/// The body of the 201 that the refund gets.
pub(super) fn success_body() -> String {
    format!(
        r#"{{"refundId" : "67890123", "refundedAt" : "2023-01-01T00:00:00.000Z", "requestId" : "{KEY}",
        "amount" : {{"amount" : "10.50", "currency" : "AUD"}}, "merchantReference" : "{KEY}",
        "refundMerchantReference" : "{REFUND_ID}"}}"#
    )
}

/// An error of the provider's own.
pub(super) fn error_body(status: u16, code: &str) -> String {
    format!(
        r#"{{"errorCode":"{code}","errorId":"0123456789abcdef","message":"Said.","httpStatusCode":{status}}}"#
    )
}

pub(super) async fn send(client: &Afterpay) -> Answer {
    client.send(&[refund()], 0).await
}

pub(super) async fn look_up(client: &Afterpay) -> LookupAnswer {
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
