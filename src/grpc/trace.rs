//! Outermost on every call: a server span that continues the caller's trace, one canonical log line, details
//! on errors that the transport made.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use prost::{DecodeError, Message};
use prost_types::FileDescriptorSet;
use tonic::body::Body;
use tonic::transport::server::TcpConnectInfo;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Instrument, Span};

use crate::telemetry::propagation::TraceContext;
use crate::telemetry::spans;

use super::status;

/// How the paths of health and reflection begin: the meaning of their errors is not ours to say.
const FOREIGN: &str = "/grpc.";
/// The name of a method that there is not.
const OTHER: &str = crate::telemetry::names::RPC_METHOD_OTHER;
/// The header and trailer that holds the code.
const GRPC_STATUS: &str = "grpc-status";

#[derive(Debug, Clone)]
pub(super) struct TraceLayer {
    server: Option<SocketAddr>,
    /// The paths of this server. Any other is told by one name, so that a scanner makes no new ones.
    paths: Arc<HashSet<String>>,
}

impl TraceLayer {
    /// For a server at an address, of the services that these sets of descriptors describe.
    pub(super) fn new(server: Option<SocketAddr>, descriptors: &[&[u8]]) -> Result<Self, DecodeError> {
        let mut paths = HashSet::new();
        for encoded in descriptors {
            for file in FileDescriptorSet::decode(*encoded)?.file {
                for service in &file.service {
                    let methods = service.method.iter();
                    let path = |m| format!("/{}.{}/{m}", file.package(), service.name());
                    paths.extend(methods.map(|method| path(method.name())));
                }
            }
        }
        Ok(Self { server, paths: Arc::new(paths) })
    }
}

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Trace { inner, server: self.server, paths: Arc::clone(&self.paths) }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Trace<S> {
    inner: S,
    server: Option<SocketAddr>,
    paths: Arc<HashSet<String>>,
}

impl<S> Service<Request<Body>> for Trace<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        let method = if self.paths.contains(path) { path.trim_start_matches('/') } else { OTHER };
        let parent = TraceContext::from_headers(request.headers());
        let peer = request.extensions().get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr);
        let span = spans::server_span(&spans::ServerCall {
            method,
            server: self.server,
            peer,
            parent: parent.as_ref(),
        });
        let own = !path.starts_with(FOREIGN);
        let mut call = Call { span: span.clone(), began: Instant::now(), code: None, own };
        let inner = self.inner.call(request).instrument(span);
        Box::pin(async move {
            let mut response = inner.await?;
            if let Some(mut status) = Status::from_header_map(response.headers()) {
                if let Some(dressed) = status::dressed(&status).filter(|_| own) {
                    status = dressed;
                    response = status.clone().into_http();
                }
                call.code = Some(status.code());
            }
            Ok(response.map(|body| Body::new(Watched { body, call })))
        })
    }
}

/// A call under way; told when it is dropped, however it ends.
struct Call {
    span: Span,
    began: Instant,
    code: Option<Code>,
    /// Whether it is of our own API, not of health or reflection.
    own: bool,
}

impl Drop for Call {
    fn drop(&mut self) {
        // A call that ends without a status was canceled by its caller.
        let code = name(self.code.unwrap_or(Code::Cancelled));
        spans::finish_server_span(&self.span, code, spans::is_server_error(code));
        let took_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let _in_span = self.span.enter();
        if self.own {
            tracing::info!(code, took_ms, "call");
        } else {
            // Probes ask every few seconds.
            tracing::debug!(code, took_ms, "call");
        }
    }
}

/// A body that is watched for its trailers, where the status of an answer stands.
struct Watched {
    body: Body,
    call: Call,
}

impl Watched {
    fn read(&mut self, trailers: &HeaderMap) {
        let code = trailers.get(GRPC_STATUS).map(|value| Code::from_bytes(value.as_bytes()));
        self.call.code = code.or(self.call.code);
    }
}

impl HttpBody for Watched {
    type Data = <Body as HttpBody>::Data;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let span = self.call.span.clone();
        let _in_span = span.enter();
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(trailers) = frame.trailers_ref()
        {
            self.read(trailers);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The upper-case name of a code.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
