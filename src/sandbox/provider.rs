//! What a provider of the sandbox is: a name, answers to requests, and orders that a test can script.

use std::{fmt, net::IpAddr, pin::Pin, sync::Arc};

use axum::{body::Bytes, http::HeaderMap, http::Method};
use serde_json::{Value, json};

use super::{faults::Described, ledger::Line, reply::Reply};

/// A request as a provider gets it.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) method: Method,
    /// Below the provider's prefix, with its leading slash.
    pub(super) path: String,
    /// Without the question mark.
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Who asks.
    pub(super) peer: IpAddr,
}

impl Incoming {
    /// A header's value when it is there and is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// A provider's answer.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) reply: Reply,
    /// The behaviour that was applied.
    pub(super) behaviour: Option<&'static str>,
}

/// A control call that cannot be done, in words for the person who wrote it.
#[derive(Debug)]
pub(super) struct Refused(pub(super) String);

/// An answer to come.
pub(super) type Answering = Pin<Box<dyn Future<Output = Answered> + Send>>;

/// One imitated provider, mounted under `/{name}`.
pub(super) trait Provider: Send + Sync + fmt::Debug {
    fn name(&self) -> &'static str;

    /// The order that a path is about, for the list of calls.
    fn order_of(&self, path: &str) -> Option<String>;

    /// The same for a whole request, where the path does not say it; several with a comma between them.
    fn subject_of(&self, incoming: &Incoming) -> Option<String> {
        self.order_of(&incoming.path)
    }

    /// Answers a request. The future runs to its end even when the caller goes away, as at a real provider.
    fn answer(self: Arc<Self>, incoming: Incoming) -> Answering;

    /// The table of behaviours.
    fn behaviours(&self) -> Vec<Described>;

    /// What the provider counts, for `GET /control/{provider}/counters`.
    fn counters(&self) -> Value {
        json!({})
    }

    /// Makes or changes an order; answers with the order as it now is.
    fn put_order(&self, id: &str, change: &Value) -> Result<Value, Refused>;

    /// Puts behaviours before the next calls of whatever order.
    fn script_next(&self, names: &[String]) -> Result<(), Refused>;

    /// Does what time alone has brought about since the last call, so that the ledger shows it.
    fn catch_up(&self) {}

    /// Takes its part of a ledger that was read back.
    fn restore(&self, line: &Line);

    /// Forgets orders and scripts.
    fn reset(&self);
}
