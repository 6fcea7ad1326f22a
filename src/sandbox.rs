//! The payment providers, imitated from their published contracts, as one HTTP server.
//!
//! The sandbox answers as a provider would, keeps a ledger of every refund that took effect, and misbehaves
//! when told to: timeouts, resets, broken bodies, documented errors. `docs/sandbox.md` lists its orders and
//! behaviours. It shares no type with the provider clients, so that a mistake made in one of them cannot hide
//! in the other.

use std::{fmt::Write as _, future::Future, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tokio::{net::TcpListener, time::sleep};

mod afterpay;
mod airalo;
mod body;
mod calls;
mod clock;
mod control;
mod faults;
mod front;
mod ledger;
mod moyasar;
mod provider;
mod reply;
mod settings;
mod shared;
mod wire;
mod worldline;

use provider::Provider;
use shared::{Closer, Shared};

/// The merchant id that the sandbox's Afterpay account answers to (user name of Basic authentication).
pub const AFTERPAY_MERCHANT_ID: &str = "600032000";
/// The secret key of the sandbox's Afterpay account (password of Basic authentication).
pub const AFTERPAY_SECRET: &str = "sandbox-secret";
/// The client id that the sandbox's Airalo company asks for tokens with.
pub const AIRALO_CLIENT_ID: &str = "sandbox-client";
/// The client secret of the sandbox's Airalo company.
pub const AIRALO_CLIENT_SECRET: &str = "sandbox-secret";
/// The API key of the sandbox's Moyasar merchant, with all permissions (bearer token).
pub const MOYASAR_KEY: &str = "sandbox-key";
/// A second key of that merchant that may read orders but not refund them.
pub const MOYASAR_READ_ONLY_KEY: &str = "sandbox-key-read-only";
/// The merchant id (`mid`) that the sandbox's Worldline account covers.
pub const WORLDLINE_MID: u64 = 1_570_616_552;
/// The bearer token that the sandbox's Worldline account always takes.
pub const WORLDLINE_TOKEN: &str = "sandbox-token";
/// The issuer (`iss`) that an assertion for a Worldline token must name.
pub const WORLDLINE_ISSUER: &str = "application-1@123456789";

/// How long a stopping sandbox waits for connections that are in the middle of a message.
const STOP_GRACE_MS: u64 = 1_000;

/// Where a sandbox listens and what it remembers.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// A file of JSON lines that holds effects, orders and used-up faults. `None` keeps them in memory.
    pub ledger: Option<PathBuf>,
    /// Start with an empty ledger, even where the file has content.
    pub fresh: bool,
}

/// Why a sandbox could not start, go on, or write down an effect.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address could not be listened on.
    #[error("cannot listen on {listen}")]
    Bind {
        /// The address asked for.
        listen: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The ledger file could not be opened or read.
    #[error("cannot open the ledger {}", path.display())]
    LedgerOpen {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another sandbox writes this ledger.
    #[error("the ledger {} is in use by another sandbox", path.display())]
    LedgerInUse {
        /// The file.
        path: PathBuf,
    },
    /// A line of the ledger file is not one that a sandbox wrote.
    #[error("line {line} of the ledger {} cannot be read", path.display())]
    LedgerLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A line could not be written, so its effect did not take place.
    #[error("cannot write the ledger")]
    LedgerWrite(#[source] io::Error),
    /// The sandbox has stopped; nothing takes effect any more.
    #[error("the sandbox has stopped")]
    Stopped,
    /// The server failed.
    #[error("the sandbox's server failed")]
    Serve(#[source] io::Error),
}

/// A sandbox that listens and has its ledger open. Nothing is answered before [`Sandbox::run`].
#[derive(Debug)]
pub struct Sandbox {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    providers: Vec<Arc<dyn Provider>>,
}

impl Sandbox {
    /// Listens, and reads an existing ledger back, so that effects, replays, orders and used-up faults are as
    /// they were.
    ///
    /// # Errors
    /// The address is taken, or the ledger cannot be opened, read, or is in use by another sandbox.
    pub async fn bind(options: Options) -> Result<Self, Error> {
        let (shared, lines) = Shared::open(options.ledger.as_deref(), options.fresh)?;
        let providers = providers(&shared);
        for line in &lines {
            for provider in &providers {
                provider.restore(line);
            }
        }
        let bound = TcpListener::bind(options.listen).await;
        let bound = bound.and_then(|listener| listener.local_addr().map(|address| (listener, address)));
        let (listener, address) = bound.map_err(|source| Error::Bind { listen: options.listen, source })?;
        Ok(Self { listener, address, shared, providers })
    }

    /// The address that the sandbox listens on. A provider's base URL is `http://{address}/{provider}`.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` completes. After that nothing takes effect, and held connections are dropped.
    ///
    /// # Errors
    /// The server failed.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
        tracing::info!(address = %self.address, "sandbox listens");
        // Dropping this future must stop the ledger too: connections are served by tasks of their own.
        let closer = Closer::new(Arc::clone(&self.shared));
        let stopping = Arc::clone(&self.shared);
        let signal = async move {
            shutdown.await;
            stopping.close();
        };
        let router = front::router(&self.shared, &self.providers);
        let service = router.into_make_service_with_connect_info::<wire::Peer>();
        let listener = wire::Listener::new(self.listener);
        let serve = axum::serve(listener, service).with_graceful_shutdown(signal);
        let shared = Arc::clone(&self.shared);
        let served = tokio::select! {
            served = serve.into_future() => served,
            () = async { shared.closed().await; sleep(Duration::from_millis(STOP_GRACE_MS)).await } => Ok(()),
        };
        drop(closer);
        served.map_err(Error::Serve)
    }
}

/// The behaviours of each provider, by its name, as Markdown.
pub fn behaviour_tables() -> Vec<(&'static str, String)> {
    let tables = [
        (afterpay::NAME, afterpay::described()),
        (airalo::NAME, airalo::described()),
        (moyasar::NAME, moyasar::described()),
        (worldline::NAME, worldline::described()),
    ];
    let to_markdown = |behaviours: Vec<faults::Described>| {
        let mut text = String::from("| Code | Name | Calls | What happens |\n|---|---|---|---|\n");
        for behaviour in behaviours {
            let _ = writeln!(
                text,
                "| {} | `{}` | {} | {} |",
                behaviour.code, behaviour.name, behaviour.times, behaviour.about
            );
        }
        text
    };
    tables.into_iter().map(|(name, behaviours)| (name, to_markdown(behaviours))).collect()
}

/// Every provider of the sandbox; each is mounted under its own name.
fn providers(shared: &Arc<Shared>) -> Vec<Arc<dyn Provider>> {
    vec![
        Arc::new(afterpay::Afterpay::new(Arc::clone(shared))),
        Arc::new(airalo::Airalo::new(Arc::clone(shared))),
        Arc::new(moyasar::Moyasar::new(Arc::clone(shared))),
        Arc::new(worldline::Worldline::new(Arc::clone(shared))),
    ]
}
