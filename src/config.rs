//! Environment and file in, checked values out.
//!
//! The only room that reads the environment. A configuration is taken whole or not at all: every fault is
//! told at once, each by the key that it stands at. `docs/configuration.md` lists all keys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub mod accounts;
pub mod callers;
pub mod database;
#[cfg(feature = "sandbox")]
pub mod dev;
pub mod dispatch;
pub mod environment;
pub mod fault;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod secret;
pub mod server;
pub mod telemetry;
#[cfg(feature = "sandbox")]
pub mod testing;

mod source;
mod value;

#[cfg(test)]
mod tests;

pub use environment::Environment;
pub use fault::Fault;

use accounts::Account;
use callers::Callers;
use fault::Faults;
use source::{Defaults, Source};

/// What the environment's keys begin with: `REFUNDS__SERVER__LISTEN` is `server.listen`.
pub const PREFIX: &str = "REFUNDS";

/// What separates the parts of an environment's key.
pub const SEPARATOR: &str = "__";

/// Everything that the service is told from outside.
#[derive(Debug, Clone)]
pub struct Config {
    /// The RPC server.
    pub server: server::Server,
    /// Where refunds are kept.
    pub database: database::Database,
    /// The engine that sends them.
    pub dispatch: dispatch::Dispatch,
    /// Who may call.
    pub callers: Callers,
    /// The accounts at providers, by name.
    pub accounts: BTreeMap<String, Account>,
    /// Traces and logs.
    pub telemetry: telemetry::Telemetry,
    /// The imitated providers.
    #[cfg(feature = "sandbox")]
    pub sandbox: sandbox::Sandbox,
    /// Crash points for tests.
    #[cfg(feature = "sandbox")]
    pub testing: testing::Testing,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML. The line itself is not shown: it may hold a secret.
    #[error("{}, line {line}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the parser expected.
        reason: String,
    },
    /// File and environment could not be laid over each other.
    #[error("file and environment do not fit together")]
    Unmerged(#[source] Box<::config::ConfigError>),
    /// All that is wrong, one per line.
    #[error("{}", fault::lines(.0))]
    Invalid(Vec<Fault>),
}

impl Config {
    /// Reads the file, lays the environment over it and checks all of it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with every fault; the others where the file cannot be read at all.
    pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Self, Error> {
        Self::read(&Defaults::default(), file, environment)
    }

    fn read(defaults: &Defaults, file: Option<&Path>, environment: &Environment) -> Result<Self, Error> {
        let mut faults = Faults::default();
        let mut source = Source::read(defaults, file, environment, &mut faults)?;
        let server = server::Server::read(&mut source, &mut faults);
        let accounts = accounts::read(&mut source, environment, &mut faults);
        let config = Self {
            database: database::Database::read(&mut source, &mut faults),
            dispatch: dispatch::Dispatch::read(&mut source, environment, &mut faults),
            callers: callers::read(
                &mut source,
                defaults.callers.as_ref(),
                &server,
                &accounts,
                &mut faults,
            ),
            telemetry: telemetry::Telemetry::read(&mut source, &mut faults),
            #[cfg(feature = "sandbox")]
            sandbox: sandbox::Sandbox::read(&mut source, &mut faults),
            #[cfg(feature = "sandbox")]
            testing: testing::Testing::read(&mut source, &mut faults),
            server,
            accounts,
        };
        source.rest_is_unknown(&mut faults);
        config.check_shutdown(&mut faults);
        faults.into_result(config)
    }

    /// A round trip that has begun is waited for: cut off, its refund would be unknown for nothing.
    fn check_shutdown(&self, faults: &mut Faults) {
        let longest = self
            .accounts
            .values()
            .map(|account| account.timeouts.round_trip_ms())
            .max();
        if let Some(longest) = longest.filter(|longest| *longest > self.server.shutdown_grace_ms) {
            let rule = format!("must cover the longest round trip of an account, {longest} ms");
            faults.add("server.shutdown_grace_ms", rule);
        }
    }
}
