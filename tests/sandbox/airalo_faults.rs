//! Airalo's misbehaviour, as a client's socket sees it.

use serde_json::{Map, Value, json};

use crate::{
    airalo_wire::{Airalo, new_token},
    wire::{Answer, End, Running, exchange},
};

/// What the first call on an eSIM shows: status, end of the connection, and what the body must hold.
type First = (Option<u16>, End, &'static str);

#[tokio::test]
async fn every_behaviour_does_what_its_row_says() {
    let mut airalo = Airalo::start().await;
    airalo.sandbox.settings(json!({"hold_ms": 100, "slow_ms": 50, "drip_ms": 1, "retry_after_s": 7})).await;
    let table = airalo.sandbox.control("GET", "/control/airalo/behaviours", &json!(null)).await;
    for row in table.as_array().unwrap() {
        let (code, name) = (row["code"].as_str().unwrap(), row["name"].as_str().unwrap());
        let iccid = format!("8999{code}000000001");
        let first = airalo.refund(&[&iccid]).await;
        let (status, end, part) = first_of(name);
        assert_eq!((first.status, &first.end), (status, &end), "{name}");
        assert!(first.text().contains(part), "{name}: {}", first.text());
        check_first(name, &first);
        let took = takes_effect(name, row["about"].as_str().unwrap(), status);
        assert_eq!(airalo.sandbox.effects(&iccid).await.len(), usize::from(took), "{name}");

        if status == Some(401) {
            assert_eq!(airalo.refund(&[&iccid]).await.status, Some(401), "the token is refused from here on");
            assert_eq!(airalo.get("/v2/balance").await.status, Some(401));
            airalo.token = new_token(&airalo.sandbox).await;
        }
        let second = airalo.refund(&[&iccid]).await;
        let repeats = row["times"] == "every" || name == "unavailable";
        let expected = if repeats { status } else { Some(202) };
        assert_eq!(second.status, expected, "{name}, second call");
        let again = if repeats { took } else { true };
        let effects = usize::from(took) + usize::from(again);
        assert_eq!(airalo.sandbox.effects(&iccid).await.len(), effects, "{name}, second call");
        if status == Some(401) {
            airalo.token = new_token(&airalo.sandbox).await;
        }
    }
}

fn takes_effect(name: &str, about: &str, status: Option<u16>) -> bool {
    let plain = matches!(status, Some(200..300) | None);
    about.starts_with("Takes effect") || (plain && !about.contains("o effect") && name != "always_timeout")
}

fn first_of(name: &str) -> First {
    let closed = |status, part| (Some(status), End::Closed, part);
    match name {
        "foreign_iccids" | "foreign_others_taken" => closed(422, "do not belong to your company: 8999"),
        "iccids_required" => {
            closed(422, "\"data\":[],\"meta\":{\"message\":\"The iccids field is required.\"}")
        }
        "reason_invalid" => closed(422, "{\"data\":{\"reason\":\"The selected reason is invalid. It must be"),
        "notes_invalid" => closed(422, "{\"data\":{\"notes\":"),
        "email_invalid" => closed(422, "{\"data\":{\"email\":"),
        "iccids_too_many" => closed(422, "{\"data\":{\"iccids\":"),
        "not_allowlisted" | "always_not_allowlisted" => {
            closed(403, "{\"code\":89,\"reason\":\"Your IP address")
        }
        "forbidden_html" => closed(403, "<html>"),
        "expired_token" | "always_expired_token" => closed(401, "could be due to an expired token"),
        "recycled_esim" => closed(422, "{\"code\":73,\"reason\":\"The eSIM with iccid 8999"),
        "coded_error" => closed(422, "{\"code\":53,"),
        "not_found" => closed(404, "{\"data\":[],\"meta\":{\"message\":\"messages.resource_not_found\"}}"),
        "bad_request" => closed(400, "Bad Request"),
        "method_not_allowed" => closed(405, "not supported"),
        "rate_limited" | "rate_limited_bare" | "always_rate_limited" => closed(429, "Too Many Attempts."),
        "error_500_empty" | "always_500" => closed(500, ""),
        "error_500" | "error_500_after_commit" => closed(500, "Server Error"),
        "unavailable" | "unavailable_after_commit" | "always_unavailable" => closed(503, "<html>"),
        "gateway_timeout" | "gateway_timeout_after_commit" => closed(504, "<html>"),
        "bad_gateway" | "bad_gateway_after_commit" => closed(502, "<html>"),
        "not_implemented" => closed(501, ""),
        "request_timeout" | "request_timeout_after_commit" => closed(408, ""),
        "timeout_before_commit"
        | "timeout_after_commit"
        | "reset_before_commit"
        | "reset_after_commit"
        | "lookup_hides"
        | "always_timeout"
        | "always_timeout_after_commit" => (None, End::Reset, ""),
        "reset_in_body" => (Some(202), End::Reset, "{"),
        "truncated_after_commit" => closed(202, "{"),
        "garbage_after_commit" => closed(202, "not json"),
        "html_after_commit" => closed(200, "<html>"),
        "endless_after_commit" => (Some(202), End::Open, "refund_id"),
        "redirect" => closed(302, ""),
        "empty_after_commit" => closed(202, ""),
        "no_refund_id" => closed(202, "{\"data\":{\"created_at\":"),
        "null_refund_id" => closed(202, "\"refund_id\":null"),
        "numeric_refund_id" => closed(202, "{\"data\":{\"refund_id\":1"),
        "data_list" => closed(202, "{\"data\":[],\"meta\":{\"message\":\"success\"}}"),
        "no_created_at" => closed(202, "\"},\"meta\""),
        "status_200" => closed(200, "{\"data\":{\"refund_id\":\"1"),
        _ => closed(202, "{\"data\":{\"refund_id\":\"1"),
    }
}

/// What a part of the body cannot show.
fn check_first(name: &str, first: &Answer) {
    let promised = first.headers.get("content-length").and_then(|length| length.parse::<usize>().ok());
    let body = first.json();
    match name {
        "rate_limited" | "always_rate_limited" => assert_eq!(first.headers["retry-after"], "7"),
        "rate_limited_bare" => assert!(!first.headers.contains_key("retry-after")),
        "error_500_empty"
        | "always_500"
        | "empty_after_commit"
        | "not_implemented"
        | "request_timeout"
        | "request_timeout_after_commit" => assert!(first.body.is_empty(), "{name}"),
        "redirect" => assert_eq!(first.headers["location"], "redirected"),
        "truncated_after_commit" | "reset_in_body" => assert!(promised > Some(first.body.len()), "{name}"),
        "oversized_after_commit" => {
            assert!(first.body.len() > 8 * 1024 * 1024);
            assert_eq!(body["meta"]["message"], "success", "it is valid JSON all the same");
        }
        "no_created_at" => assert_eq!(body["data"].as_object().map(Map::len), Some(1)),
        "no_meta" => assert_eq!(body.as_object().map(Map::len), Some(1)),
        _ => {}
    }
}

#[tokio::test]
async fn the_first_esim_of_a_batch_that_misbehaves_decides() {
    let airalo = Airalo::start().await;
    let (good, broken, late) = ("894000000000001", "899928000000001", "899929000000001");
    assert_eq!(airalo.refund(&[good, broken, late]).await.status, Some(500));
    assert_eq!(airalo.sandbox.effects(good).await.len(), 0, "code 28 decided: nothing was taken");
    assert_eq!(airalo.refund(&[good, broken, late]).await.status, Some(500));
    assert_eq!(airalo.sandbox.effects(good).await.len(), 1, "then code 29 did");
    assert_eq!(airalo.refund(&[good, broken, late]).await.status, Some(202));
    let effects = airalo.sandbox.effects(broken).await;
    assert_eq!((effects.len(), &effects[1]["call"]), (2, &json!(3)));

    let rejected = "899962000000001";
    assert_eq!(
        airalo.refund(&[rejected, "899927000000001"]).await.status,
        Some(500),
        "a review decides no call"
    );
}

#[tokio::test]
async fn a_refused_batch_names_all_who_share_the_fault_and_may_take_the_others() {
    let airalo = Airalo::start().await;
    let good = "894000000000001";
    let answer = airalo.refund(&["899910000000001", good, "899910000000002", "894900000000003"]).await;
    let named = "your company: 899910000000001, 899910000000002, 894900000000003\"";
    assert!(answer.text().contains(named), "{}", answer.text());
    assert_eq!(airalo.sandbox.effects(good).await.len(), 0);

    let answer = airalo.refund(&[good, "899911000000001", "894000000000002"]).await;
    assert_eq!(answer.status, Some(422));
    assert!(answer.text().contains("your company: 899911000000001\""), "{}", answer.text());
    let effects = airalo.sandbox.effects(good).await;
    assert_eq!(effects[0]["iccids"], json!([good, "894000000000002"]));
    assert_eq!(airalo.sandbox.effects("899911000000001").await.len(), 0);
}

#[tokio::test]
async fn what_the_door_turns_away_does_not_count_for_the_limit() {
    let airalo = Airalo::start().await;
    airalo.sandbox.settings(json!({"refund_limit": 1, "refund_window_ms": 300_000})).await;
    for (iccid, status) in [
        ("899925000000001", 429),
        ("899926000000001", 429),
        ("899917000000001", 403),
        ("899918000000001", 403),
    ] {
        assert_eq!(airalo.refund(&[iccid]).await.status, Some(status));
    }
    assert_eq!(airalo.refund(&["899927000000001"]).await.status, Some(500), "an error does count");
    assert_eq!(airalo.refund(&["899928000000001"]).await.status, Some(429));
    let refunds = airalo.counters().await["refunds"].clone();
    assert_eq!((&refunds["limited"], &refunds["limited_by_behaviour"]), (&json!(1), &json!(2)));
    airalo.sandbox.settings(json!({"clock_offset_s": 300})).await;
    assert_eq!(airalo.refund(&["899928000000001"]).await.status, Some(500), "a limited call uses up no step");
}

#[tokio::test]
async fn reviews_end_as_their_esim_says() {
    let airalo = Airalo::start().await;
    airalo.sandbox.settings(json!({"review_ms": 60_000, "reversal_ms": 60_000})).await;
    let outcomes = [
        ("899960000000001", ["completed", "refunded", "refunded", "refunded"]),
        ("899961000000001", ["completed", "completed", "partially_refunded", "partially_refunded"]),
        ("899962000000001", ["completed", "completed", "completed", "completed"]),
        ("899963000000001", ["completed", "completed", "refunded", "completed"]),
        ("899964000000001", ["refunded", "refunded", "refunded", "refunded"]),
        ("899965000000001", ["partially_refunded", "partially_refunded", "refunded", "refunded"]),
        ("899971000000001", ["completed", "completed", "completed", "completed"]),
        ("899975000000001", ["completed", "completed", "completed", "refunded"]),
    ];
    let balances = ["10000", "10009.50", "10047.50", "10038"];
    airalo.sandbox.settings(json!({"hold_ms": 10})).await;
    for time in 0..4 {
        for (iccid, statuses) in outcomes {
            assert_eq!(airalo.statuses(iccid).await, [statuses[time]], "{iccid} at {time}");
            if time == 0 {
                airalo.refund(&[iccid]).await;
            }
        }
        if time > 0 {
            assert_eq!(airalo.balance().await, balances[time]);
            airalo.sandbox.settings(json!({"clock_offset_s": 60 * time})).await;
        }
    }
}

#[tokio::test]
async fn lookups_misbehave_as_their_esim_says() {
    let airalo = Airalo::start().await;
    airalo.sandbox.settings(json!({"hold_ms": 100, "retry_after_s": 7})).await;
    let list = |iccid: &str| format!("/v2/orders?filter[iccid]={iccid}&include=sims,status");
    let one = |code: &str| format!("/v2/orders/5{code}0000000010?include=sims,status");
    for _ in 0..3 {
        assert_eq!(airalo.get(&list("899970000000001")).await.status, Some(500));
        let limited = airalo.get(&list("899976000000001")).await;
        assert_eq!((limited.status, limited.headers["retry-after"].as_str()), (Some(429), "7"));
    }
    assert_eq!(airalo.statuses("899970000000001").await, ["completed"]);
    assert_eq!(airalo.statuses("899976000000001").await, ["completed"]);
    assert_eq!(airalo.get(&list("899972000000001")).await.status, Some(404));
    assert_eq!(airalo.get(&one("72")).await.status, Some(404));
    assert_eq!(airalo.statuses("899973000000001").await, Vec::<String>::new());
    let other = airalo.get(&one("73")).await.json();
    assert_eq!(other["data"]["sims"][0]["iccid"], "8999730000000010");
    assert_eq!(airalo.get(&list("899974000000001")).await.end, End::Reset);
    assert_eq!(airalo.get(&one("74")).await.end, End::Reset);
    let lookups = airalo.counters().await["lookups"].clone();
    assert_eq!(lookups["limited_by_behaviour"], 3);

    airalo.sandbox.settings(json!({"lookup_limit": 1})).await;
    airalo.get("/v2/balance").await;
    let deadline = std::time::Instant::now() + crate::wire::PATIENCE;
    while airalo.get("/v2/balance").await.status != Some(429) {
        assert!(std::time::Instant::now() < deadline, "lookups were never limited");
    }
}

#[tokio::test]
async fn esims_can_be_made_scripted_and_lost() {
    let airalo = Airalo::start().await;
    let iccid = "894300000000001";
    assert_eq!(airalo.refund(&[iccid]).await.status, Some(422), "nobody's");
    airalo
        .put(
            iccid,
            json!({"price": "27.00", "behaviours": ["error_500", "timeout_after_commit", "rejected"]}),
        )
        .await;
    airalo.sandbox.settings(json!({"hold_ms": 10, "review_ms": 0})).await;
    assert_eq!(airalo.refund(&[iccid]).await.status, Some(500));
    assert_eq!(airalo.refund(&[iccid]).await.status, None);
    assert_eq!(airalo.refund(&[iccid]).await.status, Some(202));
    assert_eq!(airalo.sandbox.effects(iccid).await[1]["amount"], "27.00");
    assert_eq!(airalo.statuses(iccid).await, ["completed"]);
    airalo.put(iccid, json!({"behaviours": []})).await;
    assert_eq!(airalo.statuses(iccid).await, ["refunded"], "the review is decided anew");
    airalo.put(iccid, json!({"behaviours": ["rejected"], "status": "failed"})).await;
    assert_eq!(airalo.statuses(iccid).await, ["failed"]);
    airalo.put("894000000000001", json!({"foreign": true})).await;
    assert_eq!(airalo.refund(&["894000000000001"]).await.status, Some(422));

    let next = json!({"behaviours": ["unavailable", "foreign_iccids"]});
    airalo.sandbox.control("POST", "/control/airalo/next", &next).await;
    assert_eq!(airalo.refund(&["894000000000002"]).await.status, Some(503));
    let named = airalo.refund(&["894000000000002", "894000000000003"]).await;
    assert!(named.text().contains("894000000000002, 894000000000003"));
    assert_eq!(airalo.refund(&["894000000000002"]).await.status, Some(202));

    airalo.sandbox.settings(json!({"allowlisted": false})).await;
    assert_eq!(airalo.refund(&["894000000000002"]).await.status, Some(403));
    assert_eq!(airalo.get("/v2/balance").await.json()["code"], 89);
    new_token(&airalo.sandbox).await;

    for (path, bad) in [
        ("airalo/orders/894000000000001", json!({"behaviours": ["no_such"]})),
        ("airalo/orders/894000000000001", json!({"price": "9.5"})),
        ("airalo/orders/894000000000001", json!({"status": "lost"})),
        ("airalo/orders/890000000000001", json!({})),
    ] {
        let answer = airalo.sandbox.send("PUT", &format!("/control/{path}"), "", &bad.to_string()).await;
        assert_eq!(answer.status, Some(400), "{path} {bad}");
    }
    for of_esim in ["rejected", "lookup_404"] {
        let next = json!({"behaviours": [of_esim]}).to_string();
        assert_eq!(airalo.sandbox.send("POST", "/control/airalo/next", "", &next).await.status, Some(400));
    }
}

#[tokio::test]
async fn token_calls_can_fail_as_any_other() {
    let airalo = Airalo::start().await;
    airalo.sandbox.settings(json!({"hold_ms": 10})).await;
    let script = ["unavailable", "timeout_after_commit", "rate_limited", "garbage_after_commit", "ok"];
    airalo.put("token", json!({"behaviours": script})).await;
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let answer = crate::airalo_wire::ask_token(&airalo.sandbox, "sandbox-client", "sandbox-secret").await;
        statuses.push((answer.status, answer.json()["data"]["access_token"].is_string()));
    }
    let good = (Some(200), true);
    assert_eq!(
        statuses,
        [(Some(503), false), (None, false), (Some(429), false), (Some(200), false), good, good]
    );
    assert_eq!(airalo.counters().await["tokens"]["limited_by_behaviour"], 1);
}

#[tokio::test]
async fn a_slow_refund_takes_effect_though_its_caller_has_gone() {
    let airalo = Airalo::start().await;
    airalo.sandbox.settings(json!({"slow_ms": 300})).await;
    let iccid = "899942000000001";
    let caller = tokio::spawn(exchange(airalo.sandbox.address, airalo.request(&[iccid])));
    airalo.sandbox.wait_for_calls(2).await;
    caller.abort();
    airalo.sandbox.wait_for_effects(iccid, 1).await;

    airalo.sandbox.settings(json!({"slow_ms": 60_000})).await;
    let caller = tokio::spawn(exchange(airalo.sandbox.address, airalo.request(&["899942000000002"])));
    airalo.sandbox.wait_for_calls(3).await;
    airalo.sandbox.control("POST", "/control/reset", &json!(null)).await;
    assert_eq!(
        caller.await.unwrap().end,
        End::Reset,
        "a slow call from before a reset has no effect after it"
    );
    assert_eq!(airalo.sandbox.effects("899942000000002").await.len(), 0);
    assert_eq!(airalo.counters().await["refunds"]["received"], 0);
}

#[tokio::test]
async fn effects_esims_steps_and_tokens_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let airalo = Airalo::over(Running::open(Some(&path), false).await.unwrap()).await;
    airalo.put("894300000000001", json!({"price": "1.00"})).await;
    let first = airalo.refund(&["894300000000001", "894000000000001"]).await.json();
    assert_eq!(airalo.refund(&["899929000000001"]).await.status, Some(500));
    assert_eq!(airalo.refund(&["899928000000001"]).await.status, Some(500));
    let Airalo { sandbox, token } = airalo;
    sandbox.stop().await;

    let sandbox = Running::open(Some(&path), false).await.unwrap();
    sandbox.settings(json!({"refund_limit": 0, "review_ms": 0})).await;
    let airalo = Airalo { sandbox, token };
    let effects = airalo.sandbox.effects("894000000000001").await;
    assert_eq!(effects[0]["provider_refund_id"], first["data"]["refund_id"]);
    assert_eq!(
        (&effects[0]["amount"], effects[0]["iccids"].as_array().map(Vec::len)),
        (&json!("10.50"), Some(2))
    );
    assert_eq!(airalo.statuses("894000000000001").await, ["refunded"]);
    assert_eq!(airalo.balance().await, "10020");
    for iccid in ["899929000000001", "899928000000001"] {
        assert_eq!(airalo.refund(&[iccid]).await.status, Some(202), "{iccid}");
    }
    let summary: Value = airalo.sandbox.control("GET", "/ledger/summary", &json!(null)).await;
    assert_eq!((&summary["effects"], &summary["doubled"]), (&json!(4), &json!(1)));
    airalo.sandbox.stop().await;
}
