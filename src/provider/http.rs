//! The one HTTP client of the providers: one request per call, every wait limited, every round trip traced.
//!
//! What it never does: follow a redirect, repeat a request, use a proxy that nobody configured, send our
//! trace to a third party, or read an answer without end.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{Client, Method, Request};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;
use url::Url;

use self::fault::{Fault, read_body};
use super::Error;
use crate::domain::answer::{Evidence, FailurePhase};
use crate::telemetry::spans::{self, ClientCall, ClientEnd};

mod base;
mod credentials;
mod fault;
mod retry_after;

pub use base::BaseUrl;
pub use credentials::{Credentials, TEXT_CHARS_MAX};

/// The longest body of an answer that is read, bytes.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// How long an idle connection is kept for the next request, milliseconds.
///
/// A connection that the other end closes at the moment of a send makes a doubt of that send. Servers and
/// the balancers before them close idle connections after 5 s or more, so that one that is younger is
/// rarely dying.
pub const POOL_IDLE_MS_MAX: u64 = 2_000;

/// The media type that providers answer in.
pub const JSON: &str = "application/json";

/// One account's HTTP client. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct HttpClient {
    inner: Client,
    connect: Duration,
}

/// A request to be made once.
pub struct Call<'a> {
    /// The method.
    pub method: Method,
    /// Where to; without user and password.
    pub url: Url,
    /// The path with its variable parts named, for the span: `/v2/payments/{orderId}/refund`.
    pub url_template: &'static str,
    /// Headers besides `Host`, `User-Agent` and `Content-Length`. Secret values are marked as sensitive.
    pub headers: HeaderMap,
    /// The body with its media type.
    pub body: Option<(&'a str, Vec<u8>)>,
    /// How long the provider may take from the connection to the last byte of its answer.
    pub read: Duration,
    /// How many times the same was sent before, for the span.
    pub resend_count: u32,
    /// The headers of the answer that are kept.
    pub keep: &'static [&'static str],
}

impl<'a> Call<'a> {
    /// A call that wants JSON: a read, unless it is [`posting`](Self::posting).
    pub fn new(
        url: Url,
        url_template: &'static str,
        credentials: &Credentials,
        read: Duration,
        keep: &'static [&'static str],
    ) -> Self {
        let json = HeaderValue::from_static(JSON);
        let headers = HeaderMap::from_iter([(AUTHORIZATION, credentials.authorization()), (ACCEPT, json)]);
        Self { method: Method::GET, url, url_template, headers, body: None, read, resend_count: 0, keep }
    }

    /// The same way there with a body, for the first time or again.
    #[must_use]
    pub fn posting(self, media_type: &'a str, body: Vec<u8>, resend_count: u32) -> Self {
        Self { method: Method::POST, body: Some((media_type, body)), resend_count, ..self }
    }
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// How it ended.
    pub outcome: Outcome,
    /// The transport's part of the record: phase, status, error text. Holds no URL and no header.
    pub evidence: Evidence,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// No connection came about: not a byte of the request left.
    NotConnected,
    /// The request may have arrived; no whole answer came. The phase is `Exchange` or `Body`.
    Broken(FailurePhase),
    /// A whole answer came.
    Answered(Reply),
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// How long to stay quiet, by `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The headers that were asked for.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The text of a header that was asked for.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl HttpClient {
    /// Builds a client that gives a connection (name, TCP, TLS) this long and calls itself this.
    ///
    /// # Errors
    /// A zero limit, a `User-Agent` that cannot be sent, or no trust store on this machine.
    pub fn new(connect: Duration, user_agent: &str) -> Result<Self, Error> {
        if connect.is_zero() {
            return Err(Error::Limit("connect"));
        }
        let agent = header_value(&USER_AGENT, user_agent)?;
        // A second installation is refused, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        #[expect(clippy::disallowed_methods, reason = "this is the one place")]
        let builder = Client::builder();
        let inner = builder
            .user_agent(agent)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .no_proxy()
            .connect_timeout(connect)
            .tls_version_min(reqwest::tls::Version::TLS_1_2)
            // One request per connection at a time: one that breaks puts one refund in doubt, not many.
            .http1_only()
            .pool_idle_timeout(Duration::from_millis(POOL_IDLE_MS_MAX))
            .build()
            .map_err(Error::Client)?;
        Ok(Self { inner, connect })
    }

    /// The longest that [`HttpClient::exchange`] takes for a call with this read limit.
    pub fn exchange_limit(&self, read: Duration) -> Duration {
        self.connect.saturating_add(read)
    }

    /// Makes the request, once, and reads the answer, in a CLIENT span of its own.
    pub async fn exchange(&self, call: Call<'_>) -> Exchange {
        let span = spans::client_span(&ClientCall {
            method: call.method.as_str(),
            url: call.url.as_str(),
            url_template: call.url_template,
            host: call.url.host_str().unwrap_or_default(),
            port: call.url.port_or_known_default().unwrap_or_default(),
            resend_count: call.resend_count,
        });
        let result = self.round_trip(call).instrument(span.clone()).await;
        spans::finish_client_span(
            &span,
            match &result {
                Ok(reply) => ClientEnd::Answered(reply.status),
                Err(Fault { status: Some(status), word, .. }) => ClientEnd::Unusable(*status, word),
                Err(Fault { status: None, word, .. }) => ClientEnd::Unanswered(word),
            },
        );
        match result {
            Ok(reply) => Exchange {
                evidence: Evidence { http_status: Some(reply.status), ..Evidence::default() },
                outcome: Outcome::Answered(reply),
            },
            Err(fault) => Exchange {
                evidence: Evidence {
                    phase: Some(match fault.outcome {
                        Outcome::Broken(phase) => phase,
                        Outcome::NotConnected | Outcome::Answered(_) => FailurePhase::Connect,
                    }),
                    http_status: fault.status,
                    provider_text: Some(fault.text),
                    ..Evidence::default()
                },
                outcome: fault.outcome,
            },
        }
    }

    async fn round_trip(&self, call: Call<'_>) -> Result<Reply, Fault> {
        let limit = self.exchange_limit(call.read);
        let deadline = Instant::now() + limit;
        let mut request = Request::new(call.method, call.url);
        *request.headers_mut() = call.headers;
        if let Some((media_type, bytes)) = call.body {
            if let Ok(value) = HeaderValue::from_str(media_type) {
                request.headers_mut().insert(CONTENT_TYPE, value);
            }
            *request.body_mut() = Some(bytes.into());
        }
        let response = match timeout_at(deadline, self.inner.execute(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(Fault::before_head(error)),
            Err(_) => return Err(Fault::exchange("timeout", format!("no answer within {limit:?}"))),
        };
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = match timeout_at(deadline, read_body(response)).await {
            Ok(Ok(body)) => body,
            Ok(Err((word, text))) => return Err(Fault::body(status, word, text)),
            Err(_) => {
                let text = format!("no whole body within {limit:?}");
                return Err(Fault::body(status, "body_timeout", text));
            }
        };
        Ok(Reply {
            status,
            retry_after: retry_after::retry_after(&headers),
            headers: kept(&headers, call.keep),
            body,
        })
    }
}

fn kept(headers: &HeaderMap, names: &[&'static str]) -> HeaderMap {
    let found =
        names.iter().filter_map(|name| Some((HeaderName::from_static(name), headers.get(*name)?.clone())));
    found.collect()
}

/// A header's value from text.
///
/// # Errors
/// [`Error::Header`], which does not repeat the value.
pub fn header_value(name: &HeaderName, text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text).map_err(|source| Error::Header { name: name.to_string(), source })
}
