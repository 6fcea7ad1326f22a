//! Moyasar's misbehaviour, as a client's socket sees it.

use serde_json::{Value, json};

use crate::{
    moyasar::{asked, face, key, refund, refund_request, show, transaction, uuid},
    wire::{Answer, End, Running, exchange},
};
use End::{Closed, Open, Reset};

const WAIT: &str = "Initial request is still processing.";
const APPROVED: &str = r#""status":"approved","type":"refund""#;
const HTML: &str = "<html>";

/// What a row of the table must show: name; the first call's status (0: none), end, and a part of its body;
/// effects after it; the second call's status; effects after that.
type Seen = (&'static str, u16, End, &'static str, usize, u16, usize);

#[rustfmt::skip] // It is read as a table.
const SEEN: &[Seen] = &[
    ("ok", 200, Closed, APPROVED, 1, 200, 1),
    ("over_refund", 400, Closed, "exceeds the refundable amount", 0, 400, 0),
    ("unauthorized", 401, Closed, "Missing authentication information", 0, 200, 1),
    ("forbidden", 403, Closed, "\"Unauthorized\"", 0, 200, 1),
    ("forbidden_html", 403, Closed, HTML, 0, 200, 1),
    ("not_found", 404, Closed, "Not Found", 0, 404, 0),
    ("invalid_amount", 422, Closed, "greater than or equal to 1.", 0, 422, 0),
    ("id_taken", 422, Closed, r#""transaction_id":["#, 0, 422, 0),
    ("still_processing", 400, Closed, WAIT, 0, 400, 0),
    ("still_processing_after_commit", 400, Closed, WAIT, 1, 400, 1),
    ("blocked", 400, Closed, WAIT, 0, 200, 1),
    ("blocked_after_commit", 400, Closed, WAIT, 1, 200, 1),
    ("not_refundable", 400, Closed, "cannot be refunded", 0, 400, 0),
    ("bad_request_html", 400, Closed, HTML, 0, 200, 1),
    ("refused_after_commit", 400, Closed, "exceeds the refundable amount", 1, 200, 1),
    ("method_not_allowed", 405, Closed, "Method Not Allowed", 0, 200, 1),
    ("rate_limited", 429, Closed, "Too Many Requests", 0, 200, 1),
    ("rate_limited_bare", 429, Closed, "Too Many Requests", 0, 200, 1),
    ("error_500_empty", 500, Closed, "", 0, 200, 1),
    ("error_500", 500, Closed, "Server Error", 0, 200, 1),
    ("error_500_after_commit", 500, Closed, "Server Error", 1, 200, 1),
    ("unavailable", 503, Closed, HTML, 0, 503, 0),
    ("edge_timeout", 524, Closed, HTML, 0, 200, 1),
    ("edge_timeout_after_commit", 524, Closed, HTML, 1, 200, 1),
    ("bad_gateway_after_commit", 502, Closed, HTML, 1, 200, 1),
    ("request_timeout", 408, Closed, "", 0, 200, 1),
    ("request_timeout_after_commit", 408, Closed, "", 1, 200, 1),
    ("conflict_after_commit", 409, Closed, "Conflict", 1, 200, 1),
    ("too_early", 425, Closed, "", 0, 200, 1),
    ("timeout_before_commit", 0, Reset, "", 0, 200, 1),
    ("timeout_after_commit", 0, Reset, "", 1, 200, 1),
    ("slow", 200, Closed, APPROVED, 1, 200, 1),
    ("reset_before_commit", 0, Reset, "", 0, 200, 1),
    ("reset_after_commit", 0, Reset, "", 1, 200, 1),
    ("reset_in_body", 200, Reset, "{", 1, 200, 1),
    ("garbage_after_commit", 200, Closed, "not json", 1, 200, 1),
    ("html_after_commit", 200, Closed, HTML, 1, 200, 1),
    ("truncated_after_commit", 200, Closed, "{", 1, 200, 1),
    ("oversized_after_commit", 200, Closed, APPROVED, 1, 200, 1),
    ("endless_after_commit", 200, Open, APPROVED, 1, 200, 1),
    ("redirect", 302, Closed, "", 0, 200, 1),
    ("empty_after_commit", 200, Closed, "", 1, 200, 1),
    ("other_transaction_id", 200, Closed, APPROVED, 1, 200, 1),
    ("no_transaction", 200, Closed, r#""refunded_amount":1000,"#, 1, 200, 1),
    ("no_transactions", 200, Closed, r#""refunded_amount":1000,"#, 1, 200, 1),
    ("wrong_amount", 200, Closed, r#""amount":1001,"#, 1, 200, 1),
    ("wrong_currency", 200, Closed, r#""currency":"USD""#, 1, 200, 1),
    ("wrong_order", 200, Closed, r#"{"id":"01910000-"#, 1, 200, 1),
    ("wrong_type", 200, Closed, r#""status":"approved","type":"void""#, 1, 200, 1),
    ("ignores_key", 200, Closed, APPROVED, 1, 200, 2),
    ("ignores_key_timeout", 0, Reset, "", 1, 200, 2),
    ("forgets_key", 200, Closed, APPROVED, 1, 200, 1),
    ("forgets_key_timeout", 0, Reset, "", 1, 200, 1),
    ("server_id", 200, Closed, APPROVED, 1, 200, 2),
    ("server_id_timeout", 0, Reset, "", 1, 0, 2),
    ("lookup_500", 200, Closed, APPROVED, 1, 200, 1),
    ("lookup_hides", 0, Reset, "", 1, 0, 1),
    ("lookup_404", 200, Closed, APPROVED, 1, 200, 1),
    ("lookup_other_order", 200, Closed, APPROVED, 1, 200, 1),
    ("lookup_timeout", 200, Closed, APPROVED, 1, 200, 1),
    ("lookup_lags", 0, Reset, "", 1, 200, 1),
    ("always_rate_limited", 429, Closed, "Too Many Requests", 0, 429, 0),
    ("failed", 200, Closed, r#""status":"failed","type":"refund""#, 0, 200, 0),
    ("initiated_then_approved", 200, Closed, r#""status":"initiated""#, 0, 200, 0),
    ("initiated_then_failed", 200, Closed, r#""status":"initiated""#, 0, 200, 0),
    ("initiated", 200, Closed, r#""status":"initiated""#, 0, 200, 0),
    ("timeout_status", 200, Closed, r#""status":"timeout""#, 0, 200, 0),
    ("timeout_then_approved", 200, Closed, r#""status":"timeout""#, 0, 200, 0),
    ("timeout_then_reversed", 200, Closed, r#""status":"timeout""#, 0, 200, 0),
    ("system_error", 200, Closed, r#""status":"system_error""#, 0, 200, 0),
    ("approved_then_reversed", 200, Closed, APPROVED, 1, 200, 1),
    ("failed_timeout", 0, Reset, "", 0, 200, 0),
    ("initiated_then_approved_timeout", 0, Reset, "", 0, 200, 0),
    ("initiated_then_failed_timeout", 0, Reset, "", 0, 200, 0),
    ("unheard_status", 200, Closed, r#""status":"under_investigation""#, 0, 200, 0),
    ("always_still_processing", 400, Closed, WAIT, 0, 400, 0),
    ("always_still_processing_after_commit", 400, Closed, WAIT, 1, 400, 1),
    ("always_500", 500, Closed, "", 0, 500, 0),
    ("always_timeout", 0, Reset, "", 0, 0, 0),
    ("always_timeout_after_commit", 0, Reset, "", 1, 0, 1),
    ("always_unavailable", 503, Closed, HTML, 0, 503, 0),
    ("always_unauthorized", 401, Closed, "Missing authentication information", 0, 401, 0),
];

fn status(code: u16) -> Option<u16> {
    (code != 0).then_some(code)
}

/// An order that misbehaves as the code says.
fn bad(code: &str, number: u64) -> String {
    uuid(&format!("99{code}0000"), number)
}

#[tokio::test]
async fn every_behaviour_does_what_its_row_says() {
    let sandbox = Running::start().await;
    sandbox
        .settings(json!({"hold_ms": 100, "slow_ms": 50, "block_ms": 50, "drip_ms": 1, "retry_after_s": 7,
        "key_memory_ms": 60_000, "later_ms": 60_000}))
        .await;
    let table = sandbox.control("GET", "/control/moyasar/behaviours", &json!(null)).await;
    let rows = table.as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, SEEN.iter().map(|seen| seen.0).collect::<Vec<_>>());
    for (number, (row, seen)) in (1..).zip(rows.iter().zip(SEEN)) {
        let (name, first_status, end, part, effects, second_status, effects_after) = seen;
        let order = bad(row["code"].as_str().unwrap(), number);
        let body = asked(&key(number), 1_000);
        let first = refund(&sandbox, &order, &body).await;
        assert_eq!((first.status, &first.end), (status(*first_status), end), "{name}");
        assert!(first.text().contains(part), "{name}: {}", first.text());
        check_first(name, &key(number), &first);
        assert_eq!(sandbox.effects(&order).await.len(), *effects, "{name}");

        let second = refund(&sandbox, &order, &body).await;
        assert_eq!(second.status, status(*second_status), "{name}, second call");
        assert_eq!(sandbox.effects(&order).await.len(), *effects_after, "{name}, second call");
        let summary = format!("/ledger/summary?order_id={order}");
        let doubled = &sandbox.control("GET", &summary, &json!(null)).await["doubled"];
        assert_eq!(*doubled, effects_after.saturating_sub(1), "{name}");
    }
}

/// What a part of the body cannot show.
fn check_first(name: &str, key: &str, first: &Answer) {
    let promised = first.headers.get("content-length").and_then(|length| length.parse::<usize>().ok());
    let body = first.json();
    match name {
        "rate_limited" | "always_rate_limited" => assert_eq!(first.headers["retry-after"], "7"),
        "rate_limited_bare" => assert!(!first.headers.contains_key("retry-after")),
        "error_500_empty" | "always_500" | "empty_after_commit" | "request_timeout" | "too_early" => {
            assert!(first.body.is_empty(), "{name}");
        }
        "redirect" => assert_eq!(first.headers["location"], "redirected"),
        "truncated_after_commit" | "reset_in_body" => assert!(promised > Some(first.body.len()), "{name}"),
        "oversized_after_commit" => {
            assert!(first.body.len() > 8 * 1024 * 1024);
            transaction(&body, key);
        }
        "other_transaction_id" | "server_id" => {
            assert_eq!(body["transactions"].as_array().map(Vec::len), Some(2));
            assert_ne!(body["transactions"][1]["id"], key);
        }
        "no_transaction" => assert_eq!(body["transactions"].as_array().map(Vec::len), Some(1)),
        "no_transactions" => assert!(body.get("transactions").is_none()),
        "failed" => {
            let failed = transaction(&body, key);
            assert_eq!((&failed["response_code"], &failed["message"]), (&json!("05"), &json!("DECLINED")));
            assert_eq!(body["refunded_amount"], 0);
        }
        "initiated" => assert_eq!(transaction(&body, key)["response_code"], Value::Null),
        "ok" | "slow" | "wrong_amount" | "wrong_currency" | "wrong_order" | "wrong_type" => {
            transaction(&body, key);
        }
        _ => {}
    }
}

#[tokio::test]
async fn undecided_refunds_are_decided_in_their_time_for_repeats_and_lookups_alike() {
    let sandbox = Running::start().await;
    sandbox.settings(json!({"later_ms": 60_000, "hold_ms": 10})).await;
    let turning = [
        ("81", "initiated", "approved", 1),
        ("82", "initiated", "failed", 0),
        ("83", "initiated", "initiated", 0),
        ("84", "timeout", "timeout", 0),
        ("85", "timeout", "approved", 1),
        ("86", "timeout", "timeout", 0),
        ("87", "system_error", "system_error", 0),
        ("88", "approved", "approved", 1),
        ("89", "failed", "failed", 0),
        ("90", "initiated", "approved", 1),
        ("91", "initiated", "failed", 0),
    ];
    for (number, (code, before, _, _)) in (1..).zip(turning) {
        let order = bad(code, 1);
        refund(&sandbox, &order, &asked(&key(number), 1_000)).await;
        let shown = show(&sandbox, &order).await.json();
        assert_eq!(transaction(&shown, &key(number))["status"], before, "{code}");
        let counted = if before == "approved" { 1_000 } else { 0 };
        assert_eq!((code, &shown["refunded_amount"]), (code, &json!(counted)));
    }
    sandbox.settings(json!({"clock_offset_s": 61})).await;
    for (number, (code, _, after, effects)) in (1..).zip(turning) {
        let order = bad(code, 1);
        let found = sandbox.effects(&order).await;
        assert_eq!(found.len(), effects, "{code}: the ledger knows it before anybody asks");
        let shown = show(&sandbox, &order).await.json();
        assert_eq!(transaction(&shown, &key(number))["status"], after, "{code}");
        let counted = if after == "approved" && code != "88" { 1_000 } else { 0 };
        assert_eq!((code, &shown["refunded_amount"]), (code, &json!(counted)));
        let repeat = refund(&sandbox, &order, &asked(&key(number), 1_000)).await;
        assert_eq!((repeat.status, repeat.json()), (Some(200), shown), "{code}");
        assert_eq!(sandbox.effects(&order).await, found, "{code}");
    }
    for (number, code, reason) in [(6, "86", "timeout"), (8, "88", "suspected_fraud")] {
        let shown = show(&sandbox, &bad(code, 1)).await.json();
        let reversal = shown["transactions"].as_array().unwrap().last().unwrap();
        assert_eq!((&reversal["type"], &reversal["status"]), (&json!("reversal"), &json!("approved")));
        assert_eq!(reversal["reversed_transaction_id"], key(number));
        assert_eq!((&reversal["reverse_reason"], &reversal["amount"]), (&json!(reason), &json!(1_000)));
    }
}

#[tokio::test]
async fn an_undecided_refund_holds_its_amount_and_a_failed_one_lets_go() {
    let sandbox = Running::start().await;
    sandbox.settings(json!({"later_ms": 60_000})).await;
    let order = bad("82", 1);
    assert_eq!(refund(&sandbox, &order, &asked(&key(1), 600_000)).await.status, Some(200));
    assert_eq!(refund(&sandbox, &order, &asked(&key(2), 600_000)).await.status, Some(400));
    sandbox.settings(json!({"clock_offset_s": 61})).await;
    assert_eq!(refund(&sandbox, &order, &asked(&key(2), 600_000)).await.status, Some(200));
}

#[tokio::test]
async fn still_processing_comes_three_times_and_then_the_refund_is_there() {
    let sandbox = Running::start().await;
    for (code, effects) in [("17", 0), ("18", 1)] {
        let (order, body) = (bad(code, 1), asked(&key(effects), 5));
        for _ in 0..3 {
            assert_eq!(face(&refund(&sandbox, &order, &body).await), (Some(400), WAIT.to_owned()));
            assert_eq!(sandbox.effects(&order).await.len(), usize::try_from(effects).unwrap());
        }
        assert_eq!(refund(&sandbox, &order, &body).await.status, Some(200));
        assert_eq!(sandbox.effects(&order).await.len(), 1);
    }
}

#[tokio::test]
async fn a_repeat_waits_for_the_first_request_and_then_says_that_it_is_in_process() {
    let sandbox = Running::start().await;
    sandbox.settings(json!({"slow_ms": 60_000, "block_ms": 50})).await;
    let (order, body) = (bad("42", 1), asked(&key(1), 5));
    let caller = tokio::spawn(exchange(sandbox.address, refund_request(&order, &body)));
    sandbox.wait_for_calls(1).await;
    assert_eq!(face(&refund(&sandbox, &order, &body).await), (Some(400), WAIT.to_owned()));
    assert_eq!(refund(&sandbox, &order, &asked(&key(2), 5)).await.status, Some(200));
    sandbox.control("POST", "/control/reset", &json!(null)).await;
    assert_eq!(caller.await.unwrap().end, Reset, "a slow call from before a reset has no effect after it");
    assert_eq!(sandbox.effects(&order).await.len(), 0);

    sandbox.settings(json!({"slow_ms": 200, "block_ms": 60_000})).await;
    let caller = tokio::spawn(exchange(sandbox.address, refund_request(&order, &body)));
    sandbox.wait_for_calls(4).await;
    let repeat = refund(&sandbox, &order, &body).await;
    assert_eq!((repeat.status, repeat.text()), (Some(200), caller.await.unwrap().text()));
    assert_eq!(sandbox.effects(&order).await.len(), 1);
}

#[tokio::test]
async fn a_slow_refund_takes_effect_though_its_caller_has_gone() {
    let sandbox = Running::start().await;
    sandbox.settings(json!({"slow_ms": 200})).await;
    let (order, body) = (bad("42", 1), asked(&key(1), 5));
    let caller = tokio::spawn(exchange(sandbox.address, refund_request(&order, &body)));
    sandbox.wait_for_calls(1).await;
    caller.abort();
    sandbox.wait_for_effects(&order, 1).await;
    assert_eq!(refund(&sandbox, &order, &body).await.status, Some(200));
    assert_eq!(sandbox.effects(&order).await.len(), 1);
}

#[tokio::test]
async fn ids_are_ignored_forgotten_or_replaced_where_the_order_says_so() {
    let sandbox = Running::start().await;
    sandbox.settings(json!({"key_memory_ms": 60_000})).await;
    for (number, code, offset_s) in [(1, "60", 0), (2, "62", 61), (3, "64", 0)] {
        let (order, body) = (bad(code, 1), asked(&key(number), 5));
        refund(&sandbox, &order, &body).await;
        sandbox.settings(json!({"clock_offset_s": offset_s})).await;
        refund(&sandbox, &order, &body).await;
        sandbox.settings(json!({"clock_offset_s": 0})).await;
        let effects = sandbox.effects(&order).await;
        assert_eq!(effects.len(), 2, "{code}");
        assert!(effects.iter().all(|effect| effect["request_id"] == key(number)));
        let shows_ours = effects.iter().filter(|effect| effect["provider_refund_id"] == key(number));
        assert_eq!(shows_ours.count(), if code == "64" { 0 } else { 2 }, "{code}");
    }
}

#[tokio::test]
async fn lookups_misbehave_as_their_order_says() {
    let sandbox = Running::start().await;
    sandbox.settings(json!({"hold_ms": 50, "later_ms": 60_000})).await;
    for (number, code) in (1..).zip(["70", "71", "72", "73", "74", "75"]) {
        refund(&sandbox, &bad(code, 1), &asked(&key(number), 5)).await;
        assert_eq!(sandbox.effects(&bad(code, 1)).await.len(), 1);
    }
    for _ in 0..3 {
        assert_eq!(show(&sandbox, &bad("70", 1)).await.status, Some(500));
    }
    transaction(&show(&sandbox, &bad("70", 1)).await.json(), &key(1));
    let hidden = show(&sandbox, &bad("71", 1)).await.json();
    assert_eq!(
        (hidden["transactions"].as_array().map(Vec::len), &hidden["refunded_amount"]),
        (Some(1), &json!(0))
    );
    assert_eq!(show(&sandbox, &bad("72", 1)).await.status, Some(404));
    let other = show(&sandbox, &bad("73", 1)).await;
    assert_eq!((other.status, other.json()["id"].as_str().map(|id| &id[..4])), (Some(200), Some("0191")));
    assert_eq!(show(&sandbox, &bad("74", 1)).await.end, Reset);
    let lagging = show(&sandbox, &bad("75", 1)).await.json();
    assert_eq!(lagging["transactions"].as_array().map(Vec::len), Some(1));
    sandbox.settings(json!({"clock_offset_s": 61})).await;
    transaction(&show(&sandbox, &bad("75", 1)).await.json(), &key(6));
}
