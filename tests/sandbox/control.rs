//! The sandbox's own endpoints, its ledger file, and its document.

use std::{fs, path::Path};

use refunds::sandbox::{Error, behaviour_tables};
use serde_json::json;

use crate::wire::{Running, asked, face, headers};

#[tokio::test]
async fn an_order_can_be_made_and_changed() {
    let sandbox = Running::start().await;
    let path = "/control/afterpay/orders/0777";
    let change = json!({"currency": "NZD", "amount": "50.00", "captured": "20.00", "age_days": 119,
        "merchant_reference": "mine", "behaviours": ["error_500", "ok", "always_conflict"]});
    sandbox.control("PUT", path, &change).await;
    assert_eq!(sandbox.refund_of("0777", &asked("a", "20.00", "NZD")).await.status, Some(500));
    assert_eq!(sandbox.refund_of("0777", &asked("a", "20.00", "NZD")).await.status, Some(201));
    assert_eq!(sandbox.refund_of("0777", &asked("a", "20.00", "NZD")).await.status, Some(409));
    assert_eq!(sandbox.refund_of("0777", &asked("a", "20.00", "NZD")).await.status, Some(409));

    sandbox.control("PUT", path, &json!({"behaviours": []})).await;
    assert_eq!(
        face(&sandbox.refund_of("0777", &asked("b", "0.01", "NZD")).await),
        (Some(422), "invalid_amount".to_owned())
    );
    sandbox.settings(json!({"clock_offset_s": 86_400})).await;
    let late = sandbox.refund_of("0777", &asked("b", "0.01", "NZD")).await;
    assert_eq!(face(&late).1, "refund_timelimit_exceeded");

    let list = "/afterpay/v2/payments?merchantReferences=mine&ids=1&ids=0&limit=2";
    let list = sandbox.send("GET", list, &headers(&[]), "").await.json();
    assert_eq!((&list["totalResults"], &list["results"][0]["id"]), (&json!(2), &json!("0777")));
    assert_eq!(list["results"][0]["refunds"][0]["requestId"], "a");

    for (bad, path) in [
        (json!({"behaviours": ["no_such"]}), path),
        (json!({"amount": "1.005"}), path),
        (json!({"captured": "51.00"}), path),
        (json!({"colour": "red"}), path),
        (json!({}), "/control/afterpay/orders/abc"),
    ] {
        assert_eq!(sandbox.send("PUT", path, "", &bad.to_string()).await.status, Some(400), "{bad}");
    }
}

#[tokio::test]
async fn behaviours_can_be_put_before_the_next_calls_of_any_order() {
    let sandbox = Running::start().await;
    let next = json!({"behaviours": ["unavailable", "error_500_empty"]});
    sandbox.control("POST", "/control/afterpay/next", &next).await;
    assert_eq!(sandbox.refund("11", "a").await.status, Some(503));
    assert_eq!(sandbox.refund("12", "b").await.status, Some(500));
    assert_eq!(sandbox.refund("11", "a").await.status, Some(201));
    let of_order = json!({"behaviours": ["ignores_key"]}).to_string();
    let refused = sandbox.send("POST", "/control/afterpay/next", "", &of_order).await;
    assert_eq!(refused.status, Some(400), "{}", refused.text());
}

#[tokio::test]
async fn a_reset_forgets_everything() {
    let sandbox = Running::start().await;
    sandbox.settings(json!({"clock_offset_s": 5})).await;
    sandbox.control("PUT", "/control/afterpay/orders/0777", &json!({})).await;
    sandbox.refund("1", "a").await;
    sandbox.control("POST", "/control/reset", &json!(null)).await;
    let summary = sandbox.control("GET", "/ledger/summary", &json!(null)).await;
    assert_eq!(summary["effects"], 0);
    assert_eq!(sandbox.control("GET", "/control/settings", &json!(null)).await["clock_offset_s"], 0);
    assert_eq!(sandbox.refund("0777", "a").await.status, Some(412));
    assert_eq!(
        sandbox.control("GET", "/calls", &json!(null)).await["calls"].as_array().map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn effects_replays_orders_and_used_up_faults_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let sandbox = Running::open(Some(&path), false).await.unwrap();
    sandbox.control("PUT", "/control/afterpay/orders/0777", &json!({"amount": "30.00"})).await;
    let first = sandbox.refund("0777", "a").await.json();
    assert_eq!(sandbox.refund("992900001", "b").await.status, Some(500));
    assert!(matches!(Running::open(Some(&path), false).await, Err(Error::LedgerInUse { .. })));
    sandbox.stop().await;

    // A kill in the middle of a write leaves a part of a line.
    let mut text = fs::read(&path).unwrap();
    text.extend_from_slice(b"{\"effect\":{\"num");
    fs::write(&path, text).unwrap();

    let sandbox = Running::open(Some(&path), false).await.unwrap();
    assert_eq!(sandbox.refund("0777", "a").await.json(), first);
    assert_eq!(face(&sandbox.refund_of("0777", &asked("c", "20.01", "AUD")).await).1, "invalid_amount");
    assert_eq!(sandbox.refund("992900001", "b").await.status, Some(201));
    assert_eq!(sandbox.effects("992900001").await.len(), 1);
    let other = sandbox.refund("1", "d").await.json();
    assert_ne!(other["refundId"], first["refundId"]);
    sandbox.stop().await;

    let sandbox = Running::open(Some(&path), true).await.unwrap();
    assert_eq!(sandbox.effects("0777").await.len(), 0);
    sandbox.stop().await;

    fs::write(&path, "{\"effect\":1}\n").unwrap();
    assert!(matches!(Running::open(Some(&path), false).await, Err(Error::LedgerLine { line: 1, .. })));
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a switch of this test alone: UPDATE_DOCS=1 rewrites the document"
)]
fn the_documents_hold_the_tables_of_behaviours() {
    const START: &str = "<!-- behaviours -->\n";
    const END: &str = "<!-- end of behaviours -->";
    for (provider, table) in behaviour_tables() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/sandbox/{provider}.md"));
        let text = fs::read_to_string(&path).unwrap();
        let (before, rest) = text.split_once(START).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        let wanted = format!("{before}{START}{table}{END}{after}");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, &wanted).unwrap();
        }
        let is_current = fs::read_to_string(&path).unwrap() == wanted;
        assert!(is_current, "UPDATE_DOCS=1 cargo test writes the table of docs/sandbox/{provider}.md anew");
    }
}
