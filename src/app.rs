//! Wiring: a checked configuration becomes a service that listens, and runs until it is told to stop.

mod accounts;
mod callers;
pub mod command;
#[cfg(feature = "sandbox")]
mod crash;
#[cfg(test)]
mod providers_page;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::config::{self, Config};
use crate::dispatch::{self, Dispatcher, Line, Parts};
use crate::domain::account::{Account, AccountIdentity};
use crate::service::{Clock, Ids, Interrupt, Limits, Service, SystemClock, SystemIds};
use crate::store::sql::{self, SqlStore};
use crate::store::{self, Store};
use crate::{grpc, provider, telemetry};

/// How often a stream looks for changes that no wake told of.
const STREAM_POLL: Duration = Duration::from_secs(1);

/// Why the service could not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration has faults.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// A value that the configuration let through does not fit.
    #[error("{key}: {rule}")]
    Setting {
        /// The configuration's key.
        key: String,
        /// The rule.
        rule: String,
    },
    /// The store could not be opened, or refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A provider's client could not be built.
    #[error("account {account}")]
    Provider {
        /// The account.
        account: String,
        /// Why.
        #[source]
        source: provider::Error,
    },
    /// The port could not be bound.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Histories are not what was written.
    #[error("{faults} faults in histories")]
    History {
        /// How many.
        faults: u64,
    },
    /// The gRPC server failed.
    #[error(transparent)]
    Grpc(#[from] grpc::Error),
    /// Logs and traces could not be set up.
    #[error(transparent)]
    Telemetry(#[from] telemetry::Error),
    /// The imitated providers could not start, or failed.
    #[cfg(feature = "sandbox")]
    #[error(transparent)]
    Sandbox(#[from] crate::sandbox::Error),
    /// Something that a command needs could not be read or written.
    #[error("{what}")]
    Io {
        /// What.
        what: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// The exit code: 64 for what the one who started it can mend by other arguments or configuration.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::Setting { .. }
            | Self::Telemetry(telemetry::Error::LogFilter { .. })
            | Self::Provider {
                source:
                    provider::Error::BaseUrl(_)
                    | provider::Error::Merchant(_)
                    | provider::Error::Secret
                    | provider::Error::Key(_)
                    | provider::Error::HeaderName(_)
                    | provider::Error::Header { .. }
                    | provider::Error::Limit(_),
                ..
            } => 64,
            Self::Store(_)
            | Self::History { .. }
            | Self::Provider { source: provider::Error::Client(_), .. }
            | Self::Bind { .. }
            | Self::Grpc(_)
            | Self::Telemetry(_)
            | Self::Io { .. } => 1,
            #[cfg(feature = "sandbox")]
            Self::Sandbox(_) => 1,
        }
    }
}

/// What may be replaced from outside, by a test or a crash point.
pub struct Seams {
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Identifiers and chance.
    pub ids: Arc<dyn Ids>,
    /// Where work may be ended between two steps.
    pub interrupt: Arc<dyn Interrupt>,
    /// The store's clock, if not the database's own.
    pub store_time: store::TimeSource,
}

impl Seams {
    /// The real ones, with the crash point of the configuration if it names one.
    ///
    /// # Errors
    /// A crash point that there is not.
    pub fn of(config: &Config) -> Result<Self, Error> {
        Ok(Self {
            clock: Arc::new(SystemClock),
            ids: Arc::new(SystemIds),
            interrupt: interrupt(config)?,
            store_time: store::TimeSource::Database,
        })
    }
}

#[cfg(feature = "sandbox")]
fn interrupt(config: &Config) -> Result<Arc<dyn Interrupt>, Error> {
    crash::interrupt(&config.testing)
}

#[cfg(not(feature = "sandbox"))]
#[expect(clippy::unnecessary_wraps, reason = "with crash points it can fail")]
fn interrupt(_config: &Config) -> Result<Arc<dyn Interrupt>, Error> {
    Ok(Arc::new(crate::service::Uninterrupted))
}

/// The service, listening, not yet at work.
pub struct App {
    listener: TcpListener,
    address: SocketAddr,
    service: Arc<Service>,
    store: Arc<dyn Store>,
    dispatcher: Dispatcher,
    callers: Arc<callers::Tokens>,
    grpc: grpc::Settings,
    grace: Duration,
    drain: CancellationToken,
}

/// Opens the store that a configuration names, migrated if it says so.
pub(crate) async fn open_store(config: &Config, time: store::TimeSource) -> Result<SqlStore, Error> {
    let database = &config.database;
    let acquire_timeout = Duration::from_millis(database.acquire_timeout_ms);
    let options = sql::Options {
        time,
        connections_max: database.connections_max,
        acquire_timeout,
        listen: database.listen,
    };
    let store = SqlStore::connect(database.url.expose_secret(), options).await?;
    if database.migrate_on_start {
        store.migrate().await?;
    }
    Ok(store)
}

/// The accounts of a configuration as the engine sees them, without their clients.
///
/// # Errors
/// A value that the configuration let through and that does not fit.
pub fn accounts_of(config: &Config) -> Result<Vec<Account>, Error> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    config.accounts.values().map(|account| accounts::account(account, &clock)).collect()
}

/// Open refunds of an account that is not configured would sit still with nobody told.
async fn nothing_left_out(store: &dyn Store, configured: &[AccountIdentity]) -> Result<(), Error> {
    for standing in store.standings().await? {
        let (account, open) = (&standing.account, standing.open());
        if open > 0 && configured.iter().all(|identity| identity.name != *account) {
            let rule = format!("is needed: {open} of its refunds are open");
            return Err(Error::Setting { key: format!("accounts.{account}"), rule });
        }
    }
    Ok(())
}

/// The accounts of a configuration, with their clients.
pub(crate) fn lines_of(config: &Config, clock: &Arc<dyn Clock>) -> Result<Vec<Line>, Error> {
    config.accounts.values().map(|account| accounts::line(account, clock)).collect()
}

impl App {
    /// Opens the store, makes the accounts known, builds the clients and binds the port.
    ///
    /// # Errors
    /// Whatever keeps the service from starting; nothing listens then.
    pub async fn build(config: &Config, seams: Seams) -> Result<Self, Error> {
        let lines: Vec<Line> = lines_of(config, &seams.clock)?;
        let store: Arc<dyn Store> = Arc::new(open_store(config, seams.store_time).await?);
        store.ready().await?;
        let identities: Vec<_> = lines.iter().map(|l| l.account.identity.clone()).collect();
        store.register(&identities).await?;
        nothing_left_out(&*store, &identities).await?;
        let drain = CancellationToken::new();
        let service = Service::new(
            Arc::clone(&store),
            lines.iter().map(|l| l.account.clone()),
            Arc::clone(&seams.ids),
            Arc::clone(&seams.interrupt),
            Limits {
                streams_max: usize::try_from(config.server.streams_max).unwrap_or(usize::MAX),
                heartbeat: Duration::from_millis(config.server.stream_heartbeat_ms),
                poll: STREAM_POLL,
            },
            drain.clone(),
        );
        // Apart by chance: replicas that started together do not turn all their callers away together.
        let age = Duration::from_millis(config.server.max_connection_age_ms);
        let connection_age_max = age * 9 / 10 + seams.ids.jitter().of(age / 5);
        let parts = Parts {
            store: Arc::clone(&store),
            clock: seams.clock,
            ids: seams.ids,
            interrupt: seams.interrupt,
            settings: dispatch::Settings {
                worker: config.dispatch.worker_name.clone(),
                lease: Duration::from_millis(config.dispatch.lease_ms),
                poll: Duration::from_millis(config.dispatch.poll_ms),
            },
        };
        let dispatcher = Dispatcher::new(parts, lines);
        let asked = config.server.listen;
        let bind_error = |source| Error::Bind { address: asked, source };
        let listener = TcpListener::bind(asked).await.map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        Ok(Self {
            listener,
            address,
            service: Arc::new(service),
            store,
            dispatcher,
            callers: Arc::new(callers::Tokens::new(config.callers.clone())),
            grpc: grpc::Settings {
                message_bytes_max: usize::try_from(config.server.max_message_bytes).unwrap_or(usize::MAX),
                concurrent_streams_max: config.server.max_concurrent_streams,
                connection_age_max,
                unary_deadline_max: Duration::from_millis(config.server.unary_deadline_max_ms),
                drain_delay: Duration::from_millis(config.server.drain_delay_ms),
            },
            grace: Duration::from_millis(config.server.shutdown_grace_ms),
            drain,
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves and dispatches until `shutdown`, then drains: health first, no new claims, streams end, calls
    /// in flight finish and are recorded, for at most the grace of the configuration.
    ///
    /// # Errors
    /// When the server fails by itself.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let stop = CancellationToken::new();
        let (health_sender, health) = oneshot::channel();
        let serving = tokio::spawn(grpc::serve(
            self.listener,
            Arc::clone(&self.service),
            self.callers,
            self.grpc,
            health_sender,
            stop.clone(),
            self.drain,
        ));
        let dispatching = tokio::spawn(self.dispatcher.run(stop.clone(), self.grace));
        let watching = tokio::spawn(watch::watch(self.store, self.service, health, stop.clone()));
        let mut serving = serving;
        let ended = tokio::select! {
            () = shutdown => None,
            ended = &mut serving => Some(ended),
        };
        stop.cancel();
        let ended = match ended {
            Some(ended) => Some(ended),
            None => tokio::time::timeout(self.grace, &mut serving).await.ok(),
        };
        if ended.is_none() {
            tracing::warn!("the grace is over, open calls are cut");
            serving.abort();
        }
        for task in [dispatching, watching] {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of the service ended by a fault");
            }
        }
        match ended {
            Some(Ok(served)) => served?,
            Some(Err(error)) => tracing::error!(%error, "the gRPC server ended by a fault"),
            None => {}
        }
        Ok(())
    }
}
