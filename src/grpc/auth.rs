//! Who calls: the bearer token of a call becomes a caller, or the call is refused.

use std::sync::Arc;

use tonic::{Request, Status};

use crate::domain::event::Actor;
use crate::domain::refund::Trace;
use crate::service::Caller;
use crate::telemetry::propagation::{self, TraceContext};
use crate::telemetry::spans;

use super::status;

/// The header that holds the token.
const AUTHORIZATION: &str = "authorization";
/// The scheme before the token.
const SCHEME: &str = "bearer ";

/// Tells who a bearer token belongs to.
pub trait Authenticate: Send + Sync + 'static {
    /// The caller of a token; of no token the default caller, where there is one.
    fn caller(&self, token: Option<&str>) -> Option<Caller>;
}

/// Puts the caller into the extensions of a call.
#[derive(Clone)]
pub(super) struct Interceptor(Arc<dyn Authenticate>);

impl Interceptor {
    pub(super) fn new(authenticate: Arc<dyn Authenticate>) -> Self {
        Self(authenticate)
    }
}

impl tonic::service::Interceptor for Interceptor {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let header = request.metadata().get(AUTHORIZATION);
        let token = match header {
            None => None,
            Some(value) => match value.to_str().ok().and_then(bearer) {
                Some(token) => Some(token),
                None => return Err(refused(true)),
            },
        };
        let Some(caller) = self.0.caller(token) else { return Err(refused(token.is_some())) };
        spans::record_caller(caller.name.as_str());
        request.extensions_mut().insert(caller);
        Ok(request)
    }
}

/// The caller that the interceptor found.
pub(super) fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    request.extensions().get::<Caller>().cloned().ok_or_else(|| status::unauthenticated(false))
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_at_checked(SCHEME.len())?;
    (scheme.eq_ignore_ascii_case(SCHEME) && !token.is_empty()).then_some(token)
}

fn refused(token_given: bool) -> Status {
    tracing::info!(token_given, "a call was not authenticated");
    status::unauthenticated(token_given)
}

/// The caller as the one who does something, in the trace of the call.
pub(super) fn actor(caller: &Caller) -> Actor {
    Actor {
        name: caller.name.as_str().to_owned(),
        trace_id: propagation::trace_id(&tracing::Span::current()),
    }
}

/// The call's own span: later work links to where it was accepted, which leads on to the caller's.
pub(super) fn trace() -> Option<Trace> {
    let context = TraceContext::of(&tracing::Span::current())?;
    Some(Trace { parent: context.traceparent, state: context.tracestate })
}
