//! A running sandbox, and raw HTTP to it: broken answers are seen as a client's socket sees them.

use std::{
    collections::HashMap,
    fmt::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use refunds::sandbox::{AFTERPAY_MERCHANT_ID, AFTERPAY_SECRET, Error, Options, Sandbox};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, timeout},
};

/// How long an exchange may take before the test takes it for hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// An answer without `Content-Length` that is longer than this is taken for endless.
const ENOUGH_BYTES: usize = 2_000;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    Reset,
    /// Still open when the test had seen enough, or patience ran out.
    Open,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: Option<u16>,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
    pub(crate) end: End,
}

impl Answer {
    fn read(raw: &[u8], end: End) -> Self {
        let split = raw.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(raw.len());
        let head = String::from_utf8_lossy(&raw[..split]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        Self { status, headers, body: raw.get(split + 4..).unwrap_or_default().to_vec(), end }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends a request and reads until the connection ends or, of an answer without end, `ENOUGH_BYTES` have
/// come.
pub(crate) async fn exchange(address: SocketAddr, request: String) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut raw = Vec::new();
    let reading = async {
        loop {
            let endless = raw.len() > ENOUGH_BYTES && !raw.windows(14).any(|part| part == b"content-length");
            match stream.read_buf(&mut raw).await {
                _ if endless => return End::Open,
                Ok(0) => return End::Closed,
                Ok(_) => {}
                Err(_) => return End::Reset,
            }
        }
    };
    let end = timeout(PATIENCE, reading).await.unwrap_or(End::Open);
    Answer::read(&raw, end)
}

/// A whole request, after which the server is to close the connection.
pub(crate) fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n");
    format!("{head}Content-Length: {length}\r\n{headers}\r\n{body}")
}

/// The request for a refund of 10.00 AUD.
pub(crate) fn refund_request(order: &str, key: &str) -> String {
    let path = format!("/afterpay/v2/payments/{order}/refund");
    request("POST", &path, &headers(&[]), &asked(key, "10.00", "AUD").to_string())
}

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Error>>,
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::open(None, false).await.unwrap()
    }

    pub(crate) async fn open(ledger: Option<&Path>, fresh: bool) -> Result<Self, Error> {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let sandbox = Sandbox::bind(Options { listen, ledger: ledger.map(PathBuf::from), fresh }).await?;
        let (stop, stopped) = oneshot::channel();
        let address = sandbox.local_addr();
        let task = tokio::spawn(sandbox.run(async {
            let _ = stopped.await;
        }));
        Ok(Self { address, stop, task })
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        timeout(PATIENCE, self.task).await.unwrap().unwrap().unwrap();
    }

    pub(crate) async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        exchange(self.address, request(method, path, headers, body)).await
    }

    pub(crate) async fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.send(method, path, "", &body.to_string()).await;
        assert_eq!(answer.status, Some(200), "{method} {path}: {}", answer.text());
        answer.json()
    }

    pub(crate) async fn settings(&self, settings: Value) {
        self.control("POST", "/control/settings", &settings).await;
    }

    /// A refund of 10.00 AUD whose request id and references are derived from `key`.
    pub(crate) async fn refund(&self, order: &str, key: &str) -> Answer {
        self.refund_of(order, &asked(key, "10.00", "AUD")).await
    }

    pub(crate) async fn refund_of(&self, order: &str, body: &Value) -> Answer {
        let path = format!("/afterpay/v2/payments/{order}/refund");
        self.send("POST", &path, &headers(&[]), &body.to_string()).await
    }

    pub(crate) async fn payment(&self, order: &str) -> Answer {
        self.send("GET", &format!("/afterpay/v2/payments/{order}"), &headers(&[]), "").await
    }

    pub(crate) async fn effects(&self, order: &str) -> Vec<Value> {
        let ledger = self.control("GET", &format!("/ledger?order_id={order}"), &json!(null)).await;
        ledger["effects"].as_array().unwrap().clone()
    }

    pub(crate) async fn wait_for_calls(&self, count: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.control("GET", "/calls", &json!(null)).await["received"] != count {
            assert!(Instant::now() < deadline, "there never were {count} calls");
        }
    }

    pub(crate) async fn wait_for_effects(&self, order: &str, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.effects(order).await.len() < count {
            assert!(Instant::now() < deadline, "order {order} never had {count} effects");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

pub(crate) fn asked(key: &str, amount: &str, currency: &str) -> Value {
    json!({
        "requestId": key,
        "amount": {"amount": amount, "currency": currency},
        "merchantReference": format!("rf-{key}"),
        "refundMerchantReference": format!("ev-{key}"),
    })
}

/// Good headers, with some replaced; an empty value leaves a header out.
pub(crate) fn headers(changes: &[(&str, &str)]) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let credentials = STANDARD.encode(format!("{AFTERPAY_MERCHANT_ID}:{AFTERPAY_SECRET}"));
    let basic = format!("Basic {credentials}");
    let good = [
        ("Authorization", basic.as_str()),
        ("Accept", "application/json"),
        ("Content-Type", "application/json"),
        ("User-Agent", "Test/1.0 (Merchant/600032000)"),
    ];
    good.iter().fold(String::new(), |mut text, (name, value)| {
        let value = changes.iter().find(|(changed, _)| changed == name).map_or(*value, |(_, value)| value);
        if !value.is_empty() {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text
    })
}

pub(crate) fn face(answer: &Answer) -> (Option<u16>, String) {
    (answer.status, answer.json()["errorCode"].as_str().unwrap_or_default().to_owned())
}
