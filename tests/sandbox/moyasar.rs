//! What Moyasar's documents say, with nothing scripted.

use refunds::sandbox::{MOYASAR_KEY, MOYASAR_READ_ONLY_KEY};
use serde_json::{Value, json};

use crate::wire::{Answer, Running, request};

/// The order of the refund page's example, and the id of the refund there.
pub(crate) const EXAMPLE: &str = "0191f5a7-44d3-7430-8739-2d80821416bf";
const EXAMPLE_REFUND: &str = "f351a2a3-97c4-4f12-add3-80c1044091f5";
const STILL_PROCESSING: &str = r#"{"message":"Initial request is still processing."}"#;

/// The example's answer; `{id}`, `{now}` and `{rrn}` are its path's id, the time, the retrieval reference.
const EXAMPLE_ANSWER: &str = concat!(
    r#"{"id":"{id}","merchant":{"id":"0191f5a7-44a5-7700-8c11-ffc3703a7990","#,
    r#""acquirer_id":"0191f5a7-44a2-73d5-9a9c-745f40f8db31","name":"Merchant 52","#,
    r#""arabic_name":"الإسم العربي","merchant_id":"60052","rule_precedence":"mixed"},"currency":"SAR","#,
    r#""amount":262346,"captured_amount":262346,"refunded_amount":262346,"voided_amount":0,"#,
    r#""description":"Voluptatum at consequatur ullam.","created_at":"2024-09-15T12:27:45Z","#,
    r#""updated_at":"{now}","source":{"type":"card","issuer":null,"card_type":null,"category":null,"#,
    r#""country_alpha2":null,"scheme":"mastercard","first_digits":"55555555","last_digits":"4444","#,
    r#""month":12,"year":2026},"reauthorized_order_id":null,"airline":{"reference":"576449881"},"#,
    r#""sub_merchant":{"id":"ecb0e32fd3d95b41cbf2ca9a9513a3","registered_name":"Rolfson-Legros","#,
    r#""trading_name":"Hane-Jerde","email":"herschel@kilback-hamill.test"},"agreement":null,"#,
    r#""transactions":[{"id":"0191f5a7-44ab-7fbb-ab3c-1e1a98a5166e","status":"approved","#,
    r#""type":"capture","source_type":"merchant","reverse_reason":null,"justification":null,"#,
    r#""reversed_transaction_id":null,"message":"APPROVED","response_code":"00","#,
    r#""retrieval_reference":"886117264145","stan":"912425","auth_code":"663390","amount":262346,"#,
    r#""refunded_amount":0,"created_at":"2024-09-15T12:27:45Z"},"#,
    r#"{"id":"f351a2a3-97c4-4f12-add3-80c1044091f5","status":"approved","type":"refund","#,
    r#""source_type":"merchant","reverse_reason":null,"justification":null,"#,
    r#""reversed_transaction_id":null,"message":"APPROVED","response_code":"00","#,
    r#""retrieval_reference":"{rrn}","stan":"000001","auth_code":null,"amount":262346,"#,
    r#""refunded_amount":0,"created_at":"{now}"}]}"#,
);

/// A UUID that begins with eight hexadecimal digits and is distinct for each number.
pub(crate) fn uuid(head: &str, number: u64) -> String {
    format!("{head}-44d3-7430-8739-{number:012x}")
}

/// A transaction id.
pub(crate) fn key(number: u64) -> String {
    uuid("0199aaaa", number)
}

pub(crate) fn asked(key: &str, amount: i64) -> Value {
    json!({"amount": amount, "transaction_id": key})
}

fn with_key(key: &str) -> String {
    format!("Authorization: Bearer {key}\r\nAccept: application/json\r\nContent-Type: application/json\r\n")
}

pub(crate) fn refund_request(order: &str, body: &Value) -> String {
    let path = format!("/moyasar/v1/orders/{order}/refund");
    request("POST", &path, &with_key(MOYASAR_KEY), &body.to_string())
}

pub(crate) async fn refund(sandbox: &Running, order: &str, body: &Value) -> Answer {
    crate::wire::exchange(sandbox.address, refund_request(order, body)).await
}

pub(crate) async fn show(sandbox: &Running, order: &str) -> Answer {
    sandbox.send("GET", &format!("/moyasar/v1/orders/{order}"), &with_key(MOYASAR_KEY), "").await
}

/// Status and message.
pub(crate) fn face(answer: &Answer) -> (Option<u16>, String) {
    (answer.status, answer.json()["message"].as_str().unwrap_or_default().to_owned())
}

/// The one transaction with an id.
pub(crate) fn transaction(order: &Value, id: &str) -> Value {
    let all = order["transactions"].as_array().unwrap();
    let found: Vec<_> = all.iter().filter(|transaction| transaction["id"] == id).collect();
    assert_eq!(found.len(), 1, "{id} in {order}");
    found[0].clone()
}

#[tokio::test]
async fn the_documented_refund_is_answered_as_documented() {
    let sandbox = Running::start().await;
    let before = show(&sandbox, EXAMPLE).await.json();
    assert_eq!((&before["refunded_amount"], &before["captured_amount"]), (&json!(0), &json!(262_346)));
    assert_eq!(before["updated_at"], "2024-09-15T12:27:45Z");

    let answer = refund(&sandbox, EXAMPLE, &asked(EXAMPLE_REFUND, 262_346)).await;
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (Some(200), "application/json"));
    let made = transaction(&answer.json(), EXAMPLE_REFUND);
    let (now, rrn) = (made["created_at"].as_str().unwrap(), made["retrieval_reference"].as_str().unwrap());
    let wanted = EXAMPLE_ANSWER.replace("{id}", EXAMPLE).replace("{now}", now).replace("{rrn}", rrn);
    assert_eq!(answer.text(), wanted);
    assert!((now.len(), rrn.len()) == (20, 12) && now.ends_with('Z') && rrn.ends_with("0000001"), "{made}");
    assert_eq!(show(&sandbox, EXAMPLE).await.text(), wanted, "a lookup shows the same");

    let effect = &sandbox.effects(EXAMPLE).await[0];
    assert_eq!((&effect["provider"], &effect["currency"]), (&json!("moyasar"), &json!("SAR")));
    assert_eq!((&effect["request_id"], &effect["call"]), (&json!(EXAMPLE_REFUND), &json!(1)));
    assert_eq!(effect["provider_refund_id"], EXAMPLE_REFUND);
    assert_eq!((&effect["amount_minor"], &effect["amount"]), (&json!(262_346), &json!("262346")));
}

#[tokio::test]
async fn the_transaction_id_makes_a_refund_repeatable() {
    let sandbox = Running::start().await;
    let order = uuid("0191aaaa", 1);
    let first = refund(&sandbox, &order, &asked(&key(1), 300_000)).await;
    assert_eq!(refund(&sandbox, &order, &asked(&key(1), 300_000)).await.text(), first.text());
    let shouted = refund(&sandbox, &order.to_uppercase(), &asked(&key(1).to_uppercase(), 300_000)).await;
    assert_eq!(shouted.text(), first.text());
    assert_eq!(sandbox.effects(&order).await.len(), 1);

    let taken = json!({"message": "Data validation failed",
        "errors": {"transaction_id": ["The value has already been taken."]}});
    let other_amount = refund(&sandbox, &order, &asked(&key(1), 300_001)).await;
    assert_eq!((other_amount.status, other_amount.json()), (Some(422), taken.clone()));
    let other_order = refund(&sandbox, &uuid("0191aaaa", 2), &asked(&key(1), 300_000)).await;
    assert_eq!((other_order.status, other_order.json()), (Some(422), taken));

    for _ in 0..2 {
        assert_eq!(refund(&sandbox, &order, &json!({"amount": 100_000})).await.status, Some(200));
    }
    let shown = show(&sandbox, &order).await.json();
    assert_eq!(
        (shown["refunded_amount"].as_i64(), shown["amount"].as_i64()),
        (Some(500_000), Some(1_000_000))
    );
    let ids: Vec<_> = shown["transactions"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!((ids.len(), ids[1]), (4, &json!(key(1))));
    assert_ne!(ids[2], ids[3], "without an id each call is a refund of its own");
    assert_eq!(ids[3].as_str().map(|id| &id[14..15]), Some("7"));

    let repeat = refund(&sandbox, &order, &asked(&key(1), 300_000)).await.json();
    assert_eq!(repeat, shown, "a repeat shows the order as it is now");
    let over = refund(&sandbox, &order, &asked(&key(3), 500_001)).await;
    assert_eq!(face(&over), (Some(400), "The amount exceeds the refundable amount of the order.".to_owned()));
    assert_eq!(refund(&sandbox, &order, &asked(&key(3), 500_000)).await.status, Some(200));
    assert_eq!(sandbox.effects(&order).await.len(), 4);
}

#[tokio::test]
async fn requests_are_checked() {
    let sandbox = Running::start().await;
    let good = uuid("0191aaaa", 1);
    let path = |order: &str| format!("/moyasar/v1/orders/{order}/refund");
    let (all, read_only) = (with_key(MOYASAR_KEY), with_key(MOYASAR_READ_ONLY_KEY));
    let missing = "Missing authentication information";
    let cases = [
        ("POST", path(&good), String::new(), "{", 401, missing),
        ("POST", path(&good), with_key("no-such-key"), "{", 401, missing),
        ("POST", path(&good), all.replace("Bearer", "Basic"), "{", 401, missing),
        ("GET", "/moyasar/v1/nowhere".to_owned(), String::new(), "", 401, missing),
        ("GET", "/moyasar/v1/nowhere".to_owned(), all.clone(), "", 404, "Not Found"),
        ("PUT", path(&good), read_only.clone(), "{", 405, "Method Not Allowed"),
        ("POST", path(&good), read_only.clone(), "{", 403, "Unauthorized"),
        ("POST", path(&good), all.clone(), "{", 400, "The request body is not valid JSON."),
        ("POST", path("1"), all.clone(), "{\"amount\":1}", 404, "Not Found"),
        ("POST", path(&uuid("00000000", 1)), all.clone(), "{\"amount\":1}", 404, "Not Found"),
    ];
    for (method, path, headers, body, status, message) in cases {
        let answer = sandbox.send(method, &path, &headers, body).await;
        assert_eq!(face(&answer), (Some(status), message.to_owned()), "{method} {path} {headers}");
    }
    assert_eq!(show(&sandbox, &uuid("00000000", 1)).await.status, Some(404));
    let shown = sandbox.send("GET", &format!("/moyasar/v1/orders/{good}"), &read_only, "").await;
    assert_eq!(shown.status, Some(200), "the key that may not refund may read");
    let calls = sandbox.control("GET", &format!("/calls?order_id={good}"), &json!(null)).await;
    assert_eq!(calls["calls"][1]["headers"]["authorization"], "Bearer ***");
    assert_eq!(sandbox.control("GET", "/ledger/summary", &json!(null)).await["effects"], 0);
}

#[tokio::test]
async fn fields_are_validated_with_their_reasons() {
    let sandbox = Running::start().await;
    let order = uuid("0191aaaa", 1);
    let low = "The value must be greater than or equal to 1.";
    let (whole, high) =
        ("The value must be an integer.", "The value must be less than or equal to 100000000.");
    for (body, field, reason) in [
        (r"{}", "amount", "The value is required."),
        (r#"{"amount":null}"#, "amount", "The value is required."),
        (r#"{"amount":0}"#, "amount", low),
        (r#"{"amount":-5}"#, "amount", low),
        (r#"{"amount":10.5}"#, "amount", whole),
        (r#"{"amount":10.0}"#, "amount", whole),
        (r#"{"amount":"10"}"#, "amount", whole),
        (r#"{"amount":100000001}"#, "amount", high),
        (r#"{"amount":1,"transaction_id":"r-1"}"#, "transaction_id", "The value must be a valid UUID."),
        (r#"{"amount":1,"transaction_id":7}"#, "transaction_id", "The value must be a valid UUID."),
    ] {
        let path = format!("/moyasar/v1/orders/{order}/refund");
        let answer = sandbox.send("POST", &path, &with_key(MOYASAR_KEY), body).await;
        let wanted = json!({"message": "Data validation failed", "errors": {field: [reason]}});
        assert_eq!((answer.status, answer.json()), (Some(422), wanted), "{body}");
    }
    let bare = format!("Authorization: bearer {MOYASAR_KEY}\r\n");
    let path = format!("/moyasar/v1/orders/{order}/refund");
    let untyped = sandbox.send("POST", &path, &bare, r#"{"amount":1}"#).await;
    assert_eq!(
        untyped.json()["errors"]["amount"][0],
        "The value is required.",
        "a body of no type is not read"
    );
    assert_eq!(sandbox.effects(&order).await.len(), 0);
}

#[tokio::test]
async fn the_first_digits_of_an_order_say_what_it_is() {
    let sandbox = Running::start().await;
    for (number, head, currency, left) in [
        (1, "0191aaaa", "SAR", 1_000_000),
        (2, "0192aaaa", "KWD", 1_000_000),
        (3, "0193aaaa", "JPY", 1_000_000),
        (4, "0194aaaa", "USD", 1_000_000),
        (5, "0196aaaa", "SAR", 400_000),
        (6, "0197aaaa", "SAR", 600_000),
        (7, "9900aaaa", "SAR", 1_000_000),
    ] {
        let order = uuid(head, number);
        assert_eq!(
            refund(&sandbox, &order, &asked(&key(number), left + 1)).await.status,
            Some(400),
            "{head}"
        );
        assert_eq!(refund(&sandbox, &order, &asked(&key(number), left)).await.status, Some(200), "{head}");
        let effects = sandbox.effects(&order).await;
        assert_eq!((&effects[0]["currency"], effects.len()), (&json!(currency), 1), "{head}");
        assert_eq!(show(&sandbox, &order).await.json()["currency"], currency);
    }
    let authorised = uuid("0195aaaa", 1);
    assert_eq!(refund(&sandbox, &authorised, &asked(&key(9), 1)).await.status, Some(400));
    assert_eq!(show(&sandbox, &authorised).await.json()["transactions"][0]["type"], "authorize");
    let shared = show(&sandbox, &uuid("0197aaaa", 6)).await.json();
    assert_eq!((&shared["refunded_amount"], &shared["voided_amount"]), (&json!(900_000), &json!(100_000)));
    let types: Vec<_> = shared["transactions"].as_array().unwrap().iter().map(|one| &one["type"]).collect();
    assert_eq!(types, ["capture", "void", "refund", "refund"]);
}

#[tokio::test]
async fn the_documented_errors_are_worded_as_documented() {
    let sandbox = Running::start().await;
    let waiting = refund(&sandbox, &uuid("99170000", 1), &asked(&key(1), 5)).await;
    assert_eq!(waiting.text(), STILL_PROCESSING);
    let refused = refund(&sandbox, &uuid("99150000", 1), &asked(&key(1), 5)).await;
    let errors = r#""errors":{"amount":["The value must be greater than or equal to 1."]}}"#;
    let errors = format!(r#"{{"message":"Data validation failed",{errors}"#);
    assert_eq!(refused.text(), errors);
    assert_eq!(
        refund(&sandbox, &uuid("99120000", 1), &asked(&key(1), 5)).await.text(),
        r#"{"message":"Unauthorized"}"#
    );
}
