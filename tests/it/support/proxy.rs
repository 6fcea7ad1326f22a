//! A network between the service and PostgreSQL that can be cut, turned away, silent, or lose the
//! confirmation of one commit.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinHandle};

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It passes everything on.
    Pass,
    /// It closes new connections at once.
    TurnAway,
    /// It accepts and takes everything, and nothing comes through.
    Silent,
}

/// The network.
pub(crate) struct Proxy {
    database: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    upstream: Upstream,
    mode: watch::Sender<Mode>,
    /// How many connections were ever accepted, and how many of them, the oldest, are frozen.
    accepted: AtomicU64,
    frozen: watch::Sender<u64>,
    connections: Mutex<Vec<AbortHandle>>,
    /// The commit of a transaction whose statements hold this text is to lose its confirmation.
    lose: Mutex<Option<String>>,
    lost: Notify,
}

enum Upstream {
    Unix(String),
    Tcp(String),
}

impl Proxy {
    /// A network to the server of a database.
    pub(crate) async fn to(url: &str) -> Self {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (server, database) = base.rsplit_once('/').unwrap();
        let directory = query.split('&').find_map(|pair| pair.strip_prefix("host=/"));
        let host = server.rsplit(['@', '/']).next().unwrap();
        let upstream = match directory {
            Some(directory) => Upstream::Unix(format!("/{directory}/.s.PGSQL.5432")),
            None if host.contains(':') => Upstream::Tcp(host.to_owned()),
            None => Upstream::Tcp(format!("{host}:5432")),
        };
        let user = server.trim_start_matches("postgres://").rsplit_once('@').map_or("postgres", |(u, _)| u);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream,
            mode: watch::Sender::new(Mode::Pass),
            accepted: AtomicU64::new(0),
            frozen: watch::Sender::new(0),
            connections: Mutex::default(),
            lose: Mutex::default(),
            lost: Notify::new(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        let database = format!("{user}@{address}/{database}");
        Self { database, shared, accepting }
    }

    /// The address of the database by way of this network.
    pub(crate) fn url(&self) -> String {
        format!("postgres://{}?sslmode=disable", self.database)
    }

    /// What it does from now on, with the connections that there are too.
    pub(crate) fn set(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
    }

    /// Makes every connection that there is silent for ever, whatever the network does later.
    pub(crate) fn freeze(&self) {
        self.shared.frozen.send_replace(self.shared.accepted.load(Ordering::SeqCst));
    }

    /// Cuts every connection that there is.
    pub(crate) fn cut(&self) {
        for connection in self.shared.connections.lock().unwrap().drain(..) {
            connection.abort();
        }
    }

    /// Arms it: the next transaction in which a statement holds `text` is committed by the server, which says
    /// so to nobody.
    pub(crate) fn lose_commit_of(&self, text: &str) {
        *self.shared.lose.lock().unwrap() = Some(text.to_owned());
    }

    /// Returns when that commit has come about and its connection is cut.
    pub(crate) async fn commit_lost(&self) {
        self.shared.lost.notified().await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let mode = *shared.mode.borrow();
        if mode != Mode::TurnAway {
            let number = shared.accepted.fetch_add(1, Ordering::SeqCst) + 1;
            let connection = Connection { shared: Arc::clone(&shared), number };
            let connection = tokio::spawn(connection.serve(client)).abort_handle();
            let mut connections = shared.connections.lock().unwrap();
            connections.retain(|connection| !connection.is_finished());
            connections.push(connection);
        }
    }
}

/// One connection.
struct Connection {
    shared: Arc<Shared>,
    number: u64,
}

impl Connection {
    /// Passes on, until one side ends it.
    async fn serve(self, client: TcpStream) {
        self.passing().await;
        let (from_client, to_client) = client.into_split();
        match &self.shared.upstream {
            Upstream::Unix(path) => {
                let Ok(server) = UnixStream::connect(path).await else { return };
                let (from_server, to_server) = server.into_split();
                self.pass((from_client, to_client), (from_server, to_server)).await;
            }
            Upstream::Tcp(address) => {
                let Ok(server) = TcpStream::connect(address).await else { return };
                let (from_server, to_server) = server.into_split();
                self.pass((from_client, to_client), (from_server, to_server)).await;
            }
        }
    }

    async fn pass(
        &self,
        (from_client, to_client): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
        (from_server, to_server): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    ) {
        let silenced = AtomicBool::new(false);
        tokio::select! {
            () = self.up(from_client, to_server, &silenced) => {}
            () = self.down(from_server, to_client, &silenced) => {}
        }
    }

    /// What the server says. Once it is silenced its next word, the confirmation, ends the connection.
    async fn down(
        &self,
        mut server: impl AsyncRead + Unpin,
        mut client: impl AsyncWrite + Unpin,
        silenced: &AtomicBool,
    ) {
        let mut buffer = vec![0; 16_384];
        loop {
            let Ok(length @ 1..) = server.read(&mut buffer).await else { return };
            if silenced.load(Ordering::SeqCst) {
                self.shared.lost.notify_one();
                return;
            }
            self.passing().await;
            if client.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    }

    /// What the client says, message by message.
    async fn up(
        &self,
        mut client: impl AsyncRead + Unpin,
        mut server: impl AsyncWrite + Unpin,
        silenced: &AtomicBool,
    ) {
        let (mut statements, mut transaction) = (HashMap::new(), String::new());
        let mut first = true;
        loop {
            let Some(message) = message(&mut client, first).await else { return };
            let sql = if first { String::new() } else { sql_of(&message, &mut statements) };
            first = false;
            self.passing().await;
            if sql.starts_with("BEGIN") {
                transaction.clear();
            }
            transaction.push_str(&sql);
            let loses = sql.starts_with("COMMIT") && self.shared.is_to_lose(&transaction);
            silenced.fetch_or(loses, Ordering::SeqCst);
            if server.write_all(&message).await.is_err() {
                return;
            }
        }
    }

    /// Returns when something may come through.
    async fn passing(&self) {
        let (mut mode, mut frozen) = (self.shared.mode.subscribe(), self.shared.frozen.subscribe());
        let _ = mode.wait_for(|mode| *mode != Mode::Silent).await;
        let _ = frozen.wait_for(|frozen| *frozen < self.number).await;
    }
}

/// The next message of PostgreSQL's protocol: a type, which the first one has not, a length and a body.
async fn message(client: &mut (impl AsyncRead + Unpin), first: bool) -> Option<Vec<u8>> {
    let head_length = if first { 4 } else { 5 };
    let mut message = vec![0; head_length];
    client.read_exact(&mut message).await.ok()?;
    let length = u32::from_be_bytes(message[head_length - 4..].try_into().unwrap());
    let mut body = vec![0; usize::try_from(length).unwrap() - 4];
    client.read_exact(&mut body).await.ok()?;
    message.extend(body);
    Some(message)
}

/// The statement that a message is about: itself (`Q`), to be prepared (`P`), or prepared before (`B`).
fn sql_of(message: &[u8], statements: &mut HashMap<String, String>) -> String {
    let mut texts =
        message[5..].split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
    match message[0] {
        b'Q' => texts.next().unwrap(),
        b'P' => {
            let (name, sql) = (texts.next().unwrap(), texts.next().unwrap());
            statements.insert(name, sql);
            String::new()
        }
        b'B' => texts.nth(1).and_then(|name| statements.get(&name).cloned()).unwrap_or_default(),
        _other => String::new(),
    }
}

impl Shared {
    fn is_to_lose(&self, transaction: &str) -> bool {
        let mut lose = self.lose.lock().unwrap();
        let loses = lose.as_ref().is_some_and(|text| transaction.contains(text));
        if loses {
            *lose = None;
        }
        loses
    }
}
