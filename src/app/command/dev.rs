//! `dev`: `serve` with defaults and the imitated providers beside it, and no other code path.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use crate::config::dev::{CALLER_TOKEN, OPERATOR_TOKEN};
use crate::config::{Config, Environment};
use crate::sandbox::{Options, Sandbox};

use super::super::{App, Error};
use super::{say, serve, stopped};

/// The names of the SQLite file and what SQLite and the lock put beside it.
const DATABASE_FILES: &[&str] =
    &["refunds.sqlite", "refunds.sqlite-wal", "refunds.sqlite-shm", "refunds.sqlite.lock"];
/// The sandbox's ledger.
const LEDGER_FILE: &str = "sandbox-ledger.jsonl";

/// Arguments of `dev`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where the database and the sandbox's ledger are kept.
    #[arg(long, default_value = "data")]
    data_dir: PathBuf,
    /// Begin with an empty database and an empty ledger.
    #[arg(long)]
    fresh: bool,
}

/// Arguments of `sandbox`.
#[derive(Debug, clap::Args)]
pub(super) struct SandboxArguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:18080")]
    listen: SocketAddr,
    /// The file that keeps the effects; without it they are forgotten at the end.
    #[arg(long)]
    ledger: Option<PathBuf>,
    /// Begin with an empty ledger.
    #[arg(long)]
    fresh: bool,
}

/// Serves with everything embedded.
pub(super) async fn dev(arguments: Arguments) -> Result<(), Error> {
    let Arguments { data_dir, fresh } = arguments;
    make_directory(&data_dir)?;
    let environment = Environment::of_process();
    let listen = Config::dev(&data_dir, "http://127.0.0.1", &environment)?.sandbox.listen;
    let sandbox = Sandbox::bind(Options { listen, ledger: Some(data_dir.join(LEDGER_FILE)), fresh }).await?;
    let base_url = format!("http://{}", sandbox.local_addr());
    if fresh {
        forget(&data_dir)?;
    }
    let config = Config::dev(&data_dir, &base_url, &environment)?;
    let stop = CancellationToken::new();
    let imitating = tokio::spawn(sandbox.run(stop.clone().cancelled_owned()));
    let served = serve(&config, |app| welcome(app, &base_url)).await;
    stop.cancel();
    if let Ok(imitated) = imitating.await {
        imitated?;
    }
    served
}

/// Imitates the providers until told to stop.
pub(super) async fn sandbox(arguments: SandboxArguments) -> Result<(), Error> {
    let SandboxArguments { listen, ledger, fresh } = arguments;
    let sandbox = Sandbox::bind(Options { listen, ledger, fresh }).await?;
    say(&format!("the sandbox listens on http://{}", sandbox.local_addr()))?;
    Ok(sandbox.run(stopped()).await?)
}

/// Makes a directory and those above it.
fn make_directory(path: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(path)
        .map_err(|source| Error::Io { what: format!("cannot make the directory {}", path.display()), source })
}

fn forget(data_dir: &Path) -> Result<(), Error> {
    for name in DATABASE_FILES {
        let path = data_dir.join(name);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::Io { what: format!("cannot remove {}", path.display()), source });
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn welcome(app: &App, sandbox: &str) -> Result<(), Error> {
    let address = app.local_addr();
    say(&format!(
        r#"
refunds is serving on {address} (plaintext, loopback), the imitated providers on {sandbox}

Give AUD 10.00 back:
  grpcurl -plaintext -d '{{"request_id":"a1","account":"afterpay","payment":{{"order_id":"100101768366","amount":{{"currency_code":"AUD","amount_minor":"1000"}}}},"reason":"REASON_REQUESTED_BY_CUSTOMER"}}' {address} refunds.v1.RefundService/CreateRefund

Read it, with every step (put the refund_id of the answer in):
  grpcurl -plaintext -d '{{"refund_id":"<id>","view":"REFUND_VIEW_FULL"}}' {address} refunds.v1.RefundService/GetRefund

Watch it:
  grpcurl -plaintext -d '{{"refund_id":"<id>"}}' {address} refunds.v1.RefundService/StreamRefundStatus

See what the provider did:
  curl -s {sandbox}/ledger

Without a token you call as "dev"; -H 'authorization: Bearer {OPERATOR_TOKEN}' calls as "operator", Bearer {CALLER_TOKEN} as "dev".
"#
    ))
}
