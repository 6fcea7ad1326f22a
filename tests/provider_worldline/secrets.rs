//! What must never be on record, wherever a record is made; and what the span of a round trip holds.

use std::sync::{Arc, Mutex};

use opentelemetry::trace::{SpanKind, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use refunds::domain::answer::Face;
use refunds::provider::Error;
use refunds::provider::Provider;
use refunds::provider::worldline::{Auth, RequestIdPlace, Settings, Worldline};
use secrecy::SecretString;
use serde_json::json;
use tracing_subscriber::layer::SubscriberExt;
use url::Url;

use super::fixture::{
    ORDER, TOKEN, client_at, credit, error_body, order, refund, send, settings, success_body,
};
use super::listener::{Listener, Step, http, json as json_answer};
use super::tokens::{self, PEM, client_with, granted, jwt};

/// Keeps what is exported.
#[derive(Debug, Clone, Default)]
struct Exported(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Exported {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

/// The client spans of what is done with a client of a provider that answers like this.
async fn spans_of(
    answers: Vec<Vec<u8>>,
    client: fn(std::net::SocketAddr) -> Worldline,
) -> (Vec<SpanData>, String, Listener) {
    let spans = Exported::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let listening = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let steps = answers.into_iter().flat_map(|bytes| [Step::Read, Step::Write(bytes)]);
    let listener = Listener::play(vec![steps.collect()]).await;
    let client = client(listener.address());
    let unready = client.prepare().await;
    let answer = client.send(&[refund()], 2).await;
    let records = format!("{client:?} {unready:?} {answer:?}");
    drop(listening);
    assert!(listener.requests().iter().all(|r| !r.contains("traceparent")), "no trace for third parties");
    let all = std::mem::take(&mut *spans.0.lock().unwrap());
    (all.into_iter().filter(|span| span.span_kind == SpanKind::Client).collect(), records, listener)
}

fn attributes(span: &SpanData) -> Vec<(String, String)> {
    let ours = |key: &str| ["http", "url", "server", "error"].contains(&key.split('.').next().unwrap());
    let all = span.attributes.iter().map(|kv| (kv.key.to_string(), kv.value.to_string()));
    let mut all: Vec<_> = all.filter(|(key, _)| ours(key)).collect();
    all.sort();
    all
}

#[tokio::test]
async fn a_round_trip_is_one_client_span_with_the_conventions_names() {
    let (spans, _, listener) = spans_of(vec![json_answer(400, &error_body("22041"))], client_at).await;
    let [span] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!(span.name, "POST /api/v2/merchants/{mid}/orders/{orderId}/refunds");
    let port = listener.address().port();
    let expected = [
        ("error.type", "400"),
        ("http.request.method", "POST"),
        ("http.request.resend_count", "2"),
        ("http.response.status_code", "400"),
        ("server.address", "127.0.0.1"),
        ("server.port", &port.to_string()),
        ("url.full", &format!("http://127.0.0.1:{port}/api/v2/merchants/1570616552/orders/{ORDER}/refunds")),
        ("url.template", "/api/v2/merchants/{mid}/orders/{orderId}/refunds"),
    ];
    let expected: Vec<_> = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    assert_eq!(attributes(span), expected);
}

#[tokio::test]
async fn no_record_holds_a_secret_even_if_the_provider_repeats_it() {
    let said = |text: &str| {
        let mut credit = credit(5_986_910_001, "Declined", 22_027, "10.50");
        credit["transactionDesc"] = json!(text);
        json_answer(200, &order(&[credit]).to_string())
    };
    for bytes in [
        json_answer(200, &success_body()),
        json_answer(400, &error_body("22041").replace("Said.", TOKEN)),
        json_answer(400, &error_body(TOKEN)),
        said(&format!("token {TOKEN} refused")),
        said("card 4111 1111 1111 1111"),
        http(502, &format!("Content-Type: {TOKEN}\r\n"), TOKEN),
        json_answer(200, &success_body().replace("5986910001", &format!("\"{TOKEN}\""))),
    ] {
        let (spans, records, _) = spans_of(vec![bytes], client_at).await;
        assert_eq!(spans.len(), 1);
        let records = format!("{records} {spans:?} {:?}", settings("http://a.example"));
        for secret in [TOKEN, "4111 1111"] {
            assert!(!records.contains(secret), "{records}");
        }
    }
}

#[tokio::test]
async fn no_record_holds_a_key_an_assertion_or_a_token() {
    let error = r#"{"error":"invalid_grant","error_description":"ASSERTION"}"#;
    for answers in [
        vec![
            granted(tokens::TOKEN, 60),
            json_answer(400, &error_body("22041").replace("Said.", tokens::TOKEN)),
        ],
        vec![json_answer(401, error)],
        vec![json_answer(200, &format!(r#"{{"access_token":["{}"]}}"#, tokens::TOKEN))],
    ] {
        let (spans, records, listener) = spans_of(answers, |address| client_with(address, jwt(PEM))).await;
        let records = format!("{records} {spans:?} {:?}", jwt(PEM));
        let request = listener.requests().remove(0);
        let assertion = request.rsplit("assertion=").next().unwrap();
        let key = PEM.lines().nth(3).unwrap();
        for secret in [tokens::TOKEN, assertion, key] {
            assert!(!records.contains(secret), "{records}");
        }
    }
}

#[tokio::test]
async fn a_reset_leaves_neither_address_of_the_order_nor_secret_in_the_evidence() {
    let listener = Listener::play(vec![vec![Step::Read, Step::Reset]]).await;
    let answer = send(&client_at(listener.address())).await;
    assert_eq!(answer.faces, [Face::Unknown]);
    let text = answer.evidence.provider_text.unwrap();
    assert!(text.contains("error sending request: "), "{text}");
    assert!(!text.contains("http://") && !text.contains(ORDER), "{text}");
}

#[test]
fn settings_that_cannot_work_are_refused_without_repeating_a_secret() {
    let with = |change: fn(&mut Settings)| {
        let mut settings = settings("https://api.test.payments.worldline.com");
        change(&mut settings);
        settings
    };
    let wrong = [
        with(|s| s.base_url = Url::parse(&format!("https://m:{TOKEN}@a.example")).unwrap()),
        with(|s| s.base_url = Url::parse("ftp://a.example").unwrap()),
        with(|s| s.merchant = String::new()),
        with(|s| s.merchant = "shop".to_owned()),
        with(|s| s.merchant = "007".to_owned()),
        with(|s| s.merchant = "0".to_owned()),
        with(|s| s.merchant = "-5".to_owned()),
        with(|s| s.merchant = "9223372036854775808".to_owned()),
        with(|s| s.auth = Auth::Bearer(SecretString::from(""))),
        with(|s| s.auth = Auth::Bearer(SecretString::from(format!("{TOKEN}\n")))),
        with(|s| s.request_id_place = RequestIdPlace::Header("no header".to_owned())),
        with(|s| s.request_id_place = RequestIdPlace::Header("Authorization".to_owned())),
        with(|s| s.request_id_place = RequestIdPlace::Header("content-length".to_owned())),
        with(|s| s.read = std::time::Duration::ZERO),
        with(|s| s.lookup_read = std::time::Duration::ZERO),
        with(|s| s.connect = std::time::Duration::ZERO),
    ];
    for settings in wrong {
        let error: Error = Worldline::new(settings).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(TOKEN), "{error:?}");
    }
    assert!(Worldline::new(with(|_| ())).is_ok());
}
