//! What Airalo's documents say, with nothing scripted.

use std::net::Ipv4Addr;

use refunds::sandbox::{AIRALO_CLIENT_ID, AIRALO_CLIENT_SECRET};
use serde_json::{Value, json};

use crate::{
    airalo_wire::{Airalo, ask_token, new_token, parts, status_from},
    wire::Running,
};

const ONE: &str = "894000000000001";
const TWO: &str = "894000000000002";

/// Names and texts of the parts of a form.
type Form<'a> = &'a [(&'a str, &'a str)];

#[tokio::test]
async fn the_published_request_gets_the_published_answer() {
    let airalo = Airalo::start().await;
    let answer = airalo.refund(&[ONE, TWO]).await;
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (Some(202), "application/json"));
    let created = answer.json()["data"]["created_at"].as_str().unwrap().to_owned();
    let form: String =
        created.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    assert_eq!(form, "0000-00-00 00:00");
    let data = format!("{{\"refund_id\":\"12345\",\"created_at\":\"{created}\"}}");
    assert_eq!(answer.text(), format!("{{\"data\":{data},\"meta\":{{\"message\":\"success\"}}}}"));

    let effects = airalo.sandbox.effects(TWO).await;
    assert_eq!(effects.len(), 1);
    assert_eq!(effects[0]["iccids"], json!([ONE, TWO]));
    let facts = ["provider_refund_id", "amount", "amount_minor", "currency", "call"];
    assert_eq!(
        facts.map(|fact| effects[0][fact].clone()),
        [json!("12345"), json!("19.00"), json!(1900), json!("USD"), json!(1)]
    );
    let calls = airalo.sandbox.control("GET", &format!("/calls?order_id={ONE}"), &json!(null)).await;
    assert_eq!(calls["calls"][0]["order_id"], format!("{ONE},{TWO}"));
    assert_eq!(calls["calls"][0]["headers"]["authorization"], "Bearer ***");
    airalo.sandbox.stop().await;
}

#[tokio::test]
async fn an_esim_that_is_taken_twice_is_doubled() {
    let airalo = Airalo::start().await;
    let first = airalo.refund(&[ONE]).await.json();
    let second = airalo.refund(&[TWO, ONE]).await.json();
    assert_ne!(first["data"]["refund_id"], second["data"]["refund_id"], "there is no idempotency");
    let summary = airalo.sandbox.control("GET", "/ledger/summary", &json!(null)).await;
    assert_eq!((&summary["effects"], &summary["doubled"]), (&json!(2), &json!(1)));
    assert_eq!(summary["by_iccid"]["airalo"], json!({ONE: 2, TWO: 1}));
}

#[tokio::test]
async fn tokens_are_given_for_good_credentials_and_run_out() {
    let sandbox = Running::start().await;
    let granted = ask_token(&sandbox, AIRALO_CLIENT_ID, AIRALO_CLIENT_SECRET).await;
    assert!(
        granted.text().starts_with(
            "{\"data\":{\"token_type\":\"Bearer\",\"expires_in\":31622400,\"access_token\":\"ey"
        )
    );
    let wrong_id = ask_token(&sandbox, "nobody", AIRALO_CLIENT_SECRET).await;
    assert_eq!(wrong_id.status, Some(422));
    assert_eq!(
        wrong_id.text(),
        "{\"data\":{\"client_id\":\"The selected client id is invalid.\"},\
         \"meta\":{\"message\":\"the parameter is invalid\"}}"
    );
    let wrong_secret = ask_token(&sandbox, AIRALO_CLIENT_ID, "nothing").await;
    assert_eq!(wrong_secret.status, Some(401));
    assert_eq!(wrong_secret.text(), "{\"data\":[],\"meta\":{\"message\":\"Client authentication failed\"}}");
    let fourth = ask_token(&sandbox, AIRALO_CLIENT_ID, AIRALO_CLIENT_SECRET).await;
    assert_eq!((fourth.status, fourth.text().as_str()), (Some(429), "{\"message\":\"Too Many Attempts.\"}"));
    let wait: u64 = fourth.headers["retry-after"].parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    sandbox.settings(json!({"clock_offset_s": 61})).await;
    let mut airalo = Airalo { token: new_token(&sandbox).await, sandbox };

    assert_eq!(airalo.get("/v2/balance").await.status, Some(200));
    airalo.sandbox.settings(json!({"clock_offset_s": 61 + 24 * 60 * 60})).await;
    let expired = airalo.get("/v2/balance").await;
    assert_eq!((expired.status, expired.json()["data"].clone()), (Some(401), json!([])));
    assert_eq!(
        expired.json()["meta"]["message"],
        "Authentication failed. This could be due to an expired token, please generate a new token. If the \
         issue persists, verify your client_id and client_secret are correct."
    );
    assert_eq!(airalo.refund(&[ONE]).await.status, Some(401));
    airalo.token = format!("{}x", new_token(&airalo.sandbox).await);
    assert_eq!(airalo.get("/v2/orders").await.status, Some(401), "a token that was never given out");
    let counters = airalo.counters().await;
    assert_eq!((&counters["tokens"]["limited"], &counters["tokens"]["granted"]), (&json!(1), &json!(3)));
}

#[tokio::test]
async fn a_refund_form_is_checked_field_by_field() {
    let airalo = Airalo::start().await;
    let good = parts(&[ONE]);
    let required = "{\"data\":[],\"meta\":{\"message\":\"The iccids field is required.\"}}";
    let json_body = json!({"iccids": [ONE], "reason": "OVERCHARGED"}).to_string();
    let headers = format!("{}Content-Type: application/json\r\n", airalo.bearer());
    let not_a_form = airalo.sandbox.send("POST", "/airalo/v2/refund", &headers, &json_body).await;
    assert_eq!((not_a_form.status, not_a_form.text().as_str()), (Some(422), required));
    for iccids in ["", "[]"] {
        let answer = airalo.form(&[("iccids", iccids), good[1]]).await;
        assert_eq!((answer.status, answer.text().as_str()), (Some(422), required));
    }
    let long = "x".repeat(256);
    let cases: [(Form<'_>, &[&str]); 8] = [
        (&[good[0], ("reason", "SERVICE_ISSUES")], &["reason"]),
        (&[good[0]], &["reason"]),
        (&[good[0], ("reason", "OTHERS"), ("notes", " ")], &["notes"]),
        (&[good[0], good[1], ("notes", &long)], &["notes"]),
        (&[good[0], good[1], ("email", "somebody")], &["email"]),
        (&[("iccids", "[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\"]"), good[1]], &["iccids"]),
        (&[("iccids", "[\"1\", 894000000000001]"), good[1], ("email", "@")], &["email", "iccids.1"]),
        (&[("iccids", ONE), good[1]], &["iccids"]),
    ];
    for (form, fields) in cases {
        let answer = airalo.form(form).await;
        assert_eq!(answer.status, Some(422), "{form:?}");
        let body = answer.json();
        assert_eq!(body["data"].as_object().unwrap().keys().collect::<Vec<_>>(), fields, "{form:?}");
        assert_eq!(body["meta"]["message"], "the parameter is invalid");
    }
    let foreign = airalo.refund(&[ONE, "894900000000001", TWO, "8949"]).await;
    assert_eq!(
        (foreign.status, foreign.text().as_str()),
        (
            Some(422),
            "{\"data\":[],\"meta\":{\"message\":\"The following ICCIDs do not belong to your company: \
             894900000000001, 8949\"}}"
        )
    );
    assert_eq!(airalo.sandbox.effects(ONE).await.len(), 0, "nothing of a refused batch is taken");
    let unquoted = [good[0], ("reason", "OTHERS"), ("notes", "it rained")];
    assert_eq!(airalo.form(&unquoted).await.status, Some(202));
}

#[tokio::test]
async fn one_refund_call_per_window_and_peer() {
    let airalo = Airalo::start().await;
    let (_, window) = (airalo.token.clone(), json!({"refund_limit": 1, "refund_window_ms": 300_000}));
    airalo.sandbox.settings(window).await;
    assert_eq!(airalo.form(&[]).await.status, Some(422), "what is refused counts");
    for _ in 0..2 {
        let early = airalo.refund(&[ONE]).await;
        assert_eq!(
            (early.status, early.text().as_str()),
            (Some(429), "{\"message\":\"Too Many Attempts.\"}")
        );
        let wait: u64 = early.headers["retry-after"].parse().unwrap();
        assert!((290..=300).contains(&wait), "{wait}");
        assert_eq!(early.headers["x-ratelimit-remaining"], "0");
    }
    airalo.sandbox.settings(json!({"limit_headers": false})).await;
    assert!(!airalo.form(&[]).await.headers.contains_key("retry-after"), "and 429 comes before checks");
    let other = Ipv4Addr::new(127, 0, 0, 2);
    let call = airalo.request(&[TWO]);
    assert_eq!(status_from(other, airalo.sandbox.address, &call).await, "202");
    assert_eq!(status_from(other, airalo.sandbox.address, &call).await, "429");
    let unsigned = airalo.sandbox.send("POST", "/airalo/v2/refund", "", "").await;
    assert_eq!(unsigned.status, Some(401), "the token is looked at first");
    assert_eq!(airalo.get("/v2/balance").await.status, Some(200), "lookups are not limited with it");
    airalo.sandbox.settings(json!({"clock_offset_s": 300})).await;
    assert_eq!(airalo.refund(&[ONE]).await.status, Some(202));
    let refunds = airalo.counters().await["refunds"].clone();
    let expected = json!({"received": 8, "granted": 2, "limited": 4, "limited_by_behaviour": 0});
    assert_eq!(refunds, expected);
}

#[tokio::test]
async fn a_review_decides_after_a_while() {
    let airalo = Airalo::start().await;
    airalo.sandbox.settings(json!({"review_ms": 60_000})).await;
    let (pair, topped) = ("894100000000008", "894200000000001");
    airalo.refund(&[ONE, pair, topped]).await;
    for iccid in [ONE, pair] {
        assert_eq!(airalo.statuses(iccid).await, ["completed"]);
    }
    assert_eq!(airalo.balance().await, "10000");
    airalo.sandbox.settings(json!({"clock_offset_s": 60})).await;
    assert_eq!(airalo.statuses(ONE).await, ["refunded"]);
    assert_eq!(airalo.statuses(TWO).await, ["completed"]);
    assert_eq!(airalo.statuses(pair).await, ["partially_refunded"], "one of two");
    assert_eq!(airalo.statuses(topped).await, ["refunded", "refunded"], "and a top-up that shows no eSIM");
    assert_eq!(airalo.balance().await, "10038.50");
    airalo.refund(&["894100000000009", ONE]).await;
    airalo.sandbox.settings(json!({"clock_offset_s": 120})).await;
    assert_eq!(airalo.statuses(pair).await, ["refunded"]);
    assert_eq!(airalo.balance().await, "10048", "an eSIM is credited once");
}

#[tokio::test]
async fn orders_are_found_by_a_part_of_an_iccid_and_by_id() {
    let airalo = Airalo::start().await;
    airalo.refund(&["894000000000999"]).await;
    let list =
        airalo.get("/v2/orders?filter[iccid]=894000000000001&include=sims,status&limit=1").await.json();
    assert_eq!(list["data"][0]["sims"][0]["iccid"], "8940000000000010", "a longer one comes first");
    let meta = |list: &Value, name: &str| list["meta"][name].clone();
    let facts =
        ["total", "current_page", "last_page", "per_page", "from", "to"].map(|name| meta(&list, name));
    assert_eq!(facts, [json!(2), json!(1), json!(2), json!("1"), json!(1), json!(1)]);
    let next = list["links"]["next"].as_str().unwrap();
    let path = next.split_once("/airalo").unwrap().1;
    let page = airalo.get(path).await.json();
    let order = &page["data"][0];
    assert_eq!((&order["sims"][0]["iccid"], &page["links"]["next"]), (&json!(ONE), &json!(null)));
    assert_eq!((&order["price"], &order["status"]["slug"]), (&json!("9.50"), &json!("completed")));

    let id = order["id"].as_u64().unwrap();
    let one = airalo.get(&format!("/v2/orders/{id}?include=sims,status")).await.json();
    assert_eq!(&one["data"], order);
    let bare = airalo.get(&format!("/v2/orders/{id}")).await.json();
    assert_eq!((bare["data"].get("sims"), bare["data"].get("status")), (None, None));

    let part = airalo.get("/v2/orders?filter[iccid]=00999&include=sims").await.json();
    assert_eq!(part["data"][0]["sims"][0]["iccid"], "894000000000999", "heard of in a refund");
    let none = airalo.get("/v2/orders?filter[iccid]=894900000000001").await.json();
    assert_eq!(none["data"], json!([]));
    for path in ["/v2/orders/9666", "/v2/orders/x", "/v2/orders/49000000000000010", "/v2/sims"] {
        let missing = airalo.get(path).await;
        assert_eq!(missing.status, Some(404), "{path}");
        assert_eq!(missing.json()["meta"]["message"], "messages.resource_not_found");
    }
    let wrong = airalo.get("/v2/orders?limit=a&page=0").await;
    assert_eq!(
        (wrong.status, wrong.json()["data"].as_object().map(serde_json::Map::len)),
        (Some(422), Some(2))
    );
    let pair = airalo.get("/v2/orders?filter[iccid]=894100000000008&include=sims").await.json();
    assert_eq!(pair["data"][1]["sims"][1]["iccid"], "894100000000009");
    assert_eq!(pair["data"][1]["quantity"], 2);
    let topped = airalo.get("/v2/orders?filter[iccid]=89420000000000000001&include=sims").await.json();
    let types: Vec<_> = topped["data"].as_array().unwrap().iter().map(|order| &order["type"]).collect();
    assert_eq!(types, ["topup", "topup", "sim"]);
    assert_eq!(topped["data"][0]["sims"], json!([]));
}
