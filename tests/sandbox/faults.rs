//! Misbehaviour, as a client's socket sees it.

use serde_json::{Value, json};

use crate::wire::{Answer, End, Running, exchange, face, refund_request};

/// What the first call of an order shows: status, end of the connection, and what the body must hold.
type First = (Option<u16>, End, &'static str);

#[tokio::test]
async fn every_behaviour_does_what_its_row_says() {
    let sandbox = Running::start().await;
    sandbox
        .settings(json!({"hold_ms": 100, "slow_ms": 50, "drip_ms": 1, "retry_after_s": 7,
        "key_memory_ms": 60_000}))
        .await;
    let table = sandbox.control("GET", "/control/afterpay/behaviours", &json!(null)).await;
    for row in table.as_array().unwrap() {
        let (code, name) = (row["code"].as_str().unwrap(), row["name"].as_str().unwrap());
        let order = format!("99{code}00001");
        let first = sandbox.refund(&order, &order).await;
        let (status, end, part) = first_of(name);
        assert_eq!((first.status, &first.end), (status, &end), "{name}");
        assert!(first.text().contains(part), "{name}: {}", first.text());
        check_first(name, &first);
        let about = row["about"].as_str().unwrap();
        let took = !matches!(status, Some(300..)) && !about.contains("o effect") && about != "As 40";
        let took = took || about.starts_with("Takes effect");
        assert_eq!(sandbox.effects(&order).await.len(), usize::from(took), "{name}");

        let second = sandbox.refund(&order, &order).await;
        let repeats = row["times"] == "every" || name == "unavailable";
        let expected = if repeats { status } else { Some(201) };
        assert_eq!(second.status, expected, "{name}, second call");
        let twice = name.starts_with("ignores_key");
        let effects = if twice { 2 } else { usize::from(took || expected == Some(201)) };
        assert_eq!(sandbox.effects(&order).await.len(), effects, "{name}, second call");
        if twice {
            let summary =
                sandbox.control("GET", &format!("/ledger/summary?order_id={order}"), &json!(null)).await;
            assert_eq!(summary["doubled"], 1);
        }
    }
}

fn first_of(name: &str) -> First {
    match name {
        "invalid_amount" => (Some(422), End::Closed, "\"errorCode\" : \"invalid_amount\""),
        "unauthorized" | "always_unauthorized" => (Some(401), End::Closed, "unauthorized"),
        "insufficient_permissions" => (Some(403), End::Closed, "insufficient_permissions"),
        "forbidden_html" => (Some(403), End::Closed, "<html>"),
        "not_found" => (Some(404), End::Closed, "not_found"),
        "not_acceptable" => (Some(406), End::Closed, "Not acceptable"),
        "conflict" | "conflict_after_commit" | "always_conflict" => (Some(409), End::Closed, "conflict"),
        "precondition_failed" => (Some(412), End::Closed, "precondition_failed"),
        "unsupported_media_type" => (Some(415), End::Closed, "Unsupported media type"),
        "invalid_object" => (Some(422), End::Closed, "invalid_object"),
        "refund_timelimit_exceeded" => (Some(422), End::Closed, "refund_timelimit_exceeded"),
        "unsupported_currency" => (Some(422), End::Closed, "unsupported_currency"),
        "invalid_json" => (Some(400), End::Closed, "invalid_json"),
        "method_not_allowed" => (Some(405), End::Closed, "method_not_allowed"),
        "rate_limited" | "rate_limited_bare" | "always_rate_limited" => {
            (Some(429), End::Closed, "too_many_requests")
        }
        "error_500_empty" | "always_500" => (Some(500), End::Closed, ""),
        "error_500" | "error_500_after_commit" => (Some(500), End::Closed, "Internal server error"),
        "unavailable" | "always_unavailable" => (Some(503), End::Closed, "<html>"),
        "edge_timeout" | "edge_timeout_after_commit" => (Some(524), End::Closed, "<html>"),
        "bad_gateway_after_commit" => (Some(502), End::Closed, "<html>"),
        "timeout_before_commit"
        | "timeout_after_commit"
        | "reset_before_commit"
        | "reset_after_commit"
        | "ignores_key_timeout"
        | "forgets_key_timeout"
        | "lookup_hides"
        | "always_timeout"
        | "always_timeout_after_commit" => (None, End::Reset, ""),
        "reset_in_body" => (Some(201), End::Reset, "{"),
        "truncated_after_commit" => (Some(201), End::Closed, "{"),
        "garbage_after_commit" => (Some(201), End::Closed, "not json"),
        "html_after_commit" => (Some(200), End::Closed, "<html>"),
        "endless_after_commit" => (Some(201), End::Open, "refundId"),
        "redirect" => (Some(302), End::Closed, ""),
        "empty_after_commit" => (Some(201), End::Closed, ""),
        "wrong_amount" => (Some(201), End::Closed, "\"10.01\""),
        "wrong_currency" => (Some(201), End::Closed, "\"NZD\""),
        _ => (Some(201), End::Closed, "refundedAt"),
    }
}

/// What a part of the body cannot show.
fn check_first(name: &str, first: &Answer) {
    let promised = first.headers.get("content-length").and_then(|length| length.parse::<usize>().ok());
    let body = first.json();
    match name {
        "rate_limited" | "always_rate_limited" => assert_eq!(first.headers["retry-after"], "7"),
        "rate_limited_bare" => assert!(!first.headers.contains_key("retry-after")),
        "error_500_empty" | "always_500" | "empty_after_commit" => assert!(first.body.is_empty(), "{name}"),
        "redirect" => assert_eq!(first.headers["location"], "redirected"),
        "truncated_after_commit" | "reset_in_body" => assert!(promised > Some(first.body.len()), "{name}"),
        "oversized_after_commit" => {
            assert!(first.body.len() > 8 * 1024 * 1024);
            assert_eq!(body["requestId"], "994900001", "it is valid JSON all the same");
        }
        "no_refund_id" => assert_eq!((body.get("refundId"), &body["requestId"]), (None, &json!("995300001"))),
        "no_echo" => assert_eq!(body.as_object().map(serde_json::Map::len), Some(2)),
        "wrong_request_id" => assert_ne!(body["requestId"], "995500001"),
        "wrong_reference" => assert_ne!(body["merchantReference"], "rf-995800001"),
        "wrong_refund_reference" => assert_ne!(body["refundMerchantReference"], "ev-995900001"),
        _ => {}
    }
}

#[tokio::test]
async fn a_slow_refund_takes_effect_though_its_caller_has_gone() {
    let sandbox = Running::start().await;
    sandbox.settings(json!({"slow_ms": 300})).await;
    let caller = tokio::spawn(exchange(sandbox.address, refund_request("994200001", "k")));
    sandbox.wait_for_calls(1).await;
    caller.abort();
    sandbox.wait_for_effects("994200001", 1).await;
    assert_eq!(sandbox.refund("994200001", "k").await.status, Some(201));
    assert_eq!(sandbox.effects("994200001").await.len(), 1);
}

#[tokio::test]
async fn a_key_in_process_is_a_conflict() {
    let sandbox = Running::start().await;
    sandbox.settings(json!({"slow_ms": 60_000})).await;
    let caller = tokio::spawn(exchange(sandbox.address, refund_request("994200001", "k")));
    sandbox.wait_for_calls(1).await;
    assert_eq!(face(&sandbox.refund("994200001", "k").await), (Some(409), "conflict".to_owned()));
    assert_eq!(sandbox.refund("994200001", "other").await.status, Some(201));
    sandbox.control("POST", "/control/reset", &json!(null)).await;
    assert_eq!(
        caller.await.unwrap().end,
        End::Reset,
        "a slow call from before a reset has no effect after it"
    );
    assert_eq!(sandbox.effects("994200001").await.len(), 0);
}

#[tokio::test]
async fn a_key_can_be_forgotten() {
    let sandbox = Running::start().await;
    sandbox.settings(json!({"key_memory_ms": 60_000})).await;
    sandbox.refund("996200001", "k").await;
    sandbox.refund("996200001", "k").await;
    assert_eq!(sandbox.effects("996200001").await.len(), 1);
    sandbox.settings(json!({"clock_offset_s": 61})).await;
    sandbox.refund("996200001", "k").await;
    assert_eq!(sandbox.effects("996200001").await.len(), 2);
}

#[tokio::test]
async fn lookups_misbehave_as_their_order_says() {
    let sandbox = Running::start().await;
    sandbox.settings(json!({"hold_ms": 100})).await;
    for order in ["997000001", "997100001", "997200001", "997300001", "997400001"] {
        sandbox.refund(order, order).await;
        assert_eq!(sandbox.effects(order).await.len(), 1);
    }
    for _ in 0..3 {
        assert_eq!(sandbox.payment("997000001").await.status, Some(500));
    }
    let refunds = |payment: Value| payment["refunds"].as_array().map(Vec::len);
    assert_eq!(refunds(sandbox.payment("997000001").await.json()), Some(1));
    assert_eq!(refunds(sandbox.payment("997100001").await.json()), Some(0));
    assert_eq!(face(&sandbox.payment("997200001").await), (Some(404), "not_found".to_owned()));
    assert_ne!(sandbox.payment("997300001").await.json()["id"], "997300001");
    assert_eq!(sandbox.payment("997400001").await.end, End::Reset);
}

#[tokio::test]
async fn lookups_lag_behind_when_told_to() {
    let sandbox = Running::start().await;
    sandbox.settings(json!({"lookup_lag_ms": 60_000})).await;
    sandbox.refund("1", "k").await;
    assert_eq!(sandbox.payment("1").await.json()["refunds"], json!([]));
    sandbox.settings(json!({"clock_offset_s": 61})).await;
    assert_eq!(sandbox.payment("1").await.json()["refunds"][0]["requestId"], "k");
}

#[tokio::test]
async fn a_stopping_sandbox_lets_go_of_held_calls_and_nothing_takes_effect_any_more() {
    let sandbox = Running::start().await;
    sandbox.settings(json!({"hold_ms": 60_000, "slow_ms": 60_000})).await;
    let orders = ["994000001", "994200001", "995000001"];
    let calls = orders.map(|order| tokio::spawn(exchange(sandbox.address, refund_request(order, "k"))));
    sandbox.wait_for_calls(3).await;
    sandbox.stop().await;
    for call in calls {
        call.await.unwrap();
    }
}
