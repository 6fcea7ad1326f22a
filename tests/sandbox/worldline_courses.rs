//! What becomes of a Worldline refund after its first answer, and what a restart leaves of it.

use serde_json::{Value, json};

use crate::{
    wire::{Answer, Running},
    worldline::{credit, order, refund, refunds},
};

/// How a refund looks, whether by its answer or by a lookup.
fn seen(answer: &Answer) -> Vec<(String, String, u64, String)> {
    refunds(&answer.json())
}

/// What the ledger says of an order: effects, and the sum of their amounts.
async fn given(sandbox: &Running, id: &str) -> (usize, i64) {
    let effects = sandbox.effects(id).await;
    (effects.len(), effects.iter().filter_map(|effect| effect["amount_minor"].as_i64()).sum())
}

fn totals(answer: &Answer) -> String {
    answer.json()["refundedAmount"].to_string()
}

#[tokio::test]
async fn a_registered_refund_is_decided_by_repeating_it() {
    let sandbox = Running::start().await;
    for (id, last, effects) in [
        ("wl-9909-a", credit("Processed", 0, "10.00"), (1, 1_000)),
        ("wl-9910-a", credit("Declined", 22_027, "10.00"), (0, 0)),
    ] {
        for _ in 0..2 {
            assert_eq!(seen(&refund(&sandbox, id, id).await), [credit("Registered", 0, "10.00")]);
            assert_eq!(seen(&order(&sandbox, id).await), [credit("Registered", 0, "10.00")]);
            assert_eq!(given(&sandbox, id).await, (0, 0));
        }
        for _ in 0..2 {
            assert_eq!(seen(&refund(&sandbox, id, id).await), std::slice::from_ref(&last));
            assert_eq!(given(&sandbox, id).await, effects);
        }
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn a_registered_refund_is_decided_by_looking_it_up() {
    let sandbox = Running::start().await;
    for (id, last, effects) in [
        ("wl-9989-a", credit("Processed", 0, "10.00"), (1, 1_000)),
        ("wl-9939-a", credit("Declined", 22_027, "10.00"), (0, 0)),
    ] {
        order(&sandbox, id).await;
        for _ in 0..3 {
            assert_eq!(seen(&refund(&sandbox, id, id).await), [credit("Registered", 0, "10.00")]);
        }
        assert_eq!(seen(&order(&sandbox, id).await), [credit("Registered", 0, "10.00")]);
        for _ in 0..2 {
            assert_eq!(seen(&order(&sandbox, id).await), std::slice::from_ref(&last));
            assert_eq!(given(&sandbox, id).await, effects);
        }
        assert_eq!(seen(&refund(&sandbox, id, id).await), [last]);
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn time_decides_and_takes_back() {
    let sandbox = Running::start().await;
    sandbox.settings(json!({"review_ms": 60_000, "reversal_ms": 60_000, "hold_ms": 50})).await;
    let cases = [
        ("wl-9987-a", vec![credit("Processed", 0, "10.00")], "10.00", (1, 1_000)),
        ("wl-9988-a", vec![credit("Declined", 22_027, "10.00")], "0.00", (0, 0)),
        ("wl-9990-a", vec![credit("Registered", 0, "10.00")], "10.00", (0, 0)),
        ("wl-9979-a", vec![credit("Processed", 0, "10.00")], "10.00", (1, 1_000)),
        (
            "wl-9992-a",
            vec![credit("Processed", 0, "5.00"), credit("Processed", 0, "5.00")],
            "10.00",
            (1, 1_000),
        ),
        (
            "wl-9993-a",
            vec![credit("Processed", 0, "5.00"), credit("Declined", 22_027, "5.00")],
            "5.00",
            (1, 500),
        ),
        ("wl-9978-a", vec![credit("Declined", 22_039, "10.00")], "0.00", (1, 0)),
        (
            "wl-9977-a",
            vec![
                credit("Processed", 0, "10.00"),
                ("Cancel".to_owned(), "Processed".to_owned(), 0, "10.00".to_owned()),
            ],
            "0.00",
            (1, 0),
        ),
    ];
    for (id, ..) in &cases {
        refund(&sandbox, id, id).await;
        assert_eq!(totals(&order(&sandbox, id).await), "10.00", "{id}");
    }
    assert_eq!(given(&sandbox, "wl-9977-a").await, (1, 1_000));
    assert_eq!(given(&sandbox, "wl-9993-a").await, (1, 500));
    sandbox.settings(json!({"clock_offset_s": 61})).await;
    for (id, shown, total, effects) in cases {
        assert_eq!(given(&sandbox, id).await, effects, "{id}: reading the ledger is enough");
        let after = order(&sandbox, id).await;
        assert_eq!((seen(&after), totals(&after).as_str()), (shown, total), "{id}");
    }
    let summary = sandbox.control("GET", "/ledger/summary", &json!(null)).await;
    assert_eq!(summary["doubled"], 0, "a refund that grows is one effect");
    sandbox.stop().await;
}

#[tokio::test]
async fn what_was_unknown_comes_out_under_the_same_key() {
    let sandbox = Running::start().await;
    for (id, first, last, effects) in [
        ("wl-9966-a", ("System Error", 22_037), ("Processed", 0), [(0, 0), (1, 1_000)]),
        ("wl-9967-a", ("System Error", 22_037), ("Processed", 0), [(1, 1_000), (1, 1_000)]),
        ("wl-9965-a", ("System Error", 22_014), ("Processed", 0), [(0, 0), (1, 1_000)]),
        ("wl-9964-a", ("System Error", 22_021), ("Processed", 0), [(0, 0), (1, 1_000)]),
        ("wl-9968-a", ("System Error", 33_004), ("Declined", 22_027), [(0, 0), (0, 0)]),
        ("wl-9969-a", ("System Error", 33_004), ("System Error", 33_004), [(0, 0), (0, 0)]),
        ("wl-9976-a", ("System Error", 33_004), ("System Error", 33_004), [(1, 1_000), (1, 1_000)]),
        ("wl-9905-a", ("Declined", 24_001), ("Processed", 0), [(0, 0), (1, 1_000)]),
        ("wl-9906-a", ("Declined", 39_002), ("Processed", 0), [(0, 0), (1, 1_000)]),
    ] {
        for ((status, code), effects) in
            [first, last, last].into_iter().zip([effects[0], effects[1], effects[1]])
        {
            assert_eq!(seen(&refund(&sandbox, id, id).await), [credit(status, code, "10.00")], "{id}");
            assert_eq!(given(&sandbox, id).await, effects, "{id}");
        }
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn a_late_success_that_no_longer_fits_is_declined() {
    let sandbox = Running::start().await;
    let change = json!({"payments": ["10.00"], "behaviours": ["unknown", "ok"]});
    sandbox.control("PUT", "/control/worldline/orders/mine", &change).await;
    assert_eq!(seen(&refund(&sandbox, "mine", "a").await), [credit("System Error", 22_037, "10.00")]);
    assert_eq!(seen(&refund(&sandbox, "mine", "b").await), [credit("Processed", 0, "10.00")]);
    assert_eq!(seen(&refund(&sandbox, "mine", "a").await), [credit("Declined", 22_041, "10.00")]);
    assert_eq!(given(&sandbox, "mine").await, (1, 1_000));
    sandbox.stop().await;
}

#[tokio::test]
async fn the_refund_of_somebody_else_comes_between_lookup_and_call() {
    let sandbox = Running::start().await;
    sandbox.settings(json!({"hold_ms": 50})).await;
    for (id, shown, effects) in [
        ("wl-9996-a", vec![credit("Processed", 0, "1.00"), credit("Processed", 0, "10.00")], (1, 1_000)),
        ("wl-9998-a", vec![credit("Processed", 0, "10.00"), credit("Declined", 22_041, "10.00")], (0, 0)),
        ("wl-9999-a", vec![credit("Processed", 0, "10.00")], (0, 0)),
    ] {
        assert_eq!(seen(&order(&sandbox, id).await), []);
        refund(&sandbox, id, id).await;
        assert_eq!(seen(&order(&sandbox, id).await), shown, "{id}");
        assert_eq!(given(&sandbox, id).await, effects, "{id}");
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn a_restart_keeps_effects_replays_courses_and_keys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let sandbox = Running::open(Some(&path), false).await.unwrap();
    sandbox.settings(json!({"review_ms": 3_600_000, "reversal_ms": 3_600_000})).await;
    sandbox.control("PUT", "/control/worldline/orders/mine", &json!({"payments": ["30.00"]})).await;
    let first = refund(&sandbox, "mine", "a").await.json();
    assert_eq!(refund(&sandbox, "wl-9928-a", "b").await.status, Some(500));
    refund(&sandbox, "wl-9987-a", "c").await;
    refund(&sandbox, "wl-9977-a", "d").await;
    refund(&sandbox, "wl-9909-a", "e").await;
    refund(&sandbox, "wl-9909-a", "e").await;
    let declined = refund(&sandbox, "wl-9901-a", "f").await.json();
    refund(&sandbox, "wl-9996-a", "g").await;
    let pem = include_str!("worldline_keys/first.pub.pem");
    let keys = sandbox.send("PUT", "/control/worldline/keys", "", pem).await.json();
    sandbox.stop().await;

    let sandbox = Running::open(Some(&path), false).await.unwrap();
    sandbox.settings(json!({"review_ms": 3_600_000, "reversal_ms": 3_600_000})).await;
    assert_eq!(refund(&sandbox, "mine", "a").await.json(), first);
    assert_eq!(refund(&sandbox, "wl-9901-a", "f").await.json(), declined);
    assert_eq!(refund(&sandbox, "wl-9928-a", "b").await.status, Some(200), "its fault is used up");
    assert_eq!(seen(&refund(&sandbox, "wl-9909-a", "e").await), [credit("Processed", 0, "10.00")]);
    let other = refund(&sandbox, "wl-1-a", "h").await.json();
    let id = |order: &Value| order["transactionReferences"][0]["transactionId"].clone();
    assert_ne!(id(&other), id(&first));
    assert_eq!(seen(&order(&sandbox, "wl-9996-a").await).len(), 2);
    assert_eq!(sandbox.send("PUT", "/control/worldline/keys", "", pem).await.json(), keys);
    sandbox.settings(json!({"clock_offset_s": 3_601})).await;
    assert_eq!(given(&sandbox, "wl-9987-a").await, (1, 1_000));
    assert_eq!(given(&sandbox, "wl-9977-a").await, (1, 0));
    sandbox.stop().await;

    let sandbox = Running::open(Some(&path), false).await.unwrap();
    assert_eq!(given(&sandbox, "wl-9977-a").await, (1, 0), "taken back, though the clock is back");
    assert_eq!(given(&sandbox, "mine").await, (1, 1_000));
    sandbox.stop().await;
}
