//! The commands: what each does, in a few lines.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Config, Environment};
use crate::domain::plan::Jitter;
use crate::domain::timestamp::Timestamp;
use crate::store::{Store, TimeSource};
use crate::telemetry;

use super::{App, Error, Seams, accounts_of, lines_of, open_store};

#[cfg(feature = "sandbox")]
mod dev;
mod verify;

/// Gives money back: once, provably, and with every step on record.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything on this machine: SQLite, imitated providers, gRPC on loopback. Nothing else is needed.
    #[cfg(feature = "sandbox")]
    Dev(dev::Arguments),
    /// The service, by configuration file and environment.
    Serve(ConfigFile),
    /// Brings the schema up to date and ends.
    Migrate(ConfigFile),
    /// The imitated providers alone.
    #[cfg(feature = "sandbox")]
    Sandbox(dev::SandboxArguments),
    /// Reads the configuration, tells all its faults, and ends.
    CheckConfig(ConfigFile),
    /// Checks the history of every refund against its seals and its head, and ends: with code 1 if one is not
    /// what was written.
    VerifyHistory {
        #[command(flatten)]
        config: ConfigFile,
        /// A log of the service, one JSON object per line: each head that it tells must be in the history.
        #[arg(long)]
        log: Vec<PathBuf>,
    },
    /// After a restore of the database, before `serve`: what may have been sent in the time that was lost
    /// becomes UNKNOWN, to be looked up or sent again with the same key, never anew.
    Recover {
        #[command(flatten)]
        config: ConfigFile,
        /// The time that the database was restored to, RFC 3339.
        #[arg(long, value_parser = parse_time)]
        restored_to: Timestamp,
    },
}

#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration file, TOML. Variables `REFUNDS__SECTION__KEY` go over it.
    #[arg(long, env = "REFUNDS_CONFIG")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    fn load(&self) -> Result<Config, Error> {
        Ok(Config::load(self.config.as_deref(), &Environment::of_process())?)
    }
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text).ok_or_else(|| "must be a time such as 2026-11-22T10:00:00Z".to_owned())
}

/// Does what the arguments say.
///
/// # Errors
/// Whatever kept it from being done.
pub async fn run(arguments: Arguments) -> Result<(), Error> {
    // reqwest and rustls look for one provider of cryptography, and find this one.
    let _installed_before = rustls::crypto::ring::default_provider().install_default();
    match arguments.command {
        #[cfg(feature = "sandbox")]
        Command::Dev(arguments) => dev::dev(arguments).await,
        Command::Serve(file) => {
            let config = file.load()?;
            serve(&config, |_| Ok(())).await
        }
        Command::Migrate(file) => {
            let config = file.load()?;
            open_store(&config, TimeSource::Database).await?.migrate().await?;
            say("the schema is current")
        }
        #[cfg(feature = "sandbox")]
        Command::Sandbox(arguments) => dev::sandbox(arguments).await,
        Command::CheckConfig(file) => {
            let config = file.load()?;
            check(&config)?;
            say(&format!("no faults; accounts: {}", names(&config)))
        }
        Command::VerifyHistory { config, log } => verify::verify(&config.load()?, &log).await,
        Command::Recover { config, restored_to } => recover(&config.load()?, restored_to).await,
    }
}

/// Serves until SIGTERM or SIGINT. `ready` is told where it listens.
async fn serve(config: &Config, ready: impl FnOnce(&App) -> Result<(), Error>) -> Result<(), Error> {
    let seams = Seams::of(config)?;
    let telemetry = telemetry::init(&telemetry_settings(config))?;
    // Before anything is built: a signal that nobody listens for is lost to the first process of a container.
    let stopped = stopped();
    let served = async {
        let app = App::build(config, seams).await?;
        tracing::info!(address = %app.local_addr(), accounts = names(config), "serving");
        ready(&app)?;
        app.run(stopped).await
    };
    let result = served.await;
    if let Err(error) = telemetry.shutdown().await {
        tracing::warn!(%error, "the last spans were not sent");
    }
    result
}

/// What `serve` would refuse besides what the configuration's own rules do, without touching anything.
fn check(config: &Config) -> Result<(), Error> {
    let seams = Seams::of(config)?;
    telemetry::check(&telemetry_settings(config))?;
    lines_of(config, &seams.clock).map(|_| ())
}

fn telemetry_settings(config: &Config) -> telemetry::Settings {
    let from = &config.telemetry;
    let log_format = match from.log_format {
        crate::config::telemetry::LogFormat::Json => telemetry::LogFormat::Json,
        crate::config::telemetry::LogFormat::Text => telemetry::LogFormat::Text,
    };
    telemetry::Settings {
        otlp_endpoint: from.otlp_endpoint.clone(),
        log_format,
        log_filter: from.log_filter.clone(),
        service_name: from.service_name.clone(),
        sample_ratio: from.sample_ratio,
    }
}

async fn recover(config: &Config, restored_to: Timestamp) -> Result<(), Error> {
    let store = open_store(config, TimeSource::Database).await?;
    store.ready().await?;
    let accounts = accounts_of(config)?;
    let done = store.recover(restored_to, &accounts, Jitter(0)).await?;
    say(&format!(
        "{} refunds may have been sent after {restored_to} and are UNKNOWN now",
        done.made_unknown.len()
    ))?;
    for id in done.made_unknown {
        say(&format!("  {id}"))?;
    }
    for id in &done.after_restore_point {
        say(&format!("  {id} changed after the restore point: check the time that was given"))?;
    }
    for account in &done.paused {
        say(&format!(
            "  {account} is paused: its provider does not show what was sent in the time that was lost"
        ))?;
    }
    say("callers must repeat what they created after that time, each with its own request_id")
}

/// Returns when the process is told to stop.
fn stopped() -> impl Future<Output = ()> {
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        match (terminate, interrupt) {
            (Ok(mut terminate), Ok(mut interrupt)) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "signals cannot be received: only SIGKILL ends this process");
                std::future::pending::<()>().await;
            }
        }
    }
}

fn names(config: &Config) -> String {
    config.accounts.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Writes a line to the standard output.
fn say(line: &str) -> Result<(), Error> {
    writeln!(io::stdout(), "{line}")
        .map_err(|source| Error::Io { what: "cannot write to the standard output".to_owned(), source })
}
