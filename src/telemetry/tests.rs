//! What leaves the process: spans as an exporter gets them, and log lines as they are written.

use std::io;
use std::sync::{Arc, Mutex};

use http::HeaderMap;
use opentelemetry::Value;
use opentelemetry::trace::{SpanId, SpanKind, Status};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tracing::instrument::WithSubscriber;
use tracing::{Dispatch, Instrument, Span};

use super::propagation::{TRACEPARENT, TRACESTATE, TraceContext};
use super::spans::{ClientCall, ClientEnd, ServerCall};
use super::*;

mod logs;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const PARENT_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT_SPAN: &str = "00f067aa0ba902b7";

/// Keeps what is exported.
#[derive(Debug, Clone, Default)]
struct Exported(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Exported {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Listening {
    dispatch: Dispatch,
    spans: Exported,
    lines: Written,
    _telemetry: Telemetry,
}

impl Listening {
    fn new(settings: &Settings) -> Self {
        let (spans, lines) = (Exported::default(), Written::default());
        let provider = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
        let out = lines.clone();
        let (subscriber, telemetry) = assemble(settings, provider, move || out.clone()).unwrap();
        Self { dispatch: Dispatch::new(subscriber), spans, lines, _telemetry: telemetry }
    }

    /// Runs `work` with this subscriber and answers the spans in the order in which they ended.
    fn spans_of(&self, work: impl FnOnce()) -> Vec<SpanData> {
        tracing::dispatcher::with_default(&self.dispatch, work);
        std::mem::take(&mut *self.spans.0.lock().unwrap())
    }

    fn lines(&self) -> Vec<serde_json::Map<String, serde_json::Value>> {
        let bytes = std::mem::take(&mut *self.lines.0.lock().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn caller() -> TraceContext {
    TraceContext::parse(PARENT, Some("vendor=a")).unwrap()
}

fn create_refund(parent: Option<&TraceContext>) -> Span {
    spans::server_span(&ServerCall {
        method: "refunds.v1.RefundService/CreateRefund",
        server: Some("127.0.0.1:50051".parse().unwrap()),
        peer: Some("[::1]:4711".parse().unwrap()),
        parent,
    })
}

fn post(resend_count: u32) -> Span {
    spans::client_span(&ClientCall {
        method: "POST",
        url: "https://provider.example/v2/payments/1/refund",
        url_template: "/v2/payments/{orderId}/refund",
        host: "provider.example",
        port: 443,
        resend_count,
    })
}

fn attributes(span: &SpanData) -> Vec<(&str, Value)> {
    let mut all: Vec<_> = span.attributes.iter().map(|kv| (kv.key.as_str(), kv.value.clone())).collect();
    all.sort_by_key(|(key, _)| *key);
    all
}

#[test]
fn a_server_span_continues_the_callers_trace_even_when_entered_by_instrument() {
    let listening = Listening::new(&Settings::default());
    let spans = listening.spans_of(|| {
        let span = create_refund(Some(&caller()));
        let handled = async { tracing::info!("handled") }.instrument(span.clone());
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(handled);
        spans::finish_server_span(&span, "OK", false);
    });
    let [span] = spans.as_slice() else { panic!("one span") };
    assert_eq!(span.span_context.trace_id().to_string(), PARENT_TRACE);
    assert_eq!(span.parent_span_id.to_string(), PARENT_SPAN);
    assert_eq!(span.span_kind, SpanKind::Server);
    assert_eq!(span.name, "refunds.v1.RefundService/CreateRefund");
    assert_eq!(span.status, Status::Unset);
    assert_eq!(
        attributes(span),
        [
            ("network.peer.address", "::1".into()),
            ("network.peer.port", 4711.into()),
            ("rpc.method", "refunds.v1.RefundService/CreateRefund".into()),
            ("rpc.status_code", "OK".into()),
            ("rpc.system.name", "grpc".into()),
            ("server.address", "127.0.0.1".into()),
            ("server.port", 50051.into()),
        ]
    );
}

#[test]
fn only_the_services_own_faults_make_a_server_span_an_error() {
    let listening = Listening::new(&Settings::default());
    let spans = listening.spans_of(|| {
        for code in ["NOT_FOUND", "UNAVAILABLE"] {
            spans::finish_server_span(&create_refund(None), code, spans::is_server_error(code));
        }
    });
    let [callers, ours] = spans.as_slice() else { panic!("two spans") };
    assert_eq!(callers.status, Status::Unset);
    assert_eq!(callers.parent_span_id, SpanId::INVALID);
    assert_eq!(ours.status, Status::error(""));
    assert!(attributes(ours).contains(&("error.type", "UNAVAILABLE".into())));
}

#[test]
fn an_attempt_is_a_new_root_with_one_link_and_the_round_trip_is_its_child() {
    let listening = Listening::new(&Settings::default());
    let mut headers = HeaderMap::new();
    let spans = listening.spans_of(|| {
        create_refund(None).in_scope(|| {
            let attempt =
                spans::attempt_span(&[("r-1".to_owned(), Some(caller()))], "afterpay-au", "afterpay", 2);
            let call = attempt.in_scope(|| post(1));
            call.in_scope(|| propagation::inject(&mut headers));
            spans::finish_client_span(&call, ClientEnd::Answered(201));
        });
    });
    let [call, attempt, _rpc] = spans.as_slice() else { panic!("three spans") };
    assert_eq!(attempt.parent_span_id, SpanId::INVALID);
    assert_ne!(attempt.span_context.trace_id().to_string(), PARENT_TRACE);
    let [link] = attempt.links.links.as_slice() else { panic!("one link") };
    assert_eq!(link.span_context.trace_id().to_string(), PARENT_TRACE);
    assert_eq!(link.span_context.span_id().to_string(), PARENT_SPAN);
    assert_eq!(link.span_context.trace_state().header(), "vendor=a");
    assert_eq!(attempt.name, "attempt");
    assert_eq!(
        attributes(attempt),
        [
            ("refund.account", "afterpay-au".into()),
            ("refund.attempt", 2.into()),
            ("refund.id", "r-1".into()),
            ("refund.provider", "afterpay".into()),
        ]
    );

    assert_eq!(call.parent_span_id, attempt.span_context.span_id());
    assert_eq!(call.span_context.trace_id(), attempt.span_context.trace_id());
    assert_eq!(call.span_kind, SpanKind::Client);
    assert_eq!(call.name, "POST /v2/payments/{orderId}/refund");
    assert_eq!(call.status, Status::Unset);
    assert_eq!(
        attributes(call),
        [
            ("http.request.method", "POST".into()),
            ("http.request.resend_count", 1.into()),
            ("http.response.status_code", 201.into()),
            ("server.address", "provider.example".into()),
            ("server.port", 443.into()),
            ("url.full", "https://provider.example/v2/payments/1/refund".into()),
            ("url.template", "/v2/payments/{orderId}/refund".into()),
        ]
    );

    let sent = TraceContext::from_headers(&headers).unwrap();
    let (trace, span) = (call.span_context.trace_id(), call.span_context.span_id());
    assert_eq!(sent.traceparent, format!("00-{trace}-{span}-01"));
    assert!(!headers.contains_key(TRACESTATE));
}

#[test]
fn a_round_trip_says_how_it_failed() {
    let listening = Listening::new(&Settings::default());
    let spans = listening.spans_of(|| {
        for end in [
            ClientEnd::Answered(422),
            ClientEnd::Unusable(200, "malformed_body"),
            ClientEnd::Unanswered("read_timeout"),
        ] {
            spans::finish_client_span(&post(0), end);
        }
    });
    let told: Vec<_> = spans
        .iter()
        .map(|span| {
            let find = |name| attributes(span).into_iter().find(|(key, _)| *key == name).map(|(_, v)| v);
            assert_eq!(span.status, Status::error(""));
            assert_eq!(find("http.request.resend_count"), None);
            (find("http.response.status_code"), find("error.type"))
        })
        .collect();
    assert_eq!(
        told,
        [
            (Some(422.into()), Some("422".into())),
            (Some(200.into()), Some("malformed_body".into())),
            (None, Some("read_timeout".into())),
        ]
    );
}

#[test]
fn a_span_that_has_begun_refuses_a_parent() {
    let listening = Listening::new(&Settings::default());
    listening.spans_of(|| {
        let span = create_refund(None);
        assert!(TraceContext::of(&span).is_some());
        assert!(matches!(propagation::set_parent(&span, &caller()), Err(Error::SpanStarted)));
    });
}

#[test]
fn nothing_listens_and_nothing_breaks() {
    tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::default(), || {
        let span = create_refund(Some(&caller()));
        assert_eq!(TraceContext::of(&span), None);
        assert_eq!(propagation::trace_id(&span), None);
        let mut headers = HeaderMap::new();
        span.in_scope(|| propagation::inject(&mut headers));
        assert!(!headers.contains_key(TRACEPARENT));
    });
}

#[tokio::test]
async fn the_subscriber_works_without_a_collector_and_shuts_down() {
    let lines = Written::default();
    let out = lines.clone();
    let text = Settings { log_format: LogFormat::Text, ..Settings::default() };
    let (subscriber, telemetry) = subscriber(&text, move || out.clone()).unwrap();
    async { create_refund(None).in_scope(|| tracing::info!("here")) }.with_subscriber(subscriber).await;
    assert!(String::from_utf8(lines.0.lock().unwrap().clone()).unwrap().contains("here"));
    telemetry.flush().await.unwrap();
    telemetry.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_collector_that_is_away_does_not_hold_up_the_shutdown() {
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", nowhere.local_addr().unwrap());
    drop(nowhere);
    let settings = Settings { otlp_endpoint: Some(endpoint), ..Settings::default() };
    let (subscriber, telemetry) = subscriber(&settings, io::sink).unwrap();
    async { drop(create_refund(None)) }.with_subscriber(subscriber).await;
    let limit = Duration::from_millis(FLUSH_MS_MAX + 2 * FLUSH_MARGIN_MS);
    tokio::time::timeout(limit, telemetry.shutdown()).await.expect("bounded").ok();
}

#[test]
fn wrong_settings_are_told() {
    let wrong = Settings { log_filter: "info,=".to_owned(), ..Settings::default() };
    assert!(matches!(subscriber(&wrong, io::sink).err(), Some(Error::LogFilter { .. })));
    let wrong = Settings { otlp_endpoint: Some("http://a b".to_owned()), ..Settings::default() };
    assert!(matches!(subscriber(&wrong, io::sink).err(), Some(Error::Exporter(_))));
}
