//! What must never be on record, wherever a record is made; and what the spans of round trips hold.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use opentelemetry::trace::{SpanKind, Status, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use refunds::provider::Provider;
use refunds::provider::airalo::Airalo;
use secrecy::SecretString;
use tracing::Instrument;
use tracing_subscriber::layer::SubscriberExt;
use url::Url;

use super::answers::meta;
use super::fixture::{
    A, SECRET, TAKEN, TOKEN, after_token, client_at, closing, granted, look_up, refund, settings,
};
use super::listener::{Listener, Step, http, json};

/// Keeps what is exported.
#[derive(Debug, Clone, Default)]
pub(super) struct Exported(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Exported {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

/// What all tests of this process export. It must listen before the first call of any of them: a place that
/// makes spans may stay deaf if it is first passed on one thread while a listener of another begins.
pub(super) fn listen() -> &'static Exported {
    static ALL: OnceLock<Exported> = OnceLock::new();
    ALL.get_or_init(|| {
        let spans = Exported::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
        spans
    })
}

/// What a client leaves on record that prepares, sends and looks up with answers like these.
async fn records_of(answers: Vec<Vec<u8>>) -> (String, Vec<SpanData>, u16) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let script = |bytes: Vec<u8>| vec![Step::Read, Step::Write(bytes)];
    let listener = Listener::play(answers.into_iter().map(script).collect()).await;
    let client = client_at(listener.address());
    let name = format!("records {}", COUNT.fetch_add(1, Ordering::SeqCst));
    let root = tracing::info_span!("root", otel.name = name);
    let calls = async { (client.prepare().await, client.send(&[refund()], 2).await, look_up(&client).await) };
    let told = calls.instrument(root).await;
    assert!(listener.requests().iter().all(|r| !r.contains("traceparent")), "no trace for third parties");
    let all = listen().0.lock().unwrap().clone();
    let trace = all.iter().find(|span| span.name == name).unwrap().span_context.trace_id();
    let ours = |span: &SpanData| span.span_context.trace_id() == trace && span.span_kind == SpanKind::Client;
    let spans: Vec<_> = all.into_iter().filter(ours).collect();
    let settings = settings("http://a.example");
    let records = format!("{settings:?} {client:?} {told:?} {spans:?}");
    (records, spans, listener.address().port())
}

fn attributes(span: &SpanData) -> Vec<(String, String)> {
    let ours = |key: &str| ["http", "url", "server", "error"].contains(&key.split('.').next().unwrap());
    let all = span.attributes.iter().map(|kv| (kv.key.to_string(), kv.value.to_string()));
    let mut all: Vec<_> = all.filter(|(key, _)| ours(key)).collect();
    all.sort();
    all
}

#[tokio::test]
async fn each_round_trip_is_one_client_span_with_the_conventions_names() {
    let answers =
        vec![granted(), closing(422, &meta("Something.")), closing(200, r#"{"data":[],"meta":{"total":0}}"#)];
    let (_, spans, port) = records_of(answers).await;
    let names: Vec<_> = spans.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(names, ["POST /v2/token", "POST /v2/refund", "GET /v2/orders"]);
    assert_eq!(spans[1].status, Status::error(""));
    let expected = [
        ("error.type", "422"),
        ("http.request.method", "POST"),
        ("http.request.resend_count", "2"),
        ("http.response.status_code", "422"),
        ("server.address", "127.0.0.1"),
        ("server.port", &port.to_string()),
        ("url.full", &format!("http://127.0.0.1:{port}/v2/refund")),
        ("url.template", "/v2/refund"),
    ];
    let expected: Vec<_> = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    assert_eq!(attributes(&spans[1]), expected);
    assert!(attributes(&spans[2]).iter().any(|(key, value)| key == "url.full" && value.contains(A)));
}

#[tokio::test]
async fn no_record_holds_a_secret_even_if_the_provider_repeats_it() {
    let form = "cl1ent%2B5ecret%2Fof%3Dthe+shop";
    for echo in [SECRET, TOKEN] {
        let page = format!(r#"{{"data":[{{"id":"{echo}","status":{{"slug":"{echo}"}}}}]}}"#);
        let edge = format!("Content-Type: {echo}\r\nCf-Ray: {echo}\r\nConnection: close\r\n");
        for sent in [
            closing(202, &TAKEN.replace("12345", echo)),
            closing(422, &meta(&format!("{echo} is wrong"))),
            closing(422, &format!(r#"{{"code":43,"reason":"Bearer {echo}"}}"#)),
            closing(422, &meta("card 4111 1111 1111 1111")),
            http(502, &edge, echo),
        ] {
            let (records, spans, _) = records_of(vec![granted(), sent, closing(200, &page)]).await;
            assert_eq!(spans.len(), 3);
            for secret in [SECRET, TOKEN, form, "4111 1111"] {
                assert!(!records.contains(secret), "{records}");
            }
        }
    }
    for refused in [
        json(401, &meta(&format!("{SECRET} is wrong"))),
        json(422, &meta(SECRET)),
        http(502, &format!("Cf-Ray: {SECRET}\r\n"), SECRET),
        json(200, &format!(r#"{{"data":{{"access_token":"{SECRET}","token_type":"{SECRET}"}}}}"#)),
    ] {
        let (records, _, _) = records_of(vec![refused]).await;
        assert!(!records.contains(SECRET), "{records}");
    }
}

#[tokio::test]
async fn a_reset_leaves_neither_address_nor_secret_in_the_evidence() {
    let listener = after_token(vec![vec![Step::Read, Step::Reset]]).await;
    let answer = super::fixture::send(&client_at(listener.address())).await;
    let text = answer.evidence.provider_text.unwrap();
    assert!(text.contains("error sending request: "), "{text}");
    assert!(!text.contains("http://") && !text.contains(TOKEN), "{text}");
}

#[test]
fn settings_that_cannot_work_are_refused_without_repeating_a_secret() {
    let base = || settings("https://partners-api.airalo.com");
    let with = |change: &dyn Fn(&mut refunds::provider::airalo::Settings)| {
        let mut settings = base();
        change(&mut settings);
        Airalo::new(settings)
    };
    let wrong = [
        with(&|s| s.base_url = Url::parse("https://m:x@a.example").unwrap()),
        with(&|s| s.base_url = Url::parse("ftp://a.example").unwrap()),
        with(&|s| s.client_id = String::new()),
        with(&|s| s.client_secret = SecretString::from("")),
        with(&|s| s.client_secret = SecretString::from(format!("{SECRET}\n"))),
        with(&|s| s.user_agent = format!("{SECRET}\n")),
        with(&|s| s.connect = Duration::ZERO),
        with(&|s| s.read = Duration::ZERO),
        with(&|s| s.lookup_read = Duration::ZERO),
        with(&|s| s.token_lifetime_max = Duration::ZERO),
    ];
    for (n, client) in wrong.into_iter().enumerate() {
        let error = client.unwrap_err();
        assert!(!format!("{error} {error:?}").contains(SECRET), "{n}: {error:?}");
    }
    assert!(Airalo::new(base()).is_ok());
}
