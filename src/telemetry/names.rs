//! The keys of spans and log lines: OpenTelemetry's semantic conventions v1.45, and our own.

/// `service.version` of the resource.
pub const SERVICE_VERSION: &str = "service.version";

/// The RPC system of a server span.
pub const RPC_SYSTEM_NAME: &str = "rpc.system.name";
/// The value of [`RPC_SYSTEM_NAME`] for gRPC.
pub const RPC_SYSTEM_GRPC: &str = "grpc";
/// The full method, `package.Service/Method`.
pub const RPC_METHOD: &str = "rpc.method";
/// The value of [`RPC_METHOD`] for a method that the service does not have.
pub const RPC_METHOD_OTHER: &str = "_OTHER";
/// The status code of an RPC as a string, "OK" included. The conventions' own crate has an older name.
pub const RPC_STATUS_CODE: &str = "rpc.status_code";

/// What kind of error ended a span: a code, a status or a word of ours, never a message.
pub const ERROR_TYPE: &str = "error.type";
/// The host that serves: ours in a server span, the provider's in a client span.
pub const SERVER_ADDRESS: &str = "server.address";
/// The port beside [`SERVER_ADDRESS`].
pub const SERVER_PORT: &str = "server.port";
/// The address of the other end of the connection.
pub const NETWORK_PEER_ADDRESS: &str = "network.peer.address";
/// The port beside [`NETWORK_PEER_ADDRESS`].
pub const NETWORK_PEER_PORT: &str = "network.peer.port";

/// The method of an HTTP request.
pub const HTTP_REQUEST_METHOD: &str = "http.request.method";
/// How many times this request was sent before; absent the first time.
pub const HTTP_REQUEST_RESEND_COUNT: &str = "http.request.resend_count";
/// The status of an HTTP response, an integer.
pub const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
/// The URL of a request, without credentials.
pub const URL_FULL: &str = "url.full";
/// The path of a request with its variable parts named.
pub const URL_TEMPLATE: &str = "url.template";

/// Our id of a refund.
pub const REFUND_ID: &str = "refund.id";
/// Our ids of the refunds that share a call.
pub const REFUND_IDS: &str = "refund.ids";
/// The configured account that a refund belongs to.
pub const REFUND_ACCOUNT: &str = "refund.account";
/// The provider of that account.
pub const REFUND_PROVIDER: &str = "refund.provider";
/// The number of an attempt, from 1.
pub const REFUND_ATTEMPT: &str = "refund.attempt";

/// Who calls, in what an RPC writes; whose refund it is, in what an attempt at it writes.
pub const CALLER: &str = "caller";

/// The trace that a log line belongs to, 32 hexadecimal digits.
pub const LOG_TRACE_ID: &str = "trace_id";
/// The span that a log line belongs to, 16 hexadecimal digits.
pub const LOG_SPAN_ID: &str = "span_id";
/// When a log line was written.
pub const LOG_TIMESTAMP: &str = "timestamp";
/// The level of a log line.
pub const LOG_LEVEL: &str = "level";
/// The module that a log line comes from.
pub const LOG_TARGET: &str = "target";
/// The name of the span that a log line belongs to.
pub const LOG_SPAN_NAME: &str = "name";

/// How many entries the history of the refund has after the step that a line tells.
pub(super) const LOG_HISTORY_NUMBER: &str = "history.number";
/// The hash over all of them.
pub(super) const LOG_HISTORY_HASH: &str = "history.hash";
