//! The spans that the service makes, so that their names and keys stand here alone.
//!
//! A field of the span itself is in every log line below it; an attribute set beside it is in the trace only.

use std::net::SocketAddr;

use opentelemetry::trace::Status;
use opentelemetry::{Array, StringValue, Value};
use tracing::field::Empty;
use tracing::{Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::names;
use super::propagation::{self, TraceContext};

/// The codes that make a server span an error: the service's own faults, not the caller's.
const SERVER_ERRORS: [&str; 6] =
    ["UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"];

/// The lowest HTTP status that makes a client span an error.
const CLIENT_ERROR_STATUS_MIN: u16 = 400;

/// What is known of an RPC when it arrives.
#[derive(Debug, Clone, Copy)]
pub struct ServerCall<'a> {
    /// `refunds.v1.RefundService/CreateRefund`, or [`names::RPC_METHOD_OTHER`] where there is no such method.
    pub method: &'a str,
    /// Where the service listens.
    pub server: Option<SocketAddr>,
    /// Who is at the other end of the connection.
    pub peer: Option<SocketAddr>,
    /// The caller's trace.
    pub parent: Option<&'a TraceContext>,
}

/// The span of an RPC: it continues the caller's trace, or begins one. Run the handler in it by `instrument`.
pub fn server_span(call: &ServerCall<'_>) -> Span {
    let span = info_span!(
        parent: None,
        "rpc",
        otel.name = call.method,
        otel.kind = "server",
        { names::RPC_METHOD } = call.method,
        { names::CALLER } = Empty,
        { names::REFUND_ID } = Empty,
        { names::REFUND_ACCOUNT } = Empty,
    );
    if let Some(parent) = call.parent {
        // The span is new and nobody has entered it, so that the only error cannot happen.
        let _ = propagation::set_parent(&span, parent);
    }
    span.set_attribute(names::RPC_SYSTEM_NAME, names::RPC_SYSTEM_GRPC);
    if let Some(server) = call.server {
        span.set_attribute(names::SERVER_ADDRESS, server.ip().to_string());
        span.set_attribute(names::SERVER_PORT, i64::from(server.port()));
    }
    if let Some(peer) = call.peer {
        span.set_attribute(names::NETWORK_PEER_ADDRESS, peer.ip().to_string());
        span.set_attribute(names::NETWORK_PEER_PORT, i64::from(peer.port()));
    }
    span
}

/// Says in the span of the RPC under way who calls.
pub fn record_caller(name: &str) {
    Span::current().record(names::CALLER, name);
}

/// Says in the span of the RPC under way which refund it is about.
pub fn record_refund(id: &str) {
    Span::current().record(names::REFUND_ID, id);
}

/// Says in the span of the RPC under way which account it is about.
pub fn record_account(name: &str) {
    Span::current().record(names::REFUND_ACCOUNT, name);
}

/// Whether a status code, in its upper case form, is the service's own fault.
pub fn is_server_error(code: &str) -> bool {
    SERVER_ERRORS.contains(&code)
}

/// Records how an RPC ended: `code` in its upper case form, `is_error` by [`is_server_error`].
pub fn finish_server_span(span: &Span, code: &str, is_error: bool) {
    span.set_attribute(names::RPC_STATUS_CODE, code.to_owned());
    if is_error {
        fail(span, code);
    }
}

/// The span of one attempt at a refund, or at the refunds that share a call, each with its caller's trace:
/// always a new trace, that points to the callers'.
pub fn attempt_span(
    members: &[(String, Option<TraceContext>)],
    account: &str,
    provider: &str,
    attempt: u32,
) -> Span {
    let span = if let [(refund_id, _)] = members {
        info_span!(
            parent: None,
            "attempt",
            otel.kind = "internal",
            { names::REFUND_ID } = refund_id,
            { names::REFUND_ACCOUNT } = account,
            { names::REFUND_PROVIDER } = provider,
            { names::REFUND_ATTEMPT } = i64::from(attempt),
        )
    } else {
        // Its log lines name the refund that each is about.
        info_span!(
            parent: None,
            "attempt",
            otel.kind = "internal",
            { names::REFUND_ACCOUNT } = account,
            { names::REFUND_PROVIDER } = provider,
            { names::REFUND_ATTEMPT } = i64::from(attempt),
        )
    };
    if members.len() > 1 {
        let ids: Vec<StringValue> = members.iter().map(|(id, _)| id.clone().into()).collect();
        span.set_attribute(names::REFUND_IDS, Value::Array(Array::String(ids)));
    }
    for caller in members.iter().filter_map(|(_, caller)| caller.as_ref()) {
        propagation::add_link(&span, caller);
    }
    span
}

/// Records that an attempt did not do what it should: `error_type` is a word, not a message.
pub fn fail_attempt_span(span: &Span, error_type: &str) {
    fail(span, error_type);
}

/// What is known of a provider's round trip before it starts.
#[derive(Debug, Clone, Copy)]
pub struct ClientCall<'a> {
    /// `POST`.
    pub method: &'a str,
    /// The URL, without user, password, and query values that are secret.
    pub url: &'a str,
    /// The path with its variable parts named: `/v2/payments/{orderId}/refund`.
    pub url_template: &'a str,
    /// The provider's host.
    pub host: &'a str,
    /// The provider's port.
    pub port: u16,
    /// How many times this request was sent before.
    pub resend_count: u32,
}

/// The span of one HTTP round trip, a child of the current span.
pub fn client_span(call: &ClientCall<'_>) -> Span {
    let name = format!("{} {}", call.method, call.url_template);
    let span = info_span!("http", otel.name = name, otel.kind = "client");
    span.set_attribute(names::HTTP_REQUEST_METHOD, call.method.to_owned());
    span.set_attribute(names::URL_FULL, call.url.to_owned());
    span.set_attribute(names::URL_TEMPLATE, call.url_template.to_owned());
    span.set_attribute(names::SERVER_ADDRESS, call.host.to_owned());
    span.set_attribute(names::SERVER_PORT, i64::from(call.port));
    if call.resend_count > 0 {
        span.set_attribute(names::HTTP_REQUEST_RESEND_COUNT, i64::from(call.resend_count));
    }
    span
}

/// How a round trip ended.
#[derive(Debug, Clone, Copy)]
pub enum ClientEnd<'a> {
    /// An answer came, with this status.
    Answered(u16),
    /// An answer came, with this status, and could not be used: a word such as `malformed_body`.
    Unusable(u16, &'a str),
    /// No answer came: a word such as `connect` or `read_timeout`.
    Unanswered(&'a str),
}

/// Records how a round trip ended.
pub fn finish_client_span(span: &Span, end: ClientEnd<'_>) {
    let (status, error_type) = match end {
        ClientEnd::Answered(status) => (Some(status), None),
        ClientEnd::Unusable(status, error_type) => (Some(status), Some(error_type.to_owned())),
        ClientEnd::Unanswered(error_type) => (None, Some(error_type.to_owned())),
    };
    if let Some(status) = status {
        span.set_attribute(names::HTTP_RESPONSE_STATUS_CODE, i64::from(status));
    }
    let refused = status.filter(|status| *status >= CLIENT_ERROR_STATUS_MIN);
    if let Some(error_type) = error_type.or_else(|| refused.map(|status| status.to_string())) {
        fail(span, &error_type);
    }
}

fn fail(span: &Span, error_type: &str) {
    span.set_attribute(names::ERROR_TYPE, error_type.to_owned());
    // The description stays empty: a message may hold what a span must not.
    span.set_status(Status::error(""));
}
