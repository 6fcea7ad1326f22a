//! An account, its refund and its order, the same in every test.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use refunds::domain::account::{AccountIdentity, ProviderKind};
use refunds::domain::answer::{Answer, Evidence, Face, FailurePhase, LookupAnswer, Signal};
use refunds::domain::content::{Content, Payment, Target};
use refunds::domain::id::{
    AccountName, CallerName, OrderId, ProviderKey, RefundId, RequestId, TransactionId,
};
use refunds::domain::money::{Currency, Money};
use refunds::domain::reason::Reason;
use refunds::domain::refund::{Item, ItemState, NewRefund, Refund};
use refunds::domain::sight::Baseline;
use refunds::domain::timestamp::Timestamp;
use refunds::provider::Provider;
use refunds::provider::worldline::{Auth, Settings, Worldline};
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

use super::listener::{Listener, Step, http, json as json_answer};

pub(super) const KEY: &str = "0191f5a7-44d3-4430-8739-2d80821416bf";
pub(super) const REFUND_ID: &str = "0191f5a7-5555-7430-8739-2d80821416bf";
pub(super) const MID: &str = "1570616552";
pub(super) const ORDER: &str = "order_example_1";
pub(super) const TOKEN: &str = "573cec25a87526dcceacad786bbbba83b1a5172";
/// The transactions before the first send.
pub(super) const CAPTURE: &str = "5986909881";
pub(super) const OLD_CREDIT: &str = "5986909900";

pub(super) fn settings(base_url: &str) -> Settings {
    let auth = Auth::Bearer(SecretString::from(TOKEN));
    let mut settings = Settings::new(Url::parse(base_url).unwrap(), MID.to_owned(), auth);
    settings.connect = Duration::from_secs(10);
    settings.read = Duration::from_secs(20);
    settings
}

pub(super) fn client_at(address: SocketAddr) -> Worldline {
    Worldline::new(settings(&format!("http://{address}"))).unwrap()
}

/// A client whose provider has confirmed that it heeds the key.
pub(super) fn confirmed_client_at(address: SocketAddr) -> Worldline {
    let mut settings = settings(&format!("http://{address}"));
    settings.request_id_confirmed = true;
    Worldline::new(settings).unwrap()
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

pub(super) fn hasty_client_at(address: SocketAddr) -> Worldline {
    Worldline::new(hasty(&format!("http://{address}/"))).unwrap()
}

/// 10.50 EUR of an order that had a capture and an old credit before the first send.
pub(super) fn refund() -> Refund {
    refund_of(ORDER, None, "EUR", "10.5")
}

pub(super) fn refund_of(order: &str, transaction: Option<&str>, currency: &str, amount: &str) -> Refund {
    let payment = Payment {
        order_id: OrderId::parse(order).unwrap(),
        transaction_id: transaction.map(|id| TransactionId::parse(id).unwrap()),
        amount: Money::parse_major(Currency::parse(currency).unwrap(), amount).unwrap(),
    };
    let content = Content {
        account: AccountName::parse("worldline-se").unwrap(),
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
            provider: ProviderKind::Worldline,
            merchant: MID.to_owned(),
            base_url: "https://api.payments.worldline.com".to_owned(),
        },
        content,
        key: ProviderKey::parse(KEY).unwrap(),
        trace: None,
    };
    let mut refund = Refund::accept(new, Timestamp::EPOCH).refund;
    refund.baseline =
        Baseline { transactions: vec![CAPTURE.to_owned(), OLD_CREDIT.to_owned()], esims: Vec::new() };
    refund
}

/// The same, of which an earlier answer showed these transactions.
pub(super) fn refund_with(items: &[&str]) -> Refund {
    let item = |id: &&str| Item {
        id: (*id).to_owned(),
        state: ItemState::Pending,
        amount_minor: None,
        provider_code: None,
    };
    Refund { items: items.iter().map(item).collect(), ..refund() }
}

/// A transaction that gives money back.
pub(super) fn credit(id: u64, status: &str, code: u32, amount: &str) -> Value {
    let mut value = json!({
        "transactionId": id, "transactionTypeId": 4, "mid": 1_570_616_552, "orderId": ORDER,
        "transactionType": "Credit", "transactionDate": "2019-10-04T14:25:00.000Z",
        "refTransactionId": 5_986_909_881_u64, "transactionDesc": "Said.", "statusCode": code,
        "status": status, "currency": "EUR", "paymentMethod": "Visa",
        "maskedAccountNumber": "411111xxxxxx1111"
    });
    value["amount"] = serde_json::from_str(amount).unwrap();
    value
}

/// An order of 30.00 with a capture, an old credit of 1.00, and these transactions.
pub(super) fn order(transactions: &[Value]) -> Value {
    let mut capture = credit(5_986_909_881, "Processed", 0, "30.00");
    capture["transactionType"] = json!("Capture");
    let mut all = vec![capture, credit(5_986_909_900, "Processed", 0, "1.00")];
    all.extend_from_slice(transactions);
    let mut order = json!({
        "mid": 1_570_616_552, "orderId": ORDER, "orderDescription": "x", "currency": "EUR",
        "baseCurrency": "EUR", "capturable": false, "refundable": true, "transactionReferences": all
    });
    for (field, amount) in [("orderAmount", "30.00"), ("capturedAmount", "30.00"), ("refundedAmount", "1.00")]
    {
        order[field] = serde_json::from_str(amount).unwrap();
    }
    order
}

/// The answer to a refund that went through.
pub(super) fn success_body() -> String {
    order(&[credit(5_986_910_001, "Processed", 0, "10.50")]).to_string()
}

/// An error of the provider's own.
pub(super) fn error_body(code: &str) -> String {
    json!({"code": code, "description": "Said."}).to_string()
}

pub(super) async fn send(client: &Worldline) -> Answer {
    client.send(&[refund()], 0).await
}

pub(super) async fn look_up(client: &Worldline) -> LookupAnswer {
    client.look_up(&refund()).await
}

/// The answer to a send of this refund that is answered with these bytes.
pub(super) async fn sent(bytes: Vec<u8>, refund: Refund, confirmed: bool, resends: u32) -> Answer {
    let listener = Listener::answer(bytes).await;
    let client = if confirmed { confirmed_client_at } else { client_at }(listener.address());
    let answer = client.send(&[refund], resends).await;
    assert_eq!((listener.connections(), listener.requests().len()), (1, 1));
    answer
}

/// The answers of one client to first sends that are answered with these bodies, each on a connection of
/// its own.
pub(super) async fn sent_each(bodies: &[(u16, String)], confirmed: bool) -> Vec<Answer> {
    let head = "Content-Type: application/json\r\nConnection: close\r\n";
    let bytes = bodies.iter().map(|(status, body)| http(*status, head, body));
    let scripts = bytes.map(|bytes| vec![Step::Read, Step::Write(bytes)]).collect();
    let listener = Listener::play(scripts).await;
    let client = if confirmed { confirmed_client_at } else { client_at }(listener.address());
    let mut answers = Vec::new();
    for _ in bodies {
        answers.push(send(&client).await);
    }
    assert_eq!((listener.connections(), listener.requests().len()), (bodies.len(), bodies.len()));
    answers
}

/// The same for orders with one new transaction that has this status and one of these codes.
pub(super) async fn sent_codes(status: &str, codes: &[u32]) -> Vec<(u32, Answer)> {
    let body = |code: &u32| order(&[credit(5_986_910_001, status, *code, "10.50")]).to_string();
    let bodies: Vec<_> = codes.iter().map(|code| (200, body(code))).collect();
    codes.iter().copied().zip(sent_each(&bodies, false).await).collect()
}

/// The answer to a first send that is answered with an order of these transactions.
pub(super) async fn sent_with(transactions: &[Value]) -> Answer {
    sent(json_answer(200, &order(transactions).to_string()), refund(), false, 0).await
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
