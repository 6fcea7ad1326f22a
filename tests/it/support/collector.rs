//! A collector of traces: takes what a process exports over OTLP/gRPC, and keeps it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// A running collector.
pub(crate) struct Collector {
    pub(crate) endpoint: String,
    requests: Kept,
    task: JoinHandle<Result<(), tonic::transport::Error>>,
}

type Kept = Arc<Mutex<Vec<ExportTraceServiceRequest>>>;

struct Receiver(Kept);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Kept::default();
        let service = TraceServiceServer::new(Receiver(Arc::clone(&requests)));
        let server = Server::builder().add_service(service);
        let task = tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { endpoint, requests, task }
    }

    /// Everything that came, as text: to be searched for what must not be in it.
    pub(crate) fn text(&self) -> String {
        format!("{:?}", self.requests.lock().unwrap())
    }

    /// The spans that came.
    pub(crate) fn spans(&self) -> Vec<Spanned> {
        let requests = self.requests.lock().unwrap();
        let resources = requests.iter().flat_map(|request| &request.resource_spans);
        let scopes = resources.flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| &scope.spans).map(|span| Spanned::of(span.clone())).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A span, readable.
#[derive(Debug, Clone)]
pub(crate) struct Spanned {
    pub(crate) name: String,
    pub(crate) kind: i32,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty in a root.
    pub(crate) parent: String,
    /// The attributes; an integer as `Int`.
    pub(crate) attributes: BTreeMap<String, Attribute>,
    /// Trace and span that it points to.
    pub(crate) links: Vec<(String, String)>,
    pub(crate) is_error: bool,
    pub(crate) events: usize,
}

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Attribute {
    Text(String),
    Int(i64),
    Other(String),
}

impl Spanned {
    fn of(span: Span) -> Self {
        let (count, keyed) = (span.attributes.len(), span.attributes.into_iter());
        let attributes: BTreeMap<_, _> = keyed.map(|kv| (kv.key.clone(), attribute(kv))).collect();
        assert_eq!(attributes.len(), count, "a key stands twice in {}", span.name);
        Self {
            name: span.name,
            kind: span.kind,
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            attributes,
            links: span.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect(),
            is_error: span.status.is_some_and(|status| status.code() == StatusCode::Error),
            events: span.events.len(),
        }
    }

    /// The text of an attribute; empty if it has none.
    pub(crate) fn text(&self, key: &str) -> &str {
        match self.attributes.get(key) {
            Some(Attribute::Text(text)) => text,
            Some(Attribute::Int(_) | Attribute::Other(_)) | None => "",
        }
    }
}

fn attribute(kv: KeyValue) -> Attribute {
    match kv.value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => Attribute::Text(text),
        Some(Value::IntValue(n)) => Attribute::Int(n),
        other => Attribute::Other(format!("{other:?}")),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
