//! The deadline of a unary call: a little before the transport's own, which would answer CANCELLED.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

use super::status;

/// The header that holds the caller's deadline.
const GRPC_TIMEOUT: &str = "grpc-timeout";
/// How much earlier than the caller's deadline a call ends: the transport acts on the same number.
const MARGIN: Duration = Duration::from_millis(5);
/// The digits that a `grpc-timeout` may have.
const DIGITS_MAX: usize = 8;
/// The methods that answer by a stream: no deadline of ours binds them.
const STREAMS: &[&str] = &["/StreamRefundStatus", "/Watch", "/ServerReflectionInfo"];

#[derive(Debug, Clone)]
pub(super) struct DeadlineLayer {
    longest: Duration,
}

impl DeadlineLayer {
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Deadline { inner, longest: self.longest }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Deadline<S> {
    inner: S,
    longest: Duration,
}

impl<S> Service<Request<Body>> for Deadline<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if STREAMS.iter().any(|method| request.uri().path().ends_with(method)) {
            return Box::pin(self.inner.call(request));
        }
        let asked = request.headers().get(GRPC_TIMEOUT).and_then(|v| v.to_str().ok()).and_then(parse);
        let allowed = asked.map_or(self.longest, |asked| asked.saturating_sub(MARGIN).min(self.longest));
        if allowed.is_zero() {
            return Box::pin(std::future::ready(Ok(status::deadline_exceeded().into_http())));
        }
        let call = self.inner.call(request);
        Box::pin(async move {
            match tokio::time::timeout(allowed, call).await {
                Ok(answer) => answer,
                Err(_) => Ok(status::deadline_exceeded().into_http()),
            }
        })
    }
}

/// Parses a `grpc-timeout`: at most eight digits and a unit.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > DIGITS_MAX || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let n: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(n.saturating_mul(3_600))),
        "M" => Some(Duration::from_secs(n.saturating_mul(60))),
        "S" => Some(Duration::from_secs(n)),
        "m" => Some(Duration::from_millis(n)),
        "u" => Some(Duration::from_micros(n)),
        "n" => Some(Duration::from_nanos(n)),
        _unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_parsed_by_their_units() {
        assert_eq!(parse("5S"), Some(Duration::from_secs(5)));
        assert_eq!(parse("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse("1H"), Some(Duration::from_hours(1)));
        assert_eq!(parse("99999999u"), Some(Duration::from_micros(99_999_999)));
        for text in ["", "S", "5", "-5S", "123456789S", "5x", "5 S"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    /// What a service that takes ten seconds answers behind the layer; its status, if it is an error.
    async fn answer(path: &str, timeout: &str) -> Option<tonic::Code> {
        let slow = tower::service_fn(|_request: Request<Body>| async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            Ok::<_, std::convert::Infallible>(Response::new(Body::empty()))
        });
        let mut layered = DeadlineLayer::new(Duration::from_secs(5)).layer(slow);
        let request = Request::builder().uri(path).header(GRPC_TIMEOUT, timeout).body(Body::empty()).unwrap();
        let response = layered.call(request).await.unwrap();
        tonic::Status::from_header_map(response.headers()).map(|status| status.code())
    }

    #[tokio::test(start_paused = true)]
    async fn a_unary_call_ends_at_its_deadline_and_a_stream_does_not() {
        let exceeded = Some(tonic::Code::DeadlineExceeded);
        assert_eq!(answer("/refunds.v1.RefundService/CreateRefund", "20m").await, exceeded);
        assert_eq!(answer("/refunds.v1.RefundService/CreateRefund", "1n").await, exceeded);
        // The longest that the service allows, whatever the caller does.
        assert_eq!(answer("/refunds.v1.RefundService/GetRefund", "1H").await, exceeded);
        assert_eq!(answer("/refunds.v1.RefundService/StreamRefundStatus", "1S").await, None);
    }
}
