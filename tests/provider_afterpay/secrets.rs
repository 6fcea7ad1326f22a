//! What must never be on record, wherever a record is made; and what the span of a round trip holds.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry::trace::{SpanKind, Status, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use refunds::domain::answer::Face;
use refunds::provider::Error;
use refunds::provider::Provider;
use refunds::provider::afterpay::Afterpay;
use secrecy::SecretString;
use tracing_subscriber::layer::SubscriberExt;
use url::Url;

use super::fixture::{ORDER, SECRET, TOKEN, client_at, error_body, refund, send, settings, success_body};
use super::listener::{Listener, Step, http, json};

/// Keeps what is exported.
#[derive(Debug, Clone, Default)]
struct Exported(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Exported {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

/// Waits until the subscriber of this thread hears of sends, 10 s at most: one that comes while another test
/// meets the place of the span for the first time is not told of it until the interest is asked anew.
async fn until_heard(spans: &Exported) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        tracing::callsite::rebuild_interest_cache();
        let listener = Listener::answer(json(201, &success_body())).await;
        send(&client_at(listener.address())).await;
        if !std::mem::take(&mut *spans.0.lock().unwrap()).is_empty() {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "no span came");
    }
}

/// The spans of a send to a provider that does this.
async fn spans_of(script: Vec<Step>, resend_count: u32) -> (Vec<SpanData>, u16) {
    let spans = Exported::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let listening = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    until_heard(&spans).await;
    let listener = Listener::play(vec![script]).await;
    client_at(listener.address()).send(&[refund()], resend_count).await;
    assert!(listener.requests().iter().all(|r| !r.contains("traceparent")), "no trace for third parties");
    drop(listening);
    let all = std::mem::take(&mut *spans.0.lock().unwrap());
    let ours = all.into_iter().filter(|span| span.span_kind == SpanKind::Client).collect();
    (ours, listener.address().port())
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
    let script = vec![Step::Read, Step::Write(json(422, &error_body(422, "invalid_amount")))];
    let (spans, port) = spans_of(script, 2).await;
    let [span] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!(span.name, "POST /v2/payments/{orderId}/refund");
    assert_eq!(span.status, Status::error(""));
    let expected = [
        ("error.type", "422"),
        ("http.request.method", "POST"),
        ("http.request.resend_count", "2"),
        ("http.response.status_code", "422"),
        ("server.address", "127.0.0.1"),
        ("server.port", &port.to_string()),
        ("url.full", &format!("http://127.0.0.1:{port}/v2/payments/{ORDER}/refund")),
        ("url.template", "/v2/payments/{orderId}/refund"),
    ];
    let expected: Vec<_> = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    assert_eq!(attributes(span), expected);
}

#[tokio::test]
async fn a_span_says_in_a_word_why_no_answer_came() {
    for (script, word, status) in [
        (vec![Step::Read, Step::Reset], "connection_broken", None),
        (
            vec![Step::Read, Step::Write(b"HTTP/1.1 201 X\r\nContent-Length: 9\r\n\r\n{".into())],
            "body_broken",
            Some("201"),
        ),
    ] {
        let (spans, _) = spans_of(script, 0).await;
        let [span] = spans.as_slice() else { panic!("{spans:?}") };
        let found = |key: &str| attributes(span).into_iter().find(|(k, _)| k == key).map(|(_, v)| v);
        assert_eq!(found("error.type").as_deref(), Some(word));
        assert_eq!(found("http.response.status_code").as_deref(), status);
        assert_eq!(found("http.request.resend_count"), None);
    }
}

#[tokio::test]
async fn no_record_holds_a_secret_even_if_the_provider_repeats_it() {
    let echo = |text: &str| error_body(422, "invalid_amount").replace("Said.", text);
    for bytes in [
        json(201, &success_body()),
        json(422, &echo(&format!("the key {SECRET} is not known"))),
        json(422, &echo(&format!("Authorization: Basic {TOKEN}"))),
        json(422, &error_body(422, &format!("no_{SECRET}"))),
        json(422, &echo("card 4111 1111 1111 1111")),
        http(502, &format!("Content-Type: {TOKEN}\r\nCf-Ray: {SECRET}\r\n"), SECRET),
        json(201, &success_body().replace("67890123", SECRET)),
    ] {
        let script = vec![Step::Read, Step::Write(bytes.clone())];
        let (spans, _) = spans_of(script, 0).await;
        assert_eq!(spans.len(), 1);
        let listener = Listener::answer(bytes).await;
        let client = client_at(listener.address());
        let answer = send(&client).await;
        let records = format!("{client:?} {:?} {answer:?} {spans:?}", settings("http://a.example"));
        for secret in [SECRET, TOKEN, "4111 1111"] {
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
    let base = || settings("https://global-api-sandbox.afterpay.com");
    let secret = |text: &str| SecretString::from(text);
    let wrong = [
        ("url", {
            let mut s = base();
            s.base_url = Url::parse(&format!("https://m:{SECRET}@a.example")).unwrap();
            s
        }),
        ("scheme", {
            let mut s = base();
            s.base_url = Url::parse("ftp://a.example").unwrap();
            s
        }),
        ("merchant", {
            let mut s = base();
            s.merchant = "a:b".to_owned();
            s
        }),
        ("no merchant", {
            let mut s = base();
            s.merchant = String::new();
            s
        }),
        ("no secret", {
            let mut s = base();
            s.secret = secret("");
            s
        }),
        ("agent", {
            let mut s = base();
            s.user_agent = format!("{SECRET}\n");
            s
        }),
        ("read", {
            let mut s = base();
            s.read = Duration::ZERO;
            s
        }),
        ("connect", {
            let mut s = base();
            s.connect = Duration::ZERO;
            s
        }),
    ];
    for (name, settings) in wrong {
        let error: Error = Afterpay::new(settings).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(SECRET), "{name}: {error:?}");
    }
    assert!(Afterpay::new(base()).is_ok());
}
