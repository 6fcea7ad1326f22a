//! The exchange of a signed assertion for an access token, and what the token is good for.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use refunds::sandbox::WORLDLINE_ISSUER;
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair},
};
use serde_json::{Value, json};

use crate::{
    wire::{Answer, Running},
    worldline::{asked, headers, order_path},
};

const FIRST: (&str, &str) =
    (include_str!("worldline_keys/first.pem"), include_str!("worldline_keys/first.pub.pem"));
const SECOND: (&str, &str) =
    (include_str!("worldline_keys/second.pem"), include_str!("worldline_keys/second.pub.pem"));
const ORDER_SCOPE: &str = "OrderProcessingService:GET:/v2/merchants/{mid}/orders/{orderId}";
const REFUND_SCOPE: &str = "OrderProcessingService:POST:/v2/merchants/{mid}/orders/{orderId}/refunds";

fn key_pair(pem: &str) -> RsaKeyPair {
    use base64::engine::general_purpose::STANDARD;
    let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    RsaKeyPair::from_pkcs8(&STANDARD.decode(text).unwrap()).unwrap()
}

fn signed(alg: &str, pem: &str, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&json!({"alg": alg, "typ": "JWT"})), part(claims));
    let pair = key_pair(pem);
    let mut signature = vec![0; pair.public().modulus_len()];
    let rng = SystemRandom::new();
    let signed = match alg {
        "RS256" => pair.sign(&RSA_PKCS1_SHA256, &rng, message.as_bytes(), &mut signature),
        _ => pair.sign(&RSA_PSS_SHA256, &rng, message.as_bytes(), &mut signature),
    };
    signed.unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The sandbox's own second.
async fn now(sandbox: &Running) -> i64 {
    let text = sandbox.control("GET", "/", &json!(null)).await["now"].as_str().unwrap().to_owned();
    let format = &time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::parse(&text, format).unwrap().unix_timestamp()
}

fn claims(now: i64) -> Value {
    json!({"aud": "drwp", "iss": WORLDLINE_ISSUER, "iat": now, "exp": now + 60,
        "scope": format!("{ORDER_SCOPE} {REFUND_SCOPE}")})
}

/// `claims` with one of them changed.
fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut changed = claims.clone();
    changed[name] = value;
    changed
}

async fn register(sandbox: &Running, pem: &str) -> Answer {
    sandbox.send("PUT", "/control/worldline/keys", "", pem).await
}

async fn exchange(sandbox: &Running, fields: &[(&str, &str)]) -> Answer {
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    sandbox.send("POST", "/worldline/api/v2/oauth2/tokens", form, &body).await
}

async fn granted(sandbox: &Running, assertion: &str) -> Answer {
    let grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    exchange(sandbox, &[("grant_type", grant_type), ("assertion", assertion)]).await
}

async fn refund(sandbox: &Running, token: &str, key: &str) -> Option<u16> {
    let path = format!("{}/refunds", order_path("wl-1-a"));
    sandbox.send("POST", &path, &headers(token), &asked(key, "1.00", "EUR")).await.status
}

#[tokio::test]
async fn an_assertion_of_either_algorithm_gives_a_token_that_expires() {
    let sandbox = Running::start().await;
    sandbox.settings(json!({"worldline_token_life_s": 120})).await;
    assert_eq!(register(&sandbox, FIRST.1).await.status, Some(200));
    let now = now(&sandbox).await;
    let mut tokens = Vec::new();
    for alg in ["PS256", "RS256"] {
        let answer = granted(&sandbox, &signed(alg, FIRST.0, &claims(now))).await;
        assert_eq!(answer.status, Some(200), "{alg}: {}", answer.text());
        assert_eq!(answer.headers["cache-control"], "no-store");
        let body = answer.json();
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(120)));
        tokens.push(body["access_token"].as_str().unwrap().to_owned());
    }
    assert_ne!(tokens[0], tokens[1]);
    for token in &tokens {
        assert_eq!(refund(&sandbox, token, token).await, Some(200));
        let read = sandbox.send("GET", &order_path("wl-1-a"), &headers(token), "").await;
        assert_eq!(read.status, Some(200));
    }
    sandbox.settings(json!({"clock_offset_s": 121})).await;
    assert_eq!(refund(&sandbox, &tokens[0], "late").await, Some(401));
    assert_eq!(refund(&sandbox, "sandbox-token", "late").await, Some(200), "the account's own is for ever");
    sandbox.stop().await;
}

#[tokio::test]
async fn two_keys_may_be_active_and_be_forgotten() {
    let sandbox = Running::start().await;
    let now = now(&sandbox).await;
    let (first, second) = (signed("PS256", FIRST.0, &claims(now)), signed("PS256", SECOND.0, &claims(now)));
    assert_eq!(granted(&sandbox, &first).await.json()["error"], "invalid_grant");
    register(&sandbox, FIRST.1).await;
    assert_eq!(granted(&sandbox, &first).await.status, Some(200));
    assert_eq!(granted(&sandbox, &second).await.status, Some(400));
    let keys = register(&sandbox, SECOND.1).await.json();
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(2));
    assert_eq!(register(&sandbox, SECOND.1).await.json(), keys, "a known key is not a third");
    for assertion in [&first, &second] {
        assert_eq!(granted(&sandbox, assertion).await.status, Some(200));
    }
    assert_eq!(sandbox.send("DELETE", "/control/worldline/keys", "", "").await.status, Some(200));
    register(&sandbox, SECOND.1).await;
    assert_eq!(granted(&sandbox, &first).await.status, Some(400));
    assert_eq!(granted(&sandbox, &second).await.status, Some(200));
    for bad in ["", "no key", FIRST.0] {
        assert_eq!(register(&sandbox, bad).await.status, Some(400), "{bad}");
    }
    assert_eq!(sandbox.send("PUT", "/control/afterpay/keys", "", FIRST.1).await.status, Some(400));
    sandbox.stop().await;
}

#[tokio::test]
async fn what_an_assertion_must_say_is_checked() {
    let sandbox = Running::start().await;
    register(&sandbox, FIRST.1).await;
    let now = now(&sandbox).await;
    let good = claims(now);
    let sign = |claims: &Value| signed("PS256", FIRST.0, claims);
    let mut missing = good.clone();
    missing.as_object_mut().unwrap().remove("iat");
    let cases = [
        (sign(&with(&good, "aud", json!("other"))), "invalid_grant"),
        (sign(&with(&good, "iss", json!("application-2@123456789"))), "invalid_grant"),
        (sign(&with(&with(&good, "iat", json!(now - 61)), "exp", json!(now - 1))), "invalid_grant"),
        (sign(&with(&with(&good, "iat", json!(now + 90)), "exp", json!(now + 150))), "invalid_grant"),
        (sign(&with(&good, "exp", json!(now + 301))), "invalid_grant"),
        (sign(&with(&good, "scope", json!("OrderProcessingService:DELETE:/"))), "invalid_scope"),
        (sign(&with(&good, "scope", json!(""))), "invalid_scope"),
        (sign(&missing), "invalid_grant"),
        (signed("PS512", FIRST.0, &good), "invalid_grant"),
        (signed("none", FIRST.0, &good), "invalid_grant"),
        (sign(&good).replacen("ey", "fy", 1), "invalid_grant"),
        ("no-jwt".to_owned(), "invalid_grant"),
    ];
    for (assertion, error) in cases {
        let answer = granted(&sandbox, &assertion).await;
        assert_eq!((answer.status, &answer.json()["error"]), (Some(400), &json!(error)), "{}", answer.text());
    }
    // A signature of one algorithm under the name of the other.
    let (rs, ps) = (signed("RS256", FIRST.0, &good), signed("PS256", FIRST.0, &good));
    let mixed = format!("{}.{}", rs.rsplit_once('.').unwrap().0, ps.rsplit_once('.').unwrap().1);
    assert_eq!(granted(&sandbox, &mixed).await.status, Some(400));

    let assertion = sign(&good);
    let none = exchange(&sandbox, &[("assertion", &assertion)]).await.json();
    assert_eq!(none["error"], "invalid_request");
    let other = exchange(&sandbox, &[("grant_type", "client_credentials")]).await.json();
    assert_eq!(other["error"], "unsupported_grant_type");
    let json = "Content-Type: application/json\r\n";
    let typed = sandbox.send("POST", "/worldline/api/v2/oauth2/tokens", json, "{}").await;
    assert_eq!(typed.status, Some(415));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_token_does_what_its_scope_says() {
    let sandbox = Running::start().await;
    register(&sandbox, FIRST.1).await;
    let now = now(&sandbox).await;
    for (scope, refunds, reads) in [(ORDER_SCOPE, 403, 200), (REFUND_SCOPE, 200, 403)] {
        let claims = with(&claims(now), "scope", json!(scope));
        let body = granted(&sandbox, &signed("PS256", FIRST.0, &claims)).await.json();
        let token = body["access_token"].as_str().unwrap().to_owned();
        assert_eq!(refund(&sandbox, &token, "k").await, Some(refunds));
        let read = sandbox.send("GET", &order_path("wl-1-a"), &headers(&token), "").await;
        assert_eq!(read.status, Some(reads));
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn an_exchange_can_fail() {
    let sandbox = Running::start().await;
    sandbox.settings(json!({"hold_ms": 50})).await;
    register(&sandbox, FIRST.1).await;
    let assertion = signed("PS256", FIRST.0, &claims(now(&sandbox).await));
    for (name, status) in [
        ("error_500", Some(500)),
        ("unavailable", Some(503)),
        ("rate_limited", Some(429)),
        ("garbage_after_commit", Some(200)),
        ("timeout_before_commit", None),
    ] {
        sandbox.settings(json!({"token_behaviour": name})).await;
        let answer = granted(&sandbox, &assertion).await;
        assert_eq!((answer.status, answer.json().get("access_token")), (status, None), "{name}");
    }
    sandbox.settings(json!({"token_behaviour": null})).await;
    assert_eq!(granted(&sandbox, &assertion).await.status, Some(200));
    sandbox.stop().await;
}
