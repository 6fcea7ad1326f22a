//! Scripting Moyasar's orders, and what a restart keeps.

use serde_json::json;

use crate::{
    moyasar::{asked, face, key, refund, refund_request, show, transaction, uuid},
    wire::{End, Running, exchange},
};

fn control(order: &str) -> String {
    format!("/control/moyasar/orders/{order}")
}

#[tokio::test]
async fn an_order_can_be_made_and_changed() {
    let sandbox = Running::start().await;
    let order = uuid("0000aaaa", 1);
    let change = json!({"currency": "BHD", "amount": 5_000, "captured": 4_000, "voided": 500,
        "refunded_elsewhere": 1_000, "age_days": 3, "description": "mine",
        "behaviours": ["failed", "unavailable", "ok", "always_still_processing"]});
    sandbox.control("PUT", &control(&order), &change).await;
    let statuses = [(1, 200), (2, 503), (2, 200), (3, 400), (3, 400)];
    for (number, status) in statuses {
        assert_eq!(refund(&sandbox, &order, &asked(&key(number), 2_000)).await.status, Some(status));
    }
    let shown = show(&sandbox, &order).await.json();
    assert_eq!((&shown["currency"], &shown["description"]), (&json!("BHD"), &json!("mine")));
    assert_eq!((&shown["refunded_amount"], &shown["voided_amount"]), (&json!(3_000), &json!(500)));
    assert_eq!(transaction(&shown, &key(1))["status"], "failed");
    assert_eq!(transaction(&shown, &key(2))["status"], "approved");

    sandbox.control("PUT", &control(&order), &json!({"behaviours": []})).await;
    assert_eq!(refund(&sandbox, &order, &asked(&key(4), 1_001)).await.status, Some(400));
    assert_eq!(refund(&sandbox, &order, &asked(&key(4), 1_000)).await.status, Some(200));

    for (path, bad) in [
        (control(&order), json!({"behaviours": ["no_such"]})),
        (control(&order), json!({"amount": "10.00"})),
        (control(&order), json!({"captured": 5_001})),
        (control(&order), json!({"colour": "red"})),
        (control("42"), json!({})),
    ] {
        assert_eq!(sandbox.send("PUT", &path, "", &bad.to_string()).await.status, Some(400), "{bad}");
    }
}

#[tokio::test]
async fn behaviours_can_be_put_before_the_next_calls_of_any_order() {
    let sandbox = Running::start().await;
    let next = json!({"behaviours": ["unavailable", "failed"]});
    sandbox.control("POST", "/control/moyasar/next", &next).await;
    let (one, two) = (uuid("0191aaaa", 1), uuid("0191aaaa", 2));
    assert_eq!(refund(&sandbox, &one, &asked(&key(1), 5)).await.status, Some(503));
    let failed = refund(&sandbox, &two, &asked(&key(2), 5)).await.json();
    assert_eq!(transaction(&failed, &key(2))["status"], "failed");
    assert_eq!(refund(&sandbox, &one, &asked(&key(1), 5)).await.status, Some(200));
    let of_order = json!({"behaviours": ["ignores_key"]}).to_string();
    assert_eq!(sandbox.send("POST", "/control/moyasar/next", "", &of_order).await.status, Some(400));
}

#[tokio::test]
async fn refunds_fates_orders_and_used_up_faults_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let [plain, failed, undecided, faulty] =
        ["0191aaaa", "99800000", "99810000", "99290000"].map(|head| uuid(head, 1));
    let made = uuid("0000aaaa", 1);
    let sandbox = Running::open(Some(&path), false).await.unwrap();
    sandbox.settings(json!({"later_ms": 60_000})).await;
    sandbox.control("PUT", &control(&made), &json!({"amount": 70})).await;
    let mut first = Vec::new();
    for (number, order) in (1..).zip([&plain, &failed, &undecided]) {
        first.push(refund(&sandbox, order, &asked(&key(number), 50)).await.text());
    }
    assert_eq!(refund(&sandbox, &faulty, &asked(&key(4), 50)).await.status, Some(500));
    sandbox.stop().await;

    let sandbox = Running::open(Some(&path), false).await.unwrap();
    for ((number, order), first) in (1..).zip([&plain, &failed, &undecided]).zip(&first) {
        assert_eq!(refund(&sandbox, order, &asked(&key(number), 50)).await.text(), *first);
    }
    assert_eq!(refund(&sandbox, &faulty, &asked(&key(4), 50)).await.status, Some(200));
    assert_eq!(refund(&sandbox, &made, &asked(&key(5), 71)).await.status, Some(400));
    let effects = |order: &str| {
        let order = order.to_owned();
        async { sandbox.effects(&{ order }).await.len() }
    };
    assert_eq!((effects(&plain).await, effects(&failed).await, effects(&undecided).await), (1, 0, 0));
    assert_eq!(effects(&faulty).await, 1);
    sandbox.settings(json!({"clock_offset_s": 61})).await;
    assert_eq!(effects(&undecided).await, 1);
    let new = refund(&sandbox, &plain, &asked(&key(6), 50)).await.json();
    assert!(transaction(&new, &key(6))["retrieval_reference"].as_str().unwrap().ends_with("0000005"));
    sandbox.stop().await;

    let sandbox = Running::open(Some(&path), false).await.unwrap();
    sandbox.settings(json!({"clock_offset_s": 61})).await;
    assert_eq!(sandbox.effects(&undecided).await.len(), 1, "what was decided is not decided again");
    assert_eq!(sandbox.effects(&plain).await.len(), 2);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_reset_forgets_refunds_and_orders() {
    let sandbox = Running::start().await;
    let order = uuid("0191aaaa", 1);
    sandbox.control("PUT", &control(&uuid("0000aaaa", 1)), &json!({})).await;
    refund(&sandbox, &order, &asked(&key(1), 1_000_000)).await;
    sandbox.control("POST", "/control/reset", &json!(null)).await;
    assert_eq!(show(&sandbox, &order).await.json()["refunded_amount"], 0);
    assert_eq!(show(&sandbox, &uuid("0000aaaa", 1)).await.status, Some(404));
    let again = refund(&sandbox, &order, &asked(&key(1), 1_000_000)).await;
    assert_eq!((face(&again).0, sandbox.effects(&order).await.len()), (Some(200), 1));
}

#[tokio::test]
async fn a_stopping_sandbox_lets_go_of_held_calls() {
    let sandbox = Running::start().await;
    sandbox.settings(json!({"hold_ms": 60_000, "slow_ms": 60_000, "block_ms": 60_000})).await;
    let orders = ["99400000", "99420000", "99190000"].map(|head| uuid(head, 1));
    let calls = (1..).zip(orders).map(|(number, order)| {
        tokio::spawn(exchange(sandbox.address, refund_request(&order, &asked(&key(number), 5))))
    });
    let calls: Vec<_> = calls.collect();
    sandbox.wait_for_calls(3).await;
    sandbox.stop().await;
    for call in calls {
        assert_ne!(call.await.unwrap().end, End::Open);
    }
}
