//! A fresh, migrated database for each test.

use std::io::Write;
use std::sync::{Arc, OnceLock};

use refunds::store::Store;
use refunds::store::memory::MemoryStore;
use refunds::store::sql::{Options, SqlStore};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbErr};
use tempfile::TempDir;

use super::clock::ManualClock;
use super::postgres;

/// Connections of one store to PostgreSQL, few because many tests run at once.
const CONNECTIONS_MAX: u32 = 6;

/// The kinds of stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Memory,
    Sqlite,
    Postgres,
}

/// A database, its store, and the clock that the store goes by.
pub(crate) struct TestDatabase {
    pub(crate) kind: Kind,
    pub(crate) clock: ManualClock,
    pub(crate) url: String,
    store: Arc<dyn Store>,
    sql: Option<Arc<SqlStore>>,
    directory: Option<TempDir>,
}

/// The databases that this run covers.
pub(crate) fn databases() -> &'static [Kind] {
    static COVERED: OnceLock<Vec<Kind>> = OnceLock::new();
    COVERED.get_or_init(|| {
        let (kinds, postgres) = match postgres::server() {
            Ok(server) => (vec![Kind::Sqlite, Kind::Postgres], server.description.clone()),
            Err(absence) => (vec![Kind::Sqlite], format!("not covered: {absence}")),
        };
        // Past the capture of the test harness: what was not tested must not look as if it had been.
        let line = format!("databases covered: sqlite, postgres ({postgres})\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        kinds
    })
}

impl TestDatabase {
    /// A fresh one on a clock of its own; `None` when this run does not cover the kind.
    pub(crate) async fn fresh(kind: Kind) -> Option<Self> {
        let clock = ManualClock::new();
        if kind == Kind::Memory {
            let store = Arc::new(MemoryStore::new(clock.time_source()));
            return Some(Self { kind, clock, url: String::new(), store, sql: None, directory: None });
        }
        let covered = tokio::task::spawn_blocking(databases).await.unwrap();
        if !covered.contains(&kind) {
            return None;
        }
        let (url, directory) = if kind == Kind::Sqlite {
            let directory = tempfile::tempdir().unwrap();
            let url = format!("sqlite://{}", directory.path().join("refunds.db").display());
            (url, Some(directory))
        } else {
            (postgres::fresh_database().await, None)
        };
        let store = Arc::new(connect(&url, &clock).await);
        store.migrate().await.unwrap();
        Some(Self { kind, clock, url, store: Arc::<SqlStore>::clone(&store), sql: Some(store), directory })
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// The store as what it is on a database.
    pub(crate) fn sql(&self) -> Arc<SqlStore> {
        self.sql.clone().unwrap()
    }

    /// What another replica would have: a store of its own on PostgreSQL, the same one elsewhere.
    pub(crate) async fn replica(&self) -> Arc<dyn Store> {
        match self.kind {
            Kind::Memory | Kind::Sqlite => self.store(),
            Kind::Postgres => Arc::new(connect(&self.url, &self.clock).await),
        }
    }

    /// A store of its own on the same database that sends notices and hears those of others.
    pub(crate) async fn listener(&self) -> SqlStore {
        SqlStore::connect(&self.url, options(&self.clock, true)).await.unwrap()
    }

    /// Another program's connection, past the store.
    pub(crate) async fn raw(&self) -> DatabaseConnection {
        Database::connect(self.url.as_str()).await.unwrap()
    }

    /// Runs SQL past the store.
    pub(crate) async fn execute(&self, sql: &str) -> Result<u64, DbErr> {
        let raw = self.raw().await;
        let done = raw.execute_unprepared(sql).await;
        raw.close().await.unwrap();
        done.map(|done| done.rows_affected())
    }

    /// Ends the store and opens the database again, as a new process does.
    pub(crate) async fn reopened(self) -> Self {
        let Self { kind, clock, url, store, sql, directory } = self;
        drop((store, sql));
        let store = Arc::new(connect(&url, &clock).await);
        Self { kind, clock, url, store: Arc::<SqlStore>::clone(&store), sql: Some(store), directory }
    }

    /// Removes it.
    pub(crate) async fn finish(self) {
        drop((self.store, self.sql));
        drop(self.directory);
        if self.kind == Kind::Postgres {
            postgres::drop_database(&self.url).await;
        }
    }
}

/// Without notices, whose wakes come when they come.
fn options(clock: &ManualClock, listen: bool) -> Options {
    let time = clock.time_source();
    Options { time, connections_max: CONNECTIONS_MAX, listen, ..Options::default() }
}

async fn connect(url: &str, clock: &ManualClock) -> SqlStore {
    SqlStore::connect(url, options(clock, false)).await.unwrap()
}
