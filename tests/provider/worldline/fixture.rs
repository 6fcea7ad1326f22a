//! An account, its refund and its order, the same in every test.

use refunds::domain::account::ProviderKind;
use refunds::domain::answer::Answer;
use refunds::domain::money::{Currency, Money};
use refunds::domain::refund::{Item, ItemState, Refund};
use refunds::domain::sight::Baseline;
use refunds::provider::Provider;
use refunds::provider::worldline::{Auth, Settings, Worldline};
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

use crate::listener::{Listener, Step, closing, json as json_answer};
use crate::refund::{KEY, of_payment, payment};
use crate::wire::{Wire, assert_calls, made_of, send};

pub(super) const MID: &str = "1570616552";
pub(super) const ORDER: &str = "order_example_1";
pub(super) const TOKEN: &str = "573cec25a87526dcceacad786bbbba83b1a5172";
/// The transactions before the first send.
pub(super) const CAPTURE: &str = "5986909881";
pub(super) const OLD_CREDIT: &str = "5986909900";

impl Wire for Worldline {
    made_of!(Settings);

    const OK: u16 = 200;
    const ERRORS: [u16; 3] = [400, 401, 404];
    const ORDER: &str = ORDER;

    /// An account with a token that does not end; those that are asked for have tests of their own.
    fn account(base_url: Url) -> Settings {
        Settings::new(base_url, MID.to_owned(), Auth::Bearer(SecretString::from(TOKEN)))
    }

    /// 10.50 EUR of an order that had a capture and an old credit before the first send.
    fn refund() -> Refund {
        refund_of(ORDER, None, "EUR", "10.5")
    }

    /// The answer to a refund that went through.
    fn success_body() -> String {
        order(&[credit(5_986_910_001, "Processed", 0, "10.50")]).to_string()
    }

    /// A resend with a key that is confirmed: where the most is believed of an answer.
    async fn sent(answer: Vec<u8>) -> Answer {
        sent(answer, Self::refund(), true, 1).await
    }
}

/// A client whose provider has, or has not, confirmed that it heeds the key.
fn client(listener: &Listener, confirmed: bool) -> Worldline {
    let mut settings = Worldline::settings(&format!("http://{}", listener.address()));
    settings.request_id_confirmed = confirmed;
    Worldline::new(settings).unwrap()
}

pub(super) fn refund_of(order: &str, transaction: Option<&str>, currency: &str, amount: &str) -> Refund {
    let amount = Money::parse_major(Currency::parse(currency).unwrap(), amount).unwrap();
    let target = payment(order, transaction, amount);
    let mut refund = of_payment(ProviderKind::Worldline, MID, KEY, target);
    refund.baseline =
        Baseline { transactions: vec![CAPTURE.to_owned(), OLD_CREDIT.to_owned()], esims: Vec::new() };
    refund
}

/// The refund, of which an earlier answer showed these transactions.
pub(super) fn refund_with(items: &[&str]) -> Refund {
    let item = |id: &&str| Item {
        id: (*id).to_owned(),
        state: ItemState::Pending,
        amount_minor: None,
        provider_code: None,
    };
    Refund { items: items.iter().map(item).collect(), ..Worldline::refund() }
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

/// An error of the provider's own.
pub(super) fn error_body(code: &str) -> String {
    json!({"code": code, "description": "Said."}).to_string()
}

/// The answer to a send of this refund that is answered with these bytes.
pub(super) async fn sent(bytes: Vec<u8>, refund: Refund, confirmed: bool, resends: u32) -> Answer {
    let listener = Listener::answer(bytes).await;
    let answer = client(&listener, confirmed).send(&[refund], resends).await;
    assert_calls::<Worldline>(&listener, 1);
    answer
}

/// The answers of one client to first sends that are answered with these bodies, each on a connection of
/// its own.
pub(super) async fn sent_each(bodies: &[(u16, String)], confirmed: bool) -> Vec<Answer> {
    let answer = |(status, body): &(u16, String)| closing(&json_answer(*status, body));
    let script = |said| vec![Step::Read, Step::Write(answer(said))];
    let listener = Listener::play(bodies.iter().map(script).collect()).await;
    let client = client(&listener, confirmed);
    let mut answers = Vec::new();
    for _ in bodies {
        answers.push(send(&client).await);
    }
    assert_calls::<Worldline>(&listener, bodies.len());
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
    sent(json_answer(200, &order(transactions).to_string()), Worldline::refund(), false, 0).await
}
