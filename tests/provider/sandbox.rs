//! The sandbox in this process, for what takes time to come about: a success that is taken back.

use std::net::SocketAddr;

use refunds::domain::answer::{Finding, LookupAnswer, Reversal};
use refunds::sandbox::{Options, Sandbox};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A sandbox that forgets, and runs until the test ends.
pub(crate) struct Running {
    address: SocketAddr,
}

impl Running {
    pub(crate) async fn start() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let sandbox = Sandbox::bind(Options { listen, ledger: None, fresh: false }).await.unwrap();
        let address = sandbox.local_addr();
        tokio::spawn(sandbox.run(std::future::pending()));
        Self { address }
    }

    /// Where a provider of it is.
    pub(crate) fn base_url(&self, provider: &str) -> String {
        format!("http://{}/{provider}", self.address)
    }

    pub(crate) async fn settings(&self, settings: &Value) {
        let body = settings.to_string();
        let head = "POST /control/settings HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n";
        let length = body.len();
        let request =
            format!("{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

/// The reversal that a lookup tells.
pub(crate) fn reversal(answer: &LookupAnswer) -> &Reversal {
    let Finding::Reversed(reversal) = &answer.finding else { panic!("{answer:?}") };
    assert_eq!(answer.evidence.provider_text.as_ref(), Some(&reversal.text));
    reversal
}
