//! `database`: where refunds are kept.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::fault::Faults;
use super::secret;
use super::source::Source;

const URL_DEFAULT: &str = "sqlite:data/refunds.sqlite?mode=rwc";

/// SQLite has one writer; more connections to it add a tail to every latency and nothing else.
const SQLITE_CONNECTIONS: u32 = 1;

/// Measured: beyond 16 connections PostgreSQL commits no more on a machine of a few cores.
const POSTGRES_CONNECTIONS: u32 = 16;

/// The database and how it is used.
#[derive(Debug, Clone)]
pub struct Database {
    /// `sqlite:` or `postgres:`; secret because it may hold a password.
    pub url: SecretString,
    /// Which engine the URL names.
    pub engine: Engine,
    /// Most connections of the pool.
    pub connections_max: u32,
    /// How long a request waits for a connection, milliseconds.
    pub acquire_timeout_ms: u64,
    /// Whether the schema is brought up to date at start.
    pub migrate_on_start: bool,
    /// Whether processes on PostgreSQL tell each other of changes, besides looking for them.
    pub listen: bool,
}

/// A database engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// One process, one file.
    Sqlite,
    /// Any number of processes.
    Postgres,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Section {
    url: Option<SecretString>,
    url_file: Option<PathBuf>,
    connections_max: Option<u32>,
    acquire_timeout_ms: u64,
    migrate_on_start: bool,
    listen: bool,
}

impl Default for Section {
    fn default() -> Self {
        Self {
            url: None,
            url_file: None,
            connections_max: None,
            acquire_timeout_ms: 5_000,
            migrate_on_start: false,
            listen: true,
        }
    }
}

impl Database {
    pub(super) fn read(source: &mut Source, faults: &mut Faults) -> Self {
        let section: Section = source.section("database", faults);
        let url = section.url(faults);
        let engine = engine(url.expose_secret()).unwrap_or_else(|rule| {
            faults.add("database.url", rule);
            Engine::Sqlite
        });
        let connections = match engine {
            Engine::Sqlite => SQLITE_CONNECTIONS,
            Engine::Postgres => POSTGRES_CONNECTIONS,
        };
        let connections_max = section.connections_max.unwrap_or(connections);
        faults.within("database.connections_max", connections_max, &(1..=500));
        faults.within("database.acquire_timeout_ms", section.acquire_timeout_ms, &(10..=60_000));
        Self {
            url,
            engine,
            connections_max,
            acquire_timeout_ms: section.acquire_timeout_ms,
            migrate_on_start: section.migrate_on_start,
            listen: section.listen,
        }
    }
}

impl Section {
    fn url(&self, faults: &mut Faults) -> SecretString {
        match (&self.url, &self.url_file) {
            (None, None) => {}
            (Some(url), None) => return url.clone(),
            (None, Some(path)) => match secret::read_file(path) {
                Ok(url) => return url,
                Err(fault) => faults.add("database.url_file", fault.to_string()),
            },
            (Some(_), Some(_)) => faults.add("database.url_file", "not beside database.url"),
        }
        SecretString::from(URL_DEFAULT)
    }
}

fn engine(url: &str) -> Result<Engine, &'static str> {
    match url.split_once(':') {
        Some(("sqlite", rest)) if rest.contains(":memory:") || rest.contains("mode=memory") => {
            Err("a database in memory forgets refunds")
        }
        Some(("sqlite", rest)) if !rest.trim_start_matches('/').is_empty() => Ok(Engine::Sqlite),
        Some(("postgres" | "postgresql", _)) if url::Url::parse(url).is_ok() => Ok(Engine::Postgres),
        _ => Err("must be sqlite:<path> or postgres://<user>@<host>/<database>"),
    }
}
