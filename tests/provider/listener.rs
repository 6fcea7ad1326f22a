//! A server without a web framework: it records the bytes that come and plays the bytes that it was given.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// What is done on a connection, in this order.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Read one request and record it.
    Read,
    /// Send these bytes.
    Write(Vec<u8>),
    /// Send this byte over and over, until the other end goes.
    Drip(u8),
    /// Do nothing until the other end goes.
    Hold,
    /// Cut the connection off with a reset.
    Reset,
}

/// A listener on a port of its own; it ends with the test.
pub(crate) struct Listener {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
    connections: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Plays one script per connection, in their order; a connection beyond them is closed at once.
    pub(crate) async fn play(scripts: Vec<Vec<Step>>) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(Mutex::new(0));
        let (record, count) = (requests.clone(), connections.clone());
        let task = tokio::spawn(async move {
            let mut scripts = scripts.into_iter();
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                *count.lock().unwrap() += 1;
                let script = scripts.next().unwrap_or_default();
                tokio::spawn(perform(stream, script, record.clone()));
            }
        });
        Self { address, requests, connections, task }
    }

    /// One request on one connection, answered like this.
    pub(crate) async fn answer(bytes: impl Into<Vec<u8>>) -> Self {
        Self::play(vec![vec![Step::Read, Step::Write(bytes.into())]]).await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests so far, as they came.
    pub(crate) fn requests(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests.iter().map(|bytes| String::from_utf8(bytes.clone()).unwrap()).collect()
    }

    /// Waits for as many requests, 10 s at most.
    pub(crate) async fn requested(&self, count: usize) {
        for _ in 0..1_000 {
            if self.requests.lock().unwrap().len() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no {count} requests came");
    }

    /// Ends, and keeps the port from everybody else for as long as the socket lives: it never listens, and a
    /// connection to it is refused.
    pub(crate) async fn close(mut self) -> TcpSocket {
        self.task.abort();
        assert!((&mut self.task).await.unwrap_err().is_cancelled());
        let deaf = TcpSocket::new_v4().unwrap();
        deaf.set_reuseaddr(true).unwrap();
        deaf.bind(self.address).unwrap();
        deaf
    }

    /// The connections so far.
    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An HTTP answer with a JSON body.
pub(crate) fn json(status: u16, body: &str) -> Vec<u8> {
    http(status, "Content-Type: application/json\r\n", body)
}

/// An HTTP answer.
pub(crate) fn http(status: u16, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The same answer, after which the connection is closed: the next call comes on a new one.
pub(crate) fn closing(answer: &[u8]) -> Vec<u8> {
    let end = answer.windows(2).position(|w| w == b"\r\n").unwrap();
    [&answer[..end], b"\r\nConnection: close", &answer[end..]].concat()
}

async fn perform(mut stream: TcpStream, script: Vec<Step>, record: Arc<Mutex<Vec<Vec<u8>>>>) {
    for step in script {
        match step {
            Step::Read => match read_request(&mut stream).await {
                Some(request) => record.lock().unwrap().push(request),
                None => return,
            },
            Step::Write(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Step::Drip(byte) => {
                while stream.write_all(&[byte]).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            Step::Hold => {
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
            }
            Step::Reset => {
                stream.set_zero_linger().unwrap();
                return;
            }
        }
    }
    let _ = stream.shutdown().await;
}

/// The bytes of a head and of a body as long as it says.
async fn read_request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let head = bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4);
        if let Some(head) = head {
            let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |n| n.parse().unwrap());
            if bytes.len() >= head + length {
                return Some(bytes);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
