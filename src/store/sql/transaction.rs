//! Reads and transactions: bounded, and repeated when they certainly did nothing. SQLite takes the write lock
//! as a transaction opens.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};

use super::fault::Fault;
use crate::domain::timestamp::Timestamp;
use crate::store::TimeSource;

/// How often a transaction that lost a race is tried in all.
const TRIES_MAX: u32 = 8;
/// How often what was cut off is tried in all: once more, on a new connection.
const CUT_TRIES_MAX: u32 = 2;

/// What was tried so far.
#[derive(Default)]
pub(super) struct Tries {
    lost_races: u32,
    cut_off: u32,
}

impl Tries {
    /// Whether a fault is worth another try: nothing was done, and it may go better at once.
    pub(super) fn goes_on_after(&mut self, fault: &Fault) -> bool {
        if fault.is_lost_race() {
            self.lost_races += 1;
            self.lost_races < TRIES_MAX
        } else if fault.is_cut_off() {
            self.cut_off += 1;
            self.cut_off < CUT_TRIES_MAX
        } else {
            false
        }
    }
}

/// An open transaction, with the store's clock in it.
pub(super) struct Tx {
    pub(super) conn: DatabaseTransaction,
    time: TimeSource,
}

impl Tx {
    /// Opens one. SQLite takes its write lock here: a lock that is taken later fails at once when another has
    /// it.
    pub(super) async fn open(db: &DatabaseConnection, time: &TimeSource) -> Result<Self, Fault> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        Ok(Self { conn: db.begin_with_options(options).await?, time: time.clone() })
    }

    /// The store's clock now. To be asked after the locks that the decision waits for.
    pub(super) async fn now(&self) -> Result<Timestamp, Fault> {
        now(&self.conn, &self.time).await
    }

    /// Ends it, having seen that the server takes writes: SQLite showed it by the lock, a standby of
    /// PostgreSQL opens transactions all the same.
    pub(super) async fn takes_writes(self) -> Result<(), Fault> {
        let backend = self.conn.get_database_backend();
        if backend == DbBackend::Postgres {
            let sql = "SELECT current_setting('transaction_read_only') AS read_only";
            let row = self.conn.query_one_raw(Statement::from_string(backend, sql)).await?;
            let read_only: Option<String> = row.map(|row| row.try_get("", "read_only")).transpose()?;
            if read_only.as_deref() != Some("off") {
                return Err(Fault::ReadOnly);
            }
        }
        self.abandon().await
    }

    /// Ends it without a trace.
    pub(super) async fn abandon(self) -> Result<(), Fault> {
        Ok(self.conn.rollback().await?)
    }

    /// Makes it durable. An error may hide a commit that came about.
    pub(super) async fn commit(self) -> Result<(), Fault> {
        self.conn.commit().await.map_err(Fault::of_commit)
    }
}

/// The store's clock: the shared database's, else this process's, unless it is set by hand.
pub(super) async fn now<C: ConnectionTrait>(conn: &C, time: &TimeSource) -> Result<Timestamp, Fault> {
    let backend = conn.get_database_backend();
    if backend != DbBackend::Postgres || matches!(time, TimeSource::Manual(_)) {
        return Ok(time.local());
    }
    let sql = "SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT AS now_us";
    let row = conn
        .query_one_raw(Statement::from_string(backend, sql))
        .await?
        .ok_or_else(|| sea_orm::DbErr::RecordNotFound("the database's clock".to_owned()))?;
    Ok(Timestamp::from_micros(row.try_get("", "now_us")?))
}

/// Does `$once` on the connections `$db` of `$store`; again when it certainly did nothing and may go better.
/// Closures would do if the futures that they return could be said to be `Send`.
macro_rules! repeated {
    ($store:expr, $context:literal, $answered:ident, |$db:ident| $once:expr) => {{
        let mut tries = $crate::store::sql::transaction::Tries::default();
        loop {
            let connections = match $store.pool.current().await {
                Ok(connections) => connections,
                Err(error) => break Err($crate::store::sql::fault::told($context, error)),
            };
            let $db = &connections.db;
            match $store.pool.$answered(&connections, async { $once }).await {
                Ok(done) => break Ok(done),
                Err(fault) if tries.goes_on_after(&fault) => {}
                Err(fault) => break Err(fault.told($context)),
            }
        }
    }};
}
pub(super) use repeated;

/// Reads without a transaction.
macro_rules! reading {
    ($store:expr, $context:literal, |$db:ident| $read:expr) => {
        $crate::store::sql::transaction::repeated!($store, $context, answered, |$db| $read.await)
    };
}
pub(super) use reading;

/// Runs `$work` in a transaction `$tx` of `$store` and commits it; then wakes whom its `Wakes` name.
macro_rules! in_transaction {
    ($store:expr, $context:literal, |$tx:ident| $work:expr) => {{
        let done = $crate::store::sql::transaction::repeated!($store, $context, answered, |db| {
            let $tx = Tx::open(db, &$store.time).await?;
            let done = $work.await?;
            $tx.commit().await?;
            Ok(done)
        });
        done.map(|(done, wakes)| {
            $store.wake(wakes);
            done
        })
    }};
}
pub(super) use in_transaction;
