//! Worldline's misbehaviour, as a client's socket sees it.

use serde_json::{Value, json};

use crate::{
    wire::{Answer, End, Running, exchange},
    worldline::{asked, credit, order, refund, refund_of, refund_request, refunds},
};

/// What a first call shows (status, end of the connection, a part of the body), the effects after it, and
/// those after a second call with the same key.
type Row = (Option<u16>, End, &'static str, [usize; 2]);

#[tokio::test]
async fn every_behaviour_does_what_its_row_says() {
    let sandbox = Running::start().await;
    sandbox
        .settings(json!({"hold_ms": 100, "slow_ms": 50, "drip_ms": 1, "retry_after_s": 7,
        "key_memory_ms": 60_000, "review_ms": 600_000, "reversal_ms": 600_000}))
        .await;
    let table = sandbox.control("GET", "/control/worldline/behaviours", &json!(null)).await;
    assert_eq!(table.as_array().map(Vec::len), Some(100));
    for row in table.as_array().unwrap() {
        let (code, name) = (row["code"].as_str().unwrap(), row["name"].as_str().unwrap());
        let id = format!("wl-99{code}-x");
        let first = refund(&sandbox, &id, &id).await;
        let (status, end, part, effects) = expected(name);
        assert_eq!((first.status, &first.end), (status, &end), "{name}: {}", first.text());
        assert!(first.text().contains(part), "{name}: {}", first.text());
        check_first(name, &first);
        assert_eq!(sandbox.effects(&id).await.len(), effects[0], "{name}");

        let second = refund(&sandbox, &id, &id).await;
        let repeats = row["times"] == "every" || name == "unavailable";
        let wanted = if repeats { status } else { Some(200) };
        assert_eq!(second.status, wanted, "{name}, second call");
        assert_eq!(sandbox.effects(&id).await.len(), effects[1], "{name}, second call");
        let summary = sandbox.control("GET", &format!("/ledger/summary?order_id={id}"), &json!(null)).await;
        assert_eq!(summary["doubled"], usize::from(effects[1] > 1), "{name}");
    }
    sandbox.stop().await;
}

fn expected(name: &str) -> Row {
    let json = |status, part, effects| (Some(status), End::Closed, part, effects);
    network(name).or_else(|| course(name)).unwrap_or_else(|| match name {
        "unauthorized" => json(401, "39002", [0, 1]),
        "always_unauthorized" => json(401, "39002", [0, 0]),
        "foreign_merchant" => json(403, "24001", [0, 1]),
        "not_found" => json(404, "22026", [0, 0]),
        "not_acceptable" => json(406, "Not acceptable", [0, 1]),
        "conflict" => json(409, "33020", [0, 1]),
        "always_conflict" => json(409, "33020", [0, 0]),
        "conflict_after_commit" => json(409, "33020", [1, 1]),
        "exceeds" => json(400, r#""code":"22041""#, [0, 0]),
        "exceeds_error_code" => json(400, r#""errorCode":"22041""#, [0, 0]),
        "unsupported_media_type" => json(415, "Unsupported media type", [0, 1]),
        "other_currency" => json(400, "22047", [0, 0]),
        "duplicate" => json(400, "11001", [0, 1]),
        "duplicate_after_commit" => json(400, "11001", [1, 1]),
        "invalid_input" => json(400, "11023", [0, 0]),
        "method_not_allowed" => json(405, "Method not allowed", [0, 1]),
        "rate_limited" | "rate_limited_bare" => json(429, "Too many requests", [0, 1]),
        "always_rate_limited" => json(429, "Too many requests", [0, 0]),
        "error_500" => json(500, "Internal server error", [0, 1]),
        "error_500_after_commit" => json(500, "Internal server error", [1, 1]),
        "request_timeout" => json(408, "Request timeout", [0, 1]),
        "request_timeout_after_commit" => json(408, "Request timeout", [1, 1]),
        "in_progress" => json(400, "33020", [0, 1]),
        "in_progress_after_commit" => json(400, "33020", [1, 1]),
        "no_transactions" => json(200, r#""transactionReferences":[]"#, [1, 1]),
        "no_transaction_list" => json(200, r#""refundedAmount":10.00"#, [1, 1]),
        "order_as_before" => json(200, r#""refundedAmount":0.00"#, [1, 1]),
        "wrong_amount" => json(200, r#""amount":10.01"#, [1, 1]),
        "wrong_currency" => json(200, r#""currency":"USD""#, [1, 1]),
        "wrong_order" => json(200, r#""orderId":"another-order""#, [1, 1]),
        "unknown_status" => json(200, r#""status":"Accepted""#, [1, 1]),
        "whole_order" => json(200, r#""transactionType":"Capture""#, [1, 1]),
        "ignores_key" => json(200, "Processed", [1, 2]),
        "ok" | "slow" | "forgets_key" | "lookup_500" | "lookup_404" | "lookup_other_order"
        | "lookup_timeout" | "lookup_lags" => json(200, r#""status":"Processed""#, [1, 1]),
        other => panic!("{other}: no expectation"),
    })
}

/// Faults of the network and of the edge.
fn network(name: &str) -> Option<Row> {
    let lost = |effects| (None, End::Reset, "", effects);
    let html = |status, effects| (Some(status), End::Closed, "<html>", effects);
    Some(match name {
        "forbidden_html" => html(403, [0, 1]),
        "unavailable" | "always_unavailable" => html(503, [0, 0]),
        "edge_timeout" => html(524, [0, 1]),
        "edge_timeout_after_commit" => html(524, [1, 1]),
        "bad_gateway_after_commit" => html(502, [1, 1]),
        "html_after_commit" => html(200, [1, 1]),
        "error_500_empty" => (Some(500), End::Closed, "", [0, 1]),
        "always_500" => (Some(500), End::Closed, "", [0, 0]),
        "timeout_before_commit" | "reset_before_commit" | "foreign_refund_timeout" => lost([0, 1]),
        "always_timeout" | "timeout_then_registered" => lost([0, 0]),
        "timeout_after_commit"
        | "reset_after_commit"
        | "forgets_key_timeout"
        | "lookup_hides"
        | "always_timeout_after_commit" => lost([1, 1]),
        "ignores_key_timeout" => lost([1, 2]),
        "reset_in_body" => (Some(200), End::Reset, "{", [1, 1]),
        "truncated_after_commit" => (Some(200), End::Closed, "{", [1, 1]),
        "garbage_after_commit" => (Some(200), End::Closed, "not json", [1, 1]),
        "oversized_after_commit" => (Some(200), End::Closed, "Processed", [1, 1]),
        "endless_after_commit" => (Some(200), End::Open, "Processed", [1, 1]),
        "redirect" => (Some(302), End::Closed, "", [0, 1]),
        "empty_after_commit" => (Some(200), End::Closed, "", [1, 1]),
        _ => return None,
    })
}

/// Answers in good order with something other than success, or in parts.
fn course(name: &str) -> Option<Row> {
    let says = |part, effects| (Some(200), End::Closed, part, effects);
    Some(match name {
        "declined" | "split_all_declined" => says(r#""statusCode":22027,"status":"Declined""#, [0, 0]),
        "rejected" => says(r#""status":"Rejected""#, [0, 0]),
        "declined_exceeds" | "foreign_refund_declined" => says("22041", [0, 0]),
        "declined_duplicate" => says("11001", [0, 0]),
        "declined_merchant" => says("24001", [0, 1]),
        "declined_authentication" => says("39002", [0, 1]),
        "payout" => says(r#""transactionType":"Payout""#, [1, 1]),
        "bank_unreachable" => says("22021", [0, 1]),
        "nothing_sent" => says("22014", [0, 1]),
        "unknown" => says(r#""statusCode":22037,"status":"System Error""#, [0, 1]),
        "unknown_after_commit" | "split_unknown" => says("22037", [1, 1]),
        "unknown_then_declined" | "always_unknown" => says("33004", [0, 0]),
        "always_unknown_after_commit" => says("33004", [1, 1]),
        "reversed" | "bounced" => says("Processed", [1, 1]),
        "replays_then_processed"
        | "replays_then_declined"
        | "reads_then_processed"
        | "reads_then_declined"
        | "registered_then_processed"
        | "registered_then_declined"
        | "always_registered" => says(r#""statusCode":0,"status":"Registered""#, [0, 0]),
        "split_declined" => says("Declined", [1, 1]),
        "split_pending" | "split_pending_declined" => says("Registered", [1, 1]),
        "foreign_refund" | "foreign_refund_listed" => says(r#""refundedAmount":11.00"#, [1, 1]),
        _ => return None,
    })
}

/// What a part of the body cannot show.
fn check_first(name: &str, first: &Answer) {
    let promised = first.headers.get("content-length").and_then(|length| length.parse::<usize>().ok());
    let body = first.json();
    let transactions = body["transactionReferences"].as_array().map(Vec::len);
    match name {
        "rate_limited" | "always_rate_limited" => assert_eq!(first.headers["retry-after"], "7"),
        "rate_limited_bare" => assert!(!first.headers.contains_key("retry-after")),
        "error_500_empty" | "always_500" | "empty_after_commit" => assert!(first.body.is_empty(), "{name}"),
        "redirect" => assert_eq!(first.headers["location"], "redirected"),
        "truncated_after_commit" | "reset_in_body" => assert!(promised > Some(first.body.len()), "{name}"),
        "oversized_after_commit" => {
            assert!(first.body.len() > 8 * 1024 * 1024);
            assert_eq!(refunds(&body).len(), 1, "it is valid JSON all the same");
        }
        "no_transaction_list" => assert_eq!(transactions, None),
        "order_as_before" => assert_eq!((transactions, refunds(&body)), (Some(2), vec![])),
        "whole_order" => assert_eq!(transactions, Some(3)),
        "foreign_refund" => assert_eq!(refunds(&body), [credit("Processed", 0, "10.00")]),
        "foreign_refund_listed" => {
            let both = [credit("Processed", 0, "1.00"), credit("Processed", 0, "10.00")];
            assert_eq!(refunds(&body), both);
        }
        "split_declined" => {
            assert_eq!(refunds(&body), [credit("Processed", 0, "5.00"), credit("Declined", 22_027, "5.00")]);
        }
        "ok" => assert_eq!(transactions, Some(1)),
        _ => {}
    }
}

#[tokio::test]
async fn a_slow_refund_takes_effect_though_its_caller_has_gone() {
    let sandbox = Running::start().await;
    sandbox.settings(json!({"slow_ms": 300})).await;
    let body = asked("k", "10.00", "EUR");
    let caller = tokio::spawn(exchange(sandbox.address, refund_request("wl-9942-a", &body)));
    sandbox.wait_for_calls(1).await;
    caller.abort();
    sandbox.wait_for_effects("wl-9942-a", 1).await;
    assert_eq!(refund(&sandbox, "wl-9942-a", "k").await.status, Some(200));
    assert_eq!(sandbox.effects("wl-9942-a").await.len(), 1);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_key_in_process_is_in_progress() {
    let sandbox = Running::start().await;
    sandbox.settings(json!({"slow_ms": 60_000})).await;
    let body = asked("k", "10.00", "EUR");
    let caller = tokio::spawn(exchange(sandbox.address, refund_request("wl-9942-a", &body)));
    sandbox.wait_for_calls(1).await;
    let second = refund(&sandbox, "wl-9942-a", "k").await;
    assert_eq!((second.status, &second.json()["code"]), (Some(400), &json!("33020")));
    assert_eq!(refund(&sandbox, "wl-9942-a", "other").await.status, Some(200));
    sandbox.control("POST", "/control/reset", &json!(null)).await;
    assert_eq!(caller.await.unwrap().end, End::Reset);
    assert_eq!(sandbox.effects("wl-9942-a").await.len(), 0);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_key_can_be_forgotten() {
    let sandbox = Running::start().await;
    sandbox.settings(json!({"key_memory_ms": 60_000})).await;
    for effects in [1, 1] {
        refund(&sandbox, "wl-9962-a", "k").await;
        assert_eq!(sandbox.effects("wl-9962-a").await.len(), effects);
    }
    sandbox.settings(json!({"clock_offset_s": 61})).await;
    for effects in [2, 2] {
        refund(&sandbox, "wl-9962-a", "k").await;
        assert_eq!(sandbox.effects("wl-9962-a").await.len(), effects);
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn lookups_misbehave_as_their_order_says() {
    let sandbox = Running::start().await;
    sandbox.settings(json!({"hold_ms": 100, "review_ms": 60_000, "reversal_ms": 60_000})).await;
    for code in 70..=75 {
        let id = format!("wl-99{code}-a");
        refund(&sandbox, &id, &id).await;
        assert_eq!(sandbox.effects(&id).await.len(), 1);
    }
    for _ in 0..3 {
        assert_eq!(order(&sandbox, "wl-9970-a").await.status, Some(500));
    }
    let count = |order: &Value| (refunds(order).len(), order["refundedAmount"].to_string());
    assert_eq!(count(&order(&sandbox, "wl-9970-a").await.json()), (1, "10.00".to_owned()));
    assert_eq!(count(&order(&sandbox, "wl-9971-a").await.json()), (0, "0.00".to_owned()));
    assert_eq!(order(&sandbox, "wl-9972-a").await.status, Some(404));
    assert_ne!(order(&sandbox, "wl-9973-a").await.json()["orderId"], "wl-9973-a");
    assert_eq!(order(&sandbox, "wl-9974-a").await.end, End::Reset);
    assert_eq!(count(&order(&sandbox, "wl-9975-a").await.json()), (0, "0.00".to_owned()));
    sandbox.settings(json!({"clock_offset_s": 61})).await;
    assert_eq!(count(&order(&sandbox, "wl-9975-a").await.json()), (1, "10.00".to_owned()));
    sandbox.stop().await;
}

#[tokio::test]
async fn lookups_lag_behind_when_told_to() {
    let sandbox = Running::start().await;
    sandbox.settings(json!({"lookup_lag_ms": 60_000})).await;
    refund(&sandbox, "wl-1-a", "k").await;
    assert_eq!(refunds(&order(&sandbox, "wl-1-a").await.json()), []);
    sandbox.settings(json!({"clock_offset_s": 61})).await;
    assert_eq!(refunds(&order(&sandbox, "wl-1-a").await.json()).len(), 1);
    sandbox.stop().await;
}

#[tokio::test]
async fn behaviours_can_be_put_before_the_next_calls_and_into_orders() {
    let sandbox = Running::start().await;
    let next = json!({"behaviours": ["unavailable", "declined"]});
    sandbox.control("POST", "/control/worldline/next", &next).await;
    assert_eq!(refund(&sandbox, "wl-1-a", "a").await.status, Some(503));
    let declined = refund(&sandbox, "wl-1-b", "b").await.json();
    assert_eq!(refunds(&declined), [credit("Declined", 22_027, "10.00")]);
    assert_eq!(refund(&sandbox, "wl-1-a", "a").await.json()["refundedAmount"].to_string(), "10.00");
    let of_order = json!({"behaviours": ["ignores_key"]}).to_string();
    assert_eq!(sandbox.send("POST", "/control/worldline/next", "", &of_order).await.status, Some(400));

    let change = json!({"payments": ["50.00"], "behaviours": ["error_500", "ok", "always_conflict"]});
    sandbox.control("PUT", "/control/worldline/orders/mine", &change).await;
    for status in [500, 200, 409, 409] {
        assert_eq!(refund(&sandbox, "mine", "c").await.status, Some(status));
    }
    let over = refund_of(&sandbox, "mine", &asked("d", "40.01", "EUR")).await;
    assert_eq!(over.status, Some(409));
    sandbox.control("PUT", "/control/worldline/orders/mine", &json!({"behaviours": []})).await;
    let over = refund_of(&sandbox, "mine", &asked("d", "40.01", "EUR")).await;
    assert_eq!(over.json()["code"], "22041");
    sandbox.stop().await;
}
