//! What Worldline's documents say, with nothing scripted; and how the tests of Worldline call it.

use refunds::sandbox::{WORLDLINE_MID, WORLDLINE_TOKEN};
use serde_json::{Value, json};

use crate::wire::{Answer, Running, request};

pub(crate) fn headers(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\nAccept: application/json\r\nContent-Type: application/json\r\n")
}

pub(crate) fn order_path(order: &str) -> String {
    format!("/worldline/api/v2/merchants/{WORLDLINE_MID}/orders/{order}")
}

/// The body as text: amounts are to stand in it digit by digit.
pub(crate) fn asked(key: &str, amount: &str, currency: &str) -> String {
    format!(r#"{{"amount":{{"amount":{amount},"currency":"{currency}"}},"requestId":"{key}"}}"#)
}

pub(crate) fn refund_request(order: &str, body: &str) -> String {
    request("POST", &format!("{}/refunds", order_path(order)), &headers(WORLDLINE_TOKEN), body)
}

pub(crate) async fn refund_of(sandbox: &Running, order: &str, body: &str) -> Answer {
    let path = format!("{}/refunds", order_path(order));
    sandbox.send("POST", &path, &headers(WORLDLINE_TOKEN), body).await
}

/// A refund of 10.00 EUR under `key`.
pub(crate) async fn refund(sandbox: &Running, order: &str, key: &str) -> Answer {
    refund_of(sandbox, order, &asked(key, "10.00", "EUR")).await
}

pub(crate) async fn order(sandbox: &Running, order: &str) -> Answer {
    sandbox.send("GET", &order_path(order), &headers(WORLDLINE_TOKEN), "").await
}

/// Kind, status, code and amount of each transaction, the payments left out.
pub(crate) fn refunds(order: &Value) -> Vec<(String, String, u64, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = order["transactionReferences"].as_array().cloned().unwrap_or_default();
    all.iter()
        .filter(|one| one["transactionType"] != "Authorize" && one["transactionType"] != "Capture")
        .map(|one| {
            let code = one["statusCode"].as_u64().unwrap();
            (text(&one["transactionType"]), text(&one["status"]), code, one["amount"].to_string())
        })
        .collect()
}

pub(crate) fn credit(status: &str, code: u64, amount: &str) -> (String, String, u64, String) {
    ("Credit".to_owned(), status.to_owned(), code, amount.to_owned())
}

fn face(answer: &Answer) -> (Option<u16>, String) {
    (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn the_documented_refund_stands_in_the_order_and_in_the_ledger() {
    let sandbox = Running::start().await;
    let before = order(&sandbox, "order_example_1").await.json();
    assert_eq!(before["refundedAmount"].to_string(), "0.00");
    assert_eq!((&before["refundable"], refunds(&before)), (&json!(true), vec![]));

    let answer = refund_of(&sandbox, "order_example_1", &asked("k1", "10.50", "EUR")).await;
    assert_eq!(answer.status, Some(200));
    assert!(answer.text().contains(r#""refundedAmount":10.50"#), "{}", answer.text());
    let refunded = answer.json();
    assert_eq!(refunds(&refunded), [credit("Processed", 0, "10.50")]);
    assert_eq!((&refunded["mid"], &refunded["refundable"]), (&json!(WORLDLINE_MID), &json!(false)));
    let transaction = &refunded["transactionReferences"][0];
    assert_eq!(transaction["transactionTypeId"], 4);
    assert_eq!(transaction["transactionDesc"], "Transaction Accepted");
    assert_eq!(transaction["refTransactionId"], before["transactionReferences"][1]["transactionId"]);

    let after = order(&sandbox, "order_example_1").await.json();
    assert_eq!(after["transactionReferences"].as_array().unwrap().len(), 3);
    assert_eq!(after["transactionReferences"][2], *transaction);
    let effect = &sandbox.effects("order_example_1").await[0];
    assert_eq!(effect["provider_refund_id"], transaction["transactionId"].to_string());
    assert_eq!((&effect["request_id"], &effect["call"]), (&json!("k1"), &json!(1)));
    assert_eq!((&effect["amount"], &effect["amount_minor"]), (&json!("10.50"), &json!(1050)));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_request_id_is_one_refund_for_the_whole_merchant() {
    let sandbox = Running::start().await;
    let first = refund(&sandbox, "wl-1-a", "k").await.json();
    assert_eq!(refund(&sandbox, "wl-1-a", "k").await.json(), first);
    for (id, body) in [
        ("wl-1-a", asked("k", "10.01", "EUR")),
        ("wl-1-a", asked("k", "10.00", "USD")),
        ("wl-1-b", asked("k", "10.00", "EUR")),
        ("wl-1-a", asked("k", "10.00", "EUR").replace("requestId", "transactionId\":1,\"requestId")),
    ] {
        assert_eq!(face(&refund_of(&sandbox, id, &body).await), (Some(400), "11001".to_owned()), "{body}");
    }
    assert_eq!(sandbox.effects("wl-1-a").await.len(), 1);
    let keyless = r#"{"amount":{"amount":1,"currency":"EUR"}}"#;
    for _ in 0..2 {
        assert_eq!(refund_of(&sandbox, "wl-1-a", keyless).await.status, Some(200));
    }
    assert_eq!(sandbox.effects("wl-1-a").await.len(), 3, "without a request id each call is a refund");
    sandbox.stop().await;
}

#[tokio::test]
async fn the_request_id_is_found_where_the_setting_says() {
    let sandbox = Running::start().await;
    let places = json!(["header:request-id", "query:requestId", "/requestInfo/requestId"]);
    sandbox.settings(json!({"request_id_places": places})).await;
    let amount = r#""amount":{"amount":1,"currency":"EUR"}"#;
    let cases = [
        ("wl-1-body", "", String::new(), format!(r#"{{{amount},"requestInfo":{{"requestId":"b"}}}}"#), 1),
        ("wl-1-header", "", "Request-Id: h\r\n".to_owned(), format!("{{{amount}}}"), 1),
        ("wl-1-query", "?requestId=q", String::new(), format!("{{{amount}}}"), 1),
        ("wl-1-usual", "", String::new(), format!(r#"{{{amount},"requestId":"u"}}"#), 2),
    ];
    for (id, query, header, body, effects) in cases {
        let path = format!("{}/refunds{query}", order_path(id));
        for _ in 0..2 {
            let headers = format!("{}{header}", headers(WORLDLINE_TOKEN));
            assert_eq!(sandbox.send("POST", &path, &headers, &body).await.status, Some(200), "{id}");
        }
        assert_eq!(sandbox.effects(id).await.len(), effects, "{id}");
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn a_refund_of_several_payments_is_several_transactions() {
    let sandbox = Running::start().await;
    let split = refund_of(&sandbox, "wl-2-a", &asked("k1", "700.00", "EUR")).await.json();
    assert_eq!(refunds(&split), [credit("Processed", 0, "600.00"), credit("Processed", 0, "100.00")]);
    let effects = sandbox.effects("wl-2-a").await;
    assert_eq!((effects.len(), &effects[0]["amount_minor"]), (1, &json!(70_000)));
    assert_eq!(effects[0]["provider_refund_id"].as_str().unwrap().split(',').count(), 2);

    let whole = order(&sandbox, "wl-2-a").await.json();
    let payment = |index: usize| whole["transactionReferences"][index]["transactionId"].to_string();
    let named = |key: &str, amount: &str, id: &str| {
        asked(key, amount, "EUR").replace("\"requestId", &format!("\"transactionId\":{id},\"requestId"))
    };
    let refused = refund_of(&sandbox, "wl-2-a", &named("k2", "0.01", &payment(1))).await;
    assert_eq!(face(&refused), (Some(400), "22041".to_owned()), "the first payment is used up");
    let refused = refund_of(&sandbox, "wl-2-a", &named("k3", "0.01", "77")).await;
    assert_eq!(face(&refused), (Some(400), "22033".to_owned()));
    let last = refund_of(&sandbox, "wl-2-a", &named("k4", "300.00", &payment(3))).await.json();
    assert_eq!(refunds(&last), [credit("Processed", 0, "300.00")]);
    assert_eq!(last["refundedAmount"].to_string(), "1000.00");
    sandbox.stop().await;
}

#[tokio::test]
async fn rules_of_money_and_order_are_kept() {
    let sandbox = Running::start().await;
    let long = "x".repeat(51);
    for (id, body, status, code) in [
        ("wl-1-a", "[]".to_owned(), 400, "11023"),
        ("wl-1-a", "{}".to_owned(), 400, "11023"),
        ("wl-1-a", asked("k", "\"10.00\"", "EUR"), 400, "11023"),
        ("wl-1-a", asked("k", "10.001", "EUR"), 400, "11023"),
        ("wl-1-a", asked("k", "0", "EUR"), 400, "11023"),
        ("wl-1-a", asked("k", "-1", "EUR"), 400, "11023"),
        ("wl-1-a", asked(&"k".repeat(65), "1", "EUR"), 400, "11023"),
        ("wl-1-a", asked("k", "1", "XXX"), 400, "11011"),
        ("wl-1-a", asked("k", "1", "USD"), 400, "22047"),
        ("wl-1-a", asked("k", "1000.01", "EUR"), 400, "22041"),
        ("wl-0-a", asked("k", "1", "EUR"), 404, "22026"),
        (&long, asked("k", "1", "EUR"), 400, "11023"),
        ("wl-jpy-a", asked("k", "1.0", "JPY"), 400, "11023"),
    ] {
        let answer = refund_of(&sandbox, id, &body).await;
        assert_eq!(face(&answer), (Some(status), code.to_owned()), "{id} {body}");
        assert!(answer.json()["description"].is_string());
    }
    assert_eq!(face(&order(&sandbox, "wl-0-a").await), (Some(404), "22026".to_owned()));
    for (id, amount, currency, captured) in
        [("wl-jpy-a", "1000", "JPY", "100000"), ("wl-kwd-a", "1.005", "KWD", "1000.000")]
    {
        let refunded = refund_of(&sandbox, id, &asked(id, amount, currency)).await.json();
        assert_eq!(refunds(&refunded), [credit("Processed", 0, amount)]);
        assert_eq!(refunded["capturedAmount"].to_string(), captured);
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn requests_are_checked_before_they_are_read() {
    let sandbox = Running::start().await;
    let path = format!("{}/refunds", order_path("wl-1-a"));
    let other = path.replace(&WORLDLINE_MID.to_string(), "1570616553");
    let good = headers(WORLDLINE_TOKEN);
    let cases = [
        ("GET", path.as_str(), good.replace("sandbox-token", "x"), 401, "39002"),
        ("POST", path.as_str(), good.replace("Bearer", "Basic"), 401, "39002"),
        ("POST", other.as_str(), good.clone(), 403, "24001"),
        ("GET", path.as_str(), good.clone(), 405, "38002"),
        ("POST", path.as_str(), good.replace("Accept: application/json", "Accept: text/html"), 406, "38002"),
        ("POST", path.as_str(), good.replace("Type: application/json", "Type: text/plain"), 415, "38002"),
        ("POST", "/worldline/api/v2/refunds", good.clone(), 404, ""),
        ("POST", path.as_str(), good, 400, "11023"),
    ];
    for (method, path, headers, status, code) in cases {
        let answer = sandbox.send(method, path, &headers, "{").await;
        assert_eq!(face(&answer), (Some(status), code.to_owned()), "{method} {path} {headers}");
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn an_order_id_may_be_any_text() {
    let sandbox = Running::start().await;
    let change = json!({"currency": "SEK", "payments": ["5.00", "7.00"], "refund_elsewhere": "6.00"});
    sandbox.control("PUT", "/control/worldline/orders/a%2Fb%20%C3%A5", &change).await;
    let shown = order(&sandbox, "a%2Fb%20%C3%A5").await.json();
    assert_eq!(
        (&shown["orderId"], shown["refundedAmount"].to_string()),
        (&json!("a/b å"), "6.00".to_owned())
    );
    let refunded = refund_of(&sandbox, "a%2Fb%20%C3%A5", &asked("k", "6.00", "SEK")).await.json();
    assert_eq!(refunds(&refunded), [credit("Processed", 0, "6.00")]);
    let effects = sandbox.effects("a%2Fb%20%C3%A5").await;
    assert_eq!((effects.len(), &effects[0]["order_id"]), (1, &json!("a/b å")), "the other's is not ours");
    let calls = sandbox.control("GET", "/calls?order_id=a%2Fb%20%C3%A5", &json!(null)).await;
    assert_eq!(calls["calls"].as_array().map(Vec::len), Some(2));
    for bad in [
        json!({"payments": []}),
        json!({"payments": ["1.005"]}),
        json!({"currency": "XXX", "payments": ["1"]}),
        json!({"refund_elsewhere": "0.01"}),
        json!({"behaviours": ["no_such"]}),
        json!({"colour": "red"}),
    ] {
        let path = "/control/worldline/orders/a%2Fb%20%C3%A5";
        assert_eq!(sandbox.send("PUT", path, "", &bad.to_string()).await.status, Some(400), "{bad}");
    }
    sandbox.stop().await;
}
