//! Opening the database the way the service needs it.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sea_orm::sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sea_orm::sqlx::{self, Connection};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, RuntimeErr, Statement};

use super::fault::told;
use super::pool::Pool;
use crate::store::{Error, Result, TimeSource};

/// Connections to PostgreSQL: more than 8 to 16 only wait for each other.
pub const CONNECTIONS_MAX: u32 = 16;
/// How long a call waits for a free connection before the database counts as away.
const ACQUIRE_TIMEOUT_MS: u64 = 5_000;
/// How long PostgreSQL works on one statement, lock waits included.
const STATEMENT_TIMEOUT_MS: u64 = 15_000;
/// How long PostgreSQL keeps the locks of a process that fell silent inside a transaction.
const SILENT_TRANSACTION_MS: u64 = 20_000;
/// Prepared statements that a connection keeps: a batch of each size has its own.
const STATEMENTS_KEPT_MAX: usize = 256;
/// How long SQLite waits for a lock that another program (a backup) holds.
const BUSY_TIMEOUT_MS: u64 = 5_000;

/// How the database is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// The store's clock.
    pub time: TimeSource,
    /// Connections to PostgreSQL; SQLite always has one.
    pub connections_max: u32,
    /// How long a call waits for a free connection before the database counts as away.
    pub acquire_timeout: Duration,
    /// Whether processes on PostgreSQL tell each other of changes (`LISTEN`, `NOTIFY`), besides looking for
    /// them; on two connections more.
    pub listen: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            time: TimeSource::Database,
            connections_max: CONNECTIONS_MAX,
            acquire_timeout: Duration::from_millis(ACQUIRE_TIMEOUT_MS),
            listen: true,
        }
    }
}

/// An open database and, of SQLite, the lock that keeps other processes out.
pub(super) struct Opened {
    pub(super) pool: Pool,
    pub(super) lock: Option<File>,
    /// Whether other processes may use it at the same time.
    pub(super) shared: bool,
}

pub(super) async fn open(url: &str, options: &Options) -> Result<Opened> {
    let mut connect = ConnectOptions::new(url);
    connect
        .acquire_timeout(options.acquire_timeout)
        .connect_timeout(options.acquire_timeout)
        .sqlx_logging(false);
    if url.starts_with("sqlite:") {
        open_sqlite(url, options, connect).await
    } else {
        open_postgres(options, connect).await
    }
}

async fn open_postgres(options: &Options, mut connect: ConnectOptions) -> Result<Opened> {
    connect
        .max_connections(options.connections_max)
        .statement_timeout(Duration::from_millis(STATEMENT_TIMEOUT_MS))
        .map_sqlx_postgres_opts(|options| {
            options
                .statement_cache_capacity(STATEMENTS_KEPT_MAX)
                .options([("idle_in_transaction_session_timeout", SILENT_TRANSACTION_MS.to_string())])
        });
    let pool = Pool::open(connect, options.acquire_timeout).await;
    Ok(Opened { pool: pool.map_err(|error| told("connecting", error))?, lock: None, shared: true })
}

/// One connection, because SQLite has one writer and a queue in front of it is fairer than its busy handler.
async fn open_sqlite(url: &str, options: &Options, mut connect: ConnectOptions) -> Result<Opened> {
    let parsed = SqliteConnectOptions::from_str(url)
        .map_err(|error| told("reading the database's address", fault(error)))?;
    let in_memory = url.contains(":memory:") || url.contains("mode=memory");
    let lock = if in_memory { None } else { Some(lock_file(parsed.get_filename())?) };
    connect
        .max_connections(1)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .map_sqlx_sqlite_pool_opts(|options: SqlitePoolOptions| {
            options.after_release(|connection, _meta| Box::pin(is_fit(connection)))
        })
        .map_sqlx_sqlite_opts(|options| {
            options
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .statement_cache_capacity(STATEMENTS_KEPT_MAX)
                .busy_timeout(Duration::from_millis(BUSY_TIMEOUT_MS))
        });
    let db = Database::connect(connect).await.map_err(|error| told("connecting", error))?;
    end_leases(&db).await.map_err(|error| told("ending the leases of an earlier process", error))?;
    Ok(Opened { pool: Pool::of_one(db, options.acquire_timeout), lock, shared: false })
}

/// Whether a connection that comes back is fit to be used again. When a write fails SQLite ends the
/// transaction, and the driver goes on as if it were open: the next one would be a part of it, and its commit
/// none.
async fn is_fit(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // A rollback may be under way: it is done before this is answered.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

/// The lock is the operating system's: it ends with the process, whatever ends that.
fn lock_file(database: &Path) -> Result<File> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let context = "locking the database's file";
    let away = |error: std::io::Error| Error::Away { context, source: Box::new(error) };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(away)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse(database.display().to_string())),
        Err(TryLockError::Error(error)) => Err(away(error)),
    }
}

/// Removes a SQLite database, and what SQLite puts beside it.
///
/// # Errors
/// [`Error::InUse`] when a process has it, and then nothing is removed.
pub fn forget(database: &Path) -> Result<()> {
    // The lock's own file stays: whoever waits at it must not be let in beside one who locks a new one.
    let _held = lock_file(database)?;
    for ending in ["-wal", "-shm", ""] {
        let mut path = database.as_os_str().to_owned();
        path.push(ending);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::Away { context: "removing the database's file", source: Box::new(error) });
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// This process is the only one, so that every lease is of one that has ended: due at once, and known as
/// taken over.
async fn end_leases(db: &DatabaseConnection) -> Result<(), DbErr> {
    let backend = db.get_database_backend();
    let table = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'refunds'";
    let has_refunds = db.query_one_raw(Statement::from_string(backend, table)).await?.is_some();
    if has_refunds {
        let end = "UPDATE refunds SET due_us = 0 WHERE due_us IS NOT NULL AND lease_worker IS NOT NULL";
        db.execute_unprepared(end).await?;
    }
    Ok(())
}

/// What sea-orm would make of it.
pub(super) fn fault(error: sqlx::Error) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(error.into()))
}
