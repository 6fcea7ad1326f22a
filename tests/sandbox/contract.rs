//! What Afterpay's documents say, with nothing scripted.

use serde_json::json;

use crate::wire::{Running, asked, face, headers};

#[tokio::test]
async fn a_refund_is_echoed_and_stands_in_the_payment_and_in_the_ledger() {
    let sandbox = Running::start().await;
    let answer = sandbox.refund_of("100101768366", &asked("k1", "10.0", "AUD")).await;
    assert_eq!(answer.status, Some(201));
    assert!(answer.headers.contains_key("http-correlation-id"));
    assert!(
        answer
            .text()
            .starts_with("{\n  \"requestId\" : \"k1\",\n  \"amount\" : {\n    \"amount\" : \"10.00\"")
    );
    let refund = answer.json();
    assert_eq!(refund["merchantReference"], "rf-k1");
    assert!(refund["refundedAt"].as_str().unwrap().ends_with('Z'));

    let payment = sandbox.payment("100101768366").await.json();
    assert_eq!(payment["paymentState"], "CAPTURED");
    assert_eq!(payment["originalAmount"], json!({"amount": "1000.00", "currency": "AUD"}));
    assert_eq!(payment["openToCaptureAmount"]["amount"], "0.00");
    assert_eq!(payment["refunds"], json!([refund]));

    let effect = &sandbox.effects("100101768366").await[0];
    assert_eq!(effect["provider_refund_id"], refund["refundId"]);
    assert_eq!((&effect["amount_minor"], &effect["call"]), (&json!(1000), &json!(1)));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_request_repeats_only_with_both_request_id_and_merchant_reference() {
    let sandbox = Running::start().await;
    let first = sandbox.refund("1", "k").await.json();
    assert_eq!(
        sandbox.refund_of("1", &asked("k", "99.00", "AUD")).await.json(),
        first,
        "replay of the first body"
    );
    let body = json!({"requestId": "k", "amount": {"amount": "10.00", "currency": "AUD"}});
    let alone = sandbox.refund_of("1", &body).await.json();
    assert!(alone.get("merchantReference").is_none(), "what was not given is left out");
    assert_ne!(alone["refundId"], first["refundId"]);
    sandbox.refund_of("1", &body).await;
    assert_eq!(sandbox.effects("1").await.len(), 3);
    let summary = sandbox.control("GET", "/ledger/summary", &json!(null)).await;
    assert_eq!((&summary["effects"], &summary["doubled"]), (&json!(3), &json!(2)));
    assert_eq!(summary["by_request_id"]["afterpay"]["k"], 3);
    assert_eq!(summary["amount_minor"]["afterpay"]["AUD"], 3000);
}

#[tokio::test]
async fn requests_are_checked_in_the_documented_order() {
    let sandbox = Running::start().await;
    let refund = "/afterpay/v2/payments/1/refund";
    let bad_type = ("Content-Type", "text/plain");
    let bad_accept = ("Accept", "text/html");
    let no_agent = ("User-Agent", "");
    let cases = [
        ("GET", headers(&[("Authorization", ""), bad_accept]), 401, "unauthorized"),
        ("GET", headers(&[("Authorization", "Basic bm86")]), 401, "unauthorized"),
        ("PUT", headers(&[bad_accept, bad_type]), 405, "method_not_allowed"),
        ("POST", headers(&[bad_accept, bad_type]), 406, "error"),
        ("POST", headers(&[bad_type, no_agent]), 415, "error"),
        ("POST", headers(&[no_agent]), 403, ""),
        ("POST", headers(&[("Accept", "")]), 400, "invalid_json"),
    ];
    for (method, headers, status, code) in cases {
        let answer = sandbox.send(method, refund, &headers, "{").await;
        assert_eq!(face(&answer), (Some(status), code.to_owned()), "{method} {headers}");
    }
    let calls = sandbox.control("GET", "/calls?order_id=1", &json!(null)).await;
    assert_eq!(calls["calls"].as_array().unwrap().len(), 7);
    assert_eq!(calls["calls"][6]["headers"]["authorization"], "Basic ***");
    assert_eq!((&calls["calls"][6]["status"], &calls["calls"][6]["body"]), (&json!(400), &json!("{")));
}

#[tokio::test]
async fn rules_of_the_order_are_checked_after_money_and_lengths() {
    let sandbox = Running::start().await;
    let mut long = asked("k", "1.00", "AUD");
    long["refundMerchantReference"] = json!("x".repeat(129));
    let cases = [
        ("abc", asked("k", "1.001", "AUD"), 422, "invalid_object"),
        ("abc", asked("k", "1,000", "AUD"), 422, "invalid_amount"),
        ("abc", asked("k", "1.00", "EUR"), 422, "unsupported_currency"),
        ("abc", long, 422, "invalid_object"),
        ("abc", asked("k", "1.00", "AUD"), 404, "not_found"),
        ("0123", asked("k", "1.00", "AUD"), 412, "precondition_failed"),
        ("4", asked("k", "1.00", "USD"), 412, "precondition_failed"),
        ("5", asked("k", "1.00", "USD"), 422, "invalid_object"),
        ("5", asked("k", "1.00", "AUD"), 422, "refund_timelimit_exceeded"),
        ("2", asked("k", "1000.01", "USD"), 422, "invalid_amount"),
        ("6", asked("k", "400.01", "AUD"), 422, "invalid_amount"),
        ("7", asked("k", "600.01", "AUD"), 422, "invalid_amount"),
    ];
    for (order, body, status, code) in cases {
        let answer = sandbox.refund_of(order, &body).await;
        assert_eq!(face(&answer), (Some(status), code.to_owned()), "{order} {body}");
        assert_eq!(answer.json()["errorId"].as_str().map(str::len), Some(16));
        assert_eq!(answer.json()["httpStatusCode"], status);
    }
    for (order, body) in [("2", asked("k", "1000.00", "USD")), ("7", asked("k", "600.00", "AUD"))] {
        assert_eq!(sandbox.refund_of(order, &body).await.status, Some(201));
    }
    assert_eq!(sandbox.payment("6").await.json()["paymentState"], "PARTIALLY_CAPTURED");
    assert_eq!(sandbox.payment("4").await.json()["status"], "DECLINED");
    assert_eq!(face(&sandbox.payment("0123").await), (Some(404), "not_found".to_owned()));
    let seven = sandbox.payment("7").await.json();
    assert_eq!(seven["refunds"].as_array().map(Vec::len), Some(3));
    assert_eq!(seven["refunds"][1]["refundId"], seven["events"][2]["id"], "a void has the id of its event");
    assert_eq!(seven["events"][2]["type"], "VOIDED");
}
