//! The sandbox in this process, and plain HTTP to its control endpoints.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use refunds::domain::timestamp::Timestamp;
use refunds::sandbox::{Error, Options, Sandbox};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long the sandbox may take to answer a control call.
const CONTROL_PATIENCE: Duration = Duration::from_secs(20);

/// A running sandbox.
pub(crate) struct TestSandbox {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Error>>,
}

impl TestSandbox {
    /// Starts one that forgets at its end.
    pub(crate) async fn start() -> Self {
        Self::start_on(SocketAddr::from(([127, 0, 0, 1], 0)), None).await
    }

    /// Starts one at an address, with a ledger file.
    pub(crate) async fn start_on(listen: SocketAddr, ledger: Option<PathBuf>) -> Self {
        let sandbox = Sandbox::bind(Options { listen, ledger, fresh: false }).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let address = sandbox.local_addr();
        let task = tokio::spawn(sandbox.run(async {
            let _ = stopped.await;
        }));
        Self { address, stop, task }
    }

    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        self.task.await.unwrap().unwrap();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The effects on an order.
    pub(crate) async fn effects(&self, order_id: &str) -> Vec<Value> {
        effects(self.address, order_id).await
    }

    /// The requests for an order, in order of their coming.
    pub(crate) async fn calls(&self, order_id: &str) -> Vec<Value> {
        calls(self.address, order_id).await
    }

    /// The refund calls for an order, in order of their coming.
    pub(crate) async fn posts(&self, order_id: &str) -> Vec<Value> {
        posts(self.address, order_id).await
    }

    /// When they came, milliseconds.
    pub(crate) async fn posts_ms(&self, order_id: &str) -> Vec<i64> {
        self.posts(order_id).await.iter().map(|call| came_us(call) / 1_000).collect()
    }

    /// What came to a provider and how much of it was turned away.
    pub(crate) async fn counters(&self, provider: &str) -> Value {
        http(self.address, "GET", &format!("/control/{provider}/counters"), "").await
    }

    /// Changes settings.
    pub(crate) async fn settings(&self, settings: &Value) {
        http(self.address, "POST", "/control/settings", &settings.to_string()).await;
    }

    /// Makes or changes an order.
    pub(crate) async fn order(&self, order_id: &str, order: &Value) {
        http(self.address, "PUT", &format!("/control/afterpay/orders/{order_id}"), &order.to_string()).await;
    }

    /// What the next calls of any order do.
    pub(crate) async fn next(&self, behaviours: &[&str]) {
        let body = json!({ "behaviours": behaviours }).to_string();
        http(self.address, "POST", "/control/afterpay/next", &body).await;
    }
}

/// The effects on an order in the ledger of the sandbox at an address.
pub(crate) async fn effects(address: SocketAddr, order_id: &str) -> Vec<Value> {
    list(http(address, "GET", &format!("/ledger?order_id={order_id}"), "").await)
}

/// The requests for an order at the sandbox at an address, in order of their coming.
pub(crate) async fn calls(address: SocketAddr, order_id: &str) -> Vec<Value> {
    list(http(address, "GET", &format!("/calls?order_id={order_id}"), "").await)
}

/// The refund calls for an order that the sandbox at an address got.
pub(crate) async fn posts(address: SocketAddr, order_id: &str) -> Vec<Value> {
    let mut calls = calls(address, order_id).await;
    calls.retain(|call| call["method"] == "POST");
    calls
}

/// When a call came, in microseconds.
pub(crate) fn came_us(call: &Value) -> i64 {
    Timestamp::parse_rfc3339(call["at"].as_str().unwrap()).unwrap().micros()
}

fn list(answer: Value) -> Vec<Value> {
    match answer {
        Value::Array(items) => items,
        Value::Object(fields) => match fields.into_iter().find_map(|(_, value)| match value {
            Value::Array(items) => Some(items),
            _not_a_list => None,
        }) {
            Some(items) => items,
            None => panic!("no list in the sandbox's answer"),
        },
        other => panic!("not a list: {other}"),
    }
}

/// One HTTP exchange with the sandbox's own endpoints.
pub(crate) async fn http(address: SocketAddr, method: &str, path: &str, body: &str) -> Value {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n");
        let request =
            format!("{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut raw = Vec::new();
        stream.read_to_end(&mut raw).await.unwrap();
        String::from_utf8_lossy(&raw).into_owned()
    };
    let answer = tokio::time::timeout(CONTROL_PATIENCE, exchange).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 2"), "{method} {path}: {answer}");
    if body.trim().is_empty() { Value::Null } else { serde_json::from_str(body).unwrap_or(Value::Null) }
}
