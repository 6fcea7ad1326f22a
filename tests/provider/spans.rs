//! The spans of round trips, as they are exported.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use opentelemetry::trace::{SpanKind, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tracing::Instrument;
use tracing_subscriber::layer::SubscriberExt;

/// Keeps what is exported.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exported(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Exported {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

/// What all tests of this process export. It must listen before the first call of any of them: a place that
/// makes spans may stay deaf if it is first passed on one thread while a listener of another begins.
pub(crate) fn listen() -> &'static Exported {
    static ALL: OnceLock<Exported> = OnceLock::new();
    ALL.get_or_init(|| {
        let spans = Exported::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
        spans
    })
}

/// What comes of this, and the client spans that it made.
pub(crate) async fn client_spans<T>(calls: impl Future<Output = T>) -> (T, Vec<SpanData>) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let exported = listen();
    let name = format!("root {}", COUNT.fetch_add(1, Ordering::SeqCst));
    let root = tracing::info_span!("root", otel.name = name);
    let outcome = calls.instrument(root).await;
    let all = exported.0.lock().unwrap();
    let trace = all.iter().find(|span| span.name == name).unwrap().span_context.trace_id();
    let ours = |span: &&SpanData| span.span_context.trace_id() == trace && span.span_kind == SpanKind::Client;
    (outcome, all.iter().filter(ours).cloned().collect())
}

/// The attributes of a span by the conventions for HTTP, sorted by their names.
pub(crate) fn attributes(span: &SpanData) -> Vec<(String, String)> {
    let ours = |key: &str| ["http", "url", "server", "error"].contains(&key.split('.').next().unwrap());
    let all = span.attributes.iter().map(|kv| (kv.key.to_string(), kv.value.to_string()));
    let mut all: Vec<_> = all.filter(|(key, _)| ours(key)).collect();
    all.sort();
    all
}
