//! Real processes: `serve` and `sandbox`, each to be killed.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::refund_service_client::RefundServiceClient;
use refunds::grpc::proto::{
    CreateRefundRequest, CreateRefundResponse, GetRefundRequest, GetRefundResponse, RefundView,
};
use refunds::sandbox::{AFTERPAY_MERCHANT_ID, AFTERPAY_SECRET};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use super::app::{request, with_token};
use super::sandbox::posts;

/// How long a process may take to listen or to end, and a refund to succeed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// The rest between two looks: several may be looking at once.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The token of the caller in the callers file, and its SHA-256.
pub(crate) const TOKEN: &str = "shop-token";
const TOKEN_SHA256: &str = "88cc4600551e64b7cb97dd7f63ebad405255e5d17bdd71ee9fe1ed5cc20d0b3b";

/// Names the point at which a service kills itself.
pub(crate) const KILL_AT: &str = "REFUNDS__TESTING__KILL_AT";

/// An account: name and provider, merchant, secret, settings of its own.
type SceneAccount = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

/// The accounts of a scene, one at each imitated provider.
const ACCOUNTS: [SceneAccount; 4] = [
    ("afterpay", AFTERPAY_MERCHANT_ID, AFTERPAY_SECRET, &[("SITE_URL", "https://shop.example")]),
    (
        "airalo",
        "sandbox-company",
        "sandbox-secret",
        &[
            ("KEY_ID", "sandbox-client"),
            ("RATE__REQUESTS", "1"),
            ("RATE__PER_MS", "3000"),
            ("AIRALO__LOOKUP_RATE__REQUESTS", "20"),
            ("AIRALO__LOOKUP_RATE__PER_MS", "1000"),
        ],
    ),
    ("moyasar", "sandbox-merchant", "sandbox-key", &[]),
    ("worldline", "1570616552", "sandbox-token", &[("WORLDLINE__REQUEST_ID_CONFIRMED", "true")]),
];
/// Settings that they share.
const ACCOUNT_SETTINGS: &[(&str, &str)] = &[
    ("ALLOW_SHORT_TIMEOUTS", "true"),
    ("TIMEOUTS__CONNECT_MS", "500"),
    ("TIMEOUTS__READ_MS", "2000"),
    ("TIMEOUTS__LOOKUP_READ_MS", "2000"),
    ("SCHEDULE__FIRST_CHECK_MS", "50"),
    ("SCHEDULE__BACKOFF_BASE_MS", "50"),
    ("SCHEDULE__CHECK_SCHEDULE_MS", "100,200"),
];

/// A running process of the service's program. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    /// Everything that it wrote so far.
    pub(crate) seen: Vec<String>,
}

impl Process {
    /// Starts the program with arguments, and nothing of the environment but what is given.
    pub(crate) fn start(arguments: &[&str], variables: &[(String, String)]) -> Self {
        Self::of(Command::new(env!("CARGO_BIN_EXE_refunds")).args(arguments), variables)
    }

    /// The same, where a file that grows beyond [`Self::limit_files`] is a failed write and not the end.
    pub(crate) fn start_limited(arguments: &[&str], variables: &[(String, String)]) -> Self {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_refunds")]).args(arguments);
        Self::of(&mut shell, variables)
    }

    /// How large files of the process may grow from now on: bytes, or `unlimited`.
    pub(crate) async fn limit_files(&self, size: &str) {
        let id = self.child.id().unwrap().to_string();
        // The soft limit alone: a hard one could not be lifted again.
        let limit = format!("--fsize={size}:");
        let done = Command::new("prlimit").args(["--pid", &id, &limit]).status().await.unwrap();
        assert!(done.success());
    }

    fn of(command: &mut Command, variables: &[(String, String)]) -> Self {
        let mut child = command
            .env_clear()
            .envs(variables.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::unbounded_channel();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        tokio::spawn(pass_on(BufReader::new(out), sender.clone()));
        tokio::spawn(pass_on(BufReader::new(err), sender));
        Self { child, lines, seen: Vec::new() }
    }

    /// Waits for a line that `wanted` makes something of.
    pub(crate) async fn line<T>(&mut self, what: &str, wanted: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match timeout(left, self.lines.recv()).await {
                Ok(Some(line)) => {
                    let found = wanted(&line);
                    self.seen.push(line);
                    if let Some(found) = found {
                        return found;
                    }
                }
                Ok(None) | Err(_) => panic!("no line {what}; it wrote:\n{}", self.seen.join("\n")),
            }
        }
    }

    /// Runs the program to its end: its exit code, and everything that it wrote.
    pub(crate) async fn run(arguments: &[&str], variables: &[(String, String)]) -> (Option<i32>, String) {
        let mut process = Self::start(arguments, variables);
        let code = process.end().await;
        (code, process.seen.join("\n"))
    }

    /// Sends SIGKILL and waits for the end.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends a signal by its name.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status().await.unwrap();
        assert!(sent.success());
    }

    /// Waits for the end; the exit code, or `None` if a signal ended it.
    pub(crate) async fn end(&mut self) -> Option<i32> {
        let Ok(status) = timeout(PATIENCE, self.child.wait()).await else {
            panic!("it did not end; it wrote:\n{}", self.seen.join("\n"));
        };
        let status = status.unwrap();
        while let Ok(Some(line)) = timeout(PATIENCE, self.lines.recv()).await {
            self.seen.push(line);
        }
        status.code()
    }
}

async fn pass_on(mut from: impl tokio::io::AsyncBufRead + Unpin, to: mpsc::UnboundedSender<String>) {
    let mut line = String::new();
    while from.read_line(&mut line).await.is_ok_and(|bytes| bytes > 0) {
        if to.send(line.trim_end().to_owned()).is_err() {
            return;
        }
        line.clear();
    }
}

/// A sandbox in a process of its own, and a configuration for services that use it.
pub(crate) struct Scene {
    pub(crate) sandbox: SocketAddr,
    _sandbox: Process,
    directory: TempDir,
    database_url: String,
}

impl Scene {
    pub(crate) async fn set(database_url: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ledger = directory.path().join("ledger.jsonl");
        let arguments = ["sandbox", "--listen", "127.0.0.1:0", "--ledger", ledger.to_str().unwrap()];
        let mut sandbox = Process::start(&arguments, &[]);
        let address = sandbox.line("of the sandbox's address", |line| {
            line.split_once("listens on http://").and_then(|(_, address)| address.parse().ok())
        });
        let address = address.await;
        let callers = format!(
            "[callers.shop]\ntoken_sha256 = [\"{TOKEN_SHA256}\"]\nrights = [\"refund\"]\naccounts = [\"*\"]\n"
        );
        std::fs::write(directory.path().join("callers.toml"), callers).unwrap();
        for (account, _, secret, _) in ACCOUNTS {
            std::fs::write(directory.path().join(account), secret).unwrap();
        }
        Self { sandbox: address, _sandbox: sandbox, directory, database_url: database_url.to_owned() }
    }

    /// The variables that configure a service here.
    pub(crate) fn variables(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let path = |name: &str| self.directory.path().join(name).display().to_string();
        let mut variables = vec![
            ("REFUNDS__SERVER__LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("REFUNDS__DATABASE__URL".to_owned(), self.database_url.clone()),
            ("REFUNDS__DATABASE__MIGRATE_ON_START".to_owned(), "true".to_owned()),
            ("REFUNDS__DISPATCH__LEASE_MS".to_owned(), "2000".to_owned()),
            ("REFUNDS__DISPATCH__POLL_MS".to_owned(), "50".to_owned()),
            ("REFUNDS__CALLERS__FILE".to_owned(), path("callers.toml")),
        ];
        for (account, merchant, _, own) in ACCOUNTS {
            let (base_url, secret) = (format!("http://{}/{account}", self.sandbox), path(account));
            let common = [
                ("PROVIDER", account),
                ("BASE_URL", &base_url),
                ("MERCHANT", merchant),
                ("SECRET_FILE", &secret),
            ];
            let all = common.iter().chain(ACCOUNT_SETTINGS).chain(own);
            variables.extend(all.map(|(key, value)| (account_setting(account, key), (*value).to_owned())));
        }
        variables.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        variables
    }

    /// The requests for an order that the sandbox got.
    pub(crate) async fn calls(&self, order_id: &str) -> Vec<Value> {
        super::sandbox::calls(self.sandbox, order_id).await
    }

    /// Waits until the sandbox got a send for an order.
    pub(crate) async fn sent(&self, order_id: &str) {
        let sent = async || !posts(self.sandbox, order_id).await.is_empty();
        until(&format!("{order_id} is sent"), sent).await;
    }

    /// Starts a service; the process and where it listens.
    pub(crate) async fn serve(&self, more: &[(&str, &str)]) -> (Process, String) {
        Self::listening(Process::start(&["serve"], &self.variables(more))).await
    }

    /// The same by [`Process::start_limited`].
    pub(crate) async fn serve_limited(&self, more: &[(&str, &str)]) -> (Process, String) {
        Self::listening(Process::start_limited(&["serve"], &self.variables(more))).await
    }

    async fn listening(mut process: Process) -> (Process, String) {
        let address = process.line("of the service's address", |line| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["message"] == "serving").then(|| line["address"].as_str().map(str::to_owned))?
        });
        let address = address.await;
        (process, address)
    }
}

/// The variable of a setting of an account.
pub(crate) fn account_setting(account: &str, key: &str) -> String {
    format!("REFUNDS__ACCOUNTS__{}__{key}", account.to_ascii_uppercase())
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Creates a refund as the caller of [`TOKEN`].
pub(crate) async fn ask(address: &str, request: CreateRefundRequest) -> Result<CreateRefundResponse, Status> {
    client(address).create_refund(with_token(request, TOKEN)).await.map(tonic::Response::into_inner)
}

/// Creates a refund of AUD 10.00 as the caller of [`TOKEN`].
pub(crate) async fn create(
    address: &str,
    request_id: &str,
    order: &str,
) -> Result<CreateRefundResponse, Status> {
    ask(address, request(request_id, order, 1_000)).await
}

/// Reads a refund with its history.
pub(crate) async fn full(address: &str, refund_id: &str) -> GetRefundResponse {
    let message = GetRefundRequest { refund_id: refund_id.to_owned(), view: RefundView::Full.into() };
    client(address).get_refund(with_token(message, TOKEN)).await.unwrap().into_inner()
}

/// Waits until a refund has succeeded.
pub(crate) async fn succeeded(address: &str, refund_id: &str) -> GetRefundResponse {
    comes_to(address, refund_id, State::Succeeded).await
}

/// Waits until a refund is in a state.
pub(crate) async fn comes_to(address: &str, refund_id: &str, state: State) -> GetRefundResponse {
    let (deadline, mut client) = (Instant::now() + PATIENCE, client(address));
    loop {
        let message = GetRefundRequest { refund_id: refund_id.to_owned(), ..GetRefundRequest::default() };
        let got = client.get_refund(with_token(message, TOKEN)).await.unwrap().into_inner();
        if got.refund.unwrap().state() == state {
            return full(address, refund_id).await;
        }
        assert!(Instant::now() < deadline, "not {state:?} in time: {:#?}", full(address, refund_id).await);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A client of the service at an address. Connects with the first call.
pub(crate) fn client(address: &str) -> RefundServiceClient<Channel> {
    RefundServiceClient::new(Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy())
}
