//! What must never be on record, wherever a record is made; and what the span of a round trip holds.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry::trace::{SpanKind, Status, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use refunds::domain::answer::Face;
use refunds::provider::Error;
use refunds::provider::Provider;
use refunds::provider::moyasar::{Moyasar, Settings};
use secrecy::SecretString;
use tracing_subscriber::layer::SubscriberExt;
use url::Url;

use super::fixture::{
    EXAMPLE, KEY, ORDER, SECRET, client_at, error_body, field_body, look_up, refund, send, settings,
};
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

/// Waits until the subscriber of this thread hears of sends, 10 s at most: one that comes while another
/// test meets the place of the span for the first time is not told of it until the interest is asked anew.
async fn until_heard(spans: &Exported) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        tracing::callsite::rebuild_interest_cache();
        let listener = Listener::answer(json(200, EXAMPLE)).await;
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
    let script = vec![Step::Read, Step::Write(json(400, &error_body("No")))];
    let (spans, port) = spans_of(script, 2).await;
    let [span] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!(span.name, "POST /v1/orders/{id}/refund");
    assert_eq!(span.status, Status::error(""));
    let expected = [
        ("error.type", "400"),
        ("http.request.method", "POST"),
        ("http.request.resend_count", "2"),
        ("http.response.status_code", "400"),
        ("server.address", "127.0.0.1"),
        ("server.port", &port.to_string()),
        ("url.full", &format!("http://127.0.0.1:{port}/v1/orders/{ORDER}/refund")),
        ("url.template", "/v1/orders/{id}/refund"),
    ];
    let expected: Vec<_> = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    assert_eq!(attributes(span), expected);
}

#[tokio::test]
async fn no_record_holds_a_secret_even_if_the_provider_repeats_it() {
    let card = "4111 1111 1111 1111";
    for bytes in [
        json(200, EXAMPLE),
        json(200, &EXAMPLE.replace("APPROVED", SECRET)),
        json(200, &EXAMPLE.replace("APPROVED", card)),
        json(200, &EXAMPLE.replace("\"00\"", &format!("\"{SECRET}\""))),
        json(200, &EXAMPLE.replace("242590000001", SECRET)),
        json(200, &EXAMPLE.replace("\"approved\"", &format!("\"{SECRET}\""))),
        json(200, &EXAMPLE.replace(KEY, SECRET)),
        json(400, &error_body(&format!("the key {SECRET} is not known"))),
        json(401, &error_body(&format!("Bearer {SECRET}"))),
        json(422, &field_body("amount", SECRET)),
        json(422, &field_body(SECRET, "is wrong")),
        json(422, &field_body("amount", card)),
        http(502, &format!("Content-Type: {SECRET}\r\nX-Request-Id: {SECRET}\r\n"), SECRET),
    ] {
        let script = vec![Step::Read, Step::Write(bytes.clone())];
        let (spans, _) = spans_of(script, 0).await;
        assert_eq!(spans.len(), 1);
        let listener = Listener::answer(bytes.clone()).await;
        let client = client_at(listener.address());
        let answer = send(&client).await;
        let looking = Listener::answer(bytes).await;
        let looked = look_up(&client_at(looking.address())).await;
        let settings = settings("http://a.example");
        let records = format!("{client:?} {settings:?} {answer:?} {looked:?} {spans:?}");
        for secret in [SECRET, "4111 1111"] {
            assert!(!records.contains(secret), "{records}");
        }
    }
}

#[tokio::test]
async fn nothing_of_the_customer_or_the_card_is_kept() {
    let listener = Listener::answer(json(200, EXAMPLE)).await;
    let client = client_at(listener.address());
    let looking = Listener::answer(json(200, EXAMPLE)).await;
    let looked = look_up(&client_at(looking.address())).await;
    let records = format!("{:?} {looked:?}", send(&client).await);
    for text in ["55555555", "4444", "herschel", "Rolfson", "الإسم"] {
        assert!(!records.contains(text), "{records}");
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
    let changed = |change: fn(&mut Settings)| {
        let mut settings = settings("https://pg.moyasar.com");
        change(&mut settings);
        settings
    };
    let wrong = [
        ("url", changed(|s| s.base_url = Url::parse(&format!("https://m:{SECRET}@a.example")).unwrap())),
        ("scheme", changed(|s| s.base_url = Url::parse("ftp://a.example").unwrap())),
        ("no secret", changed(|s| s.secret = SecretString::from(""))),
        ("a line break", changed(|s| s.secret = SecretString::from(format!("{SECRET}\n")))),
        ("read", changed(|s| s.read = Duration::ZERO)),
        ("lookup_read", changed(|s| s.lookup_read = Duration::ZERO)),
        ("connect", changed(|s| s.connect = Duration::ZERO)),
    ];
    for (name, settings) in wrong {
        let error: Error = Moyasar::new(settings).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(SECRET), "{name}: {error:?}");
    }
    assert!(Moyasar::new(changed(|_| ())).is_ok());
}
